"""Blocks of power at a price, small enough to check in the head (M9)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.problem import ConnectionTerms, Sharing, Supply

NONE = np.zeros((1, 1))
WIND_COAL_OIL = Supply(
    dt_h=1.0,
    price_eur_per_kwh=np.array([[0.30], [0.0], [0.10]]),
    least_kw=np.zeros((3, 1)),
    most_kw=np.array([[np.inf], [20.0], [50.0]]),
)
"""Oil without an end, 20 kW of wind, 50 kW of coal."""


def sharing(fee: float = 0.0) -> Sharing:
    """A pool that sells at 0.1 and buys at 0.3 EUR/kWh, in two steps of half an hour."""
    return Sharing(0.5, np.full(2, 0.1), np.full(2, 0.3), 0.1, fee)


def test_the_cheapest_come_first():
    assert WIND_COAL_OIL.dispatch_kw(np.array([80.0])).ravel().tolist() == [10.0, 20.0, 50.0]
    assert WIND_COAL_OIL.cost_eur(np.array([80.0])) == pytest.approx(3.0 + 5.0)
    assert WIND_COAL_OIL.cost_eur(np.array([10.0])) == 0.0


def test_what_nobody_takes_cannot_be_had():
    assert WIND_COAL_OIL.cost_eur(np.array([-1.0])) == np.inf


def test_worth_at_a_price_is_what_suppliers_gain():
    """At 0.2 EUR/kWh wind gains 4 EUR and coal 5 EUR; above 0.3 oil would give without end."""
    assert WIND_COAL_OIL.worth_eur(np.array([0.2])) == pytest.approx(-9.0)
    assert WIND_COAL_OIL.worth_eur(np.array([0.31])) == -np.inf
    assert WIND_COAL_OIL.highest_eur_per_kwh == [0.3]
    assert WIND_COAL_OIL.kept(np.array([7.0])) == [0.3]


def test_whoever_is_indifferent_does_what_is_needed():
    missing = WIND_COAL_OIL.missing_kw(np.array([0.1]), np.array([60.0]))
    assert missing == [0.0]
    assert WIND_COAL_OIL.missing_kw(np.array([0.2]), np.array([60.0])) == [-10.0]
    assert WIND_COAL_OIL.missing_kw(np.array([0.3]), np.array([900.0])) == [0.0]


def test_near_a_target_the_price_pulls_less():
    """0.2 - 0.1 = 0.01 (p - target): coal gives 10 kW more than the target of 30 kW."""
    assert WIND_COAL_OIL.near_kw(np.array([0.2]), 0.01, np.array([30.0])) == pytest.approx([40.0])
    assert WIND_COAL_OIL.near_kw(np.array([0.2]), 0.01, np.array([-90.0])) == [0.0]


powers = st.floats(-1e4, 1e4)


@given(powers, powers, powers, powers, st.sampled_from([0.0, 0.5, 1.0]))
def test_the_outer_grid_costs_what_sharing_says(a, b, c, d, fee):
    pool, p_kw = sharing(fee), np.array([[a, b], [c, d]])
    drawn = np.maximum(-p_kw, 0.0).sum(axis=1) @ pool.inside_fee_eur_per_kwh * pool.dt_h
    found = pool.supply.cost_eur(-p_kw.sum(axis=1)) + drawn
    assert found == pytest.approx(pool.outer_eur(p_kw).sum(), abs=1e-6)


@given(st.floats(0.1, 0.3), powers)
def test_no_need_costs_less_than_what_a_price_says(price, needed):
    """Weak duality: worth at a price + price · need <= cost of the need."""
    supply, prices, need = sharing().supply, np.full(2, price), np.full(2, needed)
    least = supply.worth_eur(prices) + float(prices @ need) * supply.dt_h
    assert least <= supply.cost_eur(need) + 1e-6


OWN = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 3)), min_size=1, max_size=5)


@given(own=OWN, needed=st.lists(st.floats(-50, 300), min_size=3, max_size=3))
def test_terms_with_blocks_cost_what_is_served_costs(own, needed):
    """Blocks first, the ceiling beyond; what is left over is sold at the floor."""
    power, price = (np.repeat([v], 3, axis=0).T for v in np.array(own).T)
    blocks = Supply(0.5, price, np.zeros_like(price), power)
    nothing, end = np.zeros((1, 3)), np.full((1, 3), np.inf)
    reserve = Supply(
        0.5,
        np.array([[0.05] * 3, [3.0] * 3]),
        np.concatenate([-end, nothing]),
        np.concatenate([nothing, end]),
    )
    terms = ConnectionTerms(
        0.5, np.full(3, 0.05), np.full(3, 3.0), 0.0, 0.0, 0.0, 100.0, end[0], -end[0], served=blocks
    )
    power_kw = -np.array(needed)
    several = np.array([power_kw, 0.5 * power_kw])
    paid = [Supply.together([blocks, reserve]).cost_eur(-one) for one in several]
    assert terms.cost_eur(several, np.zeros(3)) == pytest.approx(paid, abs=1e-6)
