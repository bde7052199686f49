"""What the DSO decides, checked by AC power flow on the real grid (M4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from quartier.errors import InputError
from quartier.grid.power_flow import BatchPowerFlow
from quartier.redispatch import Redispatch, redispatch
from tests.unit.grids import (
    BINDING,
    BUS,
    FEED_IN_ROW,
    LOAD_ROW,
    STEPS,
    at_caps,
    cut,
    drawing,
    feeding,
    injections,
    network,
    plants,
    problem,
)

TOLERANCE_PERCENT, TOLERANCE_PU = 0.1, 1e-4
"""Those of the default settings."""
NOON = slice(30, 62)
"""Eight hours, for tests that need no whole horizon."""


def solve(grid, offers, p_kw, asked, tap_pos):
    return BatchPowerFlow.of(grid).solve(
        injections(asked, offers, p_kw), asked.background_q_mvar, tap_pos
    )


def worst(grid, state) -> tuple[float, float]:
    """Greatest violation in percent and pu; negative where everything is kept."""
    loading = max(
        (state.line_loading_percent - grid.line_limit_percent).max(),
        (state.transformer_loading_percent - grid.transformer_limit_percent).max(),
    )
    voltage = max((state.vm_pu - grid.vm_max_pu).max(), (grid.vm_min_pu - state.vm_pu).max())
    return float(loading), float(voltage)


def assert_clean(grid, state) -> None:
    loading, voltage = worst(grid, state)
    assert loading <= TOLERANCE_PERCENT
    assert voltage <= TOLERANCE_PU


def reduced(offers, found: Redispatch) -> np.ndarray:
    """By how much every asset is lowered in kW, shape ``(T, A)``."""
    return np.column_stack([o.p_kw - found.p_kw[o.asset] for o in offers])


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
    room = np.column_stack([offers[k].down_kw for k in acting])
    steps = (lowered > 0.01).any(axis=1)
    share = lowered[steps][:, acting] / room[steps]
    np.testing.assert_allclose(share - share[:, :1], 0.0, atol=1e-6)
    others = np.delete(lowered, acting, axis=1)
    np.testing.assert_allclose(others, 0.0, atol=1e-6)  # they act on another feeder


def test_no_rebound_with_everybody_at_the_upper_or_the_lower_cap(feed_in):
    """M4 rule 3: in all steps, also the uncongested ones."""
    asked, offers, found = feed_in
    for sign in (1, -1):
        power = at_caps(offers, found.caps, sign)
        assert_clean(network(), solve(network(), offers, power, asked, found.tap_pos))


def test_headroom_is_used_up(feed_in):
    """Where the neighbourhood is capped without being lowered, its cap brings a limit near."""
    asked, offers, found = feed_in
    power = at_caps(offers, found.caps, 1)
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


# -- other rules, over a few hours at tap +3 -------------------------------------------------
def at_noon(offers=None, **settings):
    offers = offers or [feeding(), *plants(FEED_IN_ROW)]
    offers = [cut(o, NOON) for o in offers]
    asked = problem(network(), FEED_IN_ROW + NOON.start, 32, tap_pos=3, taps=False, **settings)
    return asked, offers


def test_the_cheaper_asset_goes_first():
    dear = replace(feeding(), price_eur_per_kwh=0.20)
    asked, offers = at_noon([dear, *plants(FEED_IN_ROW)])
    found = redispatch(asked, offers)
    lowered = reduced(offers, found)
    assert lowered[:, 0].sum() == pytest.approx(0.0, abs=1e-3)
    assert lowered.sum() > 0
    # In congested steps it may not go up either, and the reason is told.
    congested = (lowered > 0.01).any(axis=1)
    cap = found.caps["place"].p_max_kw
    np.testing.assert_allclose(cap[congested], offers[0].p_kw[congested])
    reasons = {
        r["reason_element"]
        for r in found.rows
        if r["asset"] == "place" and r["p_set_kw"] >= r["offered_kw"]
    }
    assert reasons == {"preventive: line 10 MV1.101 Line 11"}


def test_without_tolerance_the_strongest_goes_first():
    asked, offers = at_noon(share_tolerance=0.0)
    lowered = reduced(offers, redispatch(asked, offers))
    by_bus = {bus: lowered[:, [o.bus == bus for o in offers]].sum() for bus in (14, 15)}
    assert by_bus[14] > 0
    assert by_bus[15] == pytest.approx(0.0, abs=1e-3)


def test_weak_assets_are_left_out():
    """A free wind park in another feeder helps only if the threshold lets it."""
    offers = [feeding(), *plants(FEED_IN_ROW)]
    free = [replace(o, price_eur_per_kwh=0.0) if o.bus == 49 else o for o in offers]
    for threshold, used in ((0.01, False), (0.0, True)):
        asked, cut_offers = at_noon(free, sensitivity_threshold=threshold)
        lowered = reduced(cut_offers, redispatch(asked, cut_offers))
        elsewhere = lowered[:, [o.bus == 49 for o in cut_offers]].sum()
        assert (elsewhere > 1.0) == used


def test_what_cannot_be_cured_is_reported_and_relieved_as_far_as_possible():
    offers = [replace(o, down_kw=0.05 * o.down_kw) for o in (feeding(), *plants(FEED_IN_ROW))]
    asked, offers = at_noon(offers)
    found = redispatch(asked, offers)
    assert found.unsolved.any()
    assert set(found.reasons) == set(np.flatnonzero(found.unsolved))
    reason = found.reasons[int(np.flatnonzero(found.unsolved)[0])]
    assert reason.startswith("line 10 MV1.101 Line 11 at 1")
    assert "limit 100.00 %" in reason
    acting = [k for k, o in enumerate(offers) if o.bus in (14, 15)]
    lowered = reduced(offers, found)[found.unsolved][:, acting]
    room = np.column_stack([offers[k].down_kw for k in acting])[found.unsolved]
    np.testing.assert_allclose(lowered, room, atol=1e-3)


def test_a_diverging_step_is_reported():
    hopeless = replace(drawing(), p_kw=np.where(np.arange(STEPS) == 35, -60e3, -100.0))
    hopeless = replace(hopeless, up_kw=0 * hopeless.p_kw)
    asked, offers = at_noon([hopeless, *plants(FEED_IN_ROW)])
    found = redispatch(asked, offers)
    step = 35 - NOON.start
    assert found.unsolved[step]
    assert "does not converge" in found.reasons[step]
    assert not found.unsolved[np.arange(32) != step].any()
    cap = found.caps["place"]
    assert cap.p_max_kw[step] == cap.p_min_kw[step] == pytest.approx(-60e3)


def test_discrete_steps_are_kept():
    shares = [1.0, 0.6, 0.3, 0.0]
    rated = {o.asset: 1.1 * o.p_kw.max() for o in plants(FEED_IN_ROW)}
    asked, offers = at_noon(discrete_steps=shares)
    offers = [replace(offer, rated_kw=rated.get(offer.asset)) for offer in offers]
    found = redispatch(asked, offers)
    assert not found.unsolved.any()
    assert_clean(network(), found.after)
    lowered = reduced(offers, found)
    assert (lowered[:, 1:] > 0.01).any()
    for k, offer in enumerate(offers[1:], start=1):
        steps = lowered[:, k] > 0.01
        share = found.p_kw[offer.asset][steps] / rated[offer.asset]
        distance = np.abs(share[:, None] - np.array(shares)).min(axis=1)
        np.testing.assert_allclose(distance, 0.0, atol=1e-9)


def test_floors_and_ceilings_are_kept():
    """M5: the DSO solves again with what is left."""
    asked, offers = at_noon()
    first = redispatch(asked, offers)
    floor = offers[0].p_kw - 0.1 * (offers[0].p_kw - first.p_kw["place"])
    again = redispatch(asked, offers, floors={"place": floor}, ceilings={"place": offers[0].p_kw})
    assert (again.p_kw["place"] >= floor - 1e-6).all()
    assert not again.unsolved.any()
    assert_clean(network(), again.after)
    # What was offered stays what it was, also where the report is above the offer.
    above = redispatch(asked, offers, floors={"place": offers[0].p_kw + 100.0})
    assert above.p_kw["place"] == pytest.approx(offers[0].p_kw + 100.0)
    assert np.array_equal(above.before.vm_pu, first.before.vm_pu)
    assert {r["offered_kw"] for r in above.rows if r["asset"] == "place"} <= {*offers[0].p_kw}


def test_without_assets_violations_are_reported():
    asked, _ = at_noon()
    found = redispatch(asked, [])
    assert found.caps == {}
    assert found.rows == ()
    assert found.unsolved.sum() == (found.before_violations.voltages > 0).sum()


def test_faulty_offers_are_listed_at_once():
    asked, offers = at_noon()
    short = replace(offers[1], p_kw=offers[1].p_kw[:5])
    odd = replace(offers[2], up_kw=offers[2].up_kw - 1.0, q_kvar=offers[2].q_kvar * np.nan)
    with pytest.raises(InputError) as caught:
        redispatch(asked, [offers[0], offers[0], short, odd], floors={"nobody": offers[0].p_kw})
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    for part in ("two offers", "shape (5,)", "negative", "not a number", "nobody reports"):
        assert part in text
    with pytest.raises(InputError, match="bus 999"):
        redispatch(asked, [replace(offers[0], bus=999)])


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
        power = at_caps(offers, found.caps, sign)
        assert_clean(grid, solve(grid, offers, power, asked, found.tap_pos))
    lowest = solve(grid, offers, at_caps(offers, found.caps, -1), asked, found.tap_pos)
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
        power = at_caps(offers, found.caps, sign)
        assert_clean(network(), solve(network(), offers, power, asked, found.tap_pos))


def test_a_full_feeder_does_not_choke_another_one(three):
    """Who does not act on the limit that is reached keeps its headroom."""
    _, offers, found = three
    lowered = reduced(offers, found)[:, 0] > 0.01
    assert lowered.sum() > 100
    room_of_c = found.caps["c"].p_max_kw[lowered] - offers[2].p_kw[lowered]
    assert (room_of_c >= offers[2].up_kw[lowered] - 1e-6).mean() > 0.9
