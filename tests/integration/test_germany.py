"""The stand-in for the case of the paper on flexibility scheduling: what it has to show (M9)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.agents.strategies.price_response import PriceResponse
from quartier.centralised.market import CentralMarket
from quartier.instance import build
from quartier.scenario.load import load

DAYS = ("winter-day", "spring-day", "summer-day")


def planned(variant, mechanism, *overrides):
    """Plan of the first gate: rounds, price and objective."""
    instance = build(load(f"germany:{variant}", overrides))
    state = instance.initial_state()
    plan = mechanism.plan(instance.problem(0, 0, state), state, np.random.default_rng(1))
    price = next(iter(plan.prices.values()))
    return pd.DataFrame(plan.records.get("rounds")), price, plan.records["solves"][0]


@pytest.mark.parametrize("variant", DAYS)
@pytest.mark.parametrize("way", ["smooth", "level"])
def test_prices_with_memory_prove_a_hundredth_of_a_percent_in_thirty_rounds(variant, way):
    _, price, best = planned(variant, CentralMarket())
    rounds, found, solve = planned(variant, PriceResponse(), f"market.stabilisation={way}")
    assert rounds.loc[rounds["gap"] <= 1e-4, "round"].min() <= 30
    assert solve["status"] == "optimal"
    assert solve["bound"] <= best["objective"] * (1 + 1e-9)
    assert solve["objective"] == pytest.approx(best["objective"], rel=2e-5)
    if variant == "winter-day":  # where the price is unique; in EUR/MWh
        assert 1000 * np.abs(found - price).max() < 1e-3


def test_more_agents_of_the_same_totals_cost_the_same():
    costs = [
        planned("winter-day", CentralMarket(), f"problem.agents={n}")[2]["objective"]
        for n in (30, 60)
    ]
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)


def test_the_imbalance_alone_needs_more_rounds():
    rounds, *_ = planned(
        "winter-day", PriceResponse(), "market.method=admm", "market.tolerance=1e-3"
    )
    assert 20 < len(rounds) < 60


def test_the_imbalance_alone_finds_the_price_of_one_program():
    """Where it is unique; in EUR/MWh. Over the whole day that takes some 330 rounds."""
    hours = "horizon.steps=4"
    exact = ("market.method=admm", "market.tolerance=3e-7", "market.rounds=200")
    _, price, _ = planned("winter-day", CentralMarket(), hours)
    rounds, found, _ = planned("winter-day", PriceResponse(), hours, *exact)
    assert len(rounds) < 200
    assert 1000 * np.abs(found - price).max() < 1e-3


def test_gigawatts_are_executed_as_they_are_planned(tmp_path):
    run = quartier.run("germany", coordination="price-response", out=tmp_path / "run")
    solve = run.table("solves").iloc[0]
    assert run.kpis["system_cost"] == pytest.approx(solve["objective"], rel=1e-9)
    assert run.kpis["unserved_by_suppliers"] == pytest.approx(0.0, abs=1e-3)
    units = run.table("units")
    stores = units[units["kind"].isin(["battery", "pumped_hydro", "ev_fleet", "flexible_demand"])]
    assert (stores["planned_kw"] - stores["p_kw"]).abs().max() < 1e-2
    assert run.kpis["heat_unserved"] < 1e-3
