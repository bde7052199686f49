"""A neighbourhood's own optimum: all its units under one operator (M3)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quartier.optimisation.assembly import Assembly
from quartier.optimisation.readings import Readings
from quartier.optimisation.repair import netted
from quartier.problem import ConnectionTerms, NeighbourhoodProblem
from quartier.program import Answer, Arrays, Indices
from quartier.quantities import ELECTRICITY, Array, share_of
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.evaluate import evaluate
from quartier.units.node import Node
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

    def move(self, problem: NeighbourhoodProblem) -> None:
        """Take another window of the same neighbourhood, in place where that can be."""
        self.problem = problem
        self._assembly.move(problem.units, problem.terms)

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
        return self._solution(self._schedules(controls), answer, repairs, wall_s)

    def net(self, terms: ConnectionTerms) -> tuple[Array, float]:
        """Power of the cheapest plan under terms, shape ``(T,)``, and what it costs in EUR.

        Nothing but the program is asked: a store may waste energy where that pays.

        Raises
        ------
        SolveFailed
            If there is none.
        """
        self.update(terms)
        nothing = np.zeros(self.problem.horizon.steps)
        self._assembly.give(nothing, nothing)
        answer = self._assembly.program.needed()
        out, into = self.traded
        return answer.values[out] - answer.values[into], answer.objective

    @property
    def switches(self) -> bool:
        """Whether some unit switches: then the program is no linear one."""
        return bool(self._assembly.program.integers.size)

    def mixed(self, parts: Sequence[tuple[float, Solution]], terms: ConnectionTerms) -> Solution:
        """What a mix of solutions does and pays, under terms with other prices.

        A mix of a linear program's solutions is one, too; stores do the net of what they mix.

        Parameters
        ----------
        parts
            Weights that add up to 1, and solutions.
        """
        controls: dict[str, dict[str, Array]] = {}
        for weight, solution in parts:
            for schedule in solution.schedules.values():
                for unit, x in schedule.controls.items():
                    own = controls.setdefault(unit, {})
                    for name, values in x.items():
                        own[name] = own.get(name, 0.0) + weight * values
        curtailed_kw = np.zeros(self.problem.horizon.steps)
        for weight, solution in parts:
            curtailed_kw += weight * np.sum([*solution.curtailed_kw.values(), 0 * curtailed_kw], 0)
        answer = Answer(np.zeros(0), "optimal", found=True)
        return self._solution(self._schedules(controls), answer, 0, 0.0, terms, curtailed_kw)

    # -- as a part of a larger program ----------------------------------------------------------
    def program(self, terms: ConnectionTerms) -> Arrays:
        """Its program under terms with other prices, to be put beside others."""
        return self._assembly.arrays_under(terms)

    def declared(self, terms: ConnectionTerms) -> Any:
        """Its Pyomo model under terms with other prices, to be a block of another one."""
        return self._assembly.declared_under(terms)

    @property
    def declared_values(self) -> Array:
        """Values of the variables of :meth:`declared`, as columns of :meth:`program`."""
        return self._assembly.compiled.values

    @property
    def traded(self) -> tuple[Indices, Indices]:
        """Columns of what is exported and imported in :meth:`program`, shape ``(T,)`` each."""
        return self._assembly.traded_columns

    def drawn(self, carrier: str) -> Iterator[tuple[float, Indices]]:
        """Columns by which it trades a carrier, ``(T,)`` each, and what a kW of them draws outside.

        Positive when it buys.
        """
        if carrier == ELECTRICITY:
            kept = self.problem.efficiency
            yield from zip((-kept, 1.0 / kept), self.traded, strict=True)
        for node, _ in by_node(self.problem.units):
            ways = ((node.buy, 1.0, "bought_kw"), (node.sell, -1.0, "sold_kw"))
            for tariff, sign, name in ways if node.carrier == carrier else ():
                if tariff is not None:
                    yield sign, self.traded_at(node, name)

    def traded_at(self, node: Node, name: str) -> Indices:
        """Columns of a node's ``bought_kw`` or ``sold_kw`` in :meth:`program`, shape ``(T,)``."""
        return self._assembly.node_columns(node, name)

    @property
    def curtailed(self) -> Indices:
        """Columns of what is curtailed in :meth:`program`, shape ``(T,)``."""
        return self._assembly.curtailed_columns

    @property
    def readings(self) -> Readings:
        """Where the controls of its units stand in :meth:`program`."""
        return self._assembly.readings

    def solution_at(self, values: Array, answer: Answer, terms: ConnectionTerms) -> Solution:
        """What it does and pays at a point of :meth:`program`, under terms with other prices.

        Parameters
        ----------
        values
            Its own columns.
        answer
            What the solver says of the larger program.
        """
        schedules = self._schedules(self.readings.controls(values))
        curtailed_kw = self._assembly.curtailed_kw(values)
        return self._solution(schedules, answer, 0, answer.wall_s, terms, curtailed_kw)

    def _schedules(self, controls: Mapping[str, dict[str, Array]]) -> dict[str, Schedule]:
        found = {}
        for agent, units in self.problem.agents.items():
            planned = {unit.name: controls[unit.name] for unit in units if unit.name in controls}
            own = netted(units, planned)
            found[agent] = evaluate(units, own, self._assembly.terms.penalty_eur_per_kwh)
        return found

    def _solution(
        self,
        schedules: Mapping[str, Schedule],
        answer: Answer,
        repairs: int,
        wall_s: float,
        terms: ConnectionTerms | None = None,
        curtailed_kw: Array | None = None,
    ) -> Solution:
        """Put a solution together; what is curtailed is what pays under the terms, unless given."""
        terms, every = terms or self._assembly.terms, list(schedules.values())
        full_kw = np.sum([s.p_kw for s in every], axis=0)
        loose_kw = np.sum([s.curtailable_kw for s in every], axis=0)
        own = sum(terms.own_eur(s) for s in every)
        if curtailed_kw is None:
            curtailed_kw = terms.curtailed_kw(full_kw, loose_kw)
            cost = terms.cost_eur(full_kw, loose_kw)
        else:
            cost = terms.cost_eur(full_kw - curtailed_kw, np.zeros_like(loose_kw))
            own += terms.dt_h * float(np.sum(terms.curtailment_eur_per_kwh * curtailed_kw))
        return Solution(
            schedules=schedules,
            curtailed_kw=self._by_unit(curtailed_kw, loose_kw),
            p_kw=full_kw - curtailed_kw,
            cost_eur=own + float(cost),
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
