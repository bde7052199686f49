"""What users of the bi-level layer get besides an optimum: robust prices, rounds, a start."""

from __future__ import annotations

import pyomo.environ as pyo
import pytest

from quartier.errors import InputError
from quartier.optimisation.bilevel import BilevelProblem, Follower


def shop(worth=5.0, most=1.0):
    """A customer to whom a piece is worth 5, and who buys one at most; the shop sets its price."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, 10))
    m.low = pyo.Block()
    m.low.bought = pyo.Var(bounds=(0, most))
    m.low.cost = pyo.Objective(expr=(m.price - worth) * m.low.bought)
    m.gain = pyo.Objective(expr=m.price * m.low.bought, sense=pyo.maximize)
    return m


def test_a_price_a_hair_lower_is_worth_its_profit_whatever_is_answered():
    """At 5 the customer is indifferent and may buy nothing; at 4.99 it buys."""
    m = shop()
    result = BilevelProblem(m, [Follower(m.low)]).solve("kkt", pessimistic=True, robust=0.01)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(5.0)
    assert result.pessimistic_objective == pytest.approx(0.0, abs=1e-4)
    assert result.robust_objective == pytest.approx(4.99, abs=1e-3)  # ε of a customer's 5 EUR
    assert result.robust_values == {"price": pytest.approx(4.99)}
    assert m.price.value == pytest.approx(5.0)  # what is loaded is the optimum


def test_a_price_at_its_bound_cannot_move_further():
    """It is worth nothing: at 0 the customer may buy or not, and the shop earns nothing."""
    m = shop(worth=0.0)
    result = BilevelProblem(m, [Follower(m.low)]).solve("kkt", robust=0.01)
    assert result.robust_objective == pytest.approx(0.0, abs=1e-4)


def test_an_answer_that_breaks_a_constraint_at_every_price_has_no_robust_value():
    """The shop needs half a piece sold, and at any price below 5 one is, at 5 none may be."""
    m = shop()
    m.least = pyo.Constraint(expr=m.low.bought <= 0.5)
    m.price.setlb(5.0)
    m.price.setub(5.0)
    result = BilevelProblem(m, [Follower(m.low)]).solve("kkt", robust=0.01)
    assert result.has_solution and result.robust_objective is None and not result.robust_values


def knapsack():
    """The follower packs pieces of worth 5, 4, 3 and weight 4, 3, 2; the leader sets the room."""
    m = pyo.ConcreteModel()
    m.room = pyo.Var(bounds=(0, 6), domain=pyo.Integers)
    m.low = pyo.Block()
    m.low.take = pyo.Var([1, 2, 3], domain=pyo.Binary)
    worth, weight = {1: 5, 2: 4, 3: 3}, {1: 4, 2: 3, 3: 2}
    m.low.fits = pyo.Constraint(expr=sum(weight[k] * m.low.take[k] for k in weight) <= m.room)
    m.low.worth = pyo.Objective(
        expr=sum(worth[k] * m.low.take[k] for k in worth), sense=pyo.maximize
    )
    m.cost = pyo.Objective(expr=m.room - 4 * m.low.take[2])
    return m


def test_rounds_of_cuts_are_a_trace_of_bound_and_best():
    """Alone the leader gives room 3 and piece 2 is taken: -1; bounds rise, best falls to it."""
    m = knapsack()
    result = BilevelProblem(m, [Follower(m.low)]).solve()
    assert result.status == "optimal" and result.objective == pytest.approx(-1.0)
    bounds, objectives = zip(*result.trace, strict=True)
    assert list(bounds) == sorted(bounds)
    assert list(objectives) == sorted(objectives, reverse=True)
    assert bounds[-1] == pytest.approx(objectives[-1]) == pytest.approx(result.objective)


def test_robust_value_beside_integers_is_refused():
    m = knapsack()
    with pytest.raises(InputError, match="robust value beside integer followers"):
        BilevelProblem(m, [Follower(m.low)]).solve(robust=0.1)


def test_a_start_is_answered_and_kept_where_the_time_is_over():
    """What the variables hold is a decision; its answer is a first solution, here the best."""
    m = shop()
    m.price.set_value(4.0)
    result = BilevelProblem(m, [Follower(m.low)]).solve("kkt", start=True, search=False)
    assert result.status == "optimal" and result.objective == pytest.approx(5.0)
    m = knapsack()
    m.room.set_value(3)
    result = BilevelProblem(m, [Follower(m.low)]).solve(start=True)
    assert result.trace[0][1] == pytest.approx(-1.0)


def test_a_start_beyond_bounds_is_moved_into_them():
    m = shop()
    m.price.set_value(99.0, skip_validation=True)
    result = BilevelProblem(m, [Follower(m.low)]).solve("kkt", start=True)
    assert result.objective == pytest.approx(5.0)
