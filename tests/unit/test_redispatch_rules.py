"""The rules of redispatch, one by one, over a few hours on the real grid (M4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartier.errors import InputError
from quartier.redispatch import redispatch
from tests.unit.grids import (
    FEED_IN_ROW,
    NOON,
    STEPS,
    assert_clean,
    cut,
    drawing,
    feeding,
    network,
    plants,
    problem,
    reduced,
)


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
    assert cap.p_min_kw[step] == pytest.approx(-60e3)
    assert cap.p_max_kw[step] == 0.0  # a limit of feed-in demands no consumption


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
