"""What a result says, and when: statuses, certificate, margins, loading of values."""

from math import inf

import numpy as np
import pyomo.environ as pyo
import pytest

from quartier.optimisation.bilevel import BilevelProblem, Follower, Status
from quartier.optimisation.bilevel.certify import certify
from quartier.optimisation.bilevel.extract import extract
from quartier.optimisation.bilevel.judge import Judge
from quartier.optimisation.bilevel.milp import solve
from quartier.optimisation.bilevel.prepare import prepare, relaxation
from quartier.program import Answer


@pytest.fixture
def model():
    """Seller's cap x; the follower sells y up to its cap and a rejected rest at a penalty of 3."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 8))
    m.low.over = pyo.Var(bounds=(0, None))
    m.low.cap = pyo.Constraint(expr=m.low.y <= m.x + m.low.over)
    m.low.gain = pyo.Objective(expr=2 * m.low.y - 3 * m.low.over, sense=pyo.maximize)
    m.cost = pyo.Objective(expr=0.5 * m.x + 100 - m.low.y)
    return m


def problem(model):
    return BilevelProblem(model, [Follower(model.low)])


def prepared(model, how="kkt"):
    system = extract(model, [Follower(model.low)])
    relaxed = relaxation(system)
    _, single = prepare(system, how, 1e4)
    return system, relaxed, single


@pytest.mark.parametrize("how", ["kkt", "kkt+cut"])
def test_optimal(model, how):
    result = problem(model).solve(how)
    assert result.status == Status.OPTIMAL and result.has_solution
    assert result.objective == result.bound == pytest.approx(96)
    assert result.gap == pytest.approx(0, abs=1e-6)
    assert result.values == pytest.approx({"x": 8, "low.y": 8, "low.over": 0})
    assert (model.x.value, model.low.y.value) == pytest.approx((8, 8))
    assert model.low.gain.active and model.cost.active


def test_maximising_leader_has_signs_of_its_own_sense(model):
    model.cost.set_value(-model.cost.expr)
    model.cost.sense = pyo.maximize
    result = problem(model).solve()
    assert result.objective == pytest.approx(-96)
    assert result.bound == pytest.approx(-96)


def test_margins_compare_m_with_the_follower_solved_alone(model):
    result = problem(model).solve()
    # The penalty proves 0 <= dual of the cap <= 3; alone at x = 8 the duals are at most 2.
    assert 1 - 1e-6 <= result.dual_margins["low.cap (upper side)"] <= 3 + 1e-6
    assert all(margin >= -1e-6 for margin in result.dual_margins.values())


def test_certified_response_is_feasible_in_the_program_and_reproduces_its_objective(model):
    system, _, single = prepared(model)
    outcome = solve(single.program)
    certificate = certify(system, single, outcome.point)
    assert certificate.doubt == "" and certificate.failure == ""
    assert certificate.objective == pytest.approx(outcome.objective, abs=1e-6)


def test_a_false_proof_is_caught():
    """The dual of the only row is 1 whatever the leader does: a "proof" of 0.5 leaves nothing."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2))
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 5))
    m.low.need = pyo.Constraint(expr=m.low.y >= m.x + 1)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.cost = pyo.Objective(expr=0.5 * m.x - m.low.y)
    follower = Follower(m.low)
    follower.hint(m.low.need, dual=0.5, proof="wishful thinking")
    result = BilevelProblem(m, [follower]).solve()
    assert result.status == Status.FEASIBLE
    assert "M hides this point" in result.reason and "infeasible although" in result.reason
    assert BilevelProblem(m, [Follower(m.low)]).solve().objective == pytest.approx(-2)


def test_time_limit_without_a_solution_has_no_numbers(model):
    system, relaxed, single = prepared(model)
    judge = Judge(system, "kkt", 1e-6, None)
    result = judge.verdict(single, Answer(np.zeros(0), "time-limit"), relaxed)
    assert result.status == Status.TIME_LIMIT
    assert (result.objective, result.gap, dict(result.values)) == (None, None, {})
    assert result.bound is not None


def test_time_limit_with_a_solution_tells_the_gap(model):
    system, relaxed, single = prepared(model)
    point = solve(single.program).point
    outcome = Answer(point, "time-limit", objective=96.0, bound=90.0, found=True)
    result = Judge(system, "kkt", 1e-6, None).verdict(single, outcome, relaxed)
    assert result.status == Status.FEASIBLE and "time-limit" in result.reason
    assert (result.objective, result.gap) == pytest.approx((96, 0), abs=1e-6) or result.gap > 0


def test_a_solver_that_gives_up_is_named(model):
    system, relaxed, single = prepared(model)
    outcome = Answer(np.zeros(0), "failed (error)")
    result = Judge(system, "kkt", 1e-6, None).verdict(single, outcome, relaxed)
    assert result.status == Status.FAILED and "failed (error)" in result.reason


def test_infeasible_names_the_constraint_and_loads_nothing(model):
    model.demand = pyo.Constraint(expr=model.low.y >= 9)
    result = problem(model).solve()
    assert result.status == Status.INFEASIBLE
    assert "'demand'" in result.reason
    assert model.x.value is None and not result.has_solution


def test_the_leaders_own_contradiction_is_told_apart(model):
    model.a = pyo.Constraint(expr=model.x >= 6)
    model.b = pyo.Constraint(expr=model.x <= 5)
    result = problem(model).solve()
    assert result.status == Status.INFEASIBLE
    assert "leader's own constraints" in result.reason


def test_unbounded_leader(model):
    model.z = pyo.Var(bounds=(0, None))
    model.cost.set_value(model.cost.expr - model.z)
    result = problem(model).solve()
    assert result.status == Status.UNBOUNDED and not result.has_solution


def test_a_relaxation_that_is_unbounded_says_so_and_not_more(model):
    model.z = pyo.Var(bounds=(0, None))
    model.cost.set_value(model.cost.expr - model.z)
    result = problem(model).solve("primal-dual")
    assert result.status == Status.FAILED and "use 'kkt'" in result.reason


def test_infeasible_within_guesses_is_not_called_infeasible(model):
    follower = Follower(model.low)
    follower.hint(model.low.cap, dual=0.1)
    follower.hint(model.low.y, dual=0.1)
    result = BilevelProblem(model, [follower]).solve(search=False)
    assert result.status == Status.INFEASIBLE_FOR_M and not result.has_solution
    assert "low.cap" in result.reason


def test_fixed_leader_variables_are_constants(model):
    model.x.fix(3)
    result = problem(model).solve()
    assert result.status == Status.OPTIMAL
    assert result.objective == pytest.approx(98.5)


def test_fixed_follower_variables_are_constants_of_the_follower(model):
    model.low.y.fix(2)
    assert problem(model).solve().objective == pytest.approx(98)


def test_variables_declared_outside_the_block_are_listed():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2))
    m.y = pyo.Var([1, 2], bounds=(0, 3))
    m.low = pyo.Block()
    m.low.row = pyo.Constraint(expr=m.y[1] + m.y[2] <= m.x)
    m.low.gain = pyo.Objective(expr=m.y[1], sense=pyo.maximize)
    m.cost = pyo.Objective(expr=m.y[2] - m.y[1] + 0.1 * m.x)
    result = BilevelProblem(m, [Follower(m.low, variables=[m.y])]).solve()
    assert result.objective == pytest.approx(-1.8)


def test_reformulated_model_can_be_looked_at(model):
    single = problem(model).reformulate("kkt")
    assert "active: low.cap (upper side)" in single.v
    assert single.v["dual of low.cap"].lb == pytest.approx(-2, abs=1e-6)
    assert "stationarity of low.y" in single.c


def test_a_semidefinite_quadratic_follower():
    """`min y1² / 2 + y2` with y1 + y2 = x (HTP 9.3.5's follower) under a linear leader."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(0, 10))
    m.low.sum = pyo.Constraint(expr=m.low.y[1] + m.low.y[2] == m.x)
    m.low.cost = pyo.Objective(expr=m.low.y[1] ** 2 / 2 + m.low.y[2])
    m.cost = pyo.Objective(expr=2 * m.low.y[2] - 3 * m.low.y[1] - 0.5 * m.x)
    result = BilevelProblem(m, [Follower(m.low)]).solve("kkt+cut", pessimistic=True)
    assert result.status == Status.OPTIMAL
    assert result.values["low.y[1]"] == pytest.approx(1) and result.values["x"] == pytest.approx(1)
    assert result.pessimistic_objective == pytest.approx(result.objective, abs=1e-5)


def test_a_response_that_may_break_the_leaders_constraint_is_infinitely_bad():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(0, 1))
    m.low.sum = pyo.Constraint(expr=m.low.y[1] + m.low.y[2] == 1)
    m.low.cost = pyo.Objective(expr=m.low.y[1] + m.low.y[2])
    m.need = pyo.Constraint(expr=m.low.y[1] >= 0.5)
    m.cost = pyo.Objective(expr=m.x + m.low.y[2])
    result = BilevelProblem(m, [Follower(m.low)]).solve(pessimistic=True)
    assert result.objective == pytest.approx(0)
    assert result.pessimistic_objective == inf
