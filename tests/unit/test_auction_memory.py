"""What an auction remembers of earlier gates: all that is asked for later, and no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.agents.strategies.auction import Auction

STEPS = 6
"""Of a gate's window."""


def gate(first: int) -> Any:
    return SimpleNamespace(first=first, horizon=SimpleNamespace(dt_h=6.0, steps=STEPS))


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12))
def test_an_auction_expects_the_same_whether_it_forgets_or_not(moves):
    """Gates any number of steps apart, some of which come to no price."""
    keeps, forgets, first, other = Auction(), Auction(), 0, np.full(STEPS, -1.0)
    for number, (ahead, is_cleared) in enumerate(moves):
        asked = gate(first)
        expected = keeps._previous_day(asked, other)
        assert forgets._previous_day(asked, other).tolist() == expected.tolist()
        if is_cleared:
            cleared = {t: np.array([100.0 * number + t]) for t in range(first, first + STEPS)}
            keeps._known |= cleared
            forgets._known |= cleared
            forgets._forget(asked)
        assert len(forgets._known) <= 3 * 4 + STEPS
        first += ahead


@pytest.mark.parametrize("gates", [0, 3])
def test_what_is_told_of_it_is_what_another_one_needs(gates):
    one, other = Auction(), Auction()
    one._known = {t: np.array([float(t)]) for t in range(4 * gates)}
    other.restore(one.snapshot())
    asked, unknown = gate(4 * gates), np.full(STEPS, -1.0)
    expected = one._previous_day(asked, unknown)
    assert other._previous_day(asked, unknown).tolist() == expected.tolist()
