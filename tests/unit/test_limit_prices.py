"""Prices of limits without agents: what they prove, what they come to, on grids of three buses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quartier.centralised.individual import Process
from quartier.centralised.joint import Joint
from quartier.centralised.member import Member
from quartier.centralised.network import import_price, linear_grid
from quartier.instance import build
from quartier.optimisation.prices import CongestedResponder, Demand
from quartier.program import Highs
from quartier.redispatch.flexibility_market import FlexibilityMarket
from quartier.redispatch.grid_others import GridOthers
from quartier.redispatch.limit_prices import LimitPrices
from quartier.scenario.load import load

CASES = Path(__file__).parents[1] / "cases" / "upper-cost"
SHORT = ("horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8")


class Case:
    """A problem, its linear grid, those who answer, and the least cost of all on that grid."""

    def __init__(self, scenario: str | Path, *overrides: str) -> None:
        instance = build(load(str(scenario), list(overrides)), 1)
        self.problem = instance.problem(0, 0, instance.initial_state())
        process = Process(self.problem)
        process.run()
        self.grid = linear_grid(process)
        self.own = {one.name: CongestedResponder(one) for one in self.problem.neighbourhoods}
        self.published = {name: own.first() for name, own in self.own.items()}
        members = [Member(one) for one in self.problem.neighbourhoods]
        joint = Joint(self.grid, members, import_price(self.problem))
        self.optimum = Highs("all together", joint.arrays().relaxed()).needed().objective
        self.others = GridOthers(self.grid, len(members), import_price(self.problem))
        self.members = members

    def least_eur(self, search: LimitPrices) -> float:
        """The least cost of all on the grid as a search has it linearised."""
        joint = Joint(search.supply.grid, self.members, import_price(self.problem))
        return Highs("all together", joint.arrays().relaxed()).needed().objective

    def search(self, kind: type[LimitPrices] = LimitPrices, tolerance: float = 1e-5) -> LimitPrices:
        grid = self.grid.copy()
        others = GridOthers(grid, len(self.own), import_price(self.problem))
        return kind(others, self.published, tolerance)

    def ask(self, search: LimitPrices) -> None:
        for name, own in self.own.items():
            asked = search.question(name)
            response = self.published[name]
            if isinstance(search, FlexibilityMarket) and search.number > 1 and search.is_bidding:
                response, _ = own.bid(asked.price_eur_per_kwh, search.demand(name))
            elif search.number > 1:
                response, _ = own.answer(asked.price_eur_per_kwh)
            search.hear(name, asked.round, response)

    def settle(self, search: LimitPrices) -> list:
        rounds = []
        for _ in range(80):
            self.ask(search)
            rounds.append(search.conclude())
            if search.is_settled or not search.go_on():
                break
        return rounds


@pytest.fixture(scope="module")
def noon() -> Case:
    return Case(CASES / "battery-at-noon")


@pytest.fixture(scope="module")
def hours() -> Case:
    return Case("fliegerhorst", *SHORT)


@pytest.mark.parametrize("seed", range(6))
def test_multipliers_prove_a_bound_whatever_they_are(hours, seed):
    """L(y) <= the least cost of all together, for random prices of limits."""
    rng, search = np.random.default_rng(seed), hours.search()
    hours.ask(search)
    search.conclude()
    others = search.supply
    first, end = others._limits
    y = search._dual.copy()
    y[first:end] *= rng.uniform(0.0, 2.0, end - first)
    y[first:end] -= rng.uniform(0.0, 1.0, end - first) * (rng.random(end - first) < 0.1)
    bound = others.worth_eur(others.kept(y))
    for name, own in hours.own.items():
        bound += own.answer(search.told(name, y))[0].bound_eur
    assert bound <= hours.optimum + 1e-6 * abs(hours.optimum)
    assert np.isfinite(bound)
    assert search.cost_eur >= hours.optimum - 1e-6 * abs(hours.optimum)


def test_prices_come_to_what_one_operator_would_plan(hours):
    search = hours.search()
    rounds = hours.settle(search)
    assert search.is_settled and search.is_clean
    assert search.cost_eur == pytest.approx(hours.optimum, rel=2e-3)
    assert search.gap <= 1e-3
    assert all(r.bound_eur <= search.cost_eur + 1e-3 for r in rounds if r.number == search.number)


def test_the_sun_that_is_left_at_noon_has_the_price_at_which_it_is_lost(noon):
    """900 kW at noon, 400 fit, 400 are stored: the last kWh is lost at 0.10 EUR, and not sold.

    Who curtails pays nothing besides (the default of the scenario's own weight is in its terms).
    """
    search = noon.search()
    noon.settle(search)
    assert search.is_settled and search.is_clean
    price = search.told("place", search.best)
    weight = noon.problem.neighbourhoods[0].terms.curtailment_eur_per_kwh
    congested = int(np.argmin(price))
    assert price[congested] == pytest.approx(-(0.08 + 0.10 + weight), abs=1e-3)
    np.testing.assert_allclose(search.scarcity("place", search.best), price, atol=1e-6)


def test_without_a_congestion_nothing_has_a_price():
    case = Case(CASES / "negative-price")
    search = case.search()
    case.settle(search)
    assert search.is_clean
    np.testing.assert_allclose(search.told("place", search.best), 0.0, atol=1e-9)
    assert search.cost_eur == pytest.approx(case.published["place"].cost_eur)


def test_energy_that_nobody_wants_at_negative_prices_is_lost_for_nothing():
    """Only what is curtailed beyond p_off counts at the calculatory price."""
    case = Case(CASES / "negative-price")
    own = case.own["place"]
    response, solution = own.answer(np.zeros(case.problem.horizon.steps))
    assert sum(values.sum() for values in solution.curtailed_kw.values()) > 0
    assert response.cost_eur == pytest.approx(solution.cost_eur)
    assert response.cost_eur == pytest.approx(own.first().cost_eur)


def test_a_bid_stays_within_what_fits_as_far_as_that_pays(noon):
    """400 kW fit; what is beyond costs more than what curtailing it loses."""
    own, steps = noon.own["place"], noon.problem.horizon.steps
    demand = Demand(*(np.full(steps, kw) for kw in (400.0, -1e6, 1.0, 0.0)))
    response, _ = own.bid(np.zeros(steps), demand)
    assert response.p_kw.max() <= 400.0 + 1e-6
    free = Demand(*(np.full(steps, kw) for kw in (400.0, -1e6, 0.0, 0.0)))
    assert own.bid(np.zeros(steps), free)[0].p_kw.max() > 400.0


def test_bids_clear_near_the_best_plan_in_three_rounds(hours):
    search = hours.search(FlexibilityMarket)
    rounds = hours.settle(search)
    assert len(rounds) == 3 and search.is_clean
    assert search.cost_eur == pytest.approx(hours.optimum, rel=1e-2)
    assert np.isfinite(search.gap)


def rounding(search: LimitPrices) -> float:
    return 1e-6 * max(abs(search.cost_eur), 1.0)


def assert_certified(case: Case, search: LimitPrices) -> None:
    """Bound <= least cost of all <= cost, all on the grid as it is linearised at the end."""
    least = case.least_eur(search)
    assert search.bound_eur <= least + rounding(search)
    assert search.bound_eur <= search.cost_eur + rounding(search)
    assert least <= search.cost_eur + rounding(search)


SMALL = {
    "battery-at-noon": (CASES / "battery-at-noon",),
    "dear-limit": (CASES / "dear-limit",),
    "four-steps": ("fliegerhorst", SHORT[0], "horizon.steps=4"),
    "eight-steps": ("fliegerhorst", *SHORT),
}


@pytest.mark.parametrize("kind", [LimitPrices, FlexibilityMarket])
@pytest.mark.parametrize("name", SMALL)
def test_no_bound_is_above_the_cost_that_it_is_held_against(name, kind):
    """A grid linearised anew has another least cost: bounds of earlier grids say nothing of it."""
    case = Case(*SMALL[name])
    search = case.search(kind)
    rounds = case.settle(search)
    assert np.isfinite(search.bound_eur)
    assert_certified(case, search)
    for found in rounds:
        assert found.bound_eur <= found.cost_eur + rounding(search)


def test_a_grid_linearised_after_the_last_bids_gets_a_bound_of_its_own(hours, monkeypatch):
    """Its multipliers are called once more; those answers are no bids, and change no plan."""
    verify = FlexibilityMarket.verify
    broken = [1]

    def once(self):
        verify(self)
        if self.number == 3 and broken:
            self.worst = 1.0 + broken.pop()

    monkeypatch.setattr(FlexibilityMarket, "verify", once)
    search = hours.search(FlexibilityMarket)
    rounds = []
    for _ in range(3):
        hours.ask(search)
        rounds.append(search.conclude())
        assert search.is_settled or search.go_on()
    assert not broken and search.number == 4 and not search.is_bidding
    np.testing.assert_array_equal(search.price, search.best)
    weak, shares, cost = search.bound_eur, search.shares, search.cost_eur
    assert weak <= hours.least_eur(search) + rounding(search)
    hours.ask(search)
    search.conclude()
    assert search.is_settled and search.is_clean
    assert (search.shares, search.cost_eur) == (shares, cost)
    assert weak < search.bound_eur
    assert search.gap < 5e-3
    assert_certified(hours, search)


def test_whoever_gives_way_is_paid_at_least_what_it_costs(hours):
    """p_off is one of its choices: at the price its answer is no worse than that."""
    search = hours.search()
    hours.settle(search)
    dt_h = hours.problem.horizon.dt_h
    for name, own in hours.own.items():
        price, offer = search.told(name, search.best), hours.published[name]
        answer, _ = own.answer(price)
        paid = dt_h * float(price @ (answer.p_kw - offer.p_kw))
        assert paid >= answer.cost_eur - offer.cost_eur - 1e-2
