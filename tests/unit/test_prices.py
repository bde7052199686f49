"""Prices, answers and what they prove, without agents: bounds, plans, the two ways (M9)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quartier.centralised.programs import models_of
from quartier.centralised.sharing.pool import Pool
from quartier.instance import build
from quartier.optimisation.prices import OWN_RULE, Exchange, Memory, Responder, Response, Search
from quartier.problem import Problem, Sharing
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "sharing"
DAY = ("horizon.steps=24", "gates.horizon_steps=24")
WAYS = {
    "smooth": Memory,
    "level": lambda *given: Memory(*given, level=True),
    "admm": Exchange,
}


class Case:
    """A problem, its optimum, and those who answer."""

    def __init__(self, scenario: str | Path, *overrides: str) -> None:
        instance = build(load(str(scenario), list(overrides)), 1)
        self.problem: Problem = instance.problem(0, 0, instance.initial_state())
        self.sharing = self.problem.asks(Sharing)
        self.optimum = Pool(self.sharing, models_of(self.problem)).solve().answer.objective
        fee = self.sharing.inside_fee_eur_per_kwh
        self.own = {one.name: Responder(one, fee) for one in self.problem.neighbourhoods}
        nothing = Response(np.zeros_like(fee), 1e6, -np.inf, whole=True)
        self.published = dict.fromkeys(self.own, nothing)

    def search(self, way: str, tolerance: float = 1e-5) -> Search:
        return WAYS[way](self.sharing.supply, self.published, tolerance)

    def ask(self, search: Search, *names: str) -> None:
        """Let some answer the question of the round, or all."""
        for name in names or self.own:
            asked = search.question(name)
            response, _ = self.own[name].answer(
                asked.price_eur_per_kwh, asked.weight, asked.target_kw
            )
            search.hear(name, asked.round, response)

    def settle(self, search: Search, rounds: int = 200) -> list:
        found = []
        for _ in range(rounds):
            self.ask(search)
            found.append(search.conclude())
            if search.is_settled:
                break
            search.go_on()
        return found


@pytest.fixture(scope="module")
def street() -> Case:
    return Case(CASE)


@pytest.fixture(scope="module")
def day() -> Case:
    return Case("aachen:winter", *DAY)


@pytest.fixture(scope="module")
def dear() -> Case:
    """With a part of the grid fees inside."""
    return Case("aachen:winter", *DAY, "problem.inside_fee_share=0.3")


@pytest.fixture(params=["street", "day", "dear"])
def case(request) -> Case:
    return request.getfixturevalue(request.param)


# -- what a price proves ------------------------------------------------------------------------
def test_no_price_proves_more_than_the_optimum(case: Case):
    rng = np.random.default_rng(3)
    low, high = case.sharing.supply.lowest_eur_per_kwh, case.sharing.supply.highest_eur_per_kwh
    for _ in range(8):
        price = rng.uniform(low, high)
        answers = [own.answer(price)[0] for own in case.own.values()]
        bound = sum(answer.bound_eur for answer in answers)
        assert bound <= case.optimum + 1e-6 * abs(case.optimum)


@pytest.mark.parametrize("way", WAYS)
def test_the_certificate_is_at_least_the_true_gap(case: Case, way: str):
    scale = 1e-7 * max(1.0, abs(case.optimum))
    for found in case.settle(search := case.search(way), rounds=25):
        assert found.cost_eur >= case.optimum - scale
        assert found.bound_eur <= case.optimum + scale
        assert found.gap >= (found.cost_eur - case.optimum) / abs(found.cost_eur) - 1e-7 or (
            found.cost_eur > search.cost_eur
        )


@pytest.mark.parametrize("way", WAYS)
def test_prices_stay_between_the_tariffs(case: Case, way: str):
    sharing = case.sharing
    for found in case.settle(case.search(way), rounds=25):
        assert (found.price_eur_per_kwh >= sharing.export_eur_per_kwh - 1e-12).all()
        assert (found.price_eur_per_kwh <= sharing.outer_eur_per_kwh + 1e-12).all()


@pytest.mark.parametrize("way", ["smooth", "level"])
def test_memory_finds_the_optimum_and_proves_it(case: Case, way: str):
    search = case.search(way)
    rounds = case.settle(search)
    assert search.gap <= 1e-5
    assert search.cost_eur == pytest.approx(case.optimum, rel=1e-5)
    assert len(rounds) <= 80


def test_the_sun_of_the_street_is_kept_for_an_hour(street: Case):
    """All that is paid is the wear of 60 kWh in the battery."""
    search = street.search("smooth")
    street.settle(search)
    assert search.cost_eur == pytest.approx(0.6, abs=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_a_mix_of_own_answers_can_be_carried_out_at_its_cost(day: Case, way: str):
    search, kept = day.search(way), {name: {} for name in day.own}
    for _ in range(20):
        for name, own in day.own.items():
            asked = search.question(name)
            response, solution = own.answer(asked.price_eur_per_kwh, asked.weight, asked.target_kw)
            kept[name][asked.round] = solution
            search.hear(name, asked.round, response)
        search.conclude()
        search.go_on()
    total, p_kw = 0.0, 0.0
    for name, shares in search.shares.items():
        assert sum(shares.values()) == pytest.approx(1.0)
        mixed = day.own[name].mixed([(w, kept[name][k]) for k, w in shares.items()])
        cost, power = search.cost_of(name, shares)
        assert mixed.p_kw == pytest.approx(power, abs=1e-6)
        assert mixed.cost_eur <= cost + 1e-6
        total, p_kw = total + mixed.cost_eur, p_kw + mixed.p_kw
    assert total + day.sharing.supply.cost_eur(-p_kw) <= search.cost_eur + 1e-6


# -- answers that are late, or never come -------------------------------------------------------
def test_a_price_that_was_answered_is_not_asked_again(day: Case):
    """Where units switch, no price closes the gap; a known answer says nothing new."""
    search = day.search("smooth", tolerance=1e-12)
    day.ask(search)
    search.conclude()
    search._next = lambda: search.prices[1]
    assert not search.go_on()
    search.answers["urban"].clear()  # lost: worth asking again
    assert search.go_on()


def test_a_plan_that_costs_nothing_is_enough(day: Case):
    search = day.search("smooth")
    assert search.is_near(5e-14, 0.0)
    assert not search.is_near(1.0, 0.99)


def test_an_answer_is_the_optimum_also_where_drawing_is_paid_for(street: Case):
    """At a price below what curtailment costs, the sun is curtailed and the battery filled."""
    own = street.own["sunny"]
    price = np.array([-0.3, -0.3, 0.2])
    response, _ = own.answer(price)
    assert response.cost_eur - float(price @ response.p_kw) == pytest.approx(response.bound_eur)


def test_a_late_answer_completes_the_bound_of_its_round(day: Case):
    first, *others = day.own
    search = day.search("smooth")
    asked = search.question(first)
    day.ask(search, *others)
    assert search.conclude().bound_eur == -np.inf
    search.go_on()
    day.ask(search)
    alone = search.bound_at(2)
    assert (search.bound_at(1), search.bound_eur) == (-np.inf, alone)
    search.hear(first, asked.round, day.own[first].answer(asked.price_eur_per_kwh)[0])
    assert np.isfinite(search.bound_at(1))
    assert search.bound_eur == max(search.bound_at(1), alone)


def test_an_answer_that_never_came_leaves_no_certificate(day: Case):
    """What was published counts, so that the others still find a price; it proves nothing."""
    silent, *others = day.own
    search = day.search("smooth")
    search.lost = frozenset({silent})
    for _ in range(60):
        day.ask(search, *others)
        search.conclude()
        if search.is_settled:
            break
        search.go_on()
    assert search.is_settled
    assert search.shares[silent] == {OWN_RULE: 1.0}
    assert (search.bound_eur, search.gap) == (-np.inf, np.inf)


def test_who_died_after_some_answers_keeps_to_a_mix_of_them(day: Case):
    silent, *others = day.own
    search = day.search("smooth")
    for _ in range(10):
        day.ask(search)
        search.conclude()
        search.go_on()
    proven = search.bound_eur
    search.lost = frozenset({silent})
    for _ in range(60):
        day.ask(search, *others)
        search.conclude()
        if search.is_settled:
            break
        search.go_on()
    assert search.is_settled
    assert set(search.shares[silent]) <= set(range(1, 11))
    assert search.bound_eur == proven
    assert search.gap >= (search.cost_eur - day.optimum) / abs(search.cost_eur)


# -- units that switch --------------------------------------------------------------------------
def test_who_switches_is_awarded_one_of_its_answers_whole():
    """The gap that is left then may be one of duality: no price closes it."""
    case = Case("aachen:winter", *DAY, "neighbourhoods.urban.units.chp.p_min_kw=60")
    search = case.search("smooth")
    case.settle(search, 80)
    assert list(search.shares["urban"].values()) == [1.0]
    assert search.bound_eur <= case.optimum * (1 + 1e-4)
    assert case.optimum <= search.cost_eur * (1 + 1e-4)
    assert search.is_settled


# -- ADMM -----------------------------------------------------------------------------------------
def test_admm_settles_with_a_step_of_rho_by_n(day: Case):
    search = day.search("admm", 1e-3)
    rounds = day.settle(search, 150)
    assert search.is_settled
    assert rounds[-1].residual < 0.02 * rounds[0].residual


def test_a_step_of_rho_never_settles(day: Case):
    """As one might read the source: the power that is missing goes on in a circle."""

    class Hasty(Exchange):
        def _next(self):
            price = self.price
            slow = super()._next()
            return price + (len(self.published) + 1) * (slow - price)

    search = Hasty(day.sharing.supply, day.published, 1e-3)
    rounds = day.settle(search, 60)
    assert not search.is_settled
    assert min(found.residual for found in rounds[30:]) > 1e-2
