"""A player between two towns and two markets for two hours: all of it by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import quartier
from quartier.figures import pricing
from quartier.report.compared_runs import of_folders
from quartier.report.priced_runs import cap_curves, is_priced, pricing_section

CASE = Path(__file__).parents[1] / "cases" / "pricing"

ELECTRICITY = 2 * 10 * (0.2 - 0.05)
"""8 kW drawn through a transformer of 80 %, as metered, at the cap."""
GAS = 2 * (4.5 + 5.0) / 0.8 * (0.06 - 0.02)
"""Heat of the maker, and 4.5 kW of the buyer through a pipeline of 90 %, from a boiler of 80 %."""
HEAT = 2 * 5.0 * (0.1 - 0.06 / 0.8)
"""What the buyer pays at its cap, less what the maker needs for it."""


def run(out, name, mode="uniform", **more):
    overrides = {"problem.mode": mode, **{k.replace("__", "."): v for k, v in more.items()}}
    return quartier.run(CASE, coordination=name, overrides=overrides, out=out / f"{name}-{mode}")


@pytest.mark.parametrize(
    ("name", "mode", "profit"),
    [
        ("all-at-caps", "uniform", ELECTRICITY + GAS),
        ("central", "uniform", 0.0),
        ("bilevel", "uniform", ELECTRICITY + GAS),
        ("bilevel", "individual", ELECTRICITY + GAS + HEAT),
    ],
)
def test_profit_and_bills_by_hand(tmp_path, name, mode, profit):
    kpis = run(tmp_path, name, mode).kpis
    assert kpis["profit"] == pytest.approx(profit, abs=1e-6)
    assert kpis["system_cost"] == pytest.approx(2 * 10 * 0.05 + 2 * 9.5 / 0.8 * 0.02)
    assert kpis["exchange_imbalance[heat]"] == pytest.approx(0.0, abs=1e-9)
    assert kpis["bill[buyer]"] + kpis["bill[maker]"] == pytest.approx(
        profit + kpis["system_cost"], abs=1e-6
    )


@pytest.mark.parametrize("name", ["central", "bilevel"])
def test_a_price_that_pays_for_losses_without_end_is_named(tmp_path, name):
    """The buyer's transformer loses what is bought and fed in again at once."""
    below = {"problem__carriers__electricity__wholesale_eur_per_kwh": -0.05}
    degraded = run(tmp_path, name, **below).manifest
    assert degraded["status"] == "degraded"
    assert re.search(r"electricity: its wholesale .* most_bought_kw", degraded["error"])
    limited = {"problem__carriers__electricity__most_bought_kw": 30}
    assert run(tmp_path / "limited", name, **below, **limited).manifest["status"] == "complete"


def test_both_ends_of_what_is_used_are_found_where_units_switch(tmp_path):
    """Power sells at what its gas costs, and what heat is left is free: any use is as good."""
    chp = {"kind": "chp", "p_max_kw": 5, "p_min_kw": 2, "min_up_h": 2, "count": 2}
    made = {"electric_efficiency": 0.4, "thermal_efficiency": 0.5}
    found = run(tmp_path, "central", neighbourhoods__maker__units__chp=chp | made)
    assert found.kpis["lruf_least[electricity]"] <= found.kpis["lruf[electricity]"] + 1e-6
    assert found.kpis["lruf_greatest[electricity]"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["all-at-caps", "bilevel"])
def test_of_many_prices_that_clear_an_exchange_one_within_floor_and_cap_is_set(tmp_path, name):
    """The maker's boiler is at its limit: any price from 0.06 / 0.8 clears the exchange.

    The multipliers of a linear program are one of them, here below the floor or above the cap.
    """
    found = run(
        tmp_path,
        name,
        neighbourhoods__maker__units__boiler__heat_max_kw=9.5,
        problem__carriers__heat__floor_eur_per_kwh=0.09,
    )
    prices = found.table("prices").query("carrier == 'heat'")["price_eur_per_kwh"]
    assert prices.between(0.09, 0.1).all() and len(prices)
    assert found.kpis["profit"] == pytest.approx(ELECTRICITY + GAS, abs=1e-6)
    assert found.kpis["follower_suboptimality"] <= 1e-9


def test_a_run_at_caps_that_break_a_contract_is_degraded_and_says_where(tmp_path):
    """10 kW are drawn, whatever they cost; the player earns as much: it buys them all the same."""
    found = run(tmp_path, "all-at-caps", problem__carriers__electricity__most_bought_kw=9)
    assert found.manifest["status"] == "degraded"
    assert "electricity.most_bought_kw in 2 of 2 steps" in found.manifest["error"]
    assert "would buy 10 kW, 1 kW more" in found.manifest["error"]
    assert found.kpis["profit"] == pytest.approx(ELECTRICITY + GAS, abs=1e-6)


def test_a_contract_that_own_rules_break_is_measured_and_said(tmp_path):
    """Nobody plans: 10 kW for two hours, 9 kW allowed; of gas 5.625 kW, of which 6 kW may be."""
    limits = {"electricity": 9, "gas": 6}
    changes = {f"problem__carriers__{c}__most_bought_kw": most for c, most in limits.items()}
    found = run(tmp_path, "uncontrolled", **changes)
    assert found.manifest["status"] == "complete"
    assert found.kpis["contract_breach[electricity]"] == pytest.approx(2.0)
    assert found.kpis["contract_breach[gas]"] == 0.0
    (said,) = found.manifest["warnings"]
    assert said == (
        "problem.carriers.electricity.most_bought_kw: the player traded 2 kWh beyond its contract,"
        " in 2 of 2 steps, the most at 2016-05-02 08:00 UTC: it bought 10 kW, 1 kW more than it may"
    )


def test_what_windows_save_counts_once_where_they_overlap(tmp_path):
    """Individual prices leave nobody a saving but at tariffs above them: here heat at 0.12."""
    own = {
        "problem__carriers__heat__cap_eur_per_kwh": 0.1,
        "neighbourhoods__buyer__nodes__heat__buy__price_eur_per_kwh": 0.12,
    }
    alone = run(tmp_path / "one", "bilevel", "individual", **own)
    more = {"horizon__steps": 2, "gates__every": 1, "gates__horizon_steps": 2}
    moved = run(tmp_path / "two", "bilevel", "individual", **own, **more)
    assert alone.kpis["saving[buyer]"] == pytest.approx(2 * 5 * 0.02)
    assert moved.kpis["saving[buyer]"] == pytest.approx(2 * 5 * 0.02)


def test_nobody_plans_what_somebody_must_make_up_for(tmp_path):
    """Own rules sell no heat: the player makes up for the buyer's 5 kW at the cap, 1 EUR."""
    kpis = run(tmp_path, "uncontrolled").kpis
    assert kpis["exchange_imbalance[heat]"] == pytest.approx(10.0)
    assert kpis["money[multi-energy player>heat market]"] == pytest.approx(2 * 5 * 0.1)
    burnt = 2 * 4.5 / 0.8 * (0.06 - 0.02)
    assert kpis["profit"] == pytest.approx(ELECTRICITY + burnt)


def test_windows_that_move_are_planned_from_where_things_stand(tmp_path):
    overrides = {"horizon.steps": 4, "gates": {"every": 2, "horizon_steps": 3}}
    found = quartier.run("mep", coordination="bilevel", overrides=overrides, out=tmp_path / "run")
    assert found.manifest["status"] == "complete"
    rows = found.table("solves").query("problem == 'bilevel'")
    assert rows["status"].tolist() == ["optimal", "optimal"]
    assert found.kpis["worse_off"] <= 1e-6
    assert found.kpis["exchange_imbalance[heat]"] == pytest.approx(0.0, abs=1e-6)


def test_runs_that_differ_by_a_cap_are_a_curve_and_say_who_gains(tmp_path):
    """2 · 10 kWh of electricity, at caps of 0.15 and 0.2 less the market's 0.05 EUR."""
    folders = []
    for cap in (0.2, 0.15):
        changes = {"problem__carriers__electricity__cap_eur_per_kwh": cap}
        folders.append(run(tmp_path / str(cap), "all-at-caps", **changes).dir)
    compared = of_folders(folders)
    assert is_priced(compared)
    (table,) = cap_curves(compared).values()
    without = {
        "problem__carriers__gas": None,
        "neighbourhoods__maker__nodes__gas": None,
        "neighbourhoods__maker__units__boiler__fuel_eur_per_kwh": 0.06,
    }
    more = of_folders([*folders, run(tmp_path / "own", "all-at-caps", **without).dir])
    assert list(cap_curves(more)) == ["electricity"], "a run without a market of gas has no cap"
    assert table["series"].tolist() == ["all-at-caps"] * 2
    assert table["cap_eur_per_kwh"].tolist() == [0.2, 0.15]
    assert table["profit"].tolist() == pytest.approx([GAS + 20 * 0.15, GAS + 20 * 0.1])
    curve, who = pricing.curve(table, "electricity"), pricing.gains_by_run(compared.kpis)
    assert list(curve.data[0].x) == pytest.approx([15.0, 20.0])
    # Against its own tariffs the buyer saves 0.05 EUR a kWh, and of heat what the maker asks less.
    saved = dict(zip(who.data[1].x, who.data[1].y, strict=True))
    assert saved["buyer"] == pytest.approx(20 * 0.05 + 10 * (0.1 - 0.06 / 0.8))
    names = [one.name for one in pricing_section(compared).blocks]
    assert names == ["gains", "cap-electricity"]
