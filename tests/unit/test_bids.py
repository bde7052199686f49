"""Bids, clearing and what an auction proves, without agents (M9)."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.agents.strategies.pricing import published
from quartier.centralised.programs import models_of
from quartier.centralised.sharing.pool import Pool
from quartier.instance import build
from quartier.optimisation.prices import Bid, Bidder, Blocks, Hourly, Responder, Response
from quartier.optimisation.prices.bids import Tangent, exact, sampled
from quartier.optimisation.prices.clearing import clear
from quartier.optimisation.prices.opportunity import opportunity_prices
from quartier.problem import Pooling, Problem, Supply
from quartier.scenario.load import load

CASES = Path(__file__).parents[1] / "cases"
DAY = ("horizon.steps=24", "gates.horizon_steps=24")
LOW, HIGH = 0.0, 3000.0


# -- a battery of 1 MWh, full; prices in EUR/MWh --------------------------------------------------
def battery(price: float) -> Tangent:
    """It sells now, or for 100 in the hour after, as forecast."""
    return Tangent(price, 1.0, price) if price > 100 else Tangent(price, 0.0, 100.0)


def supplier(price: float) -> Supply:
    """It serves any power at a price."""
    return Supply(
        1.0, np.array([[LOW], [price]]), np.array([[-np.inf], [0]]), np.array([[0], [np.inf]])
    )


def test_a_full_battery_waits_for_the_dearer_hour():
    """Forecast (50, 100), cleared at 60: to hold is worth 100, to sell 60."""
    bid = exact(battery, LOW, HIGH, 1.0)
    assert (bid.base_kw, bid.price_eur_per_kwh, bid.power_kw) == (0, pytest.approx([100]), [1])
    town = Bid.fixed(-5.0)
    assert clear({"battery": bid, "town": town}, supplier(60), 0).power_kw["battery"] == 0.0


def test_algorithm_1_sells_it_at_once():
    """Between its samples at 50 and at the ceiling it sees no threshold: it gains 60 only."""
    bid = sampled(battery, [50, HIGH])
    found = clear({"battery": bid, "town": Bid.fixed(-5.0)}, supplier(60), 0)
    assert (found.price_eur_per_kwh, found.power_kw["battery"]) == (60, 1.0)


# -- curves ---------------------------------------------------------------------------------------
PLANS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-40, 40)), min_size=1, max_size=12)
"""Net power, and the gain at a price of 0, of plans to choose from."""


def best_of(plans):
    def best(price: float) -> Tangent:
        power, gain = max(plans, key=lambda plan: (plan[1] + price * plan[0], plan[0]))
        return Tangent(price, power, gain + price * power)

    return best


@given(plans=PLANS, price=st.floats(0, 3))
@settings(max_examples=200, deadline=None)
def test_the_curve_rises_and_says_what_is_best_at_every_price(plans, price):
    best, bid = best_of(plans), exact(best_of(plans), 0.0, 3.0, 1.0)
    assert (bid.power_kw > 0).all() and (np.diff(bid.price_eur_per_kwh) >= 0).all()
    low, high = bid.at(price)
    gain = best(price).gain
    for power in (low, high):  # it is worth as much: read off the curve, from the lowest price on
        steps = np.clip(power - bid.base_kw - np.cumsum([0, *bid.power_kw])[:-1], 0, bid.power_kw)
        worth = best(0.0).gain + power * price - float(steps @ bid.price_eur_per_kwh)
        assert worth == pytest.approx(gain, abs=1e-4 * (1 + abs(gain)))


@given(plans=PLANS)
@settings(max_examples=50, deadline=None)
def test_samples_rise_as_well(plans):
    bid = sampled(best_of(plans), [0.0, 0.5, 3.0])
    assert (bid.power_kw > 0).all()
    assert set(bid.price_eur_per_kwh) <= {0.0, 0.5}


@given(plans=PLANS, share=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_what_is_bought_and_sold_adds_up_to_the_bid(plans, share):
    bid = exact(best_of(plans), 0.0, 3.0, 1.0)
    parts = list(bid.parts(share * bid.power_kw, 0.0, 3.0))
    accepted = sum(part for _, _, part in parts)
    assert accepted == pytest.approx(bid.base_kw + share * bid.power_kw.sum(), abs=1e-9)
    assert all(0 <= part / power <= 1 + 1e-9 for _, power, part in parts if power)


# -- clearing -----------------------------------------------------------------------------
STEPS = st.lists(st.tuples(st.integers(1, 29), st.floats(0.1, 20)), max_size=5)
BIDS = st.lists(st.tuples(st.floats(-60, 40), STEPS, st.booleans()), min_size=1, max_size=5)
BLOCKS = Supply(
    1.0,
    np.array([[0.0], [1.0], [2.0], [0.0], [3.0]]),
    np.array([[0.0], [0.0], [0.0], [-np.inf], [0.0]]),
    np.array([[10.0], [30.0], [20.0], [0.0], [np.inf]]),
)


def made(base, steps, whole):
    price, power = np.array(sorted(steps), dtype=float).reshape(-1, 2).T
    return Bid(base, price / 10, power, whole)


@given(given_bids=BIDS)
@settings(max_examples=300, deadline=None)
def test_an_hour_is_balanced_and_nobody_trades_at_a_loss(given_bids):
    bids = {f"n{k}": made(*bid) for k, bid in enumerate(given_bids)}
    found = clear(bids, BLOCKS, 0)
    total = sum(found.power_kw.values()) + found.supplied_kw.sum()
    assert total == pytest.approx(0.0, abs=1e-9)
    price = found.price_eur_per_kwh
    for name, bid in bids.items():
        filled = found.filled_kw[name]
        assert ((filled >= 0) & (filled <= bid.power_kw + 1e-12)).all()
        if bid.whole:
            assert np.isin(filled, (0.0, *bid.power_kw)).all()
            assert (np.diff((filled > 0).astype(int)) <= 0).all()  # no step without those before
        else:
            assert filled[bid.price_eur_per_kwh < price] == pytest.approx(
                bid.power_kw[bid.price_eur_per_kwh < price]
            )
            assert not filled[bid.price_eur_per_kwh > price].any()
    asked = BLOCKS.price_eur_per_kwh[:, 0]
    most = np.where(np.isinf(BLOCKS.most_kw[:, 0]), 0.0, BLOCKS.most_kw[:, 0])
    assert found.supplied_kw[asked < price] == pytest.approx(most[asked < price])
    assert not (found.supplied_kw[asked > price] > 1e-9).any()


def test_who_asks_the_same_shares_pro_rata():
    bids = {
        "a": Bid(0.0, np.array([1.0]), np.array([30.0])),
        "b": Bid(0.0, np.array([1.0]), np.array([60.0])),
        "town": Bid.fixed(-70.0),
    }
    found = clear(bids, BLOCKS, 0)  # 10 kW for nothing, 30 of a supplier, 30 and 60 at 1
    assert found.price_eur_per_kwh == 1.0
    assert [found.power_kw[name] for name in "ab"] == pytest.approx([15.0, 30.0])
    assert found.supplied_kw.tolist() == pytest.approx([10.0, 15.0, 0.0, 0.0, 0.0])


def test_prices_that_differ_by_less_than_bids_can_tell_are_one():
    bids = {
        "a": Bid(0.0, np.array([1.0 + 1e-9]), np.array([30.0])),
        "b": Bid(0.0, np.array([1.0 - 1e-9]), np.array([60.0])),
        "town": Bid.fixed(-70.0),
    }
    found = clear(bids, BLOCKS, 0)
    assert [found.power_kw[name] for name in "ab"] == pytest.approx([15.0, 30.0])
    assert found.price_eur_per_kwh == pytest.approx(1.0)


@pytest.mark.parametrize("price", [-0.5, 3.5])
def test_a_bid_beyond_what_there_can_be_leaves_the_price_where_it_can_be(price):
    bids = {"late": Bid(-200.0, np.array([price]), np.array([50.0]))}
    found = clear(bids, BLOCKS, 0)
    assert found.price_eur_per_kwh == 3.0
    assert np.isfinite(BLOCKS.worth_eur(np.array([found.price_eur_per_kwh])))
    paid = clear({"late": Bid(-20.0, np.array([price]), np.array([50.0]))}, BLOCKS, 0)
    assert 0.0 <= paid.price_eur_per_kwh <= 1.0


def test_what_nobody_wants_is_taken_at_the_lowest_price():
    found = clear({"sun": Bid.fixed(40.0)}, BLOCKS, 0)
    assert (found.price_eur_per_kwh, found.supplied_kw[3]) == (0.0, -40.0)


@pytest.mark.parametrize(
    ("size", "accepted", "price"),
    [
        (15.0, 15.0, 1.0),  # coal gives the 5 kW that are left, at 1
        (20.0, 20.0, 0.5),  # wind gives 10, all it has: the price need not be above its own
        (25.0, 0.0, 1.0),  # with 5 kW of wind the price would be 0: it would sell at a loss
        (35.0, 0.0, 1.0),  # 5 kW too much: the price would fall to the floor
        (45.0, 0.0, 1.0),
    ],
)
def test_a_step_that_is_whole_is_sold_at_no_loss(size, accepted, price):
    """30 kW are needed; wind has 10 for nothing, coal 30 at 1. The step asks 0.5."""
    switch = Bid(0.0, np.array([0.5]), np.array([size]), whole=True)
    found = clear({"unit": switch, "town": Bid.fixed(-30.0)}, BLOCKS, 0)
    assert found.power_kw["unit"] == accepted
    assert found.price_eur_per_kwh == pytest.approx(price)
    assert sum(found.power_kw.values()) + found.supplied_kw.sum() == pytest.approx(0.0)


@pytest.mark.parametrize(("size", "bought"), [(15.0, 15.0), (25.0, 0.0)])
def test_a_step_that_is_whole_is_bought_at_no_loss(size, bought):
    """Up to 1.5; coal at 1 has 20 kW left beside a town of 20 kW, the next asks 2."""
    switch = Bid(-size, np.array([1.5]), np.array([size]), whole=True)
    found = clear({"unit": switch, "town": Bid.fixed(-20.0)}, BLOCKS, 0)
    assert found.power_kw["unit"] == -bought
    assert found.price_eur_per_kwh == pytest.approx(1.0)


def test_of_two_that_cannot_both_be_taken_the_cheaper_way_is():
    """Beside 10 kW of wind both are just enough for 50 kW; for 45, the dearer is left out."""
    bids = {
        "a": Bid(0.0, np.array([0.5]), np.array([20.0]), whole=True),
        "b": Bid(0.0, np.array([0.6]), np.array([20.0]), whole=True),
        "town": Bid.fixed(-50.0),
    }
    found = clear(bids, BLOCKS, 0)
    assert [found.power_kw[name] for name in "ab"] == [20.0, 20.0]
    assert found.price_eur_per_kwh == pytest.approx(0.6)
    found = clear({**bids, "town": Bid.fixed(-45.0)}, BLOCKS, 0)
    assert [found.power_kw[name] for name in "ab"] == [20.0, 0.0]
    assert found.price_eur_per_kwh == 1.0


WHOLES = st.lists(
    st.tuples(
        st.integers(-30, 20),
        st.lists(st.tuples(st.integers(1, 29), st.integers(1, 20)), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=3,
)


@given(wholes=WHOLES, parts=BIDS)
@settings(max_examples=150, deadline=None)
def test_of_all_choices_without_a_loss_the_cheapest_is_taken(wholes, parts):
    """By trying all choices of steps, and all prices that there may be."""
    bids = {f"w{k}": made(*bid, True) for k, bid in enumerate(wholes)}
    bids |= {f"n{k}": made(base, steps, False) for k, (base, steps, _) in enumerate(parts)}
    found = clear(bids, BLOCKS, 0)
    assert sum(found.power_kw.values()) + found.supplied_kw.sum() == pytest.approx(0.0, abs=1e-6)
    cost = 0.0
    for name, bid in bids.items():
        filled = found.filled_kw[name]
        cost += float(filled @ bid.price_eur_per_kwh)
        if bid.whole:
            at, taken = found.price_eur_per_kwh, filled > 0
            assert (bid.price_eur_per_kwh[taken & bid.sells] <= at + 1e-6).all()
            assert (bid.price_eur_per_kwh[~taken & ~bid.sells] >= at - 1e-6).all()
    cost += float(found.supplied_kw @ BLOCKS.price_eur_per_kwh[:, 0])
    assert cost <= cheapest(bids) + 1e-4


def cheapest(bids) -> float:
    """Cost of the best choice of whole steps for which there is a price, by trying all."""
    best = np.inf
    wholes = {name: bid for name, bid in bids.items() if bid.whole}
    parts = {name: bid for name, bid in bids.items() if not bid.whole}
    for levels in itertools.product(*(range(bid.power_kw.size + 1) for bid in wholes.values())):
        fixed, low, high, cost = {}, -np.inf, np.inf, 0.0
        for (name, bid), level in zip(wholes.items(), levels, strict=True):
            fixed[name] = Bid.fixed(bid.base_kw + float(bid.power_kw[:level].sum()))
            price, sells = bid.price_eur_per_kwh, bid.sells
            cost += float(bid.power_kw[:level] @ price[:level])
            low = max([low, *price[:level][sells[:level]]])
            high = min([high, *price[level:][~sells[level:]]])
        found = clear({**fixed, **parts}, BLOCKS, 0)
        # the price may be any up to where the next would give: so it is raised by a touch of need
        more = clear({**fixed, **parts, "touch": Bid.fixed(-1e-7)}, BLOCKS, 0)
        if max(low, found.price_eur_per_kwh) <= min(high, more.price_eur_per_kwh) + 1e-9:
            cost += sum(float(found.filled_kw[n] @ b.price_eur_per_kwh) for n, b in parts.items())
            best = min(best, cost + float(found.supplied_kw @ BLOCKS.price_eur_per_kwh[:, 0]))
    return best


# -- blocks that are whole --------------------------------------------------------------------
def settled(*sizes: float, needed: float = 30.0) -> Blocks:
    """Units that switch on with so many kW at 0.5 each, or not; a town; clearing of the blocks."""
    nothing = Response(np.zeros(1), 0.0, -np.inf, whole=True)
    town = Response(np.array([-needed]), 0.0, -np.inf)
    units = {f"unit {k}": nothing for k in range(len(sizes))}
    search = Blocks(BLOCKS, {**units, "town": town}, 1e-6, forecast_eur_per_kwh=[1.0])
    search.hear("town", 1, Response(town.p_kw, 0.0, needed))
    for name, size in zip(units, sizes, strict=True):
        own = Response(np.array([size]), 0.5 * size, min(-0.5 * size, 0.0), whole=True)
        search.hear(name, 1, own)
    search.conclude()
    search.settle()
    return search


@pytest.mark.parametrize(
    ("size", "accepted", "cost"), [(15, True, 12.5), (20, True, 10.0), (25, False, 20.0)]
)
def test_a_block_that_is_whole_is_accepted_at_no_loss(size, accepted, cost):
    """As a step of an hour: 10 kW of wind for nothing, coal at 1; with 25 kW the price were 0."""
    search = settled(size)
    assert (1 in search.shares["unit 0"]) is accepted
    assert search.cost_eur == pytest.approx(cost)
    assert (search.best[0] >= 0.5 - 1e-4) if accepted else search.best == pytest.approx([1.0])


def test_of_blocks_that_are_whole_only_those_that_lose_are_rejected():
    """40 kW: one of 20, wind's 10, coal's 10; with both, wind had no use for 10 kW."""
    search = settled(20.0, 20.0, needed=40.0)
    assert sorted(next(iter(search.shares[f"unit {k}"])) for k in range(2)) == [0, 1]
    assert search.cost_eur == pytest.approx(10.0 + 10.0)
    assert search.best == pytest.approx([1.0], abs=1e-3)


# -- neighbourhoods -----------------------------------------------------------------------------
class Case:
    """A problem, its optimum, and those who bid."""

    def __init__(self, scenario: str | Path, *overrides: str) -> None:
        instance = build(load(str(scenario), list(overrides)), 1)
        self.problem: Problem = instance.problem(0, 0, instance.initial_state())
        assert isinstance(self.problem.coupling, Pooling)
        self.coupling, self.supply = self.problem.coupling, self.problem.coupling.supply
        answer = Pool(self.coupling, models_of(self.problem)).solve()
        self.optimum = answer.answer.objective
        self.price = answer.price_eur_per_kwh(self.coupling)
        self.fee = self.coupling.inside_fee_eur_per_kwh
        self.published = {one.name: published(one, self.fee) for one in self.problem.neighbourhoods}
        limits = self.supply.lowest_eur_per_kwh, self.supply.highest_eur_per_kwh
        self.bidders = {
            one.name: Bidder(one, self.fee, *limits, self.supply.steps)
            for one in self.problem.neighbourhoods
        }

    def auction(self, forecast) -> Hourly:
        return Hourly(self.supply, self.published, np.array(forecast, dtype=float), 1e-6)

    def hold(self, auction: Hourly, way: str = "exact") -> float:
        """Hold a pass; return its certified gap."""
        for bidder in self.bidders.values():
            bidder.begin(auction.now.forecast_eur_per_kwh)
        while not auction.is_over:
            step, number = auction.step, auction.now.number
            for name, bidder in self.bidders.items():
                auction.hear(name, number, step, getattr(bidder, way)(step))
            auction.clear()
            for name, bidder in self.bidders.items():
                accepted = float(auction.now.accepted_kw[name][step])
                bidder.settle(step, float(auction.now.price_eur_per_kwh[step]), accepted)
        for name, bidder in self.bidders.items():
            auction.answer(name, auction.now.number, bidder.response()[0])
        auction.conclude()
        return auction.gap


@pytest.fixture(scope="module")
def day() -> Case:
    return Case("aachen:winter", *DAY)


@pytest.fixture(scope="module")
def hours() -> Case:
    return Case(CASES / "market")


def test_the_battery_of_two_hours_bids_what_it_can_earn(hours):
    """It buys 20 kW up to what it expects to get, less 0.01 of wear."""
    bidder = hours.bidders["store"]
    bidder.begin(np.array([0.0, 0.3]))
    bid = bidder.exact(0)
    assert (bid.base_kw, *bid.price_eur_per_kwh) == pytest.approx((-20.0, 0.29))
    bidder.settle(0, 0.1, -20.0)
    assert bidder.exact(1).at(3.0)[1] == pytest.approx(20.0)
    bidder.begin(np.array([0.0, 0.3]))
    bidder.settle(0, 0.1, -5.0)  # in part
    assert bidder.exact(1).at(3.0)[1] == pytest.approx(5.0)


@pytest.mark.parametrize("seed", range(3))
def test_who_is_cleared_at_what_it_expected_regrets_nothing(day, seed):
    rng = np.random.default_rng(seed)
    low, high = day.supply.lowest_eur_per_kwh, day.supply.highest_eur_per_kwh
    forecast = rng.uniform(low, high)
    for bidder in day.bidders.values():
        bidder.begin(forecast)
        for step in range(24):
            least, most = bidder.exact(step).at(forecast[step])
            bidder.settle(step, forecast[step], rng.uniform(least, most) if most > least else least)
        response, _ = bidder.response()
        paid = response.cost_eur - float(forecast @ response.p_kw)
        assert paid == pytest.approx(response.bound_eur, abs=1e-6 * (1 + abs(paid)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", ["exact", "sampled"])
def test_whatever_is_accepted_of_a_bid_can_be_carried_out(day, seed, way):
    """No store sells what it lacks, and nobody freezes."""
    rng = np.random.default_rng(seed)
    low, high = day.supply.lowest_eur_per_kwh, day.supply.highest_eur_per_kwh
    for bidder in day.bidders.values():
        bidder.begin(rng.uniform(low, high))
        accepted = []
        for step in range(24):
            bid = getattr(bidder, way)(step)
            share = rng.choice([0.0, 1.0, rng.uniform()], bid.power_kw.size)
            accepted.append(bid.base_kw + float(share @ bid.power_kw))
            bidder.settle(step, rng.uniform(low[step], high[step]), accepted[-1])
        response, solution = bidder.response()
        assert response.p_kw == pytest.approx(accepted, abs=1e-4)
        assert sum(s.unserved_kwh for s in solution.schedules.values()) == pytest.approx(
            0, abs=1e-4
        )


def test_an_expected_price_that_comes_true_is_as_good_as_one_operator(hours):
    """Welfare theorem: it is a price that clears every hour, so nobody regrets anything."""
    auction = hours.auction(hours.price)
    assert hours.hold(auction) <= 1e-6
    assert auction.now.price_eur_per_kwh == pytest.approx(hours.price)
    assert auction.cost_at(auction.now) == pytest.approx(hours.optimum)


def test_learning_ends_where_forecasts_come_true(hours):
    auction = hours.auction([0.3, 0.1])  # the wrong way round
    gaps = [hours.hold(auction)]
    while auction.learn() and len(gaps) < 8:
        gaps.append(hours.hold(auction))
    assert gaps[0] > 0.1
    assert gaps[-1] <= 1e-6


def test_the_certificate_is_at_least_the_true_gap_and_the_sum_of_regrets(day):
    rng = np.random.default_rng(5)
    low, high = day.supply.lowest_eur_per_kwh, day.supply.highest_eur_per_kwh
    for way in ("exact", "sampled"):
        auction = day.auction(rng.uniform(low, high))
        gap = day.hold(auction, way)
        cost, held = auction.cost_at(auction.best), auction.now
        assert gap >= (cost - day.optimum) / abs(cost) - 1e-9
        assert auction.bound_eur <= day.optimum + 1e-6 * abs(day.optimum)
        price, dt_h = held.price_eur_per_kwh, day.supply.dt_h
        regrets = [
            r.cost_eur - dt_h * float(price @ r.p_kw) - r.bound_eur for r in held.responses.values()
        ]
        assert min(regrets) >= -1e-6
        assert cost == pytest.approx(auction.bound_at(held) + sum(regrets), abs=1e-4)


def test_exact_bids_lose_less_than_samples(day):
    """At the forecast of one operator's price: what is lost to sampling, not to autonomy."""
    lost = {way: day.hold(day.auction(day.price), way) for way in ("exact", "sampled")}
    assert lost["exact"] < lost["sampled"] / 2


def test_a_missed_hour_goes_on_with_what_was_published(day):
    auction = day.auction(day.price)
    first, *others = day.bidders
    for bidder in day.bidders.values():
        bidder.begin(day.price)
    said = {name: day.bidders[name].exact(0) for name in others}
    for name, bid in said.items():
        auction.hear(name, 1, 0, bid)
    auction.clear()
    alone = day.published[first].p_kw[0]
    assert auction.now.cleared[0].power_kw[first] == pytest.approx(alone)
    assert np.isnan(auction.now.accepted_kw[first][0])
    late = day.bidders[first].exact(0)
    auction.hear(first, 1, 0, late)
    auction.clear()  # nobody bids: what was bid for another hour says nothing of this one
    counted = {name: bid.base_kw for name, bid in auction.now.bids[1].items()}
    assert counted == {name: day.published[name].p_kw[1] for name in day.bidders}
    assert auction.now.late == 1 + 3


def test_in_another_pass_the_last_bid_for_the_hour_counts(day):
    auction = day.auction(day.price)
    first, *_ = day.bidders
    day.bidders[first].begin(day.price)
    one, other = day.bidders[first].exact(0), Bid.fixed(1.0)
    for _ in range(24):
        auction.clear()
    auction.hear(first, 1, 0, one)  # late: the hour is cleared
    auction.begin(day.price)
    auction.clear()
    assert auction.now.bids[0][first] is one
    auction.hear(first, 2, 0, other)
    auction.hear(first, 1, 0, one)  # late, and older than what is known
    assert auction._last[first, 0] == (2, other)


# -- other carriers -------------------------------------------------------------------------------
def test_opportunity_costs_are_where_carriers_cost_the_same():
    """CHP: fuel 0.0705 EUR/kWh at 0.36, its heat worth nothing, as there is no boiler."""
    (urban,) = [one for one in Case("aachen", *DAY).problem.neighbourhoods if one.name == "urban"]
    found = opportunity_prices(urban.units, 0)
    assert found == pytest.approx([0.0, 0.0705 / 0.36])


# -- blocks ---------------------------------------------------------------------------------------
def test_blocks_are_offered_around_the_forecast_then_bid_again(day):
    low, high = day.supply.lowest_eur_per_kwh, day.supply.highest_eur_per_kwh
    forecast = (low + high) / 2 + 0.05 * np.sin(np.arange(24))
    search = Blocks(day.supply, day.published, 1e-6, forecast_eur_per_kwh=forecast)
    own = {one.name: Responder(one, day.fee) for one in day.problem.neighbourhoods}
    costs, asked = [], []
    for _ in range(search.most_rounds):
        asked.append(search.price)
        for name, responder in own.items():
            search.hear(name, search.number, responder.answer(search.price)[0])
        costs.append(search.conclude().cost_eur)
        if not search.go_on():
            break
    assert asked[0] == pytest.approx(forecast)
    assert asked[1] == pytest.approx(np.full(24, forecast.mean()))
    assert costs[-1] <= day.optimum * 1.01
    assert costs[-1] < costs[3]


def test_a_flat_forecast_is_one_offer(day):
    nothing = {name: Response(np.zeros(24), 1e6, -np.inf) for name in day.published}
    flat = np.full(24, 0.1)
    search = Blocks(day.supply, nothing, 1e-6, forecast_eur_per_kwh=flat)
    assert search.most_rounds == 1 + 8
