"""The pessimistic value of the bi-level game, and its neighbouring tap positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.leader import Leader
from quartier.centralised.other_taps import best_game, excluded, neighbours, tap_row
from quartier.centralised.pessimistic import (
    EPSILON,
    Nature,
    Responses,
    pessimistic_row,
    worst_response,
)
from quartier.instance import build
from quartier.program import Highs
from quartier.scenario.load import load

STEPS = 24


def problem_of(*overrides):
    instance = build(load("fliegerhorst", [f"horizon.steps={STEPS}", *overrides]))
    return instance.problem(0, 0, instance.initial_state())


def game_of(problem):
    process = Process(problem)
    process.run()
    game = Game(process, np.random.default_rng(1))
    game.solve()
    return game


@pytest.fixture(scope="module")
def game():
    return game_of(problem_of())


def caps_of(game):
    return [game.binding(k) for k in range(len(game.members))]


def worst_of(game, epsilon=EPSILON):
    return worst_response(game.leader, caps_of(game), game.found.values, epsilon)


@pytest.mark.parametrize("epsilon", [1e-6, EPSILON, 1e-2])
def test_pessimistic_is_no_less_than_optimistic(game, epsilon):
    worst = worst_of(game, epsilon)
    assert game.found.value - 1e-6 <= worst.value <= worst.bound


def test_more_indifferent_neighbourhoods_do_no_less_harm(game):
    bounds = [worst_of(game, epsilon).bound for epsilon in (1e-6, EPSILON, 1e-2)]
    assert bounds == sorted(bounds)
    assert bounds[-1] > bounds[0] + 1.0


def test_no_response_is_worse_than_the_bound(game):
    """Responses in random directions, among them ends of the ε-optimal set."""
    worst, rng = worst_of(game), np.random.default_rng(2)
    responses = Responses(game.members, caps_of(game), EPSILON)
    nature, (arrays,) = Nature(game.leader, responses), responses.arrays
    values = []
    for _ in range(30):
        solver = Highs("some response", replace(arrays, cost=rng.standard_normal(arrays.size)))
        values.append(nature.value(solver.needed().values))
    assert max(values) <= worst.bound + 1e-3
    assert np.ptp(values) > 1e-4


def test_worst_response_is_a_response(game):
    worst = worst_of(game)
    low, high = Responses(game.members, caps_of(game), EPSILON).ranges()
    assert (worst.p_kw >= low - 1e-3).all()
    assert (worst.p_kw <= high + 1e-3).all()
    assert (high - low).max() > 1.0


def test_unique_response_leaves_nothing_to_fear():
    """With renewables and loads only, a cap has one answer: curtail down to it."""
    problem, kinds = problem_of(), {"pv", "wind", "household"}
    (place,) = problem.neighbourhoods
    units = tuple(unit for unit in place.units if unit.kind in kinds)
    problem = replace(problem, neighbourhoods=(replace(place, units=units),))
    game = game_of(problem)
    worst = worst_of(game, 1e-9)
    assert worst.value == pytest.approx(game.found.value, abs=0.01)
    assert worst.bound == pytest.approx(game.found.value, abs=0.01)


def test_limits_that_no_plant_can_mend_make_it_infinite(game, tight_leader):
    row = pessimistic_row(tight_leader, caps_of(game), game.found.values)
    assert row["status"] == "limits broken"
    assert row["objective"] == np.inf


@pytest.fixture
def tight_leader(game):
    """The leader, its network's limits out of reach."""
    rows = game.grid.rows
    game.grid.rows = replace(rows, right=rows.right - 1e6)
    yield Leader(game.joint)
    game.grid.rows = rows


def test_row_is_honest(game):
    row = pessimistic_row(game.leader, caps_of(game), game.found.values)
    assert game.found.value - 1e-6 <= row["objective"] <= row["bound"]
    assert (row["status"] == "optimal") == (row["gap"] <= EPSILON)


def on(problem, grid):
    """The problem with another upper level."""
    return replace(problem, coupling=replace(problem.coupling, grid=grid))


@pytest.fixture(scope="module")
def held(game):
    """The game where redispatch was held to a neighbouring position, which it may leave now."""
    problem = game.process.problem
    poor = replace(problem.grid, tap_pos=game.grid.tap_pos - 1, tap_is_fixed=True)
    process = Process(on(problem, poor))
    process.run()
    process.problem = on(problem, replace(poor, tap_is_fixed=False))
    return best_game(process, np.random.default_rng(1))


def test_better_tap_is_taken(game, held):
    assert held.process.rounds.tap_pos == game.grid.tap_pos - 1
    assert held.grid.tap_pos == game.grid.tap_pos
    rows = {row["problem"]: row for row in held.rows}
    assert len(rows) == len(held.rows)
    assert rows["bilevel"]["objective"] == held.found.value
    assert held.found.value < rows[f"bilevel at tap {game.grid.tap_pos - 1}"]["objective"]


def test_bound_excludes_what_cannot_be_better(game):
    own = game.grid.tap_pos
    assert neighbours(game) == [own - 1, own + 1]
    same = tap_row(game, own)
    assert same["bound"] == pytest.approx(game.bound, rel=1e-3)
    assert not excluded(same["bound"], game)
    assert excluded(game.found.value, game)
    infeasible = tap_row(game, own + 1)
    assert infeasible["status"] == "infeasible"
    assert "objective" not in infeasible


def test_chosen_tap_stays_at_later_gates(game):
    problem = game.process.problem
    fixed = replace(problem.grid, tap_is_fixed=True)
    process = Process(on(problem, fixed))
    process.run()
    assert neighbours(Game(process, np.random.default_rng(1))) == []
