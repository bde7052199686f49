"""Units behind one connection point as a program that is solved again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from quartier.optimisation import pyo
from quartier.optimisation.connection import same_prices
from quartier.optimisation.declared import Declared
from quartier.optimisation.mixed import MixedProgram
from quartier.optimisation.readings import solved_one_way
from quartier.optimisation.window import OtherStructure
from quartier.problem import ConnectionTerms
from quartier.program import Answer, Arrays, Indices
from quartier.program.arrays import rest_of
from quartier.quantities import Array
from quartier.units.base import UnitData
from quartier.units.node import Node


class Assembly:
    """A linear or mixed-integer program of units behind one connection point.

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
        self.name, self.units = name, tuple(units)
        self._relax, self._gap, self._all_steps = relax_binaries, gap, all_steps
        self._build(terms)

    def _build(self, terms: ConnectionTerms) -> None:
        self.terms, self._is_moved = terms, False
        self.declared = Declared(
            self.name, self.units, terms, self._relax, all_steps=self._all_steps
        )
        self._extend()
        self.compiled = self.declared.compile()
        self.program = self._program()
        self._paid = self.compiled.arrays.cost
        self._find_columns()

    def _extend(self) -> None:
        """Declare more."""

    def _program(self) -> MixedProgram:
        return MixedProgram(self.name, self.compiled.arrays, self._gap)

    def _find_columns(self) -> None:
        connection, index = self.declared.model.connection, self.compiled.index
        self._given_columns = index(connection.given_kw.values())
        self._curtailed_columns = index(connection.curtailed_kw.values())
        self._within_columns = index(connection.within_kw.values())
        peak = connection.component("peak_kw")
        self._peak_column = index([peak] if peak is not None and len(self.declared.steps) else [])
        self.readings = self.declared.readings()

    def update(self, terms: ConnectionTerms) -> None:
        """Take new caps and prices in place; only a first or last price on the peak builds anew."""
        if not self.declared.fits(terms):
            self._build(terms)
            return
        if not same_prices(terms, self.terms):
            cost, constant = self._cost(terms)
            changed = np.flatnonzero(cost != self._paid)
            self.program.set_cost(cost[changed], constant, changed)
            self._paid = cost
        self.terms = terms
        at = self.declared.steps
        self.program.set_bounds(self._within_columns, terms.p_min_kw[at], terms.p_max_kw[at])

    def move(self, units: Sequence[UnitData], terms: ConnectionTerms) -> None:
        """Take another window of the units: in place, but anew if columns or rows would differ.

        Nothing is kept of earlier solves, so that the plan is that of a program built anew.
        """
        self.units = tuple(units)
        try:
            if not (self._all_steps and self.declared.fits(terms)):
                raise OtherStructure
            moved = self.declared.moved(self.units)
        except OtherStructure:
            self._build(terms)
            return
        self.terms, self._is_moved = terms, True
        cost, offset = self._cost(terms)
        lower, upper = moved.arrays.lower, moved.arrays.upper
        lower[self._within_columns], upper[self._within_columns] = terms.p_min_kw, terms.p_max_kw
        upper[self._curtailed_columns] = self.declared.curtailable_kw
        self.compiled.arrays = replace(moved.arrays, cost=cost, offset=offset)
        self.program, self._paid = self._program(), cost
        self.readings = self.readings.moved(self.units, moved.bounds)

    def _cost(self, terms: ConnectionTerms) -> tuple[Array, float]:
        """What all columns cost under terms that fit, and the constant."""
        return self.declared.cost(terms)

    def arrays_under(self, terms: ConnectionTerms) -> Arrays:
        """The program under other terms that fit, with nobody else's power: a part of a larger one.

        It needs all steps of the connection point.
        """
        at, (cost, offset) = self.declared.steps, self._cost(terms)
        lower, upper = self.compiled.arrays.lower.copy(), self.compiled.arrays.upper.copy()
        lower[self._given_columns] = upper[self._given_columns] = self.declared.fixed_kw[at]
        upper[self._curtailed_columns] = self.declared.curtailable_kw[at]
        return replace(self.compiled.arrays, cost=cost, offset=offset, lower=lower, upper=upper)

    def declared_under(self, terms: ConnectionTerms) -> Any:
        """The Pyomo model of :meth:`arrays_under`: a part of a larger one. Its objective is own.

        Without limits at the connection point there is nothing that could break them.
        """
        if self._is_moved:
            self._build(self.terms)
        model, arrays = self.declared.model, self.arrays_under(terms)
        connection = model.connection
        for t, given in connection.given_kw.items():
            given.fix(float(self.declared.fixed_kw[t]), skip_validation=True)
        if np.isinf(terms.p_max_kw).all() and np.isinf(terms.p_min_kw).all():
            connection.cap.deactivate()
            for part in (connection.within_kw, connection.over_kw, connection.under_kw):
                part.fix(0.0)
        sides = [(connection.exported_kw, connection.imported_kw)]
        for block in model.component_objects(pyo.Block, descend_into=False):
            if block.component("rejected_kw") is not None:
                sides.append((block.rejected_kw, block.unserved_kw))
        for plus, minus in sides:
            self._bound(arrays, plus, minus)
        model.cost_eur.set_value(self.compiled.expression(arrays.cost, arrays.offset))
        return model

    def _bound(self, arrays: Arrays, plus: Any, minus: Any) -> None:
        """Bound the two sides of a balance by what the rest of it can come to.

        At most one of them is in use: both at once cost more than neither.
        """
        columns = [self.compiled.index(side.values()) for side in (plus, minus)]
        least, greatest = rest_of(arrays, *columns)
        for k, (out, into) in enumerate(zip(plus.values(), minus.values(), strict=True)):
            out.setub(float(max(greatest[k], 0.0)))
            into.setub(float(max(-least[k], 0.0)))

    @property
    def traded_columns(self) -> tuple[Indices, Indices]:
        """Columns of what is exported and imported, by step."""
        connection, index = self.declared.model.connection, self.compiled.index
        return index(connection.exported_kw.values()), index(connection.imported_kw.values())

    def node_columns(self, node: Node, name: str) -> Indices:
        """Columns of ``bought_kw`` or ``sold_kw`` of a node, by step."""
        block = self.declared.model.component(f"node_{node.name}")
        return self.compiled.index(block.component(name).values())

    @property
    def curtailed_columns(self) -> Indices:
        """Columns of what is curtailed, by step."""
        return self._curtailed_columns

    def curtailed_kw(self, values: Array) -> Array:
        """What a solution curtails, shape ``(T,)``."""
        found = np.zeros(len(self.declared.fixed_kw))
        found[self.declared.steps] = values[self._curtailed_columns]
        return found

    def give(self, residual_kw: Array, curtailable_kw: Array) -> None:
        """Set the power of everything else, and what is curtailable in it, shape ``(T,)``."""
        given = residual_kw + self.declared.fixed_kw
        loose = curtailable_kw + self.declared.curtailable_kw
        at = self.declared.steps
        self.program.set_bounds(self._given_columns, given[at], given[at])
        self.program.set_bounds(self._curtailed_columns, 0.0, loose[at])
        if len(self._peak_column):
            self.program.set_bounds(self._peak_column, self._other_peak_kw(given, loose), np.inf)

    def _other_peak_kw(self, given_kw: Array, loose_kw: Array) -> float:
        """Peak import in the steps that are left out."""
        net = given_kw - self.terms.curtailed_kw(given_kw, loose_kw)
        out = np.ones(len(net), dtype=bool)
        out[self.declared.steps] = False
        return float(np.max(-net[out], initial=-np.inf))

    def solve(self) -> tuple[dict[str, dict[str, Array]], Answer, int]:
        """Solve for what was given; no store wastes energy by charging and discharging at once.

        Returns
        -------
        controls, answer, repairs
            Controls by unit and name, shape ``(T,)``; what the solver says; and in how many steps
            a direction had to be fixed.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        answer, repairs = solved_one_way(self.program, self.readings, self._gap)
        return self.readings.controls(answer.values), answer, repairs
