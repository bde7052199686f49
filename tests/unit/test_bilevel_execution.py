"""What is done about a bi-level solution once the neighbourhoods' true answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from quartier.centralised.execution import Execution
from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.leader import Leader
from quartier.centralised.network import SOLVED, converge, outcome_mw
from quartier.coordination import Cap
from quartier.instance import build
from quartier.optimisation.bilevel.charged.search import Search
from quartier.redispatch.rounds import KEPT_KW
from quartier.scenario.load import load

STEPS = 12


def process_of(variant):
    instance = build(load(f"fliegerhorst:{variant}", [f"horizon.steps={STEPS}"]))
    process = Process(instance.problem(0, 0, instance.initial_state()))
    process.run()
    return process


def game_at_charges(process, share, tap_pos=None):
    """The game at the neighbourhoods' response to charges, a share of the greatest there may be."""
    game = Game(process, np.random.default_rng(1), tap_pos)
    converge(game.joint, (1.0, 1.0), "central, relaxed")
    game.leader = Leader(game.joint)
    game.leader.refine()
    search = Search(game.leader.program(), game.kkts, np.random.default_rng(1))
    search._respond([np.concatenate([np.zeros(k.rows), share * k.charge_limit]) for k in game.kkts])
    game.found = search._with_duals(search.best)
    return game


@pytest.fixture(scope="module")
def process():
    return process_of("max-feed-in")


@pytest.fixture(scope="module")
def dear(process):
    """Execution of a bad decision of the leader: feed-in is charged at the penalty throughout."""
    return Execution(game_at_charges(process, 1.0))


def test_costs_of_both_answers_are_on_record(dear):
    rows = {row["problem"]: row for row in dear.plan().records["solves"]}
    game, known = rows["bilevel, caps of the game"], rows["bilevel, caps of redispatch"]
    assert game["status"] == "dearer"
    assert known["status"] == "chosen"
    assert game["objective"] > known["objective"] > 0


def test_known_answers_stay_where_those_to_the_games_caps_cost_more(dear, process):
    plan = dear.plan()
    for name in process.optimisers:
        np.testing.assert_array_equal(plan.caps[name].p_max_kw, process.rounds.caps[name].p_max_kw)
        optimiser = process.optimisers[name]
        np.testing.assert_array_equal(optimiser.solution.p_kw, optimiser.history[-3][1].p_kw)
    np.testing.assert_allclose(dear.power_mw, outcome_mw(process))
    assert not plan.degraded


def test_known_answers_stay_at_the_tap_position_that_they_belong_to():
    process = process_of("max-feed-in")
    own = process.rounds.tap_pos
    execution = Execution(game_at_charges(process, 1.0, own - 1))
    game, known = execution.outcomes
    assert (game.tap_pos, known.tap_pos) == (own - 1, own)
    assert not execution.trouble
    assert execution.plan().tap_pos == own


def test_a_cap_that_is_broken_widens_where_it_is_broken_and_the_grid_bears_it():
    process = process_of("max-load")
    execution = Execution(game_at_charges(process, 0.0))
    ((name, own),) = process.optimisers.items()
    execution.caps[name] = Cap(np.full(STEPS, np.inf), np.zeros(STEPS))
    execution._answer()
    kept = own.solution.p_kw >= -KEPT_KW
    assert not kept.all()  # no battery lasts for the whole night
    widened = execution.caps[name].p_min_kw
    np.testing.assert_array_equal(widened[kept], 0.0)
    assert (widened[~kept] < 0).all()
    assert own.unkept_kw() <= KEPT_KW


def test_answers_to_wider_caps_than_those_of_redispatch_are_executed_as_judged():
    noon = ["horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8"]
    instance = build(load("fliegerhorst", noon))
    process = Process(instance.problem(0, 0, instance.initial_state()))
    process.run()
    game = Game(process, np.random.default_rng(1))
    game.solve()
    done = Execution(game)
    for k, (_, own) in enumerate(process.optimisers.items()):
        planned_kw = np.sum([plan.p_kw for _, plan in own.unit_plans()], axis=0)
        assert planned_kw == pytest.approx(1000 * done.power_mw[:, k])
    assert game.grid.worst(game.grid.solve(done.power_mw)) <= SOLVED
    (bound,) = [row["bound"] for row in game.rows if row["problem"] == "bound"]
    assert done.chosen.cost_eur >= bound
