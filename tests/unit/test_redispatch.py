"""What the DSO decides, checked by AC power flow on the real grid (M4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from quartier.redispatch import redispatch
from tests.unit.grids import (
    BINDING,
    BUS,
    FEED_IN_ROW,
    LOAD_ROW,
    NOON,
    TOLERANCE_PERCENT,
    assert_clean,
    at_caps,
    cut,
    drawing,
    feeding,
    network,
    plants,
    problem,
    reduced,
    solve,
)


# -- much feed-in: published figures of M2 ---------------------------------------------------
@pytest.fixture(scope="module")
def feed_in():
    offers = [feeding(), *plants(FEED_IN_ROW)]
    asked = problem(network(), FEED_IN_ROW)
    return asked, offers, redispatch(asked, offers)


def test_before_is_what_the_offers_would_do(feed_in):
    asked, _, found = feed_in
    assert found.before.tap_pos == asked.tap_pos == 0
    assert found.before.line_loading_percent[:, BINDING].max() == pytest.approx(126.14, abs=0.01)
    assert (found.before_violations.overloads > 0).sum() == 111
    over = found.before.line_loading_percent - 100.0
    energy = np.where(over > TOLERANCE_PERCENT, over, 0) / 100 @ network().line_mva * 0.25
    np.testing.assert_allclose(found.before_violations.overload_mwh, energy, atol=1e-9)
    assert (found.before_violations.voltages > 0).any()


def test_one_tap_and_caps_cure_every_step_at_the_published_price(feed_in):
    """M2: tap +2 or +3, about 42 MWh (7.3 %) curtailed with +3, every step solved."""
    _, offers, found = feed_in
    assert found.tap_pos in (2, 3)
    assert not found.unsolved.any()
    assert found.reasons == {}
    lost = reduced(offers, found).sum() / 4000
    assert 36 <= lost <= 43
    assert lost <= 0.075 * sum(o.p_kw.clip(min=0).sum() for o in offers) / 4000
    assert found.cost_eur == pytest.approx(100 * lost, rel=1e-6)
    assert found.after_violations.overloads.sum() == found.after_violations.voltages.sum() == 0


def test_the_neighbourhood_shares_in_more_than_100_steps(feed_in):
    _, offers, found = feed_in
    assert (reduced(offers, found)[:, 0] > 0.01).sum() > 100


def test_caps_are_tight(feed_in):
    """With every capped asset at its cap what binds is at 99.5-100 % of its limit, in AC."""
    asked, offers, found = feed_in
    caps = {o.asset: np.minimum(o.p_kw, found.caps[o.asset].p_max_kw) for o in offers}
    state = solve(network(), offers, caps, asked, found.tap_pos)
    steps = (reduced(offers, found) > 0.01).any(axis=1)
    loading = (state.line_loading_percent / network().line_limit_percent).max(axis=1)
    voltage = (network().vm_max_pu - state.vm_pu).min(axis=1)
    at_limit = (loading >= 0.995) | (voltage <= 1e-4)
    assert steps.sum() > 100
    assert at_limit[steps].all()
    assert (loading[steps] <= 1.0).all()
    assert (voltage[steps] >= 0.0).all()


def test_assets_that_act_alike_share_pro_rata(feed_in):
    """M4 rule 2: two wind parks and the neighbourhood, behind one line, at one price."""
    _, offers, found = feed_in
    lowered = reduced(offers, found)
    acting = [k for k, o in enumerate(offers) if o.bus in (14, 15)]
    assert len(acting) == 3
    # Feed-in is taken down to nothing, never into consumption.
    room = np.column_stack([np.minimum(offers[k].down_kw, offers[k].p_kw) for k in acting])
    steps = (lowered > 0.01).any(axis=1)
    share = lowered[steps][:, acting] / room[steps]
    np.testing.assert_allclose(share - share[:, :1], 0.0, atol=1e-6)
    others = np.delete(lowered, acting, axis=1)
    np.testing.assert_allclose(others, 0.0, atol=1e-6)  # they act on another feeder


def test_no_rebound_with_everybody_at_the_upper_or_the_lower_cap(feed_in):
    """M4 rule 3: in all steps, also the uncongested ones."""
    asked, offers, found = feed_in
    for sign in (1, -1):
        power = at_caps(offers, found, sign)
        assert_clean(network(), solve(network(), offers, power, asked, found.tap_pos))


def test_headroom_is_used_up(feed_in):
    """Where the neighbourhood is capped without being lowered, its cap brings a limit near."""
    asked, offers, found = feed_in
    power = at_caps(offers, found, 1)
    state = solve(network(), offers, power, asked, found.tap_pos)
    limited = found.caps["place"].p_max_kw < offers[0].p_kw + offers[0].up_kw - 0.01
    loading = (state.line_loading_percent / network().line_limit_percent).max(axis=1)
    voltage = (network().vm_max_pu - state.vm_pu).min(axis=1)
    near = (loading >= 0.999) | (voltage <= 2e-4)
    assert limited.any()
    assert near[limited].all()


def test_plants_are_capped_only_where_they_are_lowered(feed_in):
    _, offers, found = feed_in
    lowered = reduced(offers, found) > 1e-3
    for k, offer in enumerate(offers[1:], start=1):
        cap = found.caps[offer.asset]
        assert np.array_equal(np.isfinite(cap.p_max_kw), lowered[:, k])
        assert np.isneginf(cap.p_min_kw).all()


def test_every_cap_has_its_reason(feed_in):
    asked, _, found = feed_in
    rows = pd.DataFrame(found.rows)
    finite = sum(
        np.isfinite(c.p_max_kw).sum() + np.isfinite(c.p_min_kw).sum() for c in found.caps.values()
    )
    assert list(rows) == [
        "time",
        "asset",
        "kind",
        "offered_kw",
        "p_set_kw",
        "reason_element",
        "sensitivity",
        "cost_eur",
    ]
    assert len(rows) == finite
    assert rows["cost_eur"].sum() == pytest.approx(found.cost_eur)
    assert set(rows["time"]) <= set(asked.horizon.times)
    line = rows[rows["reason_element"] == "line 10 MV1.101 Line 11"]
    assert len(line) > 100
    assert line["sensitivity"].between(14.5, 16.5).all()  # %/MW
    assert (line["p_set_kw"] < line["offered_kw"]).all()
    bus = rows[rows["reason_element"] == f"bus {BUS}"]
    assert bus["sensitivity"].between(0.005, 0.02).all()  # pu/MW
    preventive = rows[rows["reason_element"].str.startswith("preventive: ")]
    assert len(preventive) > 0
    assert (preventive["cost_eur"] == 0).all()


def test_it_is_the_same_every_time(feed_in):
    asked, offers, found = feed_in
    again = redispatch(asked, offers)
    assert again.rows == found.rows
    for name, cap in found.caps.items():
        assert np.array_equal(again.caps[name].p_max_kw, cap.p_max_kw)


# -- taps ------------------------------------------------------------------------------------
def test_the_tap_chosen_is_the_cheapest_of_all(feed_in):
    """M4 rule 1, by curing at every position in full."""
    asked, offers, found = feed_in
    ranks = {}
    for tap_pos in range(-1, 6):
        single = redispatch(replace(asked, tap_pos=tap_pos, tap_is_fixed=True), offers)
        assert single.tap_pos == tap_pos
        losses = 60 * 0.25 * single.after.loss_mw.sum()
        ranks[tap_pos] = (int(single.unsolved.sum()), single.cost_eur + losses)
    assert found.tap_pos == min(ranks, key=lambda tap_pos: ranks[tap_pos])
    assert ranks[4][0] > 0  # M2: undervoltage that no feed-in cap can cure


def test_the_tap_stays_where_nothing_is_violated():
    offers = [cut(o, slice(0, 8)) for o in plants(LOAD_ROW)]
    asked = problem(network(), LOAD_ROW, 8, tap_pos=1, loss_price_eur_per_kwh=10.0)
    found = redispatch(asked, offers)
    assert found.tap_pos == 1
    assert found.cost_eur == 0
    assert found.rows == ()


def test_taps_can_be_ruled_out():
    offers = [cut(o, NOON) for o in (feeding(), *plants(FEED_IN_ROW))]
    asked = problem(network(), FEED_IN_ROW + NOON.start, 32, tap_pos=1, taps=False)
    assert redispatch(asked, offers).tap_pos == 1


# -- much load -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def evening():
    """M2, max-load: line 0 out of service, loop line 93 closed, undervoltage in the evening."""
    grid = network((0,), (93,))
    asked, offers = problem(grid, LOAD_ROW, tap_pos=-1), [drawing(), *plants(LOAD_ROW)]
    return asked, offers, redispatch(asked, offers)


def test_undervoltage_is_cured_by_caps_on_consumption(evening):
    asked, offers, found = evening
    before = found.before.vm_pu[:, asked.network.position(BUS)]
    assert 10 <= (before < 0.965).sum() <= 20
    assert not found.unsolved.any()
    assert_clean(asked.network, found.after)
    raised = -reduced(offers, found)[:, 0]
    steps = raised > 0.01
    assert 8 <= steps.sum() <= 20
    np.testing.assert_allclose(
        found.caps["place"].p_min_kw[steps], found.p_kw["place"][steps], atol=1e-9
    )
    assert found.cost_eur == pytest.approx(0.3 * raised.sum() / 4, rel=1e-6)
    rows = pd.DataFrame(found.rows)
    real = rows[rows["cost_eur"] > 0]
    assert (real["reason_element"] == f"bus {BUS} (consumption)").all()
    assert (real["p_set_kw"] > real["offered_kw"]).all()


def test_caps_on_consumption_are_tight_and_prevent_the_rebound(evening):
    asked, offers, found = evening
    grid = asked.network
    for sign in (1, -1):
        power = at_caps(offers, found, sign)
        assert_clean(grid, solve(grid, offers, power, asked, found.tap_pos))
    lowest = solve(grid, offers, at_caps(offers, found, -1), asked, found.tap_pos)
    spare = (lowest.vm_pu - grid.vm_min_pu).min(axis=1)
    limited = found.caps["place"].p_min_kw > offers[0].p_kw - offers[0].down_kw + 0.01
    assert limited.sum() > 40
    assert (spare[limited] <= 1e-4).all()


# -- several neighbourhoods ------------------------------------------------------------------
@pytest.fixture(scope="module")
def three():
    places = [
        feeding("a", 15),
        feeding("b", 60, 3.5, 1.0, 800.0),
        feeding("c", 30, 3.0, 2.0, 600.0),
    ]
    offers = [*places, *plants(FEED_IN_ROW)]
    asked = problem(network(), FEED_IN_ROW)
    return asked, offers, redispatch(asked, offers)


def test_three_neighbourhoods_are_safe_together(three):
    asked, offers, found = three
    assert not found.unsolved.any()
    for sign in (1, -1):
        power = at_caps(offers, found, sign)
        assert_clean(network(), solve(network(), offers, power, asked, found.tap_pos))


def test_a_full_feeder_does_not_choke_another_one(three):
    """Who does not act on the limit that is reached keeps its headroom."""
    _, offers, found = three
    lowered = reduced(offers, found)[:, 0] > 0.01
    assert lowered.sum() > 100
    room_of_c = found.caps["c"].p_max_kw[lowered] - offers[2].p_kw[lowered]
    assert (room_of_c >= offers[2].up_kw[lowered] - 1e-6).mean() > 0.9
