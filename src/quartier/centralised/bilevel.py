"""`bilevel`: the DSO sets P_set knowing how each neighbourhood will answer (M7).

The leader decides caps and plants at a fixed tap position (:mod:`quartier.centralised.game`);
neighbouring tap positions are looked at (:mod:`quartier.centralised.other_taps`). The
neighbourhoods then answer the caps with their own optimum, binaries kept, and that is what is
executed (:mod:`quartier.centralised.execution`). What the leader would pay if they answered at its
worst stands beside it (:mod:`quartier.centralised.pessimistic`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from quartier.centralised.central import ac_rows, bound_rows
from quartier.centralised.execution import NOT_KEPT, Execution
from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.network import linear_grid, outcome_mw
from quartier.centralised.other_taps import best_game
from quartier.centralised.outcome import outcome_of
from quartier.centralised.pessimistic import pessimistic_row
from quartier.centralised.upper_front import UpperFront
from quartier.coordination import Plan
from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.planning import Row
from quartier.problem import Problem, State


class Bilevel:
    """The DSO caps with foresight of the neighbourhoods' own optima."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Find the caps, let the neighbourhoods answer them, fit the plants to the answers."""
        process = Process(problem)
        process.run()
        if not (problem.grid.settings.loss_saving or process.rounds.any_caps):
            return uncongested(process)
        try:
            game = best_game(process, rng)
        except SolveFailed as failure:
            note_kept(failure, "the caps of redispatch stay")
            return process.plan()
        fronts: list[Row] = []
        with going_on("the operator's front is not known"):
            fronts += upper_rows(game, rng) if problem.record_fronts else ()
        leader = game.leader
        game.rows += ac_rows(process, game.members, game.grid.tap_pos, game.bound)
        execution = Execution(game)
        with going_on("the pessimistic value is not known"):
            game.rows.append(pessimistic_row(leader, execution.decided, game.found.values))
        return with_rows(execution.plan(), "fronts", fronts)


@contextmanager
def going_on(instead: str) -> Iterator[None]:
    """Go on without what only a report would show, and note that it is missing."""
    try:
        yield
    except SolveFailed as failure:
        note_kept(failure, instead)


def upper_rows(game: Game, rng: np.random.Generator) -> Iterator[Row]:
    """Rows of the leader's front, if there is one; what was solved for it goes to the game's."""
    front = UpperFront(game, rng)
    game.rows += front.solves
    yield from front.rows()


def with_rows(plan: Plan, table: str, rows: Sequence[Row]) -> Plan:
    """Return a plan with further rows of a table."""
    if not rows:
        return plan
    known = plan.records.get(table, [])
    return replace(plan, records={**plan.records, table: [*known, *rows]})


def uncongested(process: Process) -> Plan:
    """No congestion, no P_set (M4): what is offered is carried out."""
    grid, tap_pos = linear_grid(process), process.rounds.tap_pos
    assert tap_pos is not None
    outcome = outcome_of(
        "bilevel", process, grid, outcome_mw(process), tap_pos, process.rounds.caps, ()
    )
    cost = outcome.cost_eur
    row = {"problem": "bilevel", "objective": cost, "bound": cost, "gap": 0.0}
    status = NOT_KEPT if outcome.trouble else "optimal"
    own = {**row, "status": status, "follower_suboptimality": 0.0}
    return with_rows(process.plan(), "solves", [*bound_rows(process, grid), own])
