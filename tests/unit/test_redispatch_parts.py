"""The parts of redispatch on cases small enough to solve by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.redispatch.cheapest_powers import TARGET, Congestion, cheapest_powers
from quartier.redispatch.greatest_share import CLOSE, greatest_share
from quartier.redispatch.levers import Levers, share_pro_rata


# -- who shares ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("slopes", "driving", "room", "prices", "groups"),
    [
        ([10, 9.5, 8], [0, 0, 0], [1, 1, 1], [5, 5, 5], [0, 0, 2]),  # 8 is 20 % weaker
        ([10, 9.5, 9.1, 8.9], [0] * 4, [1] * 4, [5] * 4, [0, 0, 0, 3]),  # no chain beyond 10 %
        ([10, 10, 10], [0, 0, 1], [1, 1, 1], [5, 5, 5], [0, 0, 2]),  # another element
        ([10, 10, 10], [0, 0, 0], [1, 1, 1], [5, 6, 5], [0, 1, 0]),  # another price
        ([10, -10, 10], [0, 0, 0], [1, 1, 1], [5, 5, 5], [0, 1, 0]),  # the other direction
        ([10, 10, 10], [0, 0, 0], [1, 0, 1], [5, 5, 5], [0, 1, 0]),  # nothing to give
        ([0, 0], [0, 0], [1, 1], [5, 5], [0, 1]),  # no effect
    ],
)
def test_who_shares_pro_rata(slopes, driving, room, prices, groups):
    arrays = (np.array(a, dtype=float) for a in (slopes, room, prices))
    slope, space, price = arrays
    found = share_pro_rata(slope, np.array(driving), space, price, 0.1)
    assert found.tolist() == groups


# -- the linear programme --------------------------------------------------------------------
def levers(moves, costs, choice=None) -> Levers:
    move = np.array(moves, dtype=float)[None]
    none = np.full(len(moves), -1)
    return Levers(move, np.array([costs], dtype=float), none if choice is None else choice)


def congestion(excess, slopes, matters=None) -> Congestion:
    count = np.shape(slopes)[1]
    zero = np.zeros((1, count))
    row = np.array([excess], dtype=float)
    needed = np.ones(row.shape, bool) if matters is None else np.array([matters])
    return Congestion(needed, row, np.array([slopes], dtype=float), zero, zero)


def test_cheapest_effect_first_then_the_next():
    """Excess 12, two assets of 10 per MW, 1 MW each, at 3 and 5 EUR."""
    found = cheapest_powers(congestion([12], [[10, 10]]), levers([[-1, 0], [0, -1]], [3, 5]))
    np.testing.assert_allclose(found.p_mw, [[-1.0, -(2 - TARGET) / 10]])
    np.testing.assert_allclose(found.value, [[0.5]])  # 5 EUR for 10 units


def test_an_element_that_does_not_matter_is_left_alone():
    found = cheapest_powers(
        congestion([12, 5], [[0, 0], [10, 10]], [False, True]), levers([[-1, -1]], [1])
    )
    np.testing.assert_allclose(found.p_mw, [[-(5 - TARGET) / 20] * 2])
    assert found.value[0, 0] == 0


def test_raising_relieves_where_the_slope_is_negative():
    found = cheapest_powers(congestion([6], [[-10]]), levers([[-1], [1]], [1, 1]))
    np.testing.assert_allclose(found.p_mw, [[(6 - TARGET) / 10]])


def test_what_cannot_be_relieved_is_relieved_as_far_as_possible():
    found = cheapest_powers(congestion([50], [[10, 5]]), levers([[-1, 0], [0, -1]], [3, 5]))
    np.testing.assert_allclose(found.p_mw, [[-1.0, -1.0]])


def test_discrete_steps_take_one_level_of_each_and_the_cheapest_sum():
    """Excess 12 of 10 per MW: 1 + 0.4 MW is cheaper than 2 x 0.7."""
    moves = [[-0.4, 0], [0, -0.4], [-0.7, 0], [0, -0.7], [-1, 0], [0, -1]]
    costs = [0.4, 0.4, 0.75, 0.75, 1.0, 1.0]
    found = cheapest_powers(
        congestion([12], [[10, 10]]), levers(moves, costs, np.array([0, 1] * 3))
    )
    assert sorted(found.p_mw[0]) == pytest.approx([-1.0, -0.4])
    assert np.isnan(found.value).all()


# -- the search ------------------------------------------------------------------------------
@given(
    roots=st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20),
    bend=st.floats(0.0, 5.0),
    steep=st.floats(1.0, 1e4),
)
def test_search_finds_the_greatest_share_that_is_admissible(roots, bend, steep):
    root = np.array(roots)

    def excess(share, steps):
        x = share - root[steps]
        return steep * (x + bend * x * np.abs(x)), np.full(steps.size, 7)

    share, element = greatest_share(excess, np.ones(root.size, bool), 1.0)
    for s, r, e in zip(share, root, element, strict=True):
        if r >= 1.0:
            assert (s, e) == (1.0, -1)
        else:
            assert e == 7
            assert s <= max(r, 0.0)
            assert excess(np.array([s]), np.array([list(root).index(r)]))[0] >= -CLOSE - 1e-9 or (
                r - s <= max(1e-4, 2e-6)
            )


def test_search_bisects_where_the_power_flow_diverges():
    def excess(share, steps):
        return np.where(share > 0.5, np.inf, share - 0.25), np.zeros(steps.size, dtype=np.int64)

    share, _ = greatest_share(excess, np.array([True]), 1.0)
    assert 0.25 - CLOSE <= share[0] <= 0.25


def test_steps_that_do_not_move_get_the_most():
    def excess(share, steps):
        assert not steps.size
        return np.zeros(0), np.zeros(0, dtype=np.int64)

    share, element = greatest_share(excess, np.zeros(3, bool), 1.0)
    assert share.tolist() == [1.0] * 3
    assert element.tolist() == [-1] * 3
