"""A price-setting leader (M8): the primal-dual LP with its certificate, and KKT beside it."""

import numpy as np
import pyomo.environ as pyo
import pytest

from quartier.optimisation.bilevel import BilevelProblem, Follower, Status

SELL, BUY, CHP_COST = 0.08, 0.30, 0.22
STEPS, HOUSES = 6, 3


def neighbourhood(block, price, rng, sun):
    """Load, PV, CHP and a battery; trades p at the leader's price."""
    t = range(STEPS)
    load, pv = rng.uniform(5, 20, STEPS), sun * rng.choice([0.0, 40.0], STEPS)
    block.used = pyo.Var(t, bounds=lambda _, k: (0, pv[k]))
    block.chp = pyo.Var(t, bounds=(0, 8))
    block.charge = pyo.Var(t, bounds=(0, 10))
    block.discharge = pyo.Var(t, bounds=(0, 10))
    block.level = pyo.Var(range(STEPS + 1), bounds=(0, 40))
    block.p = pyo.Var(t, bounds=(-100, 100))
    block.start = pyo.Constraint(expr=block.level[0] == 20)
    block.end = pyo.Constraint(expr=block.level[STEPS] >= 20)
    block.store = pyo.Constraint(
        t,
        rule=lambda b, k: (
            b.level[k + 1] == 0.999 * b.level[k] + 0.95 * b.charge[k] - b.discharge[k] / 0.95
        ),
    )
    block.balance = pyo.Constraint(
        t, rule=lambda b, k: b.p[k] == b.used[k] + b.chp[k] + b.discharge[k] - b.charge[k] - load[k]
    )
    own = sum(CHP_COST * block.chp[k] + 0.01 * block.discharge[k] for k in t)
    block.cost = pyo.Objective(expr=own - sum(price[k] * block.p[k] for k in t))
    return own


def community(seed=1, *, counts_chp=False, sun=True):
    """Seed 000, eq. 6-9: the leader's cost is what its price leaves on exchange with the grid."""
    rng = np.random.default_rng(seed)
    m = pyo.ConcreteModel()
    t = range(STEPS)
    m.price = pyo.Var(t, bounds=(SELL, BUY))
    m.exported = pyo.Var(t, bounds=(0, 200))
    m.imported = pyo.Var(t, bounds=(0, 200))
    m.house = pyo.Block(range(HOUSES))
    m.own = sum(neighbourhood(m.house[n], m.price, rng, sun) for n in range(HOUSES))
    m.balance = pyo.Constraint(
        t,
        rule=lambda m, k: (
            sum(m.house[n].p[k] for n in range(HOUSES)) == m.exported[k] - m.imported[k]
        ),
    )
    cost = sum((m.price[k] - SELL) * m.exported[k] + (BUY - m.price[k]) * m.imported[k] for k in t)
    if counts_chp:
        cost += sum(CHP_COST * m.house[n].chp[k] for n in range(HOUSES) for k in t)
    m.cost = pyo.Objective(expr=cost)
    return m


def solve(model, how, **options):
    followers = [Follower(model.house[n]) for n in range(HOUSES)]
    return BilevelProblem(model, followers).solve(how, time_limit=60, **options)


def welfare(model):
    """Least total cost under one operator, and at what was loaded."""
    t = range(STEPS)
    return model.own + sum(BUY * model.imported[k] - SELL * model.exported[k] for k in t)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_linear_program_is_certified_and_reaches_the_central_optimum(seed):
    m = community(seed)
    result = solve(m, "primal-dual")
    assert result.status == Status.OPTIMAL
    assert abs(result.objective) <= 1e-6
    assert max(result.follower_suboptimality.values()) <= 1e-9
    reached = pyo.value(welfare(m))
    central = community(seed)
    for n in range(HOUSES):
        central.house[n].cost.deactivate()
    central.cost.set_value(welfare(central))
    pyo.SolverFactory("appsi_highs").solve(central)
    assert reached == pytest.approx(pyo.value(central.cost), abs=1e-6)


@pytest.mark.parametrize("how", ["kkt", "kkt+cut"])
def test_kkt_with_proven_bounds_agrees(how):
    result = solve(community(), how)
    assert result.status == Status.OPTIMAL
    assert abs(result.objective) <= 1e-5


def test_counting_own_costs_is_another_game_that_needs_kkt():
    relaxed = solve(community(counts_chp=True, sun=False), "primal-dual")
    exact = solve(community(counts_chp=True, sun=False), "kkt")
    assert relaxed.status == Status.FEASIBLE and "use 'kkt'" in relaxed.reason
    assert exact.status == Status.OPTIMAL
    assert relaxed.bound <= exact.objective + 1e-6 <= relaxed.objective + 2e-6


def test_the_pessimistic_value_lets_the_leaders_balance_react():
    """Exports and imports answer the houses; only their indifference can cost the leader."""
    result = solve(community(), "primal-dual", pessimistic=True)
    assert result.pessimistic_objective >= result.objective - 1e-6
    assert np.isfinite(result.pessimistic_objective)


def test_prices_that_cannot_be_met_leave_no_solution():
    m = community()
    m.floor = pyo.Constraint(expr=m.price[0] >= BUY + 0.01)
    result = solve(m, "primal-dual")
    assert result.status == Status.INFEASIBLE
    assert "'floor'" in result.reason
    assert not result.values and m.price[0].value is None
