"""The pool: what it costs, who gets what, and at which price it is even (M8)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quartier.problem.sharing import internal_price, pool_eur, shared_kw

POWERS = arrays(float, (6, 3), elements=st.floats(-1e4, 1e4, allow_subnormal=False))
LOW, HIGH = np.full(6, 0.08), np.full(6, 0.3)


def test_what_is_shared_goes_in_proportion_to_what_is_drawn_and_given():
    shared = shared_kw(np.array([[30.0, -10.0, -50.0], [60.0, 30.0, -45.0], [5.0, 0.0, 6.0]]))
    assert shared.tolist() == [[-30.0, 5.0, 25.0], [-30.0, -15.0, 45.0], [0.0, 0.0, 0.0]]


def test_the_pool_buys_and_sells_its_sum():
    assert pool_eur(np.array([-10.0, 4.0]), LOW[:2], HIGH[:2], 0.5) == pytest.approx(1.5 - 0.16)


@given(POWERS)
def test_nothing_is_shared_but_what_another_gives(p_kw):
    shared = shared_kw(p_kw)
    scale = np.abs(p_kw).sum(axis=1) + 1.0
    assert np.all(np.abs(shared.sum(axis=1)) <= 1e-9 * scale)
    assert np.all(shared * p_kw <= 0.0)
    assert np.all(np.abs(shared) <= np.abs(p_kw) + 1e-9 * scale[:, None])
    assert shared.clip(min=0).sum(axis=1) == pytest.approx(
        np.minimum(p_kw.clip(min=0).sum(axis=1), (-p_kw).clip(min=0).sum(axis=1)), abs=1e-6
    )


@given(POWERS)
def test_at_the_internal_price_the_pool_neither_gains_nor_loses(p_kw):
    net = p_kw.sum(axis=1)
    price = internal_price(net, LOW, HIGH, 0.0)
    inside = -(price @ p_kw).sum()
    scale = np.abs(p_kw).sum() + 1.0
    assert inside == pytest.approx(pool_eur(net, LOW, HIGH, 1.0), abs=1e-9 * scale)
    assert np.all((price >= LOW) & (price <= HIGH))


@given(POWERS)
def test_together_nobody_pays_more_than_one_by_one(p_kw):
    """Eq. 2 is at most the sum of eq. 1, for the same powers."""
    alone = sum(pool_eur(own, LOW, HIGH, 1.0) for own in p_kw.T)
    assert pool_eur(p_kw.sum(axis=1), LOW, HIGH, 1.0) <= alone + 1e-6
