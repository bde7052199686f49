"""A player that prices carriers: theorems of M10, their counter-examples, what is refused."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from quartier.centralised.pricing.game import Game
from quartier.centralised.pricing.mechanisms import AllAtCaps, BilevelPricing, CentralPricing
from quartier.centralised.pricing.players import alike
from quartier.centralised.pricing.pooled import priced_at
from quartier.centralised.programs import models_of
from quartier.errors import InputError, SolveFailed
from quartier.instance import build
from quartier.optimisation.bilevel import bounds, extract, prepare
from quartier.problem import PricedCarrier, Pricing
from quartier.scenario.load import load

HOURS = {"horizon.steps": 4, "horizon.start": "2015-05-13T06:00"}
NO_STORE = {"neighbourhoods.les1.units.storage": None}


def asked(**changes):
    overrides = HOURS | {name.replace("__", "."): value for name, value in changes.items()}
    instance = build(load("mep", overrides))
    return instance.problem(0, 0, instance.initial_state())


def planned(mechanism, problem):
    plan = mechanism().plan(problem, None, np.random.default_rng(1))
    return plan, {row["problem"]: row for row in plan.records["solves"]}


@cache
def profit(mechanism=BilevelPricing, **changes):
    """Profit of the player in a few hours."""
    return planned(mechanism, asked(**changes))[1]["profit"]["objective"]


def cost_of(rows):
    return sum(rows[f"response les{k}"]["objective"] for k in (1, 2, 3))


def test_wholesale_prices_and_the_dual_of_heat_give_no_profit_and_the_least_cost():
    _plan, rows = planned(CentralPricing, asked())
    assert rows["profit"]["objective"] == pytest.approx(0.0, abs=1e-6)
    assert cost_of(rows) == pytest.approx(rows["central"]["objective"], rel=1e-9)
    assert max(r.get("follower_suboptimality", 0.0) for r in rows.values()) <= 1e-9


def test_profit_is_what_neighbourhoods_pay_less_the_cost_of_all():
    """Σ v_n(π) - C(x), at most Σ v_n(π) - C*: no plan costs less than one owner's."""
    _plan, rows = planned(BilevelPricing, asked())
    least = planned(CentralPricing, asked())[1]["central"]["objective"]
    assert rows["profit"]["objective"] == pytest.approx(rows["bilevel"]["objective"], rel=1e-6)
    assert rows["profit"]["objective"] <= cost_of(rows) - least + 1e-6


def test_prices_of_their_own_earn_no_less_and_all_at_caps_no_more():
    caps, uniform = profit(AllAtCaps), profit()
    assert caps <= uniform * (1 + 1e-4)
    assert uniform <= profit(problem__mode="individual") * (1 + 1e-4)


@pytest.mark.parametrize("carrier", ["electricity", "gas", "heat"])
def test_profit_does_not_fall_with_a_cap(carrier):
    low = {"electricity": 0.07, "gas": 0.029, "heat": 0.05}[carrier]
    key = f"problem__carriers__{carrier}__cap_eur_per_kwh"
    assert profit(**{key: low}) <= profit() * (1 + 1e-4)


def test_without_a_store_hours_are_problems_of_their_own():
    whole = profit(neighbourhoods__les1__units__storage=None)
    hours = [
        profit(
            neighbourhoods__les1__units__storage=None,
            horizon__steps=1,
            horizon__start=f"2015-05-13T{6 + k:02d}:00",
        )
        for k in range(4)
    ]
    assert sum(hours) == pytest.approx(whole, rel=3e-4)


@pytest.mark.parametrize("mechanism", [CentralPricing, BilevelPricing])
def test_blocks_alike_that_need_no_least_power_are_as_good_as_one_chp(mechanism):
    blocks = {
        "neighbourhoods__les1__units__chp__count": 3,
        "neighbourhoods__les1__units__chp__p_max_kw": 2500 / 3,
        "neighbourhoods__les2__units__chp__count": 2,
        "neighbourhoods__les2__units__chp__p_max_kw": 750,
    }
    one, several = (planned(mechanism, asked(**changes))[1] for changes in ({}, blocks))
    assert cost_of(several) == pytest.approx(cost_of(one), rel=3e-4)
    assert several["profit"]["objective"] == pytest.approx(
        one["profit"]["objective"], rel=2e-4, abs=1e-6
    )


BARE = {
    "neighbourhoods__les1__units__boiler__heat_max_kw": 5000,
    "neighbourhoods__les2__units__boiler__heat_max_kw": 5000,
    "neighbourhoods__les1__units__storage": None,
    "neighbourhoods__les1__units__load__share": 0.0,
    "neighbourhoods__les2__units__load__share": 0.0,
    "neighbourhoods__les3__units__load__share": 0.0,
    "neighbourhoods__les1__units__chp": None,
    "neighbourhoods__les2__units__chp": None,
    "neighbourhoods__les3__units__wind": None,
    "neighbourhoods__les3__units__pv": None,
}


def test_without_own_units_everything_is_at_its_cap():
    """Nothing can be answered: what is needed is bought at the caps, closed form."""
    problem = asked(**BARE)
    plan, rows = planned(BilevelPricing, problem)
    pricing = problem.asks(Pricing)
    drawn = (
        sum(
            u.series["load_kw"]
            for n in problem.neighbourhoods
            for u in n.units
            if u.kind == "interruptible_load"
        )
        / 0.95
    )
    burnt = sum(
        u.series["demand_kw"] / boiler.parameters.efficiency
        for n in problem.neighbourhoods
        for u in n.units
        if u.kind == "heat_demand"
        for boiler in n.units
        if boiler.kind == "boiler"
    )
    market = pricing.carriers
    expected = (0.09 - market["electricity"].wholesale_eur_per_kwh) @ drawn
    expected += (0.032 - market["gas"].wholesale_eur_per_kwh) @ burnt
    # Pipelines lose more than the better boilers save: nobody sells heat.
    assert rows["profit"]["objective"] == pytest.approx(expected, rel=1e-4)
    assert np.allclose(plan.prices["electricity", "les1"], 0.09)


def test_every_dual_is_bounded_by_proof():
    """M10: electricity within .95 floor and cap / .95, heat within 0 and cap / .9."""
    problem = asked(problem__mode="individual")
    pricing = problem.asks(Pricing)
    nothing = alike(problem, {c: np.zeros(pricing.steps) for c in pricing.carriers})
    game = Game(pricing, models_of(priced_at(problem, nothing)))
    system = extract.extract(game.model, game.followers)
    _, single = prepare.prepare(system, "kkt", 1e4, np.inf)
    assert not single.unproven
    form = system.followers[0]
    within = (np.array(system.leader.lower), np.array(system.leader.upper))
    box, _ = bounds.multiplier_box(system, form, within)
    rows = {name: k for k, name in enumerate(form.row_names)}
    power = [k for name, k in rows.items() if "connection.power" in name]
    heat = [k for name, k in rows.items() if ".heat'.balance" in name]
    value = np.abs([box.lower[power], box.upper[power]])
    assert value.min() >= 0.95 * 0.01 - 1e-6 and value.max() <= 0.09 / 0.95 + 1e-6
    assert np.abs([box.lower[heat], box.upper[heat]]).max() <= 0.06 / 0.9 + 1e-6


def test_gas_is_not_always_at_its_cap():
    """A counter-example (M10): cheap gas lets CHPs feed in what the market pays more for."""
    plan, rows = planned(
        BilevelPricing,
        asked(
            problem__mode="individual",
            horizon__steps=1,
            horizon__start="2015-05-13T21:00",
            problem__carriers__electricity__cap_eur_per_kwh=0.064,
            problem__carriers__gas__cap_eur_per_kwh=0.05,
            neighbourhoods__les1__units__storage=None,
        ),
    )
    assert rows["bilevel"]["status"] == "optimal"
    assert min(plan.prices["gas", f"les{k}"].min() for k in (1, 2)) < 0.05 - 1e-3


# -- profit, stated once --------------------------------------------------------------------------
def pricing_of(**heat):
    one = np.ones(1)
    carriers = {
        "electricity": PricedCarrier(0 * one, 0.3 * one, 0.1 * one),
        "heat": PricedCarrier(0.02 * one, 0.06 * one),
    }
    return Pricing(0.5, carriers)


def test_profit_of_a_half_hour_by_hand():
    prices = {("electricity", "a"): np.array([0.2]), ("electricity", "b"): np.array([0.3])}
    drawn = {("electricity", "a"): np.array([10.0]), ("electricity", "b"): np.array([-4.0])}
    # 0.5 h · (0.2 · 10 - 0.3 · 4 - 0.1 · 6)
    assert pricing_of().profit_eur(prices, drawn) == pytest.approx(0.5 * (2.0 - 1.2 - 0.6))


def test_what_is_not_balanced_is_made_up_for_at_cap_and_floor():
    drawn = np.array([10.0]), np.array([-10.0])
    paid = [float(pricing_of().outer_eur("heat", x)[0]) for x in drawn]
    assert paid == pytest.approx([0.5 * 0.06 * 10, -0.5 * 0.02 * 10])


# -- contracts: limits of the player, that neighbourhoods do not know ------------------------------
NIGHT = {"horizon__steps": 3, "horizon__start": "2015-05-13T00:00"}
EVENING = {"horizon__steps": 3, "horizon__start": "2015-05-13T18:00"}
DRAWN_AT = "problem__carriers__electricity__most_bought_kw"
SOLD_AT = "problem__carriers__electricity__most_sold_kw"
CAP_AT = "problem__carriers__electricity__cap_eur_per_kwh"


def test_caps_stay_caps_where_a_contract_is_broken():
    """Its multiplier is no price that anybody set: 404.88 EUR were earned at one above the cap."""
    problem = asked(**EVENING, **{CAP_AT: 0.05, DRAWN_AT: 5650})
    plan, rows = planned(AllAtCaps, problem)
    assert np.array_equal(plan.prices["electricity", "les1"], np.full(3, 0.05))
    assert rows["profit"]["objective"] == pytest.approx(203.78, abs=0.01)
    assert rows["all-at-caps"]["status"] == "contract broken"
    (said,) = plan.degraded
    assert "problem.carriers.electricity.most_bought_kw in 1 of 3 steps" in said
    assert "2015-05-13 18:00 UTC" in said and "88.9474 kW more" in said


def test_caps_stay_caps_where_more_is_fed_in_than_may_be_sold():
    plan, rows = planned(AllAtCaps, asked(**NIGHT, **{SOLD_AT: 200}))
    assert np.array_equal(plan.prices["electricity", "les3"], np.full(3, 0.09))
    assert rows["all-at-caps"]["status"] == "contract broken"
    assert "the player would sell 498.75 kW, 298.75 kW more" in plan.degraded[0]


def test_who_is_indifferent_keeps_a_contract_at_the_caps():
    """Store and CHPs may shift what is drawn from hour to hour at one price."""
    free, rows = planned(AllAtCaps, asked(**EVENING))
    kept, limited = planned(AllAtCaps, asked(**EVENING, **{DRAWN_AT: 5200}))
    assert limited["all-at-caps"]["status"] == "optimal" and not kept.degraded
    assert cost_of(limited) == pytest.approx(cost_of(rows), rel=1e-9)
    assert np.array_equal(kept.prices["electricity", "les1"], free.prices["electricity", "les1"])


def drawn_by_all(problem, plan):
    """What all draw of electricity as metered, shape (T,)."""
    return -sum(
        one.metered_kw(sum(plan.units[u.name].p_kw for u in one.units))
        for one in problem.neighbourhoods
    )


def test_a_contract_that_binds_costs_the_owner_and_is_what_the_player_earns():
    problem, free = asked(**NIGHT, **{DRAWN_AT: 400}), planned(CentralPricing, asked(**NIGHT))[1]
    plan, rows = planned(CentralPricing, problem)
    assert drawn_by_all(problem, plan) == pytest.approx([400, 400, 400], abs=1e-6)
    assert free["central"]["objective"] == pytest.approx(618.8587, abs=1e-3)
    assert rows["central"]["objective"] == pytest.approx(694.7389, abs=1e-3)
    # At the price of the contract besides the market's, everybody alone would do the same.
    assert max(r.get("follower_suboptimality", 0.0) for r in rows.values()) <= 1e-9
    market = problem.asks(Pricing).carriers["electricity"].wholesale_eur_per_kwh
    worth = (plan.prices["electricity", "les1"] - market).sum() * 400
    assert rows["profit"]["objective"] == pytest.approx(worth, rel=1e-6)


def test_a_contract_that_binds_costs_the_player_and_changes_nobodys_answer():
    problem, free = asked(**NIGHT, **{DRAWN_AT: 400}), planned(BilevelPricing, asked(**NIGHT))[1]
    plan, rows = planned(BilevelPricing, problem)
    assert drawn_by_all(problem, plan) == pytest.approx([400, 400, 400], abs=1e-3)
    assert rows["bilevel"]["status"] == "optimal"
    assert free["bilevel"]["objective"] == pytest.approx(260.6658, rel=1e-4)
    assert rows["bilevel"]["objective"] == pytest.approx(192.5379, rel=1e-4)
    assert rows["profit"]["objective"] == pytest.approx(rows["bilevel"]["objective"], rel=1e-6)
    assert max(r.get("follower_suboptimality", 0.0) for r in rows.values()) <= 1e-6
    # At worst, contracts are kept all the same; shifts that suit better are found, not proven.
    worst, robust = rows["bilevel, pessimistic"], rows["bilevel, robust"]
    assert worst["status"] == "optimal" and robust["status"] == "feasible"
    assert worst["objective"] <= robust["objective"] <= rows["bilevel"]["objective"] + 1e-3


def test_a_contract_that_no_prices_keep_is_said():
    """Below 85.5 EUR/MWh nobody interrupts a load, whatever gas costs."""
    with pytest.raises(SolveFailed, match="No prices between floors and caps clear every exchange"):
        planned(BilevelPricing, asked(**EVENING, **{CAP_AT: 0.05, DRAWN_AT: 5650}))


@pytest.mark.parametrize("mechanism", [CentralPricing, BilevelPricing])
def test_a_contract_that_no_plan_keeps_is_named_with_time_and_power(mechanism):
    """What is drawn beyond is as little as can be; so somewhere it is as much as said."""
    with pytest.raises(SolveFailed) as caught:
        planned(mechanism, asked(**EVENING, **{DRAWN_AT: 4000}))
    assert "Any plan breaks problem.carriers.electricity.most_bought_kw in 3 of 3" in str(
        caught.value
    )
    assert "the most at 2015-05-13 18:00 UTC: the player would buy 5178.95 kW" in str(caught.value)
    assert "1178.95 kW more than its contract allows" in str(caught.value)


# -- prices of what is balanced lie within floor and cap -------------------------------------------
def test_a_floor_of_heat_is_a_floor_of_what_clears_it():
    """The optimum without a floor has heat at 0 by night; with one there are other prices."""
    changes = NIGHT | {"problem__carriers__heat__floor_eur_per_kwh": 0.02}
    plan, rows = planned(BilevelPricing, asked(**changes))
    assert rows["bilevel"]["status"] == "optimal"
    assert rows["profit"]["objective"] == pytest.approx(201.8508, rel=1e-4)
    heat = plan.prices["heat", "les1"]
    assert heat.min() >= 0.02 and heat.max() <= 0.06
    assert max(r.get("follower_suboptimality", 0.0) for r in rows.values()) <= 1e-6
    with pytest.raises(SolveFailed, match="At the prices of all else, no price between its floor"):
        planned(AllAtCaps, asked(**changes))  # but not with all else at caps


# -- what is refused ------------------------------------------------------------------------------
def problems(**changes):
    with pytest.raises(InputError) as caught:
        asked(**changes)
    return "\n".join(caught.value.problems)


def test_everything_wrong_with_prices_is_one_list():
    found = problems(
        problem__carriers__electricity__cap_eur_per_kwh=None,
        problem__carriers__gas__cap_eur_per_kwh=0.001,
        problem__carriers__heat__most_bought_kw=10.0,
        problem__carriers__hydrogen={"cap_eur_per_kwh": 0.2},
    )
    assert "problem.carriers.electricity: has no cap_eur_per_kwh" in found
    assert "profit would have no limit" in found
    assert "problem.carriers.gas: its cap, 0.001 EUR/kWh, is below its floor" in found
    assert "problem.carriers.heat: has contract limits, but no market" in found
    assert "problem.carriers.hydrogen: no node buys or sells hydrogen" in found


def test_a_carrier_nobody_can_supply_is_named():
    found = problems(problem__carriers__gas__wholesale_eur_per_kwh=None)
    assert "problem.carriers.gas: nobody can supply gas" in found


def test_heat_that_nobody_can_make_is_named_when_prices_are_sought():
    with pytest.raises(SolveFailed, match=r"les2\.heat lacks heat in 2 of 4 .* 976\.764 kW"):
        planned(BilevelPricing, asked(neighbourhoods__les2__units__boiler__heat_max_kw=500))


def test_units_that_switch_have_no_optimality_conditions():
    found = problems(neighbourhoods__les1__units__chp__p_min_kw=500)
    assert "bilevel needs the neighbourhoods' optimality conditions, but les1.chp" in found


def test_limits_that_the_player_does_not_know_are_refused():
    found = problems(neighbourhoods__les1__p_max_kw=10, objectives__peak_eur_per_kw=1.0)
    assert "neighbourhoods.les1.p_max_kw: is a limit that bilevel does not know" in found
    assert "objectives.peak_eur_per_kw: ties the steps" in found


def test_losses_of_connections_are_for_pricing_only():
    with pytest.raises(InputError, match="connection_efficiency: is for problem: pricing"):
        build(load("aachen", {"neighbourhoods.urban.connection_efficiency": 0.9}))
