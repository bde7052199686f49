"""Bounds on duals: each rule's number, and a search for a complementary dual inside the box."""

from math import inf

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

from quartier.optimisation.bilevel import Follower
from quartier.optimisation.bilevel.bounds import multiplier_box
from quartier.optimisation.bilevel.extract import extract
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.response import answer

PENALTY, PRICE_LOW, PRICE_HIGH = 5.0, 0.08, 0.30


def capped_neighbourhood(steps=4, *, loss=0.0, terminal=0.0):
    """PV, a battery and a load behind a cap with penalised slack: the follower of M7."""
    m = pyo.ConcreteModel()
    m.t = pyo.RangeSet(0, steps - 1)
    m.cap = pyo.Var(m.t, bounds=(0, 30))
    m.cost = pyo.Objective(expr=-sum(m.cap.values()))
    b = m.low = pyo.Block()
    pv = 10 + 10 * np.sin(np.arange(steps))
    b.used = pyo.Var(m.t, bounds=lambda _, t: (0, pv[t]))
    b.charge = pyo.Var(m.t, bounds=(0, 5))
    b.discharge = pyo.Var(m.t, bounds=(0, 5))
    b.level = pyo.Var(range(steps + 1), bounds=(0, 8))
    b.export = pyo.Var(m.t, bounds=(-50, 50))
    b.over = pyo.Var(m.t, bounds=(0, None))
    b.start = pyo.Constraint(expr=b.level[0] == 4)
    b.end = pyo.Constraint(expr=b.level[steps] >= 4)
    b.store = pyo.Constraint(
        m.t,
        rule=lambda b, t: (
            b.level[t + 1] == (1 - loss) * b.level[t] + 0.95 * b.charge[t] - b.discharge[t] / 0.95
        ),
    )
    b.balance = pyo.Constraint(
        m.t, rule=lambda b, t: b.export[t] == b.used[t] + b.discharge[t] - b.charge[t] - 6
    )
    b.limit = pyo.Constraint(m.t, rule=lambda b, t: b.export[t] <= m.cap[t] + b.over[t])
    revenue = sum(PRICE_LOW * b.export[t] - 0.02 * b.discharge[t] for t in m.t)
    b.gain = pyo.Objective(
        expr=revenue - PENALTY * sum(b.over.values()) + terminal * b.level[steps],
        sense=pyo.maximize,
    )
    return m


def read(model):
    system = extract(model, [Follower(model.low)])
    region = Region(system)
    region.bound_columns()
    (form,) = system.followers
    return system, form, multiplier_box(system, form, (region.lower, region.upper))[0]


def entry(form, name):
    return form.row_names.index(name)


def complementary_dual_exists(system, form, box, found):
    """A multiplier with stationarity, complementarity at the optimum, signs and the box (LP)."""
    low, high = form.limits(system.leader.lower, system.leader.upper)
    body = form.body @ found.point
    least = np.where((low == high) | (body > high - 1e-7), -inf, 0.0)
    most = np.where((low == high) | (body < low + 1e-7), inf, 0.0)
    bounds = np.column_stack([np.maximum(least, box.lower), np.minimum(most, box.upper)])
    a = np.hstack([form.own.toarray().T, np.eye(form.columns.size)])
    zero = np.zeros(a.shape[1])
    return linprog(zero, A_eq=a, b_eq=form.cost_at(found.point), bounds=bounds).status == 0


def test_a_penalised_slack_bounds_the_dual_of_its_cap():
    _, form, box = read(capped_neighbourhood())
    i = entry(form, "low.limit[1]")
    assert box.lower[i] == pytest.approx(-PENALTY, abs=1e-6) and box.upper[i] == 0.0
    assert box.how[i] == "propagation"


@pytest.mark.parametrize(("loss", "terminal"), [(0.0, 0.0), (0.001, 0.0), (0.001, 0.1)])
def test_the_value_of_stored_energy_is_bounded_by_clipping(loss, terminal):
    _, form, box = read(capped_neighbourhood(loss=loss, terminal=terminal))
    for row in ("low.store[0]", "low.store[3]", "low.start", "low.end"):
        assert box.how[entry(form, row)] in {"clipping", "propagation"}
    assert np.isfinite(box.lower).all() and np.isfinite(box.upper).all()
    assert np.abs(box.lower[entry(form, "low.store[2]")]) <= 1.1 * (PENALTY + 1)


@pytest.mark.parametrize(("loss", "terminal"), [(0.0, 0.0), (0.01, 0.0), (0.01, 0.07)])
@pytest.mark.parametrize("seed", range(4))
def test_some_complementary_dual_lies_in_the_box(loss, terminal, seed):
    system, form, box = read(capped_neighbourhood(loss=loss, terminal=terminal))
    rng = np.random.default_rng(seed)
    decision = np.zeros(len(system.leader))
    for k in system.linking():
        decision[k] = rng.choice([0.0, rng.uniform(0, 12)])
    found = answer(system, form, decision)
    assert found.status == "optimal"
    assert complementary_dual_exists(system, form, box, found)


def test_sides_that_are_never_active_have_no_dual():
    system, form, box = read(capped_neighbourhood())
    at = form.entry_names(system.leader.names).index("bound of low.export[0]")
    assert (box.lower[at], box.upper[at]) == (0.0, 0.0)


def free_pair():
    """Two rows whose duals no column bounds alone: `ν1 + ν2 <= 2`, `ν1 - ν2 = 1`..."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.cost = pyo.Objective(expr=m.x)
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(0, 3))
    y = m.low.y
    m.low.a = pyo.Constraint(expr=y[1] + y[2] >= m.x)
    m.low.b = pyo.Constraint(expr=y[1] - y[2] <= 1)
    m.low.cost = pyo.Objective(expr=2 * y[1] + y[2])
    return m


def test_small_followers_are_bounded_by_their_basic_duals():
    _, form, box = read(free_pair())
    assert box.how[entry(form, "low.a")] == "basic duals"
    # Bases: y1 alone (2), y2 alone (1), both rows (1.5). Pyomo writes the row as x - y <= 0.
    assert box.lower[entry(form, "low.a")] == pytest.approx(-2, abs=1e-5)


def test_a_part_too_large_for_enumeration_falls_back_to_a_linear_program(monkeypatch):
    monkeypatch.setattr("quartier.optimisation.bilevel.basic_duals.LARGEST", 0)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.cost = pyo.Objective(expr=m.x)
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2, 3, 4], bounds=(0, None))
    y = m.low.y
    # Stationarity: ν1 + ν2 <= 2, ν1 - ν2 <= 1, -ν1 - ν2 <= 1, -ν1 + ν2 <= 1: a tilted square.
    m.low.a = pyo.Constraint(expr=y[1] + y[2] - y[3] - y[4] == m.x)
    m.low.b = pyo.Constraint(expr=y[1] - y[2] - y[3] + y[4] == 0)
    m.low.cost = pyo.Objective(expr=2 * y[1] + y[2] + y[3] + y[4])
    _, form, box = read(m)
    assert box.how[entry(form, "low.a")] == "linear program"
    assert box.upper[entry(form, "low.a")] == pytest.approx(1.5, abs=1e-5)
    assert box.lower[entry(form, "low.a")] == pytest.approx(-1, abs=1e-5)


def test_a_proof_by_the_user_bounds_what_follows_from_it():
    m = free_pair()
    follower = Follower(m.low)
    follower.hint(m.low.a, dual=3, proof="the price of the dearest source")
    follower.hint(m.low.b, dual=3, proof="the same")
    system = extract(m, [follower])
    region = Region(system)
    box, _ = multiplier_box(system, system.followers[0], (region.lower, region.upper))
    assert np.isfinite(box.lower).all() and np.isfinite(box.upper).all()
    assert box.how[0] == "hint: the price of the dearest source"
