"""The wrapper of HiGHS: quiet, and exact about stores that run one way at a time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from quartier.program import Arrays, Highs, highs, relative_gap
from quartier.program.answer import residual

QUIET = """
import numpy as np
from scipy import sparse
from quartier.program import Arrays, Highs
row = sparse.csr_array(np.ones((1, 1)))
one, none = np.ones(1), np.zeros(1)
print(Highs("x", Arrays(one, none, one, none > 0, row, one, one)).solve().status)
"""


def test_nothing_but_the_programs_own_words_is_printed():
    told = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert told.stdout == "optimal\n"
    assert told.stderr == ""


@pytest.mark.parametrize("price", [-0.1, -1.0])
def test_one_way_at_a_time(price):
    """Wasting pays: charge 2 and discharge 1 at once stores nothing; one way, only 1 fits."""
    body = sparse.csr_array(np.array([[0.5, -1.0]]))
    both = Highs(
        "store",
        Arrays(
            np.array([price, 0.0]),
            np.zeros(2),
            np.array([2.0, 1.0]),
            np.zeros(2, dtype=bool),
            body,
            np.array([-np.inf]),
            np.array([0.5]),
        ),
    )
    assert both.solve().objective == pytest.approx(2 * price)
    found = both.one_way(np.array([0]), np.array([1]))
    assert found.objective == pytest.approx(price)
    assert found.values == pytest.approx([1.0, 0.0])
    assert both.solve().objective == pytest.approx(2 * price)  # it is left as it was


# -- gaps ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [
        (200.0, 190.0, 0.05),
        (200.0, 200.0001, 0.0),  # solvers are off by as much
        (200.0, 210.0, -0.05),  # one of the two is wrong: no 0 hides it
        (-200.0, -190.0, -0.05),
        (1e-8, 1e-7, 0.0),
        (200.0, -np.inf, np.inf),
    ],
)
def test_a_bound_beyond_its_objective_is_a_negative_gap(objective, bound, gap):
    assert relative_gap(objective, bound) == pytest.approx(gap)


# -- quadratic programs --------------------------------------------------------------------------
def square(**changes):
    """`min x^2 + y^2 - 4 x - 2 y`, `x + y <= 2`: -4.5 at (1.5, 0.5), where the row is worth -1."""
    program = Arrays(
        np.array([-4.0, -2.0]),
        np.zeros(2),
        np.full(2, np.inf),
        np.zeros(2, dtype=bool),
        sparse.csr_array(np.ones((1, 2))),
        np.array([-np.inf]),
        np.array([2.0]),
        quadratic={(0, 0): 1.0, (1, 1): 1.0},
    )
    return replace(program, **changes)


def test_an_optimum_of_a_quadratic_program_keeps_the_conditions():
    found = Highs("square", square()).solve()
    assert found.values == pytest.approx([1.5, 0.5], abs=1e-6)
    assert found.row_dual == pytest.approx([-1.0], abs=1e-6)
    assert found.objective == pytest.approx(square().value(found.values)) == pytest.approx(-4.5)
    assert residual(square(), found) <= highs.OPTIMAL


@pytest.mark.parametrize(
    ("lack", "changes"),
    [
        (0.5 / 4, {"values": np.array([1.25, 0.75])}),  # on the row, but not where it is steepest
        (0.1, {"values": np.array([1.55, 0.55])}),  # beyond the row
        (2.0 / 4, {"row_dual": np.array([1.0])}),  # a multiplier that pushes the wrong way
        (np.inf, {"row_dual": np.array([1.0])}),  # at a side that is not there
    ],
)
def test_what_is_no_optimum_lacks_some_of_them(lack, changes):
    found = replace(Highs("square", square()).solve(), **changes)
    assert residual(square(), found) >= lack - 1e-6


def test_mixed_products_are_halved_once():
    """`min x^2 + 2 x y + 2 y^2 - 2 x`: at (2, -1), -2."""
    free = np.full(2, -np.inf)
    program = square(
        cost=np.array([-2.0, 0.0]),
        lower=free,
        row_upper=np.array([np.inf]),
        quadratic={(0, 0): 1.0, (0, 1): 2.0, (1, 1): 2.0},
    )
    found = Highs("mixed", program).solve()
    assert found.values == pytest.approx([2.0, -1.0], abs=1e-5)
    assert residual(program, found) <= highs.OPTIMAL


def test_an_optimum_that_is_none_is_looked_for_in_other_ways(monkeypatch):
    """HiGHS has called points of quadratic programs optimal that were not."""
    lacking = iter([1.0, 1e-5, 0.0])
    monkeypatch.setattr(highs, "residual", lambda *_: next(lacking))
    found = Highs("square", square()).solve()
    assert (found.status, found.tries) == ("optimal", 3)


@pytest.mark.parametrize(("lack", "status"), [(1.0, "unknown"), (1e-5, "optimal")])
def test_what_no_way_proves_is_not_called_optimal_unless_nearly(monkeypatch, lack, status):
    monkeypatch.setattr(highs, "residual", lambda *_: lack)
    found = Highs("square", square()).solve()
    assert (found.status, found.found) == (status, status == "optimal")


def test_what_a_tolerance_lets_pass_is_not_proven():
    """A thousand units that pay less than the tolerance each are left where they are."""
    none, one = np.zeros(1), np.ones(1)
    program = Arrays(
        np.full(1, -5e-8), none, 1000 * one, none > 0, sparse.csr_array((0, 1)), one[:0], one[:0]
    )
    found = Highs("nearly for nothing", program).solve()
    assert found.status == "optimal"
    assert found.bound <= -5e-5 * (1 - 1e-9)
    assert found.objective >= found.bound
