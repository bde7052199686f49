"""Quadratic leaders and integer followers: against enumeration, and refused where they must be."""

from itertools import product

import numpy as np
import pyomo.environ as pyo
import pytest

from quartier.errors import InputError
from quartier.optimisation.bilevel import BilevelProblem, Follower, Status
from quartier.optimisation.bilevel.integers import step_of


def interdiction(budget, seed=3, items=5):
    """The leader forbids items, the follower packs what is worth most."""
    rng = np.random.default_rng(seed)
    values, weights = rng.integers(1, 20, items), rng.integers(1, 10, items)
    room = int(weights.sum() * 0.6)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(items), domain=pyo.Binary)
    m.low = pyo.Block()
    m.low.y = pyo.Var(range(items), domain=pyo.Binary)
    m.worth = pyo.Expression(expr=sum(int(v) * m.low.y[i] for i, v in enumerate(values)))
    m.cost = pyo.Objective(expr=m.worth)
    m.low.gain = pyo.Objective(expr=m.worth, sense=pyo.maximize)
    load = sum(int(w) * m.low.y[i] for i, w in enumerate(weights))
    m.low.fits = pyo.Constraint(expr=load <= room)
    m.low.forbidden = pyo.Constraint(range(items), rule=lambda b, i: b.y[i] <= 1 - m.x[i])
    m.budget = pyo.Constraint(expr=sum(m.x.values()) <= budget)
    packs = [y for y in product((0, 1), repeat=items) if np.dot(weights, y) <= room]
    best = min(
        max(np.dot(values, y) for y in packs if not np.dot(x, y))
        for x in product((0, 1), repeat=items)
        if sum(x) <= budget
    )
    return m, int(best)


@pytest.mark.parametrize("budget", [0, 1, 2])
@pytest.mark.parametrize("seed", [3, 4])
def test_interdiction_by_enumeration(budget, seed):
    model, best = interdiction(budget, seed)
    result = BilevelProblem(model, [Follower(model.low)]).solve()
    assert (result.status, result.reformulation) == (Status.OPTIMAL, "value-function")
    assert result.objective == result.bound == pytest.approx(best)


def random_integers(seed, square=0.0):
    """Integer x and y, and a continuous z of the follower; optimum by enumeration of x and y."""
    rng = np.random.default_rng(seed)
    a, b, f = rng.integers(-3, 4, (2, 2)), rng.integers(-3, 4, (2, 2)), rng.integers(-4, 5, 2)
    c, price = rng.integers(-5, 6, 4), int(rng.integers(-2, 3))
    right = rng.integers(2, 8, 2)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(2), bounds=(0, 3), domain=pyo.Integers)
    m.low = pyo.Block()
    m.low.y = pyo.Var(range(2), bounds=(-1, 3), domain=pyo.Integers)
    x, y = [m.x[0], m.x[1]], [m.low.y[0], m.low.y[1]]
    m.low.rows = pyo.Constraint(
        range(2),
        rule=lambda b_, i: (
            sum(int(a[i, k]) * x[k] + int(b[i, k]) * y[k] for k in range(2)) <= int(right[i])
        ),
    )
    upper = sum(int(c[k]) * v for k, v in enumerate([*x, *y]))
    m.cost = pyo.Objective(expr=upper + square * (x[0] - y[1]) ** 2 + square * y[0] ** 2)
    m.low.cost = pyo.Objective(expr=sum(int(f[k]) * y[k] for k in range(2)) + price * x[0] * y[0])
    return m, _enumerated(a, b, f, c, price, right, square)


def _enumerated(a, b, f, c, price, right, square):
    best = np.inf
    for x in product(range(4), repeat=2):
        ys = [y for y in product(range(-1, 4), repeat=2) if np.all(a @ x + b @ y <= right)]
        lower = [np.dot(f, y) + price * x[0] * y[0] for y in ys]
        for y, value in zip(ys, lower, strict=True):
            if value == min(lower):
                extra = square * ((x[0] - y[1]) ** 2 + y[0] ** 2)
                best = min(best, np.dot(c, [*x, *y]) + extra)
    return best


@pytest.mark.parametrize("square", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(8))
def test_integer_followers_by_enumeration(seed, square):
    model, best = random_integers(seed, square)
    result = BilevelProblem(model, [Follower(model.low)]).solve()
    if best == np.inf:
        assert result.status == Status.INFEASIBLE
    else:
        assert result.status == Status.OPTIMAL, result.reason
        assert result.objective == pytest.approx(best, abs=1e-5)
        assert result.follower_suboptimality["low"] <= 1e-6


@pytest.fixture
def model():
    """An integer follower under a leader's integer cap."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10), domain=pyo.Integers)
    m.cost = pyo.Objective(expr=m.x)
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 5), domain=pyo.Integers)
    m.low.cap = pyo.Constraint(expr=m.low.y <= m.x)
    m.low.gain = pyo.Objective(expr=m.low.y, sense=pyo.maximize)
    return m


def solve(model, **options):
    return BilevelProblem(model, [Follower(model.low)]).solve(**options)


def test_a_continuous_decision_beside_integers_is_refused(model):
    model.x.domain = pyo.Reals
    with pytest.raises(InputError, match=r"'low.y' is integer; leader's variable 'x'.*too"):
        solve(model)


def test_an_unbounded_decision_beside_integers_is_refused(model):
    model.x.setub(None)
    with pytest.raises(InputError, match=r"beside 'x', which needs bounds"):
        solve(model)


def test_a_quadratic_follower_with_integers_is_refused(model):
    model.low.gain.expr = -((model.low.y - 2) ** 2)
    with pytest.raises(InputError, match="its objective must be linear"):
        solve(model)


def test_an_integer_follower_that_must_break_the_leaders_row_is_infeasible(model):
    model.more = pyo.Constraint(expr=model.low.y <= model.x - 1)
    model.less = pyo.Constraint(expr=model.x <= 4)
    result = solve(model)
    assert result.status == Status.INFEASIBLE and "breaks a constraint" in result.reason


def test_integer_followers_have_no_reformulation_to_look_at(model):
    with pytest.raises(InputError, match="no dual"):
        BilevelProblem(model, [Follower(model.low)]).reformulate()


def test_linear_and_integer_followers_together(model):
    model.other = pyo.Block()
    model.other.z = pyo.Var(bounds=(0, 9))
    model.other.need = pyo.Constraint(expr=model.other.z >= 3 - model.x)
    model.other.cost = pyo.Objective(expr=model.other.z)
    model.cost.expr = 4 * model.other.z + 3 * model.low.y + 0.1 * model.x
    result = BilevelProblem(model, [Follower(model.low), Follower(model.other)]).solve()
    values = [4 * max(3 - x, 0) + 3 * min(x, 5) + 0.1 * x for x in range(11)]
    assert result.status == Status.OPTIMAL
    assert result.objective == pytest.approx(min(values))


def test_what_the_leader_adds_moves_in_steps():
    assert step_of([0.5, 0.75]) == pytest.approx(0.25)
    assert step_of([6, 4]) == 2
    assert step_of([1 / 3]) == pytest.approx(1 / 3)


def leader_of(expression, bounds=(-50, 50)):
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=bounds)
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 20))
    m.low.row = pyo.Constraint(expr=m.low.y >= m.x - 2)
    m.low.cost = pyo.Objective(expr=m.low.y)
    m.cost = pyo.Objective(expr=expression(m.x, m.low.y))
    return m


@pytest.mark.parametrize(
    "expression",
    [
        lambda x, y: (x - 7) ** 2 + 3 * y,
        lambda x, y: (x + y - 4.4) ** 2 + 0.2 * x,
        lambda x, y: x**2 + x * y + y**2 - 9 * x,
        lambda x, y: 1e-7 * ((x - 6) ** 2 + y),
    ],
)
@pytest.mark.parametrize("bounds", [(-50, 50), (None, 22)])
def test_quadratic_leaders_by_a_grid(expression, bounds):
    """y = max(x - 2, 0): one variable is left to search."""
    result = solve(leader_of(expression, bounds))
    x = np.linspace(-50, 22, 720_001)
    assert result.status == Status.OPTIMAL, result.reason
    assert result.objective == pytest.approx(expression(x, np.maximum(x - 2, 0)).min(), rel=1e-5)
    assert result.gap <= 2e-6


def test_a_concave_leader_is_refused_for_that_and_not_for_a_slack():
    model = leader_of(lambda x, y: -(x**2), bounds=(None, None))
    with pytest.raises(InputError, match=r"the product 'x'·'x' is not.*not convex"):
        solve(model)


def test_a_quadratic_leader_without_bounds_says_what_to_do():
    model = leader_of(lambda x, y: x)
    model.w = pyo.Var()
    model.cost.expr += 1e-9 * model.w**2 - model.w
    result = solve(model)
    assert result.status == Status.FAILED and "bound the leader's variables" in result.reason
    model.w.setub(1e3)
    assert solve(model).objective == pytest.approx(-50 - 1e3 + 1e-3)


def test_the_pessimistic_value_of_a_quadratic_leader_is_refused():
    with pytest.raises(InputError, match="pessimistic"):
        solve(leader_of(lambda x, y: x**2), pessimistic=True)
