"""The pool: what it costs, who gets what, and how its cost is handed out (M8)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quartier.problem.allocation import MOST_PLAYERS, RULES, coalitions
from quartier.problem.sharing import Sharing, shared_kw

POWERS = arrays(float, (6, 3), elements=st.floats(-1e4, 1e4, allow_subnormal=False))
LOW, HIGH = np.full(6, 0.08), np.full(6, 0.3)
POOLS = {
    "no fees": Sharing(1.0, LOW, HIGH),
    "fees outside": Sharing(1.0, LOW, HIGH, 0.12),
    "half of them inside": Sharing(0.25, LOW, HIGH, 0.12, 0.5),
    "nothing to gain": Sharing(1.0, LOW, np.full(6, 0.1), 0.05, 1.0),
}


def test_what_is_shared_goes_in_proportion_to_what_is_drawn_and_given():
    shared = shared_kw(np.array([[30.0, -10.0, -50.0], [60.0, 30.0, -45.0], [5.0, 0.0, 6.0]]))
    assert shared.tolist() == [[-30.0, 5.0, 25.0], [-30.0, -15.0, 45.0], [0.0, 0.0, 0.0]]


def test_the_pool_buys_and_sells_its_sum():
    pool = Sharing(0.5, LOW[:2], HIGH[:2])
    paid = pool.outer_eur(np.array([[5.0, -15.0], [6.0, -2.0]]))
    assert paid == pytest.approx([1.5, -0.16])


def test_energy_from_inside_bears_its_part_of_the_grid_fee():
    """12 ct of fees, half of them inside: 10 kWh shared cost 60 ct, 5 kWh from outside 1.50 EUR."""
    pool = Sharing(1.0, LOW[:1], HIGH[:1], 0.12, 0.5)
    assert pool.outer_eur(np.array([[10.0, -15.0]])) == pytest.approx([0.6 + 1.5])


def test_a_fee_that_eats_up_the_gain_leaves_everybody_at_the_tariffs():
    """2 ct between the tariffs, 5 ct of fee inside: sharing costs what trading outside does."""
    pool = POOLS["nothing to gain"]
    p_kw = np.tile([10.0, -15.0, 0.0], (6, 1))
    assert pool.inside_fee_eur_per_kwh == pytest.approx(np.full(6, 0.02))
    assert pool.outer_eur(p_kw) == pytest.approx(pool.alone_eur(p_kw).sum(axis=1))


def test_the_sources_rule_by_hand():
    """20 kWh given, 15 drawn; price inside (8 + 18) / 2 = 13 ct (eq. 3-5)."""
    pool = POOLS["fees outside"]
    p_kw = np.tile([20.0, -10.0, -5.0], (6, 1))
    paid = RULES["retrospective"](pool, p_kw)[0]
    assert paid == pytest.approx([-(15 * 0.13 + 5 * 0.08), 1.3, 0.65])


def test_who_makes_the_saving_possible_gets_half_of_it_by_shapley():
    """One gives 10 kWh, one draws 10, one does nothing: 22 ct/kWh are saved by the two."""
    pool = POOLS["no fees"]
    p_kw = np.tile([10.0, -10.0, 0.0], (6, 1))
    assert RULES["shapley"](pool, p_kw)[0] == pytest.approx([-0.8 - 1.1, 3.0 - 1.1, 0.0])
    assert RULES["equal"](pool, p_kw)[0] == pytest.approx([-0.8 - 2.2 / 3, 3 - 2.2 / 3, -2.2 / 3])


def test_too_many_coalitions_are_refused():
    pool = Sharing(1.0, np.array(0.1), np.array(0.3))
    with pytest.raises(ValueError, match="too many coalitions"):
        coalitions(pool, np.zeros(MOST_PLAYERS + 1))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", POOLS)
@given(p_kw=POWERS)
def test_every_rule_hands_out_all_that_the_pool_costs_in_every_step(rule, kind, p_kw):
    pool = POOLS[kind]
    paid = RULES[rule](pool, p_kw)
    scale = np.abs(p_kw).sum(axis=1) + 1.0
    assert np.all(np.abs(paid.sum(axis=1) - pool.outer_eur(p_kw)) <= 1e-9 * scale)


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


@pytest.mark.parametrize("kind", POOLS)
@given(p_kw=POWERS)
def test_together_nobody_pays_more_than_one_by_one(kind, p_kw):
    """Eq. 2 is at most the sum of eq. 1, for the same powers; no rule of coalitions takes it."""
    pool, scale = POOLS[kind], np.abs(p_kw).sum(axis=1) + 1.0
    alone = pool.alone_eur(p_kw)
    assert np.all(pool.outer_eur(p_kw) <= alone.sum(axis=1) + 1e-9 * scale)
    for rule in ("equal", "proportional", "shapley"):
        assert np.all(RULES[rule](pool, p_kw) <= alone + 1e-9 * scale[:, None])
