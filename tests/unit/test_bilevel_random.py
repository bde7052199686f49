"""Random bi-level LPs against an exact oracle: every pattern of active constraints, one LP each."""

from dataclasses import dataclass
from itertools import product
from math import inf

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

from quartier.optimisation.bilevel import BilevelProblem, Follower, Status

X_TOP = 4.0


@dataclass(frozen=True)
class Data:
    """`min f·x + g·y`, `0 <= x <= 4`; follower `min c·y`, `A y + D x <= b`, `y >= 0`."""

    f: np.ndarray
    g: np.ndarray
    c: np.ndarray
    a: np.ndarray
    d: np.ndarray
    b: np.ndarray


def draw(seed: int, nx: int, ny: int, rows: int) -> Data:
    rng = np.random.default_rng(seed)
    a = np.vstack([rng.integers(-3, 5, (rows - 1, ny)), np.ones((1, ny))])
    d = np.vstack([rng.integers(-3, 4, (rows - 1, nx)), np.zeros((1, nx))])
    b = np.append(rng.integers(1, 9, rows - 1), 6.0)  # the last row bounds y
    return Data(rng.integers(-4, 5, nx), rng.integers(-5, 6, ny), rng.integers(-4, 5, ny), a, d, b)


def oracle(data: Data) -> float:
    """Least leader's cost over all complementary patterns; `inf` if none is feasible."""
    (m, ny), nx = data.a.shape, data.d.shape[1]
    n = nx + ny + m + ny  # x, y, duals of rows, duals of y >= 0
    cost = np.concatenate([data.f, data.g, np.zeros(m + ny)])
    stationarity = np.hstack([np.zeros((ny, nx + ny)), data.a.T, -np.eye(ny)])
    primal = np.hstack([data.d, data.a, np.zeros((m, m + ny))])
    best = inf
    for active in product((False, True), repeat=m + ny):
        equal = [primal[i] for i in range(m) if active[i]]
        bounds = [(0, X_TOP)] * nx
        bounds += [(0, 0) if active[m + j] else (0, None) for j in range(ny)]
        bounds += [(0, None) if on else (0, 0) for on in active]
        found = linprog(
            cost,
            A_ub=primal,
            b_ub=data.b,
            A_eq=np.vstack([stationarity, *equal]) if equal else stationarity,
            b_eq=np.concatenate([-data.c, data.b[list(active[:m])]]),
            bounds=bounds,
        )
        assert len(cost) == n
        if found.status == 0:
            best = min(best, found.fun)
    return best


def problem(data: Data, *, integer: bool = False) -> BilevelProblem:
    (m, ny), nx = data.a.shape, data.d.shape[1]
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(nx), bounds=(0, X_TOP), domain=pyo.Integers if integer else pyo.Reals)
    model.low = pyo.Block()
    model.low.y = pyo.Var(range(ny), bounds=(0, None))
    x, y = list(model.x.values()), list(model.low.y.values())
    model.cost = pyo.Objective(expr=data.f @ x + data.g @ y)
    model.low.cost = pyo.Objective(expr=data.c @ y)
    model.low.row = pyo.Constraint(
        range(m), rule=lambda b, i: data.a[i] @ y + data.d[i] @ x <= data.b[i]
    )
    return BilevelProblem(model, [Follower(model.low)])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("how", ["kkt", "kkt+cut"])
def test_small_problems_are_solved_and_proven(seed, how):
    data = draw(seed, nx=1 + seed % 2, ny=2, rows=3)
    result = problem(data).solve(how)
    assert result.status == Status.OPTIMAL, result.reason
    assert result.objective == pytest.approx(oracle(data), abs=1e-5)


@pytest.mark.parametrize("seed", range(40, 46))
def test_a_few_more_variables(seed):
    data = draw(seed, nx=2, ny=3, rows=3)
    result = problem(data).solve("kkt")
    assert result.status == Status.OPTIMAL, result.reason
    assert result.objective == pytest.approx(oracle(data), abs=1e-5)


@pytest.mark.parametrize("seed", range(60, 68))
def test_integer_leaders_agree_in_all_exact_reformulations(seed):
    data = draw(seed, nx=2, ny=2, rows=3)
    results = [
        problem(data, integer=True).solve(how) for how in ("kkt", "kkt+cut", "strong-duality")
    ]
    assert {r.status for r in results} == {Status.OPTIMAL}
    values = [r.objective for r in results]
    assert values == pytest.approx([values[0]] * 3, abs=1e-5)
    assert values[0] >= oracle(data) - 1e-5


@pytest.mark.parametrize("seed", range(80, 88))
def test_a_small_guess_never_gets_called_optimal_unless_it_is(seed):
    """With M = 0.5 the answer may be wrong, but then it must not be called optimal."""
    data = draw(seed, nx=1, ny=2, rows=3)
    built = problem(data)
    built.followers[0].hint(built.model.low.row, dual=0.5)
    built.followers[0].hint(built.model.low.y, dual=0.5)
    result = built.solve("kkt", search=False)
    if result.status == Status.OPTIMAL:
        assert result.objective == pytest.approx(oracle(data), abs=1e-5)
    else:
        assert result.status in {Status.OPTIMAL_FOR_M, Status.INFEASIBLE_FOR_M}
