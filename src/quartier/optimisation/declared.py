"""Units behind one connection point, declared as Pyomo blocks and compiled to arrays once (M1, M3).

The one place where they are put together: for the program of an agent, of a neighbourhood, and for
the joint programs of the centralised mechanisms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from quartier.optimisation import pyo
from quartier.optimisation.bands import add_bands
from quartier.optimisation.block import add_nodes, add_units, own_cost
from quartier.optimisation.compiled import Compiled
from quartier.optimisation.connection import (
    add_connection,
    eur_per_kw,
    hangs_together,
    same_band,
    same_served,
)
from quartier.optimisation.naming import DeclaredNames
from quartier.optimisation.readings import Readings
from quartier.optimisation.window import Moved, OtherStructure, Window
from quartier.problem import ConnectionTerms
from quartier.program import Indices
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import Quantity, UnitData


class Declared:
    """A Pyomo model of units and their connection point, and what it is compiled to.

    Renewable units stand at their available power; what is curtailed of it is a variable of the
    connection point. More may be declared in :attr:`model` before :meth:`compile` is called.

    Parameters
    ----------
    name
        Of the model.
    units
        Units, all over the same horizon.
    terms
        Prices and limits at the connection point.
    relax
        Let binary controls be anything from 0 to 1.
    all_steps
        Keep also those steps of the connection point in which no unit can act, so that the
        objective is the whole cost.
    inside
        Put the power of units that leave no choice into the rows; it is given by the columns
        ``given_kw`` otherwise.

    Attributes
    ----------
    fixed_kw, curtailable_kw
        Power of the units that leave no choice, and the renewable power in it, shape ``(T,)``.
    steps
        Steps of the connection point that are kept.
    with_blocks
        Units that enter with a block of their own: those that choose, and those at nodes.
    nodes
        What the nodes come to.
    """

    def __init__(
        self,
        name: str,
        units: Sequence[UnitData],
        terms: ConnectionTerms,
        relax: bool = False,
        *,
        all_steps: bool = True,
        inside: bool = False,
    ) -> None:
        self.units, self.terms = tuple(units), terms
        self._all_steps, steps = all_steps, units[0].horizon.steps
        self.model = pyo.ConcreteModel(name=name)
        self.with_blocks = [u for u in units if u.hub or chooses(u)]
        self.parts = add_units(self.model, self.with_blocks, relax)
        self.fixed_kw, self.curtailable_kw = given_kw(self.units, steps)
        acts = np.any([part.acts for part in self.parts], axis=0) if self.parts else np.zeros(steps)
        every = all_steps or hangs_together(terms)
        self.steps = np.arange(steps) if every else np.flatnonzero(acts)
        self.nodes = add_nodes(self.model, self.parts)
        p_kw = [sum(part.flows[t].p_kw for part in self.parts) for t in range(steps)]
        if inside:
            p_kw = [fixed + flow for fixed, flow in zip(self.fixed_kw, p_kw, strict=True)]
        self.model.connection = pyo.Block()
        kept = [int(t) for t in self.steps]
        add_connection(self.model.connection, terms, p_kw, self.curtailable_kw, kept)
        own = own_cost(self.parts, self.nodes, terms.co2_eur_per_kg, terms.penalty_eur_per_kwh)
        if (worth := terms.band_eur_per_kwh) is not None:
            own = own - self._add_band(terms, worth)
        self.model.cost_eur = pyo.Objective(expr=own + self.model.connection.cost_eur)

    def _add_band(self, terms: ConnectionTerms, worth: tuple[Array, Array]) -> Quantity:
        """Add the band of all units; return what it is worth with nothing curtailed, in EUR."""
        self.model.bands = pyo.Block()
        of_units = terms.dt_h * add_bands(self.model.bands, self.model, self.parts, worth)
        self._band = of_units + terms.band_eur(0.0 * self.fixed_kw, self.curtailable_kw)
        return self._band

    def compile(self) -> Compiled:
        """Compile what is declared."""
        self.compiled = Compiled(self.model)
        named = DeclaredNames(self.compiled, self.model, self.parts, lambda: self.units)
        self.compiled.arrays = replace(self.compiled.arrays, names=named)
        self._known: dict[str, tuple[Indices, Indices]] = {}
        return self.compiled

    def readings(self) -> Readings:
        """Where the units' controls stand among the columns."""
        return Readings.of(self.parts, self.compiled)

    def moved(self, units: Sequence[UnitData]) -> Moved:
        """The program over another window of the units; what is declared stays where it is.

        It needs all steps of the connection point.

        Raises
        ------
        OtherStructure
            If it would have other columns or rows.
        """
        if units[0].horizon.steps != self.fixed_kw.size or self.terms.band_eur_per_kwh:
            raise OtherStructure
        if not hasattr(self, "_window"):
            self._window = Window(self.parts, self.model, self.compiled)
        found = self._window.moved([u for u in units if u.hub or chooses(u)])
        self.units, self._own = tuple(units), found.own
        self.fixed_kw, self.curtailable_kw = given_kw(self.units, self.units[0].horizon.steps)
        return found

    # -- other prices ---------------------------------------------------------------------------
    def fits(self, terms: ConnectionTerms) -> bool:
        """Whether other terms change numbers only, not what columns and rows there are."""
        steps = self._all_steps or hangs_together(terms) == hangs_together(self.terms)
        steps = steps and same_served(terms, self.terms) and same_band(terms, self.terms)
        return steps and bool(terms.peak_eur_per_kw) == bool(self.terms.peak_eur_per_kw)

    def cost(self, terms: ConnectionTerms) -> tuple[Array, float]:
        """What all columns cost under other terms that fit, in EUR, and the constant."""
        (own, of_co2, of_penalty), (fixed, fixed_co2, fixed_penalty) = self._own
        cost = own + terms.co2_eur_per_kg * of_co2 + terms.penalty_eur_per_kwh * of_penalty
        for name, eur in eur_per_kw(terms).items():
            columns, steps = self._columns(name)
            cost[columns] += eur[steps]
        constant = terms.co2_eur_per_kg * fixed_co2 + terms.penalty_eur_per_kwh * fixed_penalty
        if terms.band_eur_per_kwh is not None:
            of_band, known = self._of_band
            cost, constant = cost - of_band, constant - known
        return cost, fixed + constant

    def _columns(self, name: str) -> tuple[Indices, Indices]:
        """Columns of a variable of the connection point, and the steps they are for."""
        if name not in self._known:
            variable = self.model.connection.component(name)
            every = [] if variable is None else variable.items()
            held = [(t, v) for t, v in every if self.compiled.holds(v)]
            steps = np.array([0 if t is None else t for t, _ in held], dtype=np.int64)
            self._known[name] = (self.compiled.index(v for _, v in held), steps)
        return self._known[name]

    @cached_property
    def _of_band(self) -> tuple[Array, float]:
        """What the band is worth by column, and the constant."""
        return self.compiled.linear(self._band)

    @cached_property
    def _own(self) -> tuple[Array, Array]:
        """Own cost, emissions and what the penalty is on, by column; and their constants."""
        prices = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
        found = [
            self.compiled.linear(own_cost(self.parts, self.nodes, co2, penalty))
            for co2, penalty in prices
        ]
        costs, constants = np.array([c for c, _ in found]), np.array([c for _, c in found])
        costs[1:] -= costs[0]
        constants[1:] -= constants[0]
        return costs, constants


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
