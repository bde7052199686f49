"""A player that prices carriers: bounds of its profit, what is no theorem, hard caps (M10).

A counter-example is certified: the lesser profit is proven, the greater one is that of a point.
"""

from __future__ import annotations

import numpy as np
import pytest

from quartier.centralised.pricing.mechanisms import BilevelPricing, CentralPricing
from quartier.centralised.pricing.most import least_cost, most_paid
from quartier.centralised.pricing.players import alike
from quartier.centralised.pricing.pooled import priced_at
from quartier.centralised.programs import models_of
from quartier.instance import build
from quartier.problem import Pricing
from quartier.scenario.load import load

CAP = "problem.carriers.electricity.cap_eur_per_kwh"
ELECTRICITY, HEAT = "lruf[electricity]", "lruf[heat]"
NO_STORE = {"neighbourhoods.les1.units.storage": None}
NO_HEAT_TRADE = {"problem.carriers.heat": None} | {
    f"neighbourhoods.les{k}.nodes.heat": {"carrier": "heat", "rejected_eur_per_kwh": 0}
    for k in (1, 2, 3)
}


def hours(first, steps):
    return {"horizon.steps": steps, "horizon.start": f"2015-05-13T{first:02d}:00"}


def asked(*changes):
    overrides = {key: value for change in changes for key, value in change.items()}
    instance = build(load("mep", overrides))
    return instance.problem(0, 0, instance.initial_state())


def solves(mechanism, *changes):
    plan = mechanism().plan(asked(*changes), None, np.random.default_rng(1))
    return {row["problem"]: row for row in plan.records["solves"]}


def proven(*changes):
    """Profit, and its proven bound."""
    row = solves(BilevelPricing, *changes)["bilevel"]
    return row["objective"], row["bound"]


# -- profit <= max Σ v_n - C* ----------------------------------------------------------------------
@pytest.mark.parametrize(("mode", "most"), [("uniform", 4286.66), ("individual", 5050.03)])
def test_linear_programs_bound_the_profit_of_the_day(mode, most):
    """4,287 and 5,050 EUR: 3,988.5 and 4,744.2 are earned (test_pricing.py, integration)."""
    problem = asked({"problem.mode": mode})
    pricing = problem.asks(Pricing)
    nothing = {c: np.zeros(24) for c in pricing.carriers}
    wholesale = {
        c: nothing[c] if p.is_balanced else p.wholesale_eur_per_kwh
        for c, p in pricing.carriers.items()
    }
    free, bought = (
        models_of(priced_at(problem, alike(problem, prices))) for prices in (nothing, wholesale)
    )
    least = least_cost(pricing, bought)
    assert least == pytest.approx(9269.58, abs=0.01)
    assert most_paid(pricing, free) - least == pytest.approx(most, abs=0.01)


@pytest.mark.parametrize("mode", ["uniform", "individual"])
def test_no_profit_is_above_what_linear_programs_allow(mode):
    rows = solves(BilevelPricing, hours(9, 3), {"problem.mode": mode})
    assert rows["bilevel"]["objective"] <= rows["bilevel, at most"]["objective"] + 1e-6
    assert rows["bilevel"]["bound"] <= rows["bilevel, at most"]["objective"] + 1e-6


# -- what is no theorem ----------------------------------------------------------------------------
def test_a_store_of_its_customers_does_not_always_help_the_player():
    """From 09:00 to 12:00 it earns 1.1 EUR more where nobody can store heat."""
    with_store, without = proven(hours(9, 3)), proven(hours(9, 3), NO_STORE)
    assert without[0] > with_store[1] + 1.0


def test_nor_does_it_always_harm():
    """From midnight to 03:00 it helps by 9.4 EUR."""
    assert proven(hours(0, 3))[0] > proven(hours(0, 3), NO_STORE)[1] + 9.0


def test_heat_that_its_customers_exchange_does_not_always_help_the_player():
    """From 12:00 to 15:00 it earns 13 EUR more where each makes its own heat."""
    exchanged, alone = proven(hours(12, 3)), proven(hours(12, 3), NO_HEAT_TRADE)
    assert alone[0] > exchanged[1] + 13.0


def test_the_player_does_not_always_use_more_local_resources_than_one_owner():
    """CHPs that do not heat run at 60 and 58 EUR/MWh of the market, not at 50 of the player."""
    dear_gas = {CAP: 0.050, "problem.carriers.gas.floor_eur_per_kwh": 0.026}
    noon = hours(10, 2), NO_STORE, dear_gas
    owner, player = solves(CentralPricing, *noon), solves(BilevelPricing, *noon)
    most = player[f"{ELECTRICITY}, greatest"]["bound"]
    assert most < owner[f"{ELECTRICITY}, least"]["bound"] - 0.015


# -- local resources used: a range, not a number ---------------------------------------------------
def test_plans_as_good_use_local_resources_more_or_less():
    """From 12:00 to 15:00 heat may pass through the store or not: 0.333 to 0.364."""
    rows = solves(BilevelPricing, hours(12, 3))
    low, high = rows[f"{HEAT}, least"], rows[f"{HEAT}, greatest"]
    assert low["objective"] == pytest.approx(0.3333, abs=2e-4)
    assert high["objective"] == pytest.approx(0.3641, abs=2e-4)
    assert low["bound"] <= low["objective"] + 1e-6
    assert high["bound"] >= high["objective"] - 1e-6
    assert all(
        rows[f"{ELECTRICITY}, {end}"]["status"] == "optimal" for end in ("least", "greatest")
    )


def test_a_store_that_loses_heat_by_standing_has_no_range():
    lossy = {"neighbourhoods.les1.units.storage.standing_loss_per_h": 0.01}
    rows = solves(CentralPricing, hours(12, 3), lossy)
    assert f"{ELECTRICITY}, least" in rows and f"{HEAT}, least" not in rows


# -- caps that are hard ----------------------------------------------------------------------------
def test_a_search_that_is_stopped_has_an_honest_gap():
    """Electricity below the highest market price, gas loose: stopped after 4 s, the gap is said."""
    loose = {"problem.carriers.gas.cap_eur_per_kwh": 0.06, "optimisation.time_limit_s": 4}
    row = solves(BilevelPricing, hours(15, 9), {CAP: 0.050}, loose)["bilevel"]
    assert row["status"] in {"feasible", "optimal"}
    assert row["objective"] <= row["bound"] + 1e-6
    assert row["gap"] == pytest.approx(abs(row["bound"] - row["objective"]) / row["objective"])
    assert (row["gap"] <= 2e-4) == (row["status"] == "optimal")
