"""What is built before a run: of those who choose sizes, and whom their system serves (M11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from quartier.quantities import ELECTRICITY, Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.node import Node
from quartier.units.size import of_size

LEAST = 1e-6
"""Fewer of a unit than this are none."""
LOAD = "household"
"""Kind of unit that draws the power which a group is served."""


@dataclass(frozen=True)
class Design:
    """Sizes of units, and what they serve.

    Parameters
    ----------
    sizes
        How many there are of a unit as the scenario writes it, by full name; of others, one.
    start_kwh
        Energy that stores begin with, by full name; of others, as their settings say.
    served_kw
        Power that groups are served, by carrier and group, shape ``(T,)``.
    """

    sizes: Mapping[str, float] = field(default_factory=dict)
    start_kwh: Mapping[str, float] = field(default_factory=dict)
    served_kw: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)


def built(units: Sequence[UnitData], design: Design) -> tuple[UnitData, ...]:
    """Units in the sizes of a design, with the demand that they serve: units of one place.

    One of which there is none is left out. Power is drawn by a load of each group, other carriers
    are a demand of their node.
    """
    demand = {
        carrier: np.sum([*of.values()], axis=0)
        for carrier, of in design.served_kw.items()
        if of and carrier != ELECTRICITY
    }
    found = []
    for unit in units:
        size = design.sizes.get(unit.name, 1.0)
        if size > LEAST:
            made = of_size(unit, size, design.start_kwh.get(unit.name))
            nodes = {c: _demanded(node, demand.get(c)) for c, node in made.nodes.items()}
            found.append(replace(made, nodes=nodes))
    return (*found, *_loads(units[0], design.served_kw.get(ELECTRICITY, {})))


def _demanded(node: Node, demand_kw: Array | None) -> Node:
    return node if demand_kw is None else replace(node, demand_kw=demand_kw)


def _loads(like: UnitData, served_kw: Mapping[str, Array]) -> Iterator[UnitData]:
    """What draws the power that groups are served."""
    for group, values in served_kw.items():
        name = f"{like.neighbourhood}.{group}"
        parameters = KINDS[LOAD].Parameters.model_validate(
            {"kind": LOAD, "energy_kwh_per_year": 1.0}  # it has a series
        )
        yield UnitData(
            name,
            parameters,
            like.neighbourhood,
            name,
            like.horizon,
            bus=like.bus,
            series={"load_kw": values},
        )
