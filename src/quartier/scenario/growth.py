"""More agents for the same system: suppliers and neighbourhoods split at random, totals kept (M9).

The study of flexibility scheduling (seed 003) grows from 30 to 90 agents by the spatial
resolution of its network: of ten agents more, six are suppliers and four are neighbourhoods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import TypeVar

import numpy as np
from pydantic import BaseModel

from quartier.errors import InputError
from quartier.scenario.asked import MarketAsked
from quartier.scenario.models import NeighbourhoodSettings, Scenario
from quartier.units import KINDS
from quartier.units.base import CsvColumn, is_measured
from quartier.units.size import scaled

OF_TEN = (True, False, True, True, False, True, False, True, False, True)
"""Whether the next of ten agents more is a supplier."""
LEAST = 0.3
"""Least share of a part."""
T = TypeVar("T", bound=BaseModel)


def grown(scenario: Scenario) -> Scenario:
    """Return the scenario with as many suppliers and neighbourhoods as its problem asks for.

    Each split makes two parts of one of those that were split least, at random; a part is named
    as the whole, with the first two numbers behind it that are free, ``-1`` and ``-2``. A scenario
    that has as many is returned as it is.

    Raises
    ------
    InputError
        If something cannot be split.
    """
    asked = scenario.problem
    if not isinstance(asked, MarketAsked) or asked.agents is None:
        return scenario
    more = asked.agents - len(asked.suppliers) - len(scenario.neighbourhoods)
    if more <= 0:
        return scenario
    if problems := list(_indivisible(scenario)):
        raise InputError(problems)
    rng = np.random.default_rng(scenario.seed)
    suppliers, neighbourhoods = dict(asked.suppliers), dict(scenario.neighbourhoods)
    times: dict[str, int] = {}
    for k in range(more):
        if OF_TEN[k % len(OF_TEN)]:
            suppliers = _split(suppliers, times, rng)
        else:
            neighbourhoods = _split(neighbourhoods, times, rng)
    problem = asked.model_copy(update={"suppliers": suppliers})
    return scenario.model_copy(update={"problem": problem, "neighbourhoods": neighbourhoods})


def _split(parts: Mapping[str, T], times: dict[str, int], rng: np.random.Generator) -> dict[str, T]:
    """Split one of those that were split least into two, in its place."""
    fewest = min(times.get(name, 0) for name in parts)
    names = [name for name in parts if times.get(name, 0) == fewest]
    chosen, share = str(rng.choice(names)), float(rng.uniform(LEAST, 1 - LEAST))
    found: dict[str, T] = {}
    for name, part in parts.items():
        if name != chosen:
            found[name] = part
            continue
        free = (new for k in count(1) if (new := f"{name}-{k}") not in parts)
        for size, new in zip((share, 1 - share), free, strict=False):
            found[new] = scaled(part, size)
            times[new] = fewest + 1
    return found


def _indivisible(scenario: Scenario) -> Iterator[str]:
    """What has a size that no name tells: series that are measured, and stays of vehicles."""
    for name, settings in scenario.neighbourhoods.items():
        for unit, parameters in settings.units.items():
            path = f"neighbourhoods.{name}.units.{unit}"
            if KINDS[parameters.kind].sessions:
                yield f"{path}: charging stations cannot be split for problem.agents; take ev_fleet"
            for source in KINDS[parameters.kind].requests(parameters).values():
                if is_measured(source.source):
                    yield f"{path}: a measured series cannot be split for problem.agents; {REMEDY}"
        yield from _measured_demands(name, settings)
    assert isinstance(scenario.problem, MarketAsked)
    for name, supplier in scenario.problem.suppliers.items():
        if supplier.profile is not None and is_measured(supplier.profile):
            path = f"problem.suppliers.{name}.profile"
            yield f"{path}: a measured series cannot be split for problem.agents; {REMEDY}"


REMEDY = 'give its shape with unit: "1", and its energy or power'


def _measured_demands(name: str, settings: NeighbourhoodSettings) -> Iterator[str]:
    for node, what in settings.nodes.items():
        if isinstance(what.demand, CsvColumn):
            path = f"neighbourhoods.{name}.nodes.{node}.demand"
            yield f"{path}: a measured series cannot be split for problem.agents; give a number"
