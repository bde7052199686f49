"""Where the controls of units stand among the columns of a program, and stores held to one way.

A linear program wastes energy in a store where energy is worth less than nothing. So it is solved
again with the direction of the net power fixed in those steps; where that costs more than the gap,
with a binary for the direction in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from quartier.optimisation.block import UnitTerms
from quartier.optimisation.compiled import Compiled
from quartier.optimisation.repair import wasteful
from quartier.program import Answer, Flags, Indices, relative_gap
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData, Values
from quartier.units.store import StoreKind

MOST_REPAIRS = 40
"""Most groups of columns closed against waste in one solve; the rest is netted afterwards."""


class Reading:
    """Where the controls of a unit stand among the columns."""

    def __init__(self, part: UnitTerms, compiled: Compiled) -> None:
        self.unit = part.unit
        self._where = {}
        for name, controls in part.controls.items():
            free = [t for t, value in enumerate(controls) if compiled.holds(value)]
            fixed = np.array([_number(value) for value in controls])
            columns = compiled.index(controls[t] for t in free)
            low, high = np.array([controls[t].bounds for t in free]).reshape(-1, 2).T
            self._where[name] = (np.array(free, dtype=np.int64), fixed, columns, low, high)

    def controls(self, values: Array) -> dict[str, Array]:
        """Controls by name, shape ``(T,)``, at values of all columns."""
        found = {}
        for name, (free, fixed, columns, low, high) in self._where.items():
            control = fixed.copy()
            control[free] = np.clip(values[columns], low, high)
            found[name] = control
        return found

    def columns(self, name: str, steps: Flags | None = None) -> tuple[Indices, Array]:
        """Columns of a control (in some steps), and their upper bounds."""
        free, _, columns, _, high = self._where[name]
        at = np.ones(free.size, dtype=bool) if steps is None else steps[free]
        return columns[at], high[at]

    def summed(self, of: Callable[[Values], Array], size: int) -> tuple[Array, float]:
        """Sum over the steps of an affine function of the controls: by column, and a constant.

        Parameters
        ----------
        of
            From controls by name to values, shape ``(T,)`` each.
        size
            Number of columns.
        """
        shape, factors = self.unit.horizon.steps, np.zeros(size)
        still = {name: fixed.copy() for name, (_, fixed, _, _, _) in self._where.items()}
        for name, (free, *_) in self._where.items():
            still[name][free] = 0.0
        nothing = np.broadcast_to(of(still), shape)
        for name, (free, _, columns, _, _) in self._where.items():
            one = {**still, name: still[name] + np.isin(np.arange(shape), free)}
            np.add.at(factors, columns, (np.broadcast_to(of(one), shape) - nothing)[free])
        return factors, float(nothing.sum())

    def moved(self, unit: UnitData, bounds: Mapping[str, tuple[Array, Array]]) -> Reading:
        """The same of another window of the unit, given bounds of its controls, ``(T,)`` each."""
        found = copy(self)
        found.unit = unit
        found._where = {
            name: (free, bounds[name][0], columns, bounds[name][0][free], bounds[name][1][free])
            for name, (free, _, columns, _, _) in self._where.items()
        }
        return found

    def at(self, first: int) -> Reading:
        """The same among more columns, of which its program's begin at ``first``."""
        found = copy(self)
        found._where = {
            name: (free, fixed, first + columns, low, high)
            for name, (free, fixed, columns, low, high) in self._where.items()
        }
        return found


def _number(control: Any) -> float:
    """A control's only value; of a variable without a column, its lower bound."""
    return float(control.lb if hasattr(control, "is_expression_type") else control)


class Readings:
    """Where the controls of several units stand among the columns.

    Parameters
    ----------
    readings
        One a unit.
    """

    def __init__(self, readings: Iterable[Reading]) -> None:
        self.units = {reading.unit.name: reading for reading in readings}

    @classmethod
    def of(cls, parts: Iterable[UnitTerms], compiled: Compiled) -> Readings:
        """Look for the controls of units in a compiled model."""
        return cls(Reading(part, compiled) for part in parts)

    def moved(
        self,
        units: Iterable[UnitData],
        bounds: Mapping[str, Mapping[str, tuple[Array, Array]]],
    ) -> Readings:
        """The same of another window of the units, given bounds of controls by unit."""
        by_name = {unit.name: unit for unit in units}
        every = self.units.items()
        return Readings(r.moved(by_name[name], bounds[name]) for name, r in every)

    def at(self, first: int) -> Readings:
        """The same among more columns, of which these begin at ``first``."""
        return Readings(reading.at(first) for reading in self.units.values())

    def controls(self, values: Array) -> dict[str, dict[str, Array]]:
        """Controls by unit and name, shape ``(T,)``, at values of all columns."""
        return {name: reading.controls(values) for name, reading in self.units.items()}

    @property
    def _stores(self) -> Iterator[Reading]:
        return (r for r in self.units.values() if isinstance(KINDS[r.unit.kind], StoreKind))

    def against_waste(self, values: Array) -> list[tuple[Indices, Array]]:
        """Columns to close, and their upper bounds, so that no store wastes energy as it does."""
        found = []
        for reading in self._stores:
            x = reading.controls(values)
            steps, out = wasteful(reading.unit, x), x["discharge_kw"] > x["charge_kw"]
            found.append(reading.columns("charge_kw", steps & out))
            found.append(reading.columns("discharge_kw", steps & ~out))
        return [(columns, high) for columns, high in found if columns.size]

    def both_ways(self) -> tuple[Indices, Indices]:
        """Columns of charging and discharging of all stores, pair by pair."""
        stores = list(self._stores)
        if not stores:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        charge, discharge = (
            np.concatenate([reading.columns(name)[0] for reading in stores])
            for name in ("charge_kw", "discharge_kw")
        )
        return charge, discharge


class Solvable(Protocol):
    """What can be solved again with other bounds."""

    def needed(self) -> Answer:
        """Solve; a point is needed."""
        ...

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        ...

    def one_way(self, charge: Indices, discharge: Indices) -> Answer:
        """Solve with at most one of each pair of columns positive."""
        ...


def solved_one_way(program: Solvable, readings: Readings, enough: float) -> tuple[Answer, int]:
    """Solve so that no store charges and discharges at once to waste energy.

    The bound is that of the first solve, which had more freedom, or of the one with binaries.

    Parameters
    ----------
    enough
        Relative gap at which a solution is good enough.

    Returns
    -------
    answer, repairs
        What was found, ``feasible`` where its gap is wider; and in how many steps a direction had
        to be fixed.

    Raises
    ------
    SolveFailed
        If there is no solution.
    """
    answer = program.needed()
    bound, closed = answer.bound, list[tuple[Indices, Array]]()
    while len(closed) < MOST_REPAIRS and (found := readings.against_waste(answer.values)):
        closed += found
        for columns, _ in found:
            program.set_bounds(columns, 0.0, 0.0)
        answer = program.needed()
    for columns, high in closed:
        program.set_bounds(columns, 0.0, high)
    if closed and relative_gap(answer.objective, bound) > enough:
        exact = program.one_way(*readings.both_ways())
        bound = max(bound, exact.bound)
        if exact.found and exact.objective < answer.objective:
            answer = exact
    answer = replace(answer, bound=bound)
    if answer.status == "optimal" and answer.gap > enough:
        answer = replace(answer, status="feasible")
    return answer, sum(columns.size for columns, _ in closed)
