"""Followers in matrix form that a leader charges, small enough for the head.

The follower earns 2 a unit of `y <= 8`; the leader loses 1 a unit beyond 5. A charge of 2 makes the
follower give way, a smaller one does nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from quartier.optimisation.bilevel.charged.follower import (
    ChargedConditions,
    ChargedFollower,
    dual_bounds,
)
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.optimisation.bilevel.charged.single import SingleLevel
from quartier.optimisation.bilevel.charged.solve import Effort, solve
from quartier.optimisation.bilevel.charged.windows import improve
from quartier.program import Arrays

EFFORT = Effort(gap=1e-6, max_nodes=1000, time_limit_s=None, step_h=1.0)


def follower(limit: float) -> ChargedFollower:
    form = Arrays(
        np.array([-2.0]),
        np.zeros(1),
        np.full(1, np.inf),
        np.zeros(1, dtype=bool),
        sparse.csr_array(np.ones((1, 1))),
        np.full(1, -np.inf),
        np.array([8.0]),
    )
    reach = (np.zeros(1), np.array([8.0]))
    first = np.zeros(1, dtype=np.int64)
    return ChargedFollower(
        "low", form, reach, first, np.array([limit]), np.zeros(1, dtype=bool), first
    )


def leader(limit: float, price: float, tie: int) -> MatrixLeader:
    """Columns: the follower's y, what is beyond 5, and whether it is charged, at a price."""
    arrays = Arrays(
        np.array([0.0, 1.0, price]),
        np.zeros(3),
        np.array([np.inf, np.inf, 1.0]),
        np.zeros(3, dtype=bool),
        sparse.csr_array(np.array([[-1.0, 1.0, 0.0]])),
        np.array([-5.0]),
        np.array([np.inf]),
    )
    return MatrixLeader(arrays, (follower(limit),), (np.array([tie]),))


def solved(limit, price=0.0, tie=-1, allowed=True):
    parts = [ChargedConditions(follower(limit), allowed)]
    single = SingleLevel(leader(limit, price, tie), parts)
    result = solve(single, np.random.default_rng(1), 0.0, EFFORT)
    assert result is not None
    return single, result


def test_a_leader_holds_its_followers_rows_and_reach():
    """Of `y` only the follower says that it ends at 8."""
    form = leader(3.0, 0.0, -1).form()
    assert form.upper[0] == 8.0
    assert form.matrix.todense().tolist() == [[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0]]
    assert form.row_upper.tolist() == [8.0, np.inf]


@pytest.mark.parametrize(
    ("limit", "allowed", "cost"), [(3.0, True, 0.0), (1.0, True, 3.0), (3.0, False, 3.0)]
)
def test_a_charge_works_where_it_takes_all_the_gain(limit, allowed, cost):
    _, result = solved(limit, allowed=allowed)
    assert result.found.value == pytest.approx(cost, abs=1e-6)
    assert result.answer.bound == pytest.approx(cost, abs=1e-5)
    assert result.found.values[0] == pytest.approx(8.0) if cost else result.found.values[0] <= 5.0


@pytest.mark.parametrize(("price", "cost"), [(0.5, 0.5), (4.0, 3.0)])
def test_charging_can_cost_the_leader(price, cost):
    """What is tied to a charge is paid wherever there is one."""
    single, result = solved(3.0, price, tie=2)
    assert result.found.value == pytest.approx(cost, abs=1e-6)
    assert 2 in single.binaries
    assert result.found.values[2] == pytest.approx(float(price < 3.0), abs=1e-6)


def test_a_point_is_written_out_in_all_columns_of_the_program():
    single, result = solved(3.0)
    point = single.start(result.found)
    body = single.arrays.matrix @ point
    assert (body >= single.arrays.row_lower - 1e-6).all()
    assert (body <= single.arrays.row_upper + 1e-6).all()
    again = single.found(result.found.value, point)
    np.testing.assert_allclose(again.duals[0], result.found.duals[0])


def test_duals_are_bounded_by_what_is_earned_and_charged():
    """`-2 + charge = ν + r`, and ν lies in -2 .. 0: so r is at most 3 (and 1 would do)."""
    bounds = dual_bounds(follower(3.0))
    assert not bounds.unproven
    assert bounds.least[0] == pytest.approx(-2.0, abs=1e-6)
    assert bounds.most[0] == pytest.approx(0.0, abs=1e-6)
    assert bounds.most[1] == pytest.approx(3.0, abs=1e-6)


def test_windows_keep_the_bounds_of_whole_numbers():
    """A leader's own whole number between 2 and 5, at 1 each: no window takes it below 2."""
    program = Arrays(
        np.ones(1),
        np.full(1, 2.0),
        np.full(1, 5.0),
        np.ones(1, dtype=bool),
        sparse.csr_array(np.ones((1, 1))),
        np.full(1, -np.inf),
        np.full(1, np.inf),
    )
    found = improve(program, np.full(1, 5.0), np.zeros(1, dtype=np.int64), 1.0)
    assert found == pytest.approx([2.0])
