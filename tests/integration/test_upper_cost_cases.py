"""Two-bus studies whose upper-level cost can be worked out in the head (M4, U3).

The line carries 1 MVA, so 1 % of loading is 10 kW; losses cost nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quartier.gaps import SideBySide
from tests.integration.studies import TOLERANCE, TOLERANCE_EUR, faults, run_study

CASES = Path(__file__).parents[1] / "cases" / "upper-cost"
MECHANISMS = ("individual", "cohda", "central", "bilevel", "price-response", "auction")


@pytest.fixture
def costs(tmp_path):
    """Cost by mechanism under the name of a KPI; also what does not hold, and the runs."""

    def of(case: str):
        runs = run_study(shutil.copytree(CASES, tmp_path / "cases") / case, MECHANISMS)
        figures = SideBySide(runs).figures()
        upper = {name: kpis["upper_cost"]["value"] for name, kpis in figures.items()}
        return upper, faults(runs), runs

    return of


def about(value: float):
    return pytest.approx(value, rel=TOLERANCE, abs=TOLERANCE_EUR)


def test_what_a_battery_takes_up_is_not_lost(costs):
    """900 kW at noon, 400 kW fit, the battery takes 400: 100 kWh at 0.10 EUR are lost."""
    upper, wrong, _ = costs("battery-at-noon")
    assert upper == dict.fromkeys(MECHANISMS, about(10.0))
    assert wrong == []


def test_who_curtails_at_negative_prices_is_not_paid_for_it(costs):
    """Nothing is congested: nobody is capped, and nobody's cost is more than on its own."""
    upper, wrong, runs = costs("negative-price")
    assert upper == dict.fromkeys(MECHANISMS, about(0.0))
    assert wrong == []
    for run in runs.values():
        assert run.kpis["redispatch_calls"] == 0


def test_a_load_forecast_a_little_low_leaves_the_cost(costs):
    """1,000 kW less 95 of load in two hours, 400 kW fit: 505 kWh each at 0.10 EUR."""
    upper, _, _ = costs("load-forecast")
    assert upper == dict.fromkeys(MECHANISMS, about(101.0))


def test_a_limit_is_not_bought_off(costs):
    """900 kW in four hours, 400 kW fit: 2,000 kWh at 0.5906 EUR, and no less by breaking limits."""
    upper, wrong, runs = costs("dear-limit")
    assert upper == dict.fromkeys(MECHANISMS, about(1181.2))
    assert wrong == []
    solves = runs["bilevel"].table("solves").set_index("problem")
    assert solves.loc["bilevel", "status"] == "optimal"
    assert solves.loc["bilevel", "objective"] == about(1181.2)


def test_minimum_factors_rank_plants(costs):
    """800 kW, 400 kW fit: 300 of gas at 0.05, 100 of CHP at 5 x 0.05 EUR, for two hours."""
    upper, wrong, runs = costs("minimum-factor")
    assert upper == dict.fromkeys(MECHANISMS, about(80.0))
    assert wrong == []
    prices = runs["cohda"].manifest["plant_prices"]
    assert prices == {"gas": 0.05, "cogeneration": 0.25, "park": 0.5}
