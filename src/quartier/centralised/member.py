"""A neighbourhood as a part of a joint program: its units' own blocks, compiled to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import sparse

from quartier.coordination import Cap
from quartier.optimisation import pyo
from quartier.optimisation.bilevel.charged.follower import ChargedFollower
from quartier.optimisation.block import UnitTerms
from quartier.optimisation.compiled import Compiled
from quartier.optimisation.declared import Declared
from quartier.problem import NeighbourhoodProblem
from quartier.program import Arrays, Flags, Indices
from quartier.program.arrays import rest_of
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
    arrays
        The program.
    exported, imported, curtailed
        Columns by step, shape ``(T,)`` each, in kW.
    step
        Step that every column belongs to.
    reach
        Bounds of all columns at any optimum, whatever the caps.
    readings
        Where the units' controls stand among the columns.
    balances
        Columns and rows of every balance ``... - plus + minus = right``: power, and nodes.
    """

    def __init__(
        self, problem: NeighbourhoodProblem, aggregate: bool = False, convex: bool = False
    ) -> None:
        self.problem = problem
        units = aggregated(problem.units) if aggregate else problem.units
        units = tuple(convexified(unit) for unit in units) if convex else units
        self.declared = Declared(problem.name, units, problem.terms, relax=convex, inside=True)
        for part in self.declared.parts if convex else ():
            _stand_still(part)
        self.curtailable_kw = self.declared.curtailable_kw
        self._compile()

    def _compile(self) -> None:
        compiled, connection = self.declared.compile(), self.declared.model.connection
        compiled.select(*self._without_idle(compiled))
        needed = np.zeros(compiled.arrays.size, dtype=bool)
        needed[compiled.index(connection.curtailed_kw.values())] = True
        compiled.tidy(needed)
        self.arrays = compiled.arrays
        self.exported = compiled.index(connection.exported_kw.values())
        self.imported = compiled.index(connection.imported_kw.values())
        self.curtailed = compiled.index(connection.curtailed_kw.values())
        self.readings = self.declared.readings()
        self.balances = [(self.exported, self.imported, self._balance_rows(self.exported))]
        for node in self.declared.model.component_objects(pyo.Block, descend_into=False):
            if node.component("rejected_kw") is not None:
                rejected = compiled.index(node.rejected_kw.values())
                unserved = compiled.index(node.unserved_kw.values())
                self.balances.append((rejected, unserved, self._balance_rows(rejected)))
        self.reach = _reach(self)
        self.step = self._steps()

    def _without_idle(self, compiled: Compiled) -> tuple[Flags, Flags]:
        """Leave out what the connection point does not need: fixed power, limits there are not."""
        connection, arrays = self.declared.model.connection, compiled.arrays
        columns, rows = np.ones(arrays.size, dtype=bool), np.ones(arrays.row_lower.size, dtype=bool)
        columns[compiled.index(connection.given_kw.values())] = False
        terms = self.problem.terms
        if np.isinf(terms.p_max_kw).all() and np.isinf(terms.p_min_kw).all():
            within = compiled.index(connection.within_kw.values())
            rows[np.unique(arrays.matrix[:, within].nonzero()[0])] = False
            for part in (connection.within_kw, connection.over_kw, connection.under_kw):
                columns[compiled.index(part.values())] = False
        return columns, rows

    def _steps(self) -> Indices:
        """The step in the index of every variable; energy at the end of a step belongs to it."""
        found = np.zeros(self.arrays.size, dtype=np.int64)
        for variable in self.declared.model.component_objects(pyo.Var, descend_into=True):
            early = 1 if variable.local_name == "energy_kwh" else 0
            for t, data in variable.items():
                if self.declared.compiled.holds(data) and t is not None:
                    found[self.declared.compiled.index([data])] = t - early
        return found

    def _balance_rows(self, columns: Indices) -> Indices:
        """The equality that each of some columns stands in alone, by column."""
        found = sparse.csc_array(self.arrays.matrix)[:, columns].tocoo()
        equal = self.arrays.row_lower[found.coords[0]] == self.arrays.row_upper[found.coords[0]]
        rows = np.empty(columns.size, dtype=np.int64)
        rows[found.coords[1][equal]] = found.coords[0][equal]
        return rows

    @cached_property
    def follower(self) -> ChargedFollower:
        """The neighbourhood to a leader that caps it; P_set is a charge on what it caps.

        A feed-in cap (P_set >= 0) is a charge ``0 <= μ <= πΔ`` on what is exported, a consumption
        cap one on what is imported: beyond the penalty πΔ the cap is broken rather than kept.
        """
        terms, steps = self.problem.terms, self.exported.size
        return ChargedFollower(
            name=self.problem.name,
            arrays=self.arrays,
            reach=self.reach,
            charged=np.concatenate([self.exported, self.imported]),
            limit=np.full(2 * steps, terms.penalty_eur_per_kwh * terms.dt_h),
            spared=np.arange(2 * steps) >= steps,
            step=self.step,
        )

    def capped(self, cap: Cap) -> Arrays:
        """Its program under caps."""
        upper = self.arrays.upper.copy()
        upper[self.exported] = np.minimum(upper[self.exported], cap.p_max_kw)
        upper[self.imported] = np.minimum(upper[self.imported], -cap.p_min_kw)
        return replace(self.arrays, upper=upper)

    def power_rows(self, size: int, first: int = 0) -> sparse.csr_array:
        """Rows that give net power over ``size`` columns, its own from ``first`` on."""
        steps = np.arange(self.exported.size)
        columns = first + np.append(self.exported, self.imported)
        entries = (np.repeat([1.0, -1.0], steps.size), (np.tile(steps, 2), columns))
        return sparse.csr_array(entries, shape=(steps.size, size))

    def power_kw(self, values: Array) -> Array:
        """Net power in a solution, shape ``(T,)``."""
        return values[self.exported] - values[self.imported]


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


def _reach(member: Member) -> tuple[Array, Array]:
    """Bounds of all columns at any optimum of a member, whatever the caps.

    Of the two sides of a balance, power out and in, what a node
    rejects and does not serve, at most one is in use: both at once cost more than neither.
    """
    arrays = member.arrays
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    for plus, minus, _ in member.balances:
        least, greatest = rest_of(arrays, plus, minus)
        upper[plus] = np.minimum(upper[plus], np.maximum(greatest, 0.0))
        upper[minus] = np.minimum(upper[minus], np.maximum(-least, 0.0))
        lower[plus] = np.maximum(lower[plus], least)
        lower[minus] = np.maximum(lower[minus], -greatest)
    return lower, upper
