"""A neighbourhood's own optimum: all its units under one operator (M3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quartier.optimisation.assembly import Assembly
from quartier.optimisation.repair import netted
from quartier.problem import ConnectionTerms, NeighbourhoodProblem
from quartier.program import Answer
from quartier.quantities import Array, share_of
from quartier.units import KINDS
from quartier.units.evaluate import evaluate
from quartier.units.schedule import Schedule

GAP = 1e-4
"""Relative gap at which a neighbourhood with binaries is solved well enough."""


@dataclass(frozen=True)
class Solution:
    """A neighbourhood's schedules, and what the solver says of them."""

    schedules: Mapping[str, Schedule]
    """By agent; renewable units at their full available power."""
    curtailed_kw: Mapping[str, Array]
    """Curtailed power by renewable unit, pro rata, shape ``(T,)``."""
    p_kw: Array
    """Power at the connection point after curtailment, shape ``(T,)``."""
    cost_eur: float
    """Cost of the schedules: own costs, emissions, connection point, penalties."""
    objective_eur: float
    """What the solver reached; it differs from the cost where stores were repaired."""
    bound_eur: float
    """Proven lower bound of the objective."""
    gap: float
    """Relative distance of the two."""
    status: str
    """``optimal`` or the limit that ended the search."""
    repairs: int
    """Steps in which a store charged and discharged at once."""
    wall_s: float
    """Time that the solve took, in s."""


class NeighbourhoodModel:
    """The lower-level problem of one neighbourhood as an optimisation model.

    Parameters
    ----------
    problem
        Units, prices and caps.
    relax_binaries
        Let units run partly: the linear relaxation, a lower bound.
    """

    def __init__(self, problem: NeighbourhoodProblem, relax_binaries: bool = False) -> None:
        self.problem = problem
        name = f"neighbourhood {problem.name}"
        self._assembly = Assembly(
            name, problem.units, problem.terms, relax_binaries, GAP, all_steps=True
        )

    def update(self, terms: ConnectionTerms) -> None:
        """Take new caps and prices in place."""
        self._assembly.update(terms)

    def solve(self) -> Solution:
        """Return the cheapest schedules.

        Raises
        ------
        SolveFailed
            If there are none.
        """
        began = time.perf_counter()
        nothing = np.zeros(self.problem.horizon.steps)
        self._assembly.give(nothing, nothing)
        controls, answer, repairs = self._assembly.solve()
        wall_s = time.perf_counter() - began
        schedules = {}
        for agent, units in self.problem.agents.items():
            planned = {unit.name: controls[unit.name] for unit in units if unit.name in controls}
            own = netted(units, planned)
            schedules[agent] = evaluate(units, own, self._assembly.terms.penalty_eur_per_kwh)
        return self._solution(schedules, answer, repairs, wall_s)

    def _solution(
        self, schedules: Mapping[str, Schedule], answer: Answer, repairs: int, wall_s: float
    ) -> Solution:
        terms, every = self._assembly.terms, list(schedules.values())
        full_kw = np.sum([s.p_kw for s in every], axis=0)
        loose_kw = np.sum([s.curtailable_kw for s in every], axis=0)
        curtailed_kw = terms.curtailed_kw(full_kw, loose_kw)
        own = sum(s.cost_eur + terms.co2_eur_per_kg * s.co2_kg for s in every)
        return Solution(
            schedules=schedules,
            curtailed_kw=self._by_unit(curtailed_kw, loose_kw),
            p_kw=full_kw - curtailed_kw,
            cost_eur=own + float(terms.cost_eur(full_kw, loose_kw)),
            objective_eur=answer.objective,
            bound_eur=answer.bound,
            gap=answer.gap,
            status=answer.status,
            repairs=repairs,
            wall_s=wall_s,
        )

    def _by_unit(self, curtailed_kw: Array, loose_kw: Array) -> dict[str, Array]:
        share = share_of(curtailed_kw, loose_kw)
        return {
            unit.name: share * unit.series["available_kw"]
            for unit in self.problem.units
            if KINDS[unit.kind].curtailable
        }
