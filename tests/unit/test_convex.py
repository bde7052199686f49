"""Convex quadratic programs by piqp: against what can be computed by hand, and against HiGHS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from quartier.errors import SolveFailed
from quartier.hiccups import take
from quartier.program import Arrays, Highs
from quartier.program.convex import Convex


def program(scale: float = 1.0) -> Arrays:
    """``min (x - 3)² + (y - 1)²`` with ``x + y = 2``, ``0 <= y``, times a scale: x = 2, y = 0."""
    return Arrays(
        cost=np.array([-6.0, -2.0]) * scale,
        lower=np.array([-np.inf, 0.0]),
        upper=np.full(2, np.inf),
        integer=np.zeros(2, dtype=bool),
        matrix=sparse.csr_array(np.ones((1, 2))),
        row_lower=np.array([2.0]) * scale,
        row_upper=np.array([2.0]) * scale,
        offset=10.0,
        quadratic={(0, 0): 1.0, (1, 1): 1.0},
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_nearest_point_of_a_line(scale):
    answer = Convex("nearest", program(scale)).needed()
    assert answer.values == pytest.approx([2.0 * scale, 0.0], abs=1e-5 * scale)
    assert answer.objective == pytest.approx(10.0 - 8.0 * scale**2, rel=1e-5)


def test_costs_change_in_place():
    solver = Convex("nearest", program())
    solver.needed()
    solver.set_cost(np.array([-2.0, -6.0]), 10.0)
    assert solver.needed().values == pytest.approx([0.0, 2.0], abs=1e-5)


def test_random_programs_have_the_optimum_that_highs_finds():
    rng = np.random.default_rng(5)
    for _ in range(10):
        n, m = 12, 5
        rows = rng.normal(size=(m, n))
        inside = rng.uniform(-50, 50, n)
        arrays = Arrays(
            cost=rng.normal(size=n),
            lower=np.full(n, -100.0),
            upper=np.full(n, 100.0),
            integer=np.zeros(n, dtype=bool),
            matrix=sparse.csr_array(rows),
            row_lower=np.where(np.arange(m) < 2, rows @ inside, -np.inf),
            row_upper=rows @ inside,
            quadratic={(k, k): 0.5 for k in range(n)},
        )
        found, known = Convex("random", arrays).needed(), Highs("random", arrays).needed()
        assert found.objective == pytest.approx(known.objective, rel=1e-5, abs=1e-4)
    take()


def test_what_has_no_solution_says_so():
    impossible = replace(program(), upper=np.array([-1.0, 1.0]))
    with pytest.raises(SolveFailed, match="infeasible"):
        Convex("impossible", impossible).needed()
    take()
