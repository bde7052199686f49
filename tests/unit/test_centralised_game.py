"""The bi-level game on a few hours of fliegerhorst: bounds, certificates, AC, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from quartier.centralised.central import Operator
from quartier.centralised.execution import Execution
from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED, joint_of, linear_grid
from quartier.errors import SolveFailed
from quartier.instance import build
from quartier.optimisation.bilevel.charged.follower import ChargedConditions
from quartier.optimisation.bilevel.charged.search import CLOSED
from quartier.program import Highs
from quartier.scenario.load import load

STEPS = 20


@pytest.fixture(scope="module")
def problem():
    instance = build(load("fliegerhorst", [f"horizon.steps={STEPS}"]))
    return instance.problem(0, 0, instance.initial_state())


@pytest.fixture(scope="module")
def process(problem):
    process = Process(problem)
    process.run()
    return process


@pytest.fixture(scope="module")
def game(process):
    game = Game(process, np.random.default_rng(1))
    game.solve()
    return game


def test_all_dual_bounds_are_proven(game):
    assert game.unproven == ()


def test_gap_and_status_are_honest(game):
    row = game.rows[-1]
    assert row["bound"] <= row["objective"]
    assert (row["status"] == "optimal") == (row["gap"] <= game.settings.gap)


def test_search_is_proven_good_on_a_short_horizon(game):
    assert game.rows[-1]["gap"] <= 0.01


def test_neighbourhoods_alone_have_nothing_better_under_the_caps(game):
    assert game.suboptimality <= 1e-6


def test_certified_response_is_feasible_in_the_milp_and_reproduces_the_objective(game):
    program, point = game.single.arrays, game.single.start(game.found)
    fixed = np.flatnonzero(program.integer)
    solver = Highs("certified response", program.relaxed())
    solver.set_bounds(fixed, point[fixed], point[fixed])
    answer = solver.needed()
    assert answer.objective == pytest.approx(game.found.value, abs=1e-3)
    body = program.matrix @ point
    outside = max((program.row_lower - body).max(), (body - program.row_upper).max())
    assert outside <= 1e-2  # kW beside sides of thousands: what the solver's tolerances leave


def test_caps_answered_alone_give_the_planned_cost(game):
    """The follower's own optimum under P_set, the best for the leader, costs what was planned."""
    rows, most = [], []
    arrays = game.leader.program().high_point()
    upper = arrays.upper.copy()
    for k, (where, member) in enumerate(zip(game.leader.members, game.members, strict=True)):
        cap = game.binding(k)
        upper[where.start + member.exported] = np.minimum(
            upper[where.start + member.exported], cap.p_max_kw
        )
        row = np.zeros(arrays.size)
        row[where] = member.arrays.cost
        rows.append(row)
        alone = Highs("alone", member.capped(cap)).needed()
        most.append(alone.objective - member.arrays.offset + 10 * CLOSED)
    held = replace(
        arrays,
        upper=upper,
        matrix=sparse.csr_array(sparse.vstack([arrays.matrix, sparse.csr_array(np.array(rows))])),
        row_lower=np.append(arrays.row_lower, np.full(len(rows), -np.inf)),
        row_upper=np.append(arrays.row_upper, most),
    )
    answer = Highs("optimistic response", held).needed()
    assert answer.objective <= game.found.value + 1e-3


def test_bound_then_bilevel_then_individual_on_the_same_linear_network(game, process):
    """A theorem only for one linear network and the same relaxed neighbourhoods (M7)."""
    individual = _relaxed_individual(game, process)
    assert game.bound <= game.found.value + 1e-6
    assert game.answer.bound <= game.found.value + 1e-6
    assert game.found.value <= individual + 1e-6


def _relaxed_individual(game, process):
    """The leader's cost of the DSO's own caps, answered by the relaxed neighbourhoods."""
    arrays = game.leader.program().high_point()
    values = np.zeros(arrays.size)
    for where, member in zip(game.leader.members, game.members, strict=True):
        cap = process.rounds.caps[member.problem.name]
        answer = Highs("answer", member.capped(cap)).needed()
        values[where] = answer.values
    return game.leader.value(values)


def test_cuts_are_exact_where_the_plan_is(game):
    assert game.leader.estimate(game.p_kw) == pytest.approx(
        float(game.leader.cost_eur(game.p_kw)[0].sum()), abs=0.05
    )


def test_plan_and_execution_keep_all_limits_in_ac(game):
    assert game.grid.worst(game.grid.solve(game.power_mw)) <= SOLVED
    execution = Execution(game)
    assert not execution.trouble
    assert game.grid.worst(game.grid.solve(execution.power_mw)) <= SOLVED
    for name, optimiser in game.process.optimisers.items():
        assert optimiser.unkept_kw() <= 0.01, name


def test_losses_are_not_inflated(game):
    planned = game.grid.loss_mw(game.power_mw)
    exact = game.grid.solve(game.power_mw).loss_mw
    np.testing.assert_allclose(planned, exact, rtol=0.01)


def test_reference_offer_is_the_same_for_all(game, process):
    operator = Operator(process)
    assert operator.process.offers is game.process.offers
    again = Process(process.problem)
    for one, other in zip(process.offers, again.offers, strict=True):
        np.testing.assert_array_equal(one.p_kw, other.p_kw)


def test_central_is_no_dearer_than_individual_in_sum(process):
    operator = Operator(process)
    operator.solve()
    bound, central = operator.rows
    assert central["status"] == "optimal"
    assert bound["objective"] <= operator.joint.upper_value(operator.answer.values) + 1e-6
    assert operator.worst <= SOLVED


def test_single_sessions_are_no_cheaper_than_their_envelope(problem):
    task = problem.neighbourhoods[0]
    single, envelope = (
        Highs("n", Member(task, aggregate=a, convex=True).arrays).needed() for a in (False, True)
    )
    assert envelope.objective <= single.objective + 1e-6


def test_limits_that_nobody_can_keep_are_named(process):
    grid = linear_grid(process)
    grid.rows = replace(grid.rows, right=grid.rows.right - 1e6)
    member = Member(process.problem.neighbourhoods[0], aggregate=True, convex=True)
    with pytest.raises(SolveFailed, match=r"bound: infeasible.*limits of the grid"):
        Highs("bound", joint_of(process, grid, [member]).arrays()).needed()


def test_a_dual_without_a_bound_makes_no_optimum(problem):
    """A neighbourhood with on/off decisions merely relaxed has duals that no rule bounds."""
    member = Member(problem.neighbourhoods[0], aggregate=True, convex=False)
    parts = ChargedConditions(member.follower)
    assert parts.bounds.unproven


def test_status_is_for_m_if_a_bound_is_a_guess(game, monkeypatch):
    monkeypatch.setattr(type(game), "unproven", ("row 7",))
    loose = game.settings.model_copy(update={"gap": 1.0})
    monkeypatch.setattr(game, "settings", loose)
    assert game.status == "optimal-for-M"
