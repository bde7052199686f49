"""Zones of a market and lines between them: by hand, against one zone, and what prices prove."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from quartier.agents.strategies.auction import Auction
from quartier.centralised.programs import models_of
from quartier.centralised.sharing.pool import Pool
from quartier.coordination import mechanisms
from quartier.errors import InputError
from quartier.instance import build
from quartier.optimisation.prices import (
    Bid,
    Bidder,
    Blocks,
    Exchange,
    Hourly,
    Memory,
    Responder,
    Response,
    Search,
)
from quartier.optimisation.prices.clearing import clear
from quartier.problem import Line, Market, Problem, Supply, ZonedSupply, Zones
from quartier.problem.market import RESERVE
from quartier.scenario.growth import grown
from quartier.scenario.load import load
from quartier.scenario.zones import BLIND, KNOWING

CASE = Path(__file__).parents[1] / "cases" / "zones"
STEPS = 3
WAYS = {
    "smooth": Memory,
    "level": lambda *given: Memory(*given, level=True),
    "admm": Exchange,
}


def market(*lines: Line, zones: tuple[str, ...] = ("north", "south")) -> Market:
    """Wind in the north, gas in the south, a town in each, and a battery's home in the south."""
    suppliers = {"wind": [(100.0, 0.02), (30.0, 0.05)], "gas": [(60.0, 0.2), (100.0, 0.3)]}
    homes = {"wind": zones[0], "gas": zones[-1]}
    members = {"coast": zones[0], "town": zones[-1]}
    where = Zones(zones, members, homes, lines)
    return Market.of(0.5, STEPS, suppliers, -0.1, 3.0, where)


def link(most_kw: float, back_kw: float | None = None) -> Line:
    return Line("link", "north", "south", most_kw, most_kw if back_kw is None else back_kw)


def needs(coast: list[float], town: list[float]) -> dict[str, np.ndarray]:
    return {"coast": -np.array(coast), "town": -np.array(town)}


# -- by hand ------------------------------------------------------------------------------------
def test_a_full_line_parts_prices():
    """The town draws 20, 90 and nothing; the coast 40, 40 and feeds in 60. The line carries 50."""
    supply = market(link(50.0)).zones
    assert supply is not None
    found = supply.served(supply.needed_kw(needs([40, 40, -60], [20, 90, 0])))
    assert found.flow_kw.tolist() == [pytest.approx([20, 50, 0], abs=1e-9)]
    north, south = (supply.seen(zone, found.price_eur_per_kwh) for zone in supply.zones)
    assert north == pytest.approx([0.02, 0.02, -0.1])
    assert south[:2] == pytest.approx([0.02, 0.2])
    served = market(link(50.0)).by_supplier(np.zeros(0), found.power_kw)
    powers = {name: power.reshape(2, STEPS).sum(axis=0) for name, (power, _) in served.items()}
    assert powers["wind"] == pytest.approx([60, 90, 0])
    assert powers["gas"] == pytest.approx([0, 40, 0])
    assert powers[f"{RESERVE} north"] == pytest.approx([0, 0, -60])


def test_a_line_carries_less_back():
    """Feed-in of the south serves the coast as far as it gets there."""
    supply = market(link(50.0, 10.0)).zones
    assert supply is not None
    found = supply.served(supply.needed_kw(needs([40, 40, 5], [-30, -4, -30])))
    assert found.flow_kw.tolist() == [pytest.approx([-10, -4, -5], abs=1e-9)]
    assert supply.seen("south", found.price_eur_per_kwh)[0] == pytest.approx(-0.1)


def test_what_a_zone_lacks_is_served_at_the_ceiling_there_only():
    supply = market(link(10.0)).zones
    assert supply is not None
    found = supply.served(supply.needed_kw(needs([0, 0, 0], [200, 200, 200])))
    assert supply.seen("south", found.price_eur_per_kwh) == pytest.approx([3.0] * STEPS)
    assert supply.seen("north", found.price_eur_per_kwh) == pytest.approx([0.02] * STEPS)


def test_the_block_that_serves_last_makes_the_price():
    """Wind and line are just filled in the first hour; nothing is needed in the second."""
    supply = market(link(60.0)).zones
    one = Market.of(0.5, STEPS, {"wind": [(100.0, 0.02), (30.0, 0.05)]}, -0.1, 3.0).supply
    needed = supply.needed_kw(needs([40, 0, 70], [60, 0, 60]))
    price = supply.marginal_eur_per_kwh(needed).reshape(2, STEPS)
    assert price[0] == pytest.approx([0.02, 0.02, 0.05])
    assert price[1] == pytest.approx([0.02, 0.02, 0.05])
    assert price[0] == pytest.approx(one.marginal_eur_per_kwh(np.array([100.0, 0.0, 130.0])))
    bids = {"coast": Bid.fixed(-40.0), "town": Bid.fixed(-60.0)}
    assert clear(bids, supply, 0).price_eur_per_kwh == pytest.approx([0.02, 0.02])
    assert clear(bids, supply, 0).supplied_kw[0] == pytest.approx(100.0)


def test_nothing_goes_round():
    """Of three zones in a ring, and two lines side by side, none carries what need not be."""
    ring = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "c")]
    lines = [Line(f"l{k}", *ends, 80.0, 80.0) for k, ends in enumerate(ring)]
    supply = market(*lines, zones=("a", "b", "c")).zones
    assert supply is not None
    found = supply.served(supply.needed_kw(needs([0, 0, 0], [0, 20, 70])))
    assert np.abs(found.flow_kw).sum(axis=0) == pytest.approx([0, 20, 70], abs=1e-6)


# -- against one zone -----------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(6))
def test_zones_with_wide_lines_are_one(seed: int):
    """Costs, bounds, imbalances and what leaving a target costs are those of one market."""
    rng = np.random.default_rng(seed)
    many = market(link(1e4)).supply
    suppliers = {"wind": [(100.0, 0.02), (30.0, 0.05)], "gas": [(60.0, 0.2), (100.0, 0.3)]}
    one = Market.of(0.5, STEPS, suppliers, -0.1, 3.0).supply
    powers = {name: rng.uniform(-150, 40, STEPS) for name in ("coast", "town")}
    need, needs_of = one.needed_kw(powers), many.needed_kw(powers)
    assert many.cost_eur(needs_of) == pytest.approx(one.cost_eur(need), rel=1e-9)
    price = many.marginal_eur_per_kwh(needs_of).reshape(2, STEPS)
    assert price[0] == pytest.approx(price[1])
    assert price[0] == pytest.approx(one.marginal_eur_per_kwh(need))
    called = rng.uniform(-0.1, 0.6, STEPS)
    assert many.worth_eur(np.tile(called, 2)) == pytest.approx(one.worth_eur(called))
    missing = many.missing_kw(np.tile(called, 2), needs_of)
    assert np.abs(missing.reshape(2, STEPS)).sum(axis=0) == pytest.approx(
        np.abs(one.missing_kw(called, need)), abs=1e-6
    )


@pytest.mark.parametrize("seed", range(6))
def test_zones_without_lines_are_many(seed: int):
    rng = np.random.default_rng(seed)
    both, price = market().supply, rng.uniform(-0.1, 0.6, 2 * STEPS)
    powers = {name: rng.uniform(-150, 40, STEPS) for name in ("coast", "town")}
    blocks = {"coast": {"wind": [(100.0, 0.02), (30.0, 0.05)]}}
    blocks |= {"town": {"gas": [(60.0, 0.2), (100.0, 0.3)]}}
    alone = {name: Market.of(0.5, STEPS, own, -0.1, 3.0).supply for name, own in blocks.items()}
    needed = both.needed_kw(powers)
    target, near = rng.uniform(0, 100, 2 * STEPS), []
    for name, own in alone.items():
        here = both.balances_of(name)
        near.append(own.near_kw(price[here], 0.01, target[here]))
        assert both.missing_kw(price, needed)[here] == pytest.approx(
            own.missing_kw(price[here], -powers[name]), abs=1e-6
        )
    total = sum(own.cost_eur(-powers[name]) for name, own in alone.items())
    assert both.cost_eur(needed) == pytest.approx(total)
    assert both.near_kw(price, 0.01, target) == pytest.approx(np.concatenate(near), abs=1e-3)


def test_bids_are_cleared_as_in_one_zone():
    """Steps at the price share what is left; then a line that is full keeps them apart."""
    bids = {
        "coast": Bid(-40.0, np.array([0.02, 0.1]), np.array([20.0, 20.0])),
        "town": Bid(-90.0, np.array([0.15]), np.array([30.0])),
    }
    wide = market(link(1e4)).zones
    one = Market.of(0.5, STEPS, {"wind": [(100.0, 0.02)], "gas": [(60.0, 0.2)]}, -0.1, 3.0)
    alike = clear(bids, one.supply, 0)
    found = clear(bids, wide, 0)
    assert found.price_eur_per_kwh == pytest.approx([0.05, 0.05])  # wind has a second block here
    assert found.power_kw == pytest.approx({"coast": -20.0, "town": -90.0})
    assert alike.price_eur_per_kwh == pytest.approx(0.1)
    narrow = clear(bids, market(link(30.0)).zones, 1)
    assert narrow.price_eur_per_kwh == pytest.approx([0.02, 0.2])
    assert narrow.power_kw["town"] == pytest.approx(-60.0)
    assert narrow.power_kw["coast"] == pytest.approx(-40.0 + 20.0 * 70.0 / 120.0)  # as wind


def test_a_whole_step_that_would_lose_is_left():
    """Beyond the line's 30 there is gas at 0.2: who buys at 0.1 at most would lose by it."""
    supply = market(link(30.0)).zones
    for need in (60.0, 45.0):
        bids = {
            "coast": Bid.fixed(0.0),
            "town": Bid(-need, np.array([0.1]), np.array([40.0]), whole=True),
        }
        found = clear(bids, supply, 0)
        assert found.power_kw["town"] == pytest.approx(-need + 40.0)
        assert found.price_eur_per_kwh == pytest.approx([0.02, 0.02])


def test_a_whole_step_is_sold_where_its_price_is_paid():
    """The town draws 35, the coast 10, the line carries 5; 40 are sold whole in the south or not.

    They are more than the town draws, so that 5 would go north, where wind asks 0.02: who asks 0.1
    would lose, and is left, though gas at 0.2 serves the town. Who asks 0.02 is taken.
    """
    supply = market(link(5.0)).zones
    for price, sold, paid in ((0.1, 0.0, [0.02, 0.2]), (0.02, 40.0, [0.02, 0.02])):
        bids = {
            "coast": Bid.fixed(-10.0),
            "town": Bid.fixed(-35.0),
            "store": Bid(0.0, np.array([price]), np.array([40.0]), whole=True),
        }
        zoned = replace(supply, members={**supply.members, "store": 1})
        found = clear(bids, zoned, 0)
        assert found.power_kw["store"] == sold
        assert found.price_eur_per_kwh == pytest.approx(paid)


@pytest.mark.parametrize("seed", range(12))
def test_whole_steps_in_zones_lose_nothing(seed: int):
    """Balanced, lines full where prices part, and nobody at a loss; wide lines are one zone."""
    rng = np.random.default_rng(seed)
    most = rng.choice([5.0, 20.0, 1e4])
    zones = market(link(most, 0.5 * most)).zones
    assert zones is not None
    zones = replace(zones, members={**zones.members, **{f"n{k}": k % 2 for k in range(4)}})
    bids = {
        name: Bid(
            float(rng.uniform(-80, 10)),
            np.sort(rng.choice([0.02, 0.05, 0.1, 0.15, 0.2, 0.25], 3, replace=False)),
            rng.uniform(5, 40, 3).round(),
            whole=bool(rng.random() < 0.7),
        )
        for name in ("n0", "n1", "n2", "n3")
    }
    found = clear(bids, zones, 0)
    price = np.asarray(found.price_eur_per_kwh)
    asked, _, gives = zones.asked(0)
    net = np.zeros(2)
    for name, bid in bids.items():
        zone, filled = zones.members[name], found.filled_kw[name]
        net[zone] += found.power_kw[name]
        here = price[zone]
        if bid.whole:
            assert np.isin(filled, (0.0, *bid.power_kw)).all()
            assert not ((filled > 0) & bid.sells & (bid.price_eur_per_kwh > here + 1e-9)).any()
            assert not ((filled == 0) & ~bid.sells & (bid.price_eur_per_kwh < here - 1e-9)).any()
        else:
            cheap, dear = bid.price_eur_per_kwh < here - 1e-9, bid.price_eur_per_kwh > here + 1e-9
            assert filled[cheap] == pytest.approx(bid.power_kw[cheap], abs=1e-5)
            assert filled[dear] == pytest.approx(0.0, abs=1e-5)
    for k, zone in enumerate(zones.block_zones):
        net[zone] += found.supplied_kw[k]
        if asked[k] < price[zone] - 1e-9:
            assert found.supplied_kw[k] == pytest.approx(gives[k], abs=1e-5)
        if asked[k] > price[zone] + 1e-9:
            assert found.supplied_kw[k] <= 1e-5
    assert net.sum() == pytest.approx(0.0, abs=1e-6)
    if price[0] < price[1] - 1e-9:
        assert net[0] == pytest.approx(most, abs=1e-5)
    if price[0] > price[1] + 1e-9:
        assert net[1] == pytest.approx(0.5 * most, abs=1e-5)
    if most > 1e3:
        one = Supply(0.5, *(kw[:, None] for kw in zones.asked(0)))
        alone = clear(bids, one, 0)
        cost = [
            sum(float(f @ bids[n].price_eur_per_kwh) for n, f in way.filled_kw.items())
            + float(way.supplied_kw @ asked)
            for way in (found, alone)
        ]
        assert cost[0] == pytest.approx(cost[1], abs=1e-5)
        assert price == pytest.approx([alone.price_eur_per_kwh] * 2)


# -- what prices prove ------------------------------------------------------------------------
class Case:
    """A problem with zones, its optimum, and those who answer."""

    def __init__(self, scenario: str | Path, *overrides: str) -> None:
        instance = build(load(str(scenario), list(overrides)), 1)
        self.problem: Problem = instance.problem(0, 0, instance.initial_state())
        self.coupling = self.problem.asks(Market)
        assert self.coupling.zones is not None
        self.supply: ZonedSupply = self.coupling.zones
        pool = Pool(self.coupling, models_of(self.problem))
        self.pooled = pool.solve()
        self.optimum = self.pooled.answer.objective
        self.price = self.pooled.price_eur_per_kwh(self.coupling)
        self.planned = pool.solutions(self.pooled, self.price)
        self.fee = self.coupling.inside_fee_eur_per_kwh
        self.own = {one.name: Responder(one, self.fee) for one in self.problem.neighbourhoods}
        nothing = Response(np.zeros_like(self.fee), 1e9, -np.inf, whole=True)
        self.published = dict.fromkeys(self.own, nothing)

    def settle(self, search: Search, rounds: int) -> list:
        found = []
        for _ in range(rounds):
            for name, own in self.own.items():
                asked = search.question(name)
                answer, _ = own.answer(asked.price_eur_per_kwh, asked.weight, asked.target_kw)
                search.hear(name, asked.round, answer)
            found.append(search.conclude())
            if search.is_settled or not search.go_on():
                break
        return found


@pytest.fixture(scope="module")
def small() -> Case:
    return Case(CASE)


@pytest.fixture(scope="module")
def day() -> Case:
    return Case("germany:two-zones")


@pytest.fixture(scope="module")
def ring() -> Case:
    """Three zones in a ring, the coast in one without a supplier."""
    ends = {"link": ("north", "south", 50), "coast": ("north", "east", 30)}
    ends |= {"round": ("east", "south", 20)}
    lines = ", ".join(
        f"{n}: {{from: {a}, to: {b}, capacity_kw: {kw}}}" for n, (a, b, kw) in ends.items()
    )
    return Case(
        CASE,
        "problem.zones=[north, south, east]",
        f"problem.lines={{{lines}}}",
        "neighbourhoods.coast.zone=east",
    )


@pytest.fixture(params=["small", "ring", "day"])
def case(request) -> Case:
    return request.getfixturevalue(request.param)


def test_no_price_of_zones_proves_more_than_the_optimum(case: Case):
    rng = np.random.default_rng(3)
    ends = case.supply.lowest_eur_per_kwh, case.supply.highest_eur_per_kwh
    calls = [rng.uniform(*ends), case.price * rng.uniform(0.5, 1.5, case.price.size)]
    calls += [case.supply.everywhere(rng.uniform(0, 0.3, case.supply.steps)), case.price]
    bounds = []
    for price in map(case.supply.kept, calls):
        told = {name: case.supply.seen(name, price) for name in case.own}
        own = sum(r.answer(told[name])[0].bound_eur for name, r in case.own.items())
        bounds.append(own + case.supply.worth_eur(price))
    assert max(bounds) <= case.optimum * (1 + 1e-7)
    assert bounds[-1] == pytest.approx(case.optimum, rel=1e-6)  # welfare theorem


def test_one_program_costs_what_all_do_in_it(case: Case):
    """Own costs, and the cheapest supply of what neighbourhoods draw there."""
    nothing = np.zeros(case.supply.size)
    model = Pool(case.coupling, models_of(case.problem))
    found = model.solutions(case.pooled, nothing)
    needed = case.supply.needed_kw({name: one.p_kw for name, one in found.items()})
    total = sum(one.cost_eur for one in found.values()) + case.supply.cost_eur(needed)
    assert total == pytest.approx(case.optimum, rel=1e-6)


def test_payments_sum_to_the_congestion_rent(case: Case):
    """Who draws pays the price of its zone, who supplies gets it; lines get what is left."""
    powers = {name: found.p_kw for name, found in case.planned.items()}
    found = case.supply.served(case.supply.needed_kw(powers))
    paid = sum(-float(case.supply.seen(n, case.price) @ p_kw) for n, p_kw in powers.items())
    paid -= float((found.power_kw * case.price).sum())
    apart = case.supply.apart(case.price)
    assert paid == pytest.approx(float((apart * found.flow_kw).sum()), rel=1e-6)
    most = np.array([line.most_kw for line in case.supply.lines])[:, None]
    assert (apart * found.flow_kw >= -1e-6 * most).all()
    full = np.abs(np.abs(found.flow_kw) - most) <= 1e-6 * most
    assert (full | (np.abs(apart) <= 1e-7)).all()


@pytest.mark.parametrize("way", WAYS)
def test_prices_of_zones_find_the_optimum(case: Case, way: str):
    tolerance = 1e-3 if way == "admm" else 1e-4
    search = WAYS[way](case.supply, case.published, tolerance)
    rounds = case.settle(search, 150)
    assert search.gap <= tolerance
    for found in rounds:
        assert found.bound_eur <= case.optimum * (1 + 1e-7)
        assert found.cost_eur >= case.optimum * (1 - 1e-7)


def test_bids_at_a_forecast_that_comes_true_lose_nothing(case: Case):
    """Exact bids, look-ahead to the end, prices of the optimum: the welfare theorem with lines."""
    auction = Hourly(case.supply, case.published, case.price, 1e-6)
    ends = case.supply.lowest_eur_per_kwh, case.supply.highest_eur_per_kwh
    bidders = {
        one.name: Bidder(
            one, case.fee, *(case.supply.seen(one.name, end) for end in ends), case.supply.steps
        )
        for one in case.problem.neighbourhoods
    }
    for name, bidder in bidders.items():
        bidder.begin(case.supply.seen(name, case.price))
    while not auction.is_over:
        step = auction.step
        for name, bidder in bidders.items():
            auction.hear(name, 1, step, bidder.exact(step))
        auction.clear()
        for name, bidder in bidders.items():
            price = case.supply.seen(name, auction.now.price_eur_per_kwh)[step]
            bidder.settle(step, price, auction.now.accepted_kw[name][step])
    for name, bidder in bidders.items():
        auction.answer(name, 1, bidder.response()[0])
    found = auction.conclude()
    assert found.bound_eur <= case.optimum * (1 + 1e-7)
    assert found.cost_eur >= case.optimum * (1 - 1e-7)
    assert (found.cost_eur - case.optimum) / case.optimum <= 5e-3
    assert found.gap >= (found.cost_eur - case.optimum) / found.cost_eur - 1e-9


def test_blocks_of_zones_find_the_optimum(case: Case):
    search = Blocks(case.supply, case.published, 1e-6, forecast_eur_per_kwh=case.price)
    case.settle(search, search.most_rounds)
    assert search.gap <= 1e-3


def test_wider_lines_cost_no_more():
    costs = [
        Case(CASE, f"problem.lines.link.capacity_kw={kw}").optimum for kw in (0, 10, 50, 90, 1e4)
    ]
    assert all(wider <= narrower + 1e-9 for narrower, wider in pairwise(costs))
    assert costs[0] > costs[-1]


def test_the_previous_day_says_the_price_of_each_zone(small: Case):
    """And a forecast that is given holds for all."""
    auction, given = Auction(), np.array([0.3, 0.4])
    auction._known = {0: np.array([0.1, 0.3]), 1: np.array([0.2, 0.4])}
    tomorrow = replace(small.problem, first=24)
    found = auction._forecast(tomorrow, small.coupling, small.published)
    assert found.tolist() == [0.1, 0.2, 0.3, 0.4]
    stated = replace(tomorrow, forecast_eur_per_kwh=given)
    assert auction._forecast(stated, small.coupling, small.published).tolist() == [*given, *given]


# -- scenarios --------------------------------------------------------------------------------
def test_parts_stay_in_the_zone_of_the_whole():
    whole = load("germany:two-zones").scenario
    parts = grown(load("germany:two-zones", ["problem.agents=60"]).scenario)
    homes = {name: one.zone for name, one in whole.problem.suppliers.items()}
    homes |= {name: one.zone for name, one in whole.neighbourhoods.items()}
    split = {**parts.problem.suppliers, **parts.neighbourhoods}
    assert len(split) == 60
    for name, part in split.items():
        assert part.zone == next(z for n, z in homes.items() if name == n or name[: len(n)] == n)


def test_every_mechanism_for_markets_knows_of_zones_or_is_refused():
    assert set(mechanisms("market")) - set(BLIND) == set(KNOWING)
    with pytest.raises(InputError, match="cohda knows of no zones"):
        build(load(CASE, ["coordination=cohda"]), 1)
