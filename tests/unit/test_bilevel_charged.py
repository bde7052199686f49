"""Followers in matrix form that a leader charges, small enough for the head.

The follower earns 2 a unit of `y <= 8`; the leader loses 1 a unit beyond 5. A charge of 2 makes the
follower give way, a smaller one does nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from quartier.optimisation.bilevel.charged.certify import suboptimality
from quartier.optimisation.bilevel.charged.follower import (
    ChargedConditions,
    ChargedFollower,
    dual_bounds,
)
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.optimisation.bilevel.charged.single import Point, SingleLevel
from quartier.optimisation.bilevel.charged.solve import Effort, solve
from quartier.optimisation.bilevel.charged.windows import improve
from quartier.optimisation.bilevel.charged.worst import (
    by_chords,
    climb,
    near_optimal,
    ranges,
    together,
)
from quartier.program import Arrays

EFFORT = Effort(gap=1e-6, max_nodes=1000, time_limit_s=None, step_h=1.0)


def follower(limit: float) -> ChargedFollower:
    arrays = Arrays(
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
        "low", arrays, reach, first, np.array([limit]), np.zeros(1, dtype=bool), first
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
    arrays = leader(3.0, 0.0, -1).high_point()
    assert arrays.upper[0] == 8.0
    assert arrays.matrix.todense().tolist() == [[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0]]
    assert arrays.row_upper.tolist() == [8.0, np.inf]


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


@pytest.mark.parametrize(("charge", "worse"), [(2.0, 0.0), (0.0, 6 / 16)])
def test_a_follower_alone_has_nothing_better_where_a_charge_caps_it(charge, worse):
    """At 5 it earns 10, of 16 that it could have without a cap."""
    point = Point(np.array([5.0]), np.zeros(1), np.array([charge]))
    assert suboptimality([follower(3.0)], [point]) == pytest.approx(worse, abs=1e-9)


class Distance:
    """The leader pays `|y - 6.5|`."""

    def value(self, values):
        return abs(float(values[0]) - 6.5)

    def slope(self, values):
        return np.array([np.sign(values[0] - 6.5)])


def test_the_worst_of_near_optimal_responses_is_at_an_end_of_their_range():
    """A quarter of the follower's 16 may be missing: y lies between 6 and 8."""
    near, room = near_optimal("low", follower(3.0).arrays, 0.25)
    assert room == pytest.approx(4.0)
    y = sparse.csr_array(np.ones((1, 1)))
    low, high = ranges("y", near, y)
    assert (low[0], high[0]) == pytest.approx((6.0, 8.0), abs=1e-6)
    arrays, reach = together([near]), (low[:, None], high[:, None])
    bound, values = by_chords(arrays, np.zeros(1), [y], reach, lambda x: abs(x[:, 0] - 6.5))
    assert (bound, values[0]) == pytest.approx((1.5, 8.0), abs=1e-6)
    assert climb(arrays, Distance(), np.array([7.0]))[0] == pytest.approx(1.5, abs=1e-6)
