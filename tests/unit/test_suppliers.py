"""What a market learns of suppliers from their answers, small enough to check in the head (M9)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.optimisation.prices import Suppliers, serve
from quartier.problem import Market, Supply

RESERVE = Supply(
    0.5, np.array([[0.0], [3.0]]), np.array([[-np.inf], [0.0]]), np.array([[0.0], [np.inf]])
)


def blocks(*own: tuple[float, float]) -> Supply:
    """Power and price of each block, for a step of half an hour."""
    power, price = np.array(own, dtype=float).reshape(-1, 2).T[:, :, None]
    return Supply(0.5, price, np.zeros_like(price), power)


COAL = blocks((40.0, 0.1), (20.0, 0.3))


def asked(*prices: float, own: Supply = COAL) -> Suppliers:
    known = Suppliers(RESERVE, names=("coal",))
    for number, price in enumerate(prices, start=1):
        known.hear("coal", number, serve(own, np.array([price]), 0.0, None))
    return known


def test_it_gives_what_pays():
    found = serve(COAL, np.array([0.2]))
    assert (found.p_kw, found.cost_eur) == (40.0, pytest.approx(2.0))
    assert found.bound_eur == pytest.approx(2.0 - 0.5 * 0.2 * 40)
    assert serve(COAL, np.array([0.1])).p_kw == 0.0  # indifferent


def test_near_a_target_it_gives_less():
    """0.2 - 0.1 = 0.01 (p - 20): 30 kW, and what they cost; the bound knows of no target."""
    found = serve(COAL, np.array([0.2]), 0.01, np.array([20.0]))
    assert (found.p_kw, found.cost_eur) == (pytest.approx(30.0), pytest.approx(1.5))
    assert found.bound_eur == serve(COAL, np.array([0.2])).bound_eur


def test_two_answers_are_its_whole_curve():
    """All it has at the ceiling, a mean of 1/6 EUR/kWh; then the first block alone."""
    once = asked(3.0).merit
    assert once.most_kw[0] == 60.0 and once.price_eur_per_kwh[0] == pytest.approx(1 / 6)
    found = asked(3.0, 0.2).merit
    assert found.most_kw[:2].ravel().tolist() == pytest.approx([40.0, 20.0])
    assert found.price_eur_per_kwh[:2].ravel().tolist() == pytest.approx([0.1, 0.3])
    assert len(asked(3.0, 0.2, 0.25, 1.0, 0.0).merit.most_kw) == 4  # nothing new


def test_nothing_is_expected_of_who_did_not_say_a_word():
    known = asked()
    assert known.silent == ("coal",)
    assert known.merit.price_eur_per_kwh.ravel().tolist() == [0.0, 3.0]
    assert known.worth_eur(1, np.array([0.2])) == -np.inf
    assert known.worth_eur(1, np.array([0.2]), {"coal"}) == 0.0
    assert known.dispatched_kw(np.array([10.0])) == {"coal": 0.0}


def test_an_answer_that_is_missing_is_no_proof_but_what_was_said_before_counts():
    known = asked(3.0)
    assert known.worth_eur(1, np.array([3.0])) == serve(COAL, np.array([3.0])).bound_eur
    assert known.worth_eur(2, np.array([0.2])) == -np.inf
    assert known.worth_eur(2, np.array([0.2]), {"coal"}) == pytest.approx(0.5 * 60 * (1 / 6 - 0.2))


def test_blocks_that_were_bid_prove_something_at_every_price():
    known = asked()
    known.hear_blocks("coal", COAL)
    assert known.worth_eur(7, np.array([0.2])) == pytest.approx(-0.5 * 0.1 * 40)
    assert (known.silent, known.heard(7)) == ((), 1)
    assert known.dispatched_kw(np.array([50.0]))["coal"] == 50.0


OWN = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 3)), min_size=1, max_size=6)


@given(own=OWN, prices=st.lists(st.floats(0, 3), min_size=1, max_size=8), need=st.floats(0, 400))
@settings(max_examples=200, deadline=None)
def test_what_is_known_is_never_better_than_what_there_is(own, prices, need):
    """Neither cheaper, nor worth more at a price; at prices that were answered, the same."""
    have = blocks(*own)
    known = asked(*prices, own=have)
    everything = Supply.together([have, RESERVE])
    needed = np.array([need])
    assert known.merit.cost_eur(needed) >= everything.cost_eur(needed) - 1e-6
    for number, price in enumerate(prices, start=1):
        at = np.array([price])
        assert known.worth_eur(number, at) == pytest.approx(have.worth_eur(at), abs=1e-6)
        assert known.merit.worth_eur(at) == pytest.approx(have.worth_eur(at), abs=1e-6)


@given(own=OWN, targets=st.lists(st.floats(-100, 300), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_points_between_corners_are_points_of_its_curve(own, targets):
    have = blocks(*own)
    known = Suppliers(RESERVE, names=("coal",))
    for number, target in enumerate(targets):
        said = serve(have, np.array([1.0]), 0.01, np.array([target]))
        assert said.cost_eur.sum() == pytest.approx(have.cost_eur(said.p_kw), abs=1e-9)
        known.hear("coal", number, said)
        assert known.last_kw() == [said.p_kw]
        assert known.merit.cost_eur(said.p_kw) == pytest.approx(said.cost_eur.sum(), abs=1e-5)


def test_a_market_tells_what_is_public_from_what_suppliers_keep():
    market = Market.of(1.0, 2, {"wind": [(5.0, 0.0)], "coal": [(4.0, 0.1), (3.0, 0.2)]}, 0.0, 3.0)
    owners, public = market.public
    assert owners == ("balancing reserve",) * 2
    assert public.price_eur_per_kwh[:, 0].tolist() == [0.0, 3.0]
    assert list(market.asked) == ["wind", "coal"]
    assert market.asked["coal"].most_kw.tolist() == [[4.0, 4.0], [3.0, 3.0]]
