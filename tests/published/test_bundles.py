"""Seed 004: bundles of carriers and sizes; values of M11, theorems, brute force."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from math import inf

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

from quartier.centralised.bundles.offers import at_once, by_cuts
from quartier.centralised.bundles.technical import Investment
from quartier.optimisation.compiled import Compiled
from quartier.problem.bundles import Bundles
from quartier.program import Highs

from .bundles_case import offers, technical

REACHED = {
    (3, "mandatory"): (225_001, 475_620),
    (4, "mandatory"): (240_941, 491_559),
    (5, "mandatory"): (246_027, 496_646),
    (4, "none"): (243_886, None),
    (5, "none"): (246_961, None),
}
"""Profit, and what users pay, in EUR a year, by number of bundles and discount rule (M11)."""
EVERYTHING_EUR = 258_704
"""Profit of who could ask every group for just what the competitor would (M11)."""

MANDATORY = "mandatory"
SMALL = {"hours": 6, "only": 1}
"""One typical day in four steps."""


@cache
def case(count, rule, way=at_once):
    return way(technical(), offers(count, rule))


@cache
def small(count, rule, groups=2, way=at_once, **changes):
    return way(technical(groups=groups, **SMALL), offers(count, rule, groups, **changes))


@pytest.mark.parametrize(("count", "rule"), REACHED)
def test_profit_and_bills_are_those_of_the_model(count, rule):
    found, (profit, bills) = case(count, rule), REACHED[count, rule]
    assert found.status == "optimal"
    assert found.profit_eur == pytest.approx(profit, rel=1e-5)
    assert found.bound_eur == pytest.approx(found.profit_eur, rel=1e-6)
    if bills:
        assert sum(found.bills_eur) == pytest.approx(bills, rel=1e-5)


def test_no_fuel_cell_is_built():
    """Against the thesis: hydrogen is dearer than what burns it saves."""
    assert case(5, MANDATORY).sizes["hfc"] == pytest.approx(0.0, abs=1e-6)


def test_cuts_close_the_same_from_both_sides():
    once, cut = case(3, MANDATORY), case(3, MANDATORY, by_cuts)
    upper, lower = np.array(cut.trace).T
    assert cut.profit_eur == pytest.approx(once.profit_eur, rel=1e-7)
    assert (np.diff(upper) <= 1e-3).all() and (np.diff(lower) >= -1e-3).all()
    assert upper[-1] == pytest.approx(lower[-1], rel=1e-6)
    assert len(upper) - 1 <= 3 * len(offers(3).covers)
    assert upper[0] == pytest.approx(577_924, rel=1e-5), "the printed cut ends there, at value 0"


def test_twelve_typical_days():
    found = at_once(technical(12), offers(3))
    assert found.profit_eur == pytest.approx(222_074, rel=1e-5)


def best_by_hand(system, bundles):
    """Profit by trying every choice of all groups: prices by a linear program, costs by another."""
    covers, groups = bundles.covers, range(len(bundles.groups))
    costs = {}

    def cost_of(served):
        if served not in costs:
            model = pyo.ConcreteModel()
            numbers = dict(zip(product(groups, bundles.carriers), served, strict=True))
            system.add(model, numbers)
            model.cost = pyo.Objective(expr=model.system_eur)
            costs[served] = Highs("system", Compiled(model).arrays).needed().objective
        return costs[served]

    best = -inf
    for chosen in product(range(len(covers)), repeat=len(bundles.groups)):
        earned = most_earned(bundles, chosen)
        served = tuple(
            float(c not in covers[chosen[u]].outside) for u in groups for c in bundles.carriers
        )
        if earned is not None:
            best = max(best, earned - cost_of(served))
    return best


def most_earned(bundles, chosen):
    """Most that prices bring at which these covers are the cheapest; None: there are none."""
    priced, most = bundles.priced, bundles.most_eur_per_kwh
    where = {p: k for k, p in enumerate(priced)}

    def bill(u, s):
        row = np.zeros(len(priced))
        for b in bundles.covers[s].bundles:
            for c in bundles.bundles[b]:
                row[where[b, c]] += bundles.need_kwh(u, c)
        return row

    rows, sides = [], []
    for u, s in enumerate(chosen):
        for other in range(len(bundles.covers)):
            rows.append(bill(u, s) - bill(u, other))
            sides.append(bundles.outside_eur[u, other] - bundles.outside_eur[u, s])
    for larger, smaller in bundles.discounts if bundles.rule == "mandatory" else ():
        row = np.zeros(len(priced))
        row[where[larger]], row[where[smaller]] = 1.0, -bundles.discount
        rows.append(row)
        sides.append(0.0)
    gain = sum(bill(u, s) for u, s in enumerate(chosen))
    limits = [(0.0, most[bundles.carriers.index(c)]) for _, c in priced]
    found = linprog(-gain, A_ub=np.array(rows), b_ub=np.array(sides), bounds=limits)
    return -found.fun if found.status == 0 else None


@pytest.mark.parametrize(("count", "rule"), [(3, "mandatory"), (4, "mandatory"), (4, "none")])
def test_at_once_is_by_cuts_is_brute_force(count, rule):
    by_hand = best_by_hand(technical(groups=2, **SMALL), offers(count, rule, 2))
    assert small(count, rule).profit_eur == pytest.approx(by_hand, rel=1e-6)
    assert small(count, rule, way=by_cuts).profit_eur == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("rule", ["none", "optional"])
def test_more_bundles_never_cost_the_supplier(rule):
    profits = [small(count, rule).profit_eur for count in (3, 4, 5)]
    assert (np.diff(profits) >= -1e-3).all()


def test_a_rule_that_may_be_left_costs_less_than_one_that_binds():
    for count in (4, 5):
        must, may, free = (
            small(count, rule).profit_eur for rule in ("mandatory", "optional", "none")
        )
        assert must <= may + 1e-3 and may <= free + 1e-3


def test_profit_rises_with_the_discount_that_is_asked_for_less():
    profits = [small(4, MANDATORY, discount=alpha).profit_eur for alpha in (0.6, 0.8, 0.95, 1.0)]
    assert (np.diff(profits) >= -1e-3).all()


@pytest.mark.parametrize("count", [3, 4, 5])
def test_nobody_pays_more_than_the_competitor_asks(count):
    own, found = offers(count), case(count, MANDATORY)
    alone = own.outside_eur[:, 0]
    assert own.covers[0].bundles == ()
    assert (np.array(found.bills_eur) <= alone + 1e-6).all()
    bills = own.bills_eur(dict(found.prices_eur_per_kwh))
    assert np.array(found.bills_eur) == pytest.approx(bills.min(axis=1), rel=1e-6)


def test_no_offer_earns_more_than_asking_for_all_that_the_competitor_would():
    assert max(case(count, MANDATORY).profit_eur for count in (3, 4, 5)) <= EVERYTHING_EUR + 1


def test_of_one_group_all_is_earned():
    """Its bill is then what the competitor asks."""
    found = small(3, MANDATORY, groups=1)
    assert found.bills_eur[0] == pytest.approx(offers(3, groups=1).outside_eur[0, 0], rel=1e-6)


def test_halves_of_a_typical_day_are_the_day():
    whole = technical(groups=2, **SMALL)
    (day,), (needs,) = whole.days, whole.needs_kw
    half = replace(day, weight=day.weight / 2)
    split = replace(whole, days=[half, half], needs_kw=[needs, needs])
    assert at_once(split, offers(3, groups=2)).profit_eur == pytest.approx(
        small(3, MANDATORY).profit_eur, rel=1e-6
    )


def test_capital_is_recovered_over_a_life():
    """100 EUR at 10 % over 2 years: 57.62 EUR twice."""
    assert Investment(100.0, 2, 1.0).annual_eur(0.1) == pytest.approx(57.619 + 1.0, abs=1e-3)
    assert Investment(100.0, 2, 1.0).annual_eur(0.0) == pytest.approx(51.0)


class Costless:
    """A system that serves everybody for next to nothing, in place of sizes and days."""

    def add(self, model, served):
        model.size = pyo.Var(["nothing"], domain=pyo.NonNegativeReals)
        model.system_eur = pyo.Expression(expr=model.size["nothing"] + 0.01 * sum(served.values()))


@pytest.mark.parametrize("way", [at_once, by_cuts])
def test_a_bundle_that_need_not_be_offered_costs_the_supplier_nothing(way):
    """Electricity alone would be sold at 0.2 at most, far below the competitor's 0.33."""

    def profit(*bundles, rule="optional"):
        own = Bundles(
            ("all",),
            ("e", "h"),
            bundles,
            np.array([[1000.0, 1000.0]]),
            np.array([[0.33, 0.10]]),
            np.array([0.2, 0.2]),
            rule=rule,
        )
        return way(Costless(), own).profit_eur

    alone = profit(("e", "h"))
    assert alone == pytest.approx(400.0 - 0.02)
    assert profit(("e", "h"), ("e",)) == pytest.approx(alone)
    assert profit(("e", "h"), ("e",), ("h",)) == pytest.approx(alone)
    assert profit(("e", "h"), ("e",), rule="mandatory") < alone
