"""Units and their connection point put together into one Pyomo model, and read back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from quartier.optimisation.block import UnitTerms, add_nodes, add_units, own_cost
from quartier.optimisation.connection import add_connection, hangs_together
from quartier.optimisation.mixed import MixedProgram
from quartier.optimisation.program import Indices, Outcome
from quartier.optimisation.repair import Controls, wasteful
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.store import StoreKind

MOST_REPAIRS = 40
"""Most groups of columns closed against waste in one solve; the rest is netted afterwards."""


class Assembly:
    """A linear or mixed-integer program of units behind one connection point.

    Renewable units stand at their available power; what is curtailed of it is a variable of the
    connection point.

    Parameters
    ----------
    name
        What to call the program when it fails.
    units
        Units, all over the same horizon.
    relax_binaries
        Let binary controls be anything from 0 to 1.
    gap
        Relative gap at which a mixed-integer program is solved well enough.
    all_steps
        Keep also those steps of the connection point in which no unit can act, so that the
        objective is the whole cost.
    """

    def __init__(
        self,
        name: str,
        units: Sequence[UnitData],
        terms: ConnectionTerms,
        relax_binaries: bool,
        gap: float,
        all_steps: bool = False,
    ) -> None:
        self.name, self.units, self.terms = name, tuple(units), terms
        steps = units[0].horizon.steps
        self.model = pyo.ConcreteModel(name=name)
        parts = add_units(self.model, self._flexible(), relax_binaries)
        self.fixed_kw, self.curtailable_kw = given_kw(self.units, steps)
        acts = np.any([part.acts for part in parts], axis=0) if parts else np.zeros(steps, bool)
        every = all_steps or hangs_together(terms)
        self.steps = np.arange(steps) if every else np.flatnonzero(acts)
        self._add_objective(parts)
        self._parts = parts
        self._gap = gap
        self.program = self._program(gap)
        self._find_columns()

    def _program(self, gap: float) -> MixedProgram:
        return MixedProgram(self.name, self.model, gap)

    def _flexible(self) -> list[UnitData]:
        """Units that enter with a block of their own: those that choose, and those at nodes."""
        return [u for u in self.units if u.hub or chooses(u)]

    def _add_objective(self, parts: Sequence[UnitTerms]) -> None:
        model, terms = self.model, self.terms
        self._nodes = add_nodes(model, parts)
        model.connection = pyo.Block()
        p_kw = [sum(part.flows[t].p_kw for part in parts) for t in range(len(self.fixed_kw))]
        steps = [int(t) for t in self.steps]
        add_connection(model.connection, terms, p_kw, self.curtailable_kw, steps)
        own = own_cost(parts, self._nodes, terms.co2_eur_per_kg, terms.penalty_eur_per_kwh)
        model.cost_eur = pyo.Objective(expr=own + model.connection.cost_eur)

    def _find_columns(self) -> None:
        connection, index = self.model.connection, self.program.index
        self._given_columns = index(connection.given_kw.values())
        self._curtailed_columns = index(connection.curtailed_kw.values())
        self._within_columns = index(connection.within_kw.values())
        peak = connection.component("peak_kw")
        self._peak_column = index([peak] if peak is not None and len(self.steps) else [])
        self._reads = [_Reading(part, self.program) for part in self._parts]

    def update(self, terms: ConnectionTerms) -> None:
        """Take new caps; prices must be the same."""
        self.terms = terms
        low, high = terms.p_min_kw[self.steps], terms.p_max_kw[self.steps]
        self.program.set_bounds(self._within_columns, low, high)

    def give(self, residual_kw: Array, curtailable_kw: Array) -> None:
        """Set the power of everything else, and what is curtailable in it, shape ``(T,)``."""
        given = residual_kw + self.fixed_kw
        loose = curtailable_kw + self.curtailable_kw
        at = self.steps
        self.program.set_bounds(self._given_columns, given[at], given[at])
        self.program.set_bounds(self._curtailed_columns, 0.0, loose[at])
        if len(self._peak_column):
            self.program.set_bounds(self._peak_column, self._other_peak_kw(given, loose), np.inf)

    def _other_peak_kw(self, given_kw: Array, loose_kw: Array) -> float:
        """Peak import in the steps that are left out."""
        net = given_kw - self.terms.curtailed_kw(given_kw, loose_kw)
        out = np.ones(len(net), dtype=bool)
        out[self.steps] = False
        return float(np.max(-net[out], initial=-np.inf))

    def solve(self) -> tuple[dict[str, dict[str, Array]], Outcome, int]:
        """Solve for what was given.

        Where a store charges and discharges at once, it is solved again with the direction of its
        net power fixed in those steps; where that costs more than the gap, with a binary for the
        direction in every step.

        Returns
        -------
        controls, outcome, repairs
            Controls by unit and name, shape ``(T,)``; what the solver says; and in how many steps
            a direction had to be fixed.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        values, first = self.program.solve()
        controls, outcome, repairs = self._read(values), first, 0
        closed: list[tuple[Indices, Array]] = []
        while len(closed) < MOST_REPAIRS and (found := self._against_waste(controls)):
            closed += found
            repairs += sum(len(columns) for columns, _ in found)
            for columns, _ in found:
                self.program.set_bounds(columns, 0.0, 0.0)
            values, outcome = self.program.solve()
            controls = self._read(values)
        for columns, high in closed:
            self.program.set_bounds(columns, 0.0, high)
        outcome = _against(outcome, first, self._gap)
        if closed and outcome.gap > self._gap:
            exact = self.program.one_way(*self._both_ways())
            if exact is not None and exact[1].objective < outcome.objective:
                controls = self._read(exact[0])
                outcome = _against(exact[1], exact[1], self._gap)
        return controls, outcome, repairs

    def _both_ways(self) -> tuple[Indices, Indices]:
        """Columns of charging and discharging of all stores, pair by pair."""
        stores = [r for r in self._reads if isinstance(KINDS[r.unit.kind], StoreKind)]
        every = np.ones(len(self.fixed_kw), dtype=bool)
        charge, discharge = (
            np.concatenate([reading.columns(name, every)[0] for reading in stores])
            for name in ("charge_kw", "discharge_kw")
        )
        return charge, discharge

    def _read(self, values: Array) -> dict[str, dict[str, Array]]:
        return {reading.unit.name: reading.controls(values) for reading in self._reads}

    def _against_waste(self, controls: Controls) -> list[tuple[Indices, Array]]:
        """Columns to close, and their upper bounds, so that no store wastes energy as it does."""
        found = []
        for reading in self._reads:
            if isinstance(KINDS[reading.unit.kind], StoreKind):
                x = controls[reading.unit.name]
                steps = wasteful(reading.unit, x)
                out = x["discharge_kw"] > x["charge_kw"]
                found.append(reading.columns("charge_kw", steps & out))
                found.append(reading.columns("discharge_kw", steps & ~out))
        return [(columns, high) for columns, high in found if len(columns)]


class _Reading:
    """Where the controls of a unit stand among the columns."""

    def __init__(self, part: UnitTerms, program: MixedProgram) -> None:
        self.unit = part.unit
        self._where = {}
        for name, controls in part.controls.items():
            free = [t for t, value in enumerate(controls) if hasattr(value, "is_expression_type")]
            fixed = np.array([0.0 if t in set(free) else controls[t] for t in range(len(controls))])
            columns = program.index(controls[t] for t in free)
            low, high = np.array([controls[t].bounds for t in free]).reshape(-1, 2).T
            self._where[name] = (np.array(free, dtype=int), fixed, columns, low, high)

    def controls(self, values: Array) -> dict[str, Array]:
        found = {}
        for name, (free, fixed, columns, low, high) in self._where.items():
            control = fixed.copy()
            control[free] = np.clip(values[columns], low, high)
            found[name] = control
        return found

    def columns(self, name: str, steps: NDArray[np.bool_]) -> tuple[Indices, Array]:
        """Columns of a control in some steps, and their upper bounds."""
        free, _, columns, _, high = self._where[name]
        return columns[steps[free]], high[steps[free]]


def _against(outcome: Outcome, first: Outcome, enough: float) -> Outcome:
    """Compare the last solve with the bound of the first, which had more freedom."""
    gap = max((outcome.objective - first.bound) / max(abs(outcome.objective), 1e-9), 0.0)
    status = "feasible" if outcome.status == "optimal" and gap > enough else outcome.status
    return Outcome(status, outcome.objective, first.bound, gap)


def given_kw(units: Sequence[UnitData], steps: int) -> tuple[Array, Array]:
    """Power of units that leave no choice, and the curtailable power in it, shape ``(T,)`` each."""
    fixed, loose = np.zeros(steps), np.zeros(steps)
    for unit in units:
        kind = KINDS[unit.kind]
        if kind.curtailable:
            loose += unit.series["available_kw"]
        elif not (unit.hub or chooses(unit)):
            fixed += kind.flow(unit.parameters, {}, unit.series, unit.horizon.dt_h).p_kw
    return fixed + loose, loose


def chooses(unit: UnitData) -> bool:
    """Whether a unit leaves a choice beside curtailment."""
    kind = KINDS[unit.kind]
    return bool(kind.controls) and not kind.curtailable
