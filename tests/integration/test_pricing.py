"""A player that prices carriers, as executed: the figures of M10, and money (seed 002)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quartier.centralised.pricing.mechanisms import BilevelPricing
from quartier.instance import build
from quartier.kpi.run_data import RunData
from quartier.kpi.settlement import balances, payments
from quartier.scenario.load import load

PLAYER = "multi-energy player"
TOLERANCE = 1e-4
"""Relative, of figures of the bi-level problem: the gap that they are solved to."""


@pytest.fixture(scope="module")
def uncontrolled(run_once):
    return run_once("mep", coordination="uncontrolled")


@pytest.fixture(scope="module")
def runs(run_once, uncontrolled):
    """Modes by name; all that take long are run once."""
    baseline = f"baseline={uncontrolled.dir}"
    return {
        "caps": run_once("mep", baseline, coordination="all-at-caps"),
        "I": run_once("mep", baseline, coordination="central"),
        "II": run_once("mep:uniform", baseline, coordination="bilevel"),
        "III": run_once("mep:individual", baseline, coordination="bilevel"),
    }


def solves(run) -> pd.DataFrame:
    return run.table("solves").set_index("problem")


@pytest.mark.parametrize(
    ("mode", "system_cost", "profit"),
    [("I", 9269.58, 0.0), ("II", 9418.8, 3988.5), ("III", 9450.9, 4744.2), ("caps", None, 3697.0)],
)
def test_executed_figures_are_those_of_m10(runs, mode, system_cost, profit):
    kpis = runs[mode].kpis
    assert runs[mode].manifest["status"] == "complete"
    assert kpis["profit"] == pytest.approx(profit, rel=TOLERANCE, abs=1e-6)
    if system_cost is not None:
        assert kpis["system_cost"] == pytest.approx(system_cost, rel=TOLERANCE)


def test_the_owner_of_all_earns_what_is_sold_at_retail_less_the_cost_of_all(runs):
    """80 and 45 EUR/MWh are what customers pay; what is interrupted is a cost already."""
    rows = runs["I"].table("units")
    load = rows[rows["kind"] == "interruptible_load"]["p_kw"].sum()
    demand = runs["I"].table("nodes").query("carrier == 'heat'")["demand_kw"].sum()
    served = 0.080 * -load + 0.045 * demand
    assert served - runs["I"].kpis["system_cost"] == pytest.approx(11146.3, rel=TOLERANCE)


@pytest.mark.parametrize("mode", ["II", "III"])
def test_prices_are_proven_to_the_gap_and_certified(runs, mode):
    row = solves(runs[mode]).loc["bilevel"]
    assert row["status"] == "optimal"
    assert row["gap"] <= 2e-4  # asked for 1e-4; certified points may miss by as much again
    assert runs[mode].kpis["follower_suboptimality"] <= 1e-6


@pytest.mark.parametrize("mode", ["I", "II", "III", "caps"])
def test_what_is_executed_is_what_was_planned(runs, mode):
    """Forecasts are exact: profit and bills as planned, exchange balanced, nothing unserved."""
    run = runs[mode]
    planned, kpis = solves(run)["objective"], run.kpis
    assert kpis["profit"] == pytest.approx(planned["profit"], rel=1e-6, abs=1e-6)
    for name in ("les1", "les2", "les3"):
        assert kpis[f"cost[{name}]"] == pytest.approx(planned[f"response {name}"], rel=1e-6)
    assert kpis["exchange_imbalance[heat]"] == pytest.approx(0.0, abs=1e-3)
    assert run.table("nodes")["unserved_kw"].max() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("mode", ["I", "II", "III", "caps"])
def test_money_is_conserved_and_nobody_is_worse_off_than_at_its_tariffs(runs, mode):
    data = RunData(runs[mode])
    found = balances(payments(data))
    assert sum(found.values()) == pytest.approx(0.0, abs=1e-9)
    kpis = runs[mode].kpis
    assert found[PLAYER] == pytest.approx(kpis["profit"], abs=1e-9)
    bills = sum(kpis[f"bill[{name}]"] for name in data.neighbourhoods)
    markets = sum(found[f"{carrier} market"] for carrier in ("electricity", "gas", "heat"))
    assert bills == pytest.approx(kpis["profit"] + markets, abs=1e-6)
    assert kpis["worse_off"] <= 1e-6
    assert all(kpis[f"saving[{name}]"] >= -1e-6 for name in data.neighbourhoods)


def test_what_does_not_oblige_the_player_costs_it_a_hair_can_win_back(runs):
    """Ties: at worst II earns less than all at caps; prices moved by a hair win most of it back."""
    found = solves(runs["II"])["objective"]
    assert found["bilevel, pessimistic"] == pytest.approx(3667.0, rel=TOLERANCE)
    assert found["bilevel, pessimistic"] < runs["caps"].kpis["profit"]
    assert 3960.0 < found["bilevel, robust"] <= found["bilevel"]


@pytest.mark.parametrize(
    ("cap", "profit"), [(0.050, 1584.3), (0.070, 2939.0), (0.100, 4446.5), (0.110, 5007.0)]
)
def test_profit_by_the_cap_of_electricity(cap, profit):
    """M10's row of caps: 1,584 ... 5,005 (here 5,007, within its proven bound)."""
    key = "problem.carriers.electricity.cap_eur_per_kwh"
    instance = build(load("mep", {key: cap, "optimisation.time_limit_s": 300}))
    problem = instance.problem(0, 0, instance.initial_state())
    plan = BilevelPricing().plan(problem, instance.initial_state(), np.random.default_rng(1))
    rows = {row["problem"]: row for row in plan.records["solves"]}
    assert rows["bilevel"]["status"] == "optimal"
    assert rows["profit"]["objective"] == pytest.approx(profit, rel=2 * TOLERANCE)


def test_order_of_modes(runs):
    """III sets what II sets and more; one owner is cheapest."""
    assert runs["III"].kpis["profit"] >= runs["II"].kpis["profit"] >= runs["caps"].kpis["profit"]
    least = runs["I"].kpis["system_cost"]
    assert least <= min(runs[mode].kpis["system_cost"] for mode in ("II", "III", "caps"))


def test_local_resources_used(runs):
    """Of electricity as M10 has it; of heat with what CHPs can reach, and with the paper's caps."""
    assert runs["I"].kpis["lruf[electricity]"] == pytest.approx(0.533, abs=5e-4)
    assert runs["II"].kpis["lruf[electricity]"] == pytest.approx(0.602, abs=5e-4)
    for mode, expected in (("I", 0.277), ("II", 0.276)):
        used = dict(_heat_shares(runs[mode]))
        assert np.mean(list(used.values())) == pytest.approx(expected, abs=5e-4)
        used["les1.chp"] *= 3000 / (2500 / 0.43 * 0.35)
        used["les2.chp"] *= 2200 / (1500 / 0.45 * 0.30)
        assert np.mean(list(used.values())) == pytest.approx(runs[mode].kpis["lruf[heat]"])


def _heat_shares(run):
    """Output of heat over the paper's capacity, by unit."""
    rows = run.table("units")
    caps = {"les1.chp": 3000, "les2.chp": 2200}
    caps |= {"les1.boiler": 2000, "les2.boiler": 3000, "les3.boiler": 1500}
    for name, cap in caps.items():
        yield name, rows[rows["unit"] == name]["heat_kw"].mean() / cap
    energy = rows[rows["unit"] == "les1.storage"]["energy_kwh"]
    yield "les1.storage", np.abs(np.diff(energy, prepend=1500)).mean() / 3000


def test_uncontrolled_is_settled_at_the_caps(uncontrolled):
    prices = uncontrolled.table("prices").groupby("carrier")["price_eur_per_kwh"]
    assert prices.min().to_dict() == {"electricity": 0.09, "gas": 0.032, "heat": 0.06}
    assert (prices.min() == prices.max()).all()
    assert uncontrolled.kpis["profit"] > 0


def test_cold_is_made_of_heat_as_planned(run_once):
    """What the chiller takes costs heat; at the caps all is served, and costs what was planned."""
    run = run_once("mep:cooling", coordination="all-at-caps")
    nodes = run.table("nodes").set_index("node")
    cold = nodes.loc["les2.cold"]
    assert cold["demand_kw"].max() == pytest.approx(500.0)
    assert nodes["unserved_kw"].max() == pytest.approx(0.0, abs=1e-6)
    taken = run.table("units").query("unit == 'les2.chiller'")["heat_kw"].to_numpy()
    assert taken == pytest.approx(-cold["demand_kw"].to_numpy() / 0.7, abs=1e-6)
    planned = solves(run)["objective"]
    assert run.kpis["cost[les2]"] == pytest.approx(planned["response les2"], rel=1e-6)
    assert run.kpis["profit"] == pytest.approx(planned["profit"], rel=1e-6)
