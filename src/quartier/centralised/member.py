"""A neighbourhood as a part of a joint program: its units' own blocks, compiled to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from scipy import sparse

from quartier.centralised.form import Flags, Form, Indices, activity, compile_model, tidied
from quartier.optimisation.assembly import chooses, given_kw
from quartier.optimisation.block import UnitTerms, add_nodes, add_units, own_cost
from quartier.optimisation.connection import add_connection
from quartier.problem import NeighbourhoodProblem
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.convex import convexified


class Member:
    """A neighbourhood's lower level (M1, M3) as arrays, ``net power = exported - imported``.

    Parameters
    ----------
    problem
        Units, prices and limits.
    aggregate
        Put charging stations together into one envelope of power and cumulative energy.
    convex
        Replace units that switch by their convex relaxation (:func:`convex`).

    Attributes
    ----------
    form
        The program.
    exported, imported, curtailed
        Columns by step, shape ``(T,)`` each, in kW.
    step
        Step that every column belongs to.
    reach
        Bounds of all columns at any optimum, whatever the caps.
    balances
        Columns and rows of every balance ``... - plus + minus = right``: power, and nodes.
    """

    def __init__(
        self, problem: NeighbourhoodProblem, aggregate: bool = False, convex: bool = False
    ) -> None:
        self.problem = problem
        units = aggregated(problem.units) if aggregate else problem.units
        units = tuple(convexified(unit) for unit in units) if convex else units
        steps, terms = problem.horizon.steps, problem.terms
        model = pyo.ConcreteModel(name=problem.name)
        self._parts = add_units(model, [u for u in units if u.hub or chooses(u)], convex)
        for part in self._parts if convex else ():
            _stand_still(part)
        fixed_kw, self.curtailable_kw = given_kw(units, steps)
        flows = [sum(part.flows[t].p_kw for part in self._parts) for t in range(steps)]
        p_kw = [fixed_kw[t] + flows[t] for t in range(steps)]
        self._nodes = add_nodes(model, self._parts)
        model.connection = pyo.Block()
        add_connection(model.connection, terms, p_kw, self.curtailable_kw, range(steps))
        own = own_cost(self._parts, self._nodes, terms.co2_eur_per_kg, terms.penalty_eur_per_kwh)
        model.cost_eur = pyo.Objective(expr=own + model.connection.cost_eur)
        self.model = model
        self._compile()

    def _compile(self) -> None:
        form, self._index = compile_model(self.model)
        kept, rows = self._without_idle(form)
        self._index = _renumbered(self._index, kept)
        needed = np.zeros(int(kept.sum()), dtype=bool)
        needed[self._columns(self.model.connection.curtailed_kw.values())] = True
        self.form, free = tidied(form.select(kept, rows), needed)
        self._index = _renumbered(self._index, free)
        connection = self.model.connection
        self.exported = self._columns(connection.exported_kw.values())
        self.imported = self._columns(connection.imported_kw.values())
        self.curtailed = self._columns(connection.curtailed_kw.values())
        self._reads = [_Reading(part, self._index) for part in self._parts]
        self.balances = [(self.exported, self.imported, self._balance_rows(self.exported))]
        for node in self.model.component_objects(pyo.Block, descend_into=False):
            if node.component("rejected_kw") is not None:
                rejected = self._columns(node.rejected_kw.values())
                unserved = self._columns(node.unserved_kw.values())
                self.balances.append((rejected, unserved, self._balance_rows(rejected)))
        self.reach = _reach(self)
        self.step = self._steps()

    def _without_idle(self, form: Form) -> tuple[Flags, Flags]:
        """Leave out what the connection point does not need: fixed power, limits there are not."""
        connection, columns = self.model.connection, np.ones(form.size, dtype=bool)
        idle = [connection.given_kw]
        terms = self.problem.terms
        if np.isinf(terms.p_max_kw).all() and np.isinf(terms.p_min_kw).all():
            idle += [connection.within_kw, connection.over_kw, connection.under_kw]
        columns[[self._index[id(v)] for part in idle for v in part.values()]] = False
        rows = np.ones(form.row_lower.size, dtype=bool)
        if len(idle) > 1:
            within = [self._index[id(v)] for v in connection.within_kw.values()]
            rows[np.unique(form.matrix[:, within].nonzero()[0])] = False
        return columns, rows

    def _columns(self, variables: Any) -> Indices:
        return np.array([self._index[id(v)] for v in variables], dtype=np.int64)

    def _steps(self) -> Indices:
        """The step in the index of every variable; energy at the end of a step belongs to it."""
        found = np.zeros(self.form.size, dtype=np.int64)
        for variable in self.model.component_objects(pyo.Var, descend_into=True):
            early = 1 if variable.local_name == "energy_kwh" else 0
            for t, data in variable.items():
                if id(data) in self._index and t is not None:
                    found[self._index[id(data)]] = t - early
        return found

    def _balance_rows(self, columns: Indices) -> Indices:
        """The equality that each of some columns stands in alone, by column."""
        found = sparse.csc_array(self.form.matrix)[:, columns].tocoo()
        equal = self.form.row_lower[found.coords[0]] == self.form.row_upper[found.coords[0]]
        rows = np.empty(columns.size, dtype=np.int64)
        rows[found.coords[1][equal]] = found.coords[0][equal]
        return rows

    def power_kw(self, values: Array) -> Array:
        """Net power in a solution, shape ``(T,)``."""
        return values[self.exported] - values[self.imported]

    def controls(self, values: Array) -> dict[str, dict[str, Array]]:
        """Controls by unit and name, shape ``(T,)``."""
        return {reading.unit.name: reading.controls(values) for reading in self._reads}

    def columns_of(self, unit: str, control: str, steps: Flags) -> tuple[Indices, Array]:
        """Columns of a control in some steps, and their upper bounds."""
        reading = next(r for r in self._reads if r.unit.name == unit)
        return reading.columns(control, steps)

    @property
    def units(self) -> Iterator[UnitData]:
        """Units that choose something."""
        return (part.unit for part in self._parts)


class _Reading:
    """Where the controls of a unit stand among the columns."""

    def __init__(self, part: UnitTerms, index: Mapping[int, int]) -> None:
        self.unit = part.unit
        self._where = {}
        for name, controls in part.controls.items():
            free = [t for t, value in enumerate(controls) if id(value) in index]
            fixed = np.array([_number(value) for value in controls])
            columns = np.array([index[id(controls[t])] for t in free], dtype=np.int64)
            bounds = np.array([controls[t].bounds for t in free]).reshape(-1, 2)
            self._where[name] = (np.array(free, dtype=int), fixed, columns, bounds)

    def controls(self, values: Array) -> dict[str, Array]:
        found = {}
        for name, (free, fixed, columns, bounds) in self._where.items():
            control = fixed.copy()
            control[free] = np.clip(values[columns], bounds[:, 0], bounds[:, 1])
            found[name] = control
        return found

    def columns(self, name: str, steps: Flags) -> tuple[Indices, Array]:
        free, _, columns, bounds = self._where[name]
        return columns[steps[free]], bounds[steps[free], 1]


def _number(control: Any) -> float:
    """A control's only value; of a variable, its lower bound."""
    return float(control.lb if hasattr(control, "is_expression_type") else control)


def aggregated(units: Sequence[UnitData]) -> tuple[UnitData, ...]:
    """Put all units of a kind with an envelope together: charging stations, their power added up.

    A relaxation: the sum of what single vehicles can do lies in it, but not all of it can be
    handed out to them.
    """
    kinds = dict.fromkeys(u.kind for u in units if KINDS[u.kind].envelope)
    for members in [[u for u in units if u.kind == kind] for kind in kinds]:
        if len(members) > 1:
            units = (*(u for u in units if u.kind != members[0].kind), _envelope(members))
    return tuple(units)


def _envelope(members: Sequence[UnitData]) -> UnitData:
    """One unit that can do whatever several of a kind can do together."""
    summed = KINDS[members[0].kind].envelope
    return replace(
        members[0],
        name=f"{members[0].name}+{len(members) - 1}",
        series={name: np.sum([u.series[name] for u in members], axis=0) for name in summed},
        state={"energy_kwh": sum(u.state["energy_kwh"] for u in members)},
        sessions=(),
    )


def _stand_still(part: UnitTerms) -> None:
    for name, value in KINDS[part.unit.kind].still.items():
        for variable in part.controls.get(name, ()):
            if hasattr(variable, "is_expression_type"):
                variable.setlb(value)
                variable.setub(value)


def _renumbered(index: Mapping[int, int], kept: Flags) -> dict[int, int]:
    position = np.cumsum(kept) - 1
    return {key: int(position[k]) for key, k in index.items() if kept[k]}


def _reach(member: Member) -> tuple[Array, Array]:
    """Bounds of all columns at any optimum of a member, whatever the caps.

    Of the two sides of a balance, power out and in, what a node
    rejects and does not serve, at most one is in use: both at once cost more than neither.
    """
    form = member.form
    lower, upper = form.lower.copy(), form.upper.copy()
    for plus, minus, rows in member.balances:
        least, greatest = _rest(form, rows, np.concatenate([plus, minus]))
        right = form.row_lower[rows]
        upper[plus] = np.minimum(upper[plus], np.maximum(greatest - right, 0.0))
        upper[minus] = np.minimum(upper[minus], np.maximum(right - least, 0.0))
        lower[plus] = np.maximum(lower[plus], least - right)
        lower[minus] = np.maximum(lower[minus], right - greatest)
    return lower, upper


def _rest(form: Form, rows: Indices, columns: Indices) -> tuple[Array, Array]:
    """Least and greatest value of rows without some columns."""
    lower, upper = form.lower.copy(), form.upper.copy()
    lower[columns] = upper[columns] = 0.0
    return activity(form.matrix[rows], lower, upper)
