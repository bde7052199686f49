"""Points of the leader's front are bi-level feasible, efficient, and as good as their rows say."""

from __future__ import annotations

import numpy as np
import pytest

import quartier
from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.network import SOLVED
from quartier.centralised.upper_front import UpperFront, UpperPoint, efficient
from quartier.centralised.upper_program import OBJECTIVES
from quartier.instance import build
from quartier.scenario.load import load

STEPS = 8
GRID = 2


@pytest.fixture(scope="module")
def game():
    instance = build(load("fliegerhorst", [f"horizon.steps={STEPS}"]))
    process = Process(instance.problem(0, 0, instance.initial_state()))
    process.run()
    game = Game(process, np.random.default_rng(1))
    game.solve()
    return game


@pytest.fixture(scope="module")
def front(game):
    return UpperFront(game, np.random.default_rng(1), GRID)


def values_of(front):
    return np.array([point.values for point in front.points])


def rows_of(front):
    return {row["problem"].removeprefix("front-upper "): row for row in front.solves}


def test_no_point_dominates_another(front):
    values = values_of(front)
    assert len(values) > 3
    for own in values:
        assert not ((values <= own).all(axis=1) & (values < own).any(axis=1)).any()


def test_ideal_values_are_attained(front):
    """Up to what the other objectives weigh in, and the tolerance of AC limits."""
    least, ranges = values_of(front).min(axis=0), np.ptp(values_of(front), axis=0)
    rows = rows_of(front)
    for k, name in enumerate(OBJECTIVES):
        row = rows[f"least {name}"]
        assert least[k] <= row["objective"] + 1e-2 * ranges[k] + 1e-3


def test_objectives_conflict(front):
    """Fewer losses need more redispatch."""
    values = values_of(front)
    order = np.argsort(values[:, 0])
    assert values[order[0], 1] > 1.5 * values[order[-1], 1]


def test_rows_are_honest(front):
    assert len(front.solves) > 3
    for row in front.solves:
        assert row["bound"] <= row["objective"] + 1e-6
        assert (row["status"] == "optimal") == (row["gap"] <= 1e-3)
        assert row["gap"] <= 0.05
        assert row["follower_suboptimality"] <= 1e-6


def test_the_plan_itself_is_on_the_front(game, front):
    (own,) = [point for point in front.points if point.chosen]
    price = game.process.problem.grid.settings.loss_price_eur_per_kwh
    assert own.values[0] + price * own.values[1] == pytest.approx(game.found.value, rel=1e-3)


def test_inner_points_lie_between_the_ends(front):
    """Limits on losses lead to points that the optima of single objectives do not."""
    values, rows = values_of(front), rows_of(front)
    inner = [name for name in rows if not name.startswith("least")]
    assert inner
    worst, ideal = values[:, 1].max(), values[:, 1].min()
    assert any(ideal + 1.0 < value < worst - 1.0 for value in values[:, 1])


def test_game_stays_as_it_is(game, front):
    assert front.points
    assert game.grid.worst(game.grid.solve(game.power_mw)) <= SOLVED
    assert len(game.grid.tangents) < len(front._grid.tangents)


def test_same_seed_same_front(game, front):
    again = UpperFront(game, np.random.default_rng(1), GRID)
    np.testing.assert_array_equal(values_of(again), values_of(front))


def test_dominated_and_equal_points_are_left_out():
    values = ((1.0, 5.0, 0.0), (2.0, 4.0, 0.0), (2.0, 5.0, 0.0), (1.0001, 4.9999, 0.0))
    points = [UpperPoint(np.array(v), np.zeros(0)) for v in values]
    assert [tuple(p.values) for p in efficient(points)] == [values[0], values[1]]


def test_run_writes_the_front_where_asked(tmp_path):
    result = quartier.run(
        "fliegerhorst",
        coordination="bilevel",
        overrides=[f"horizon.steps={STEPS}", "record.fronts=true"],
        out=tmp_path / "run",
    )
    rows = result.table("fronts")
    upper = rows[rows["method"] == "augmecon-upper"]
    assert set(upper["objective"]) == set(OBJECTIVES)
    assert set(upper["neighbourhood"]) == {"grid"}
    assert upper.groupby("point")["objective"].count().eq(3).all()
    assert upper["value"].notna().all()
    assert upper["chosen"].sum() == 3
    assert (rows["method"] == "augmecon").any()
    problems = set(result.table("solves")["problem"])
    assert "bilevel-pessimistic" in problems
    assert any(name.startswith("front-upper") for name in problems)
