"""`individual`: each neighbourhood optimises itself, the DSO redispatches what is offered (M7).

The same process as with the agents (M5), with the neighbourhood's own optimum in place of the
negotiation: what remains between the two is the price of negotiating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.centralised.fronts import front_rows
from quartier.centralised.programs import Mechanism
from quartier.centralised.self_optimiser import SelfOptimiser, reference_offers, solve_row
from quartier.coordination import Plan, UnitPlan
from quartier.planning import (
    Row,
    before_rows,
    plan_columns,
    plant_plan,
    redispatch_rows,
    shiftable_rows,
    solve_rows,
)
from quartier.problem import Offer, Problem, State
from quartier.quantities import Array
from quartier.redispatch.rounds import KEPT_KW, Rounds


class Individual(Mechanism):
    """Every neighbourhood optimises itself; the DSO caps what is offered."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Offer, redispatch, answer; again while a cap cannot be kept and rounds are left."""
        models = self.models_of(problem)
        places = problem.neighbourhoods
        process = Process(problem, {p.name: SelfOptimiser(p, model=models[p.name]) for p in places})
        process.run()
        return process.plan()


class Process:
    """Offers, rounds of redispatch, and the neighbourhoods' answers.

    Parameters
    ----------
    problem
        What is asked at the gate.
    optimisers
        What the neighbourhoods want to do; None: their own optimum.
    """

    def __init__(
        self, problem: Problem, optimisers: Mapping[str, SelfOptimiser] | None = None
    ) -> None:
        self.problem = problem
        self.optimisers = optimisers or {
            task.name: SelfOptimiser(task) for task in problem.neighbourhoods
        }
        self.offers: Sequence[Offer] = reference_offers(problem, self.optimisers)
        self.rounds = Rounds(problem.grid, problem.rounds)

    def run(self) -> None:
        """Redispatch until all caps are kept or no round is left."""
        again = True
        while again:
            self.rounds.decide(self.offers)
            number, caps = len(self.rounds.history), self.rounds.caps
            accepted = {
                name: optimiser.answer(number, caps[name])
                for name, optimiser in self.optimisers.items()
            }
            again = bool(self.rounds.unkept(accepted)) and self.rounds.left

    def plan(self) -> Plan:
        """What the rounds came to."""
        return Plan(
            units=dict(self._units()),
            offers={offer.asset: offer for offer in self.offers},
            caps=dict(self.rounds.caps),
            tap_pos=self.rounds.tap_pos,
            records=records(self.problem, self.rounds, self.optimisers),
            degraded=(*self.rounds.trouble(), *unkept(self.optimisers)),
        )

    def _units(self) -> Iterator[tuple[str, UnitPlan]]:
        for optimiser in self.optimisers.values():
            yield from optimiser.unit_plans()
        for plant in self.problem.plants:
            p_max_kw = self.rounds.caps[plant.name].p_max_kw
            yield plant.name, plant_plan(plant.series["available_kw"], p_max_kw)


def unkept(optimisers: Mapping[str, SelfOptimiser]) -> Iterator[str]:
    """Who cannot keep its cap."""
    for name, one in optimisers.items():
        if one.unkept_kw() > KEPT_KW:
            yield f"{name}: P_set cannot be kept in every step"


def records(
    problem: Problem,
    rounds: Rounds,
    optimisers: Mapping[str, SelfOptimiser],
    solves: Sequence[Row] = (),
) -> dict[str, Sequence[Row] | Mapping[str, Any]]:
    """Rows or columns by table, without the column ``gate``; ``solves`` come last in theirs."""
    answers = [
        solve_row(f"{'response' if number else 'offer'} {name}-{number}", solution)
        for name, one in optimisers.items()
        for number, solution in one.history
    ]
    tables: dict[str, Sequence[Row] | Mapping[str, Any]] = {
        "redispatch": list(redispatch_rows(rounds.history)),
        "signals": [*before_rows(problem, rounds.history), *_shiftable(problem, optimisers)],
        "solves": [*answers, *solve_rows(rounds.history), *solves],
        "plans": _plans(problem, optimisers),
        "fronts": list(front_rows(problem)) if problem.record_fronts else [],
    }
    return {name: rows for name, rows in tables.items() if rows}


def _shiftable(problem: Problem, optimisers: Mapping[str, SelfOptimiser]) -> Iterator[Row]:
    for name, one in optimisers.items():
        schedules = one.history[0][1].schedules.values()
        shiftable_kw = np.sum([schedule.shiftable_kw for schedule in schedules], axis=0)
        yield from shiftable_rows(problem, name, shiftable_kw)


def _plans(
    problem: Problem, optimisers: Mapping[str, SelfOptimiser]
) -> dict[str, Array | list[str]]:
    blocks = [
        (number, unit, p_kw)
        for one in optimisers.values()
        for number, solution in one.history
        for schedule in solution.schedules.values()
        for unit, p_kw in schedule.unit_p_kw.items()
    ]
    return plan_columns(problem, blocks)
