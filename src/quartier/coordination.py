"""The protocol of a coordination mechanism, the Plan it returns, and the registry of names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from quartier.errors import InputError
from quartier.own_code import named
from quartier.problem import Offer, Problem, State
from quartier.quantities import Array

COORDINATIONS: dict[str, str] = {
    "uncontrolled": "quartier.agents.strategies.uncontrolled:Uncontrolled",
    "cohda": "quartier.agents.strategies.cohda:Cohda",
    "mo-cohda": "quartier.agents.strategies.mo_cohda:MoCohda",
    "individual": "quartier.centralised.individual:Individual",
    "central": "quartier.centralised.central:Central",
    "bilevel": "quartier.centralised.bilevel:Bilevel",
}
"""Known mechanisms: name to ``module:Class`` (mosaik's notation), resolved when used."""


@dataclass(frozen=True)
class UnitPlan:
    """What a unit shall do, shape ``(T,)`` each.

    ``command_kw`` is its set point (NaN: follow the own rule; for a curtailable unit it is a
    ceiling, ``inf`` where nothing is curtailed); ``p_kw`` is the electric power planned.
    """

    command_kw: Array
    p_kw: Array


@dataclass(frozen=True)
class Cap:
    """P_set of a connection point, shape ``(T,)``: feed-in at most, and (negative) at least."""

    p_max_kw: Array
    p_min_kw: Array

    def excess_kw(self, p_kw: Array) -> Array:
        """Power beyond the cap, shape ``(T,)``."""
        over, under = p_kw - self.p_max_kw, self.p_min_kw - p_kw
        return np.asarray(np.maximum(over, 0.0) + np.maximum(under, 0.0), dtype=float)


@dataclass(frozen=True)
class Plan:
    """The answer to a :class:`~quartier.problem.Problem`.

    ``records`` holds what goes into the tables of the run folder by table name
    (``redispatch``, ``negotiations``, ``traces``, ``solves``, ``messages``, ``fronts``,
    ``plans``, ``signals``): a sequence of rows, or a mapping of columns. The column ``gate`` is
    added when they are written.
    """

    units: Mapping[str, UnitPlan] = field(default_factory=dict)
    offers: Mapping[str, Offer] = field(default_factory=dict)
    caps: Mapping[str, Cap] = field(default_factory=dict)
    tap_pos: int | None = None
    """Tap position for the window; None leaves it as it is."""
    records: Mapping[str, Sequence[Mapping[str, Any]] | Mapping[str, Any]] = field(
        default_factory=dict
    )
    degraded: tuple[str, ...] = ()
    """What went wrong without stopping the plan; makes the run ``degraded``."""


class Coordination(Protocol):
    """A coordination mechanism. One object serves all gates of a run."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Answer the problem asked in ``state``; every random draw comes from ``rng``."""
        ...


def resolve(name: str) -> type[Coordination]:
    """Return the class behind a known name or a ``module:Class`` in the working directory.

    Raises
    ------
    InputError
        If the name is unknown, the module cannot be imported, or the class has no ``plan``.
    """
    path = COORDINATIONS.get(name, name)
    if ":" not in path:
        known = ", ".join(COORDINATIONS)
        raise InputError(
            [f"coordination {name!r} is unknown; known: {known}; or module:Class of your own"]
        )
    found = _shipped(path) if name in COORDINATIONS else named(path, f"coordination {name!r}")
    if not callable(getattr(found, "plan", None)):
        class_name = path.partition(":")[2]
        raise InputError(
            [f"coordination {name!r}: {class_name} has no method plan(problem, state, rng)"]
        )
    return found  # type: ignore[no-any-return]


def _shipped(path: str) -> Any:
    """Import a mechanism of ours: an error in it is nobody's input."""
    module_name, _, class_name = path.partition(":")
    return getattr(importlib.import_module(module_name), class_name)
