"""What neighbourhoods want, in a study whose figures can be worked out in the head (M1, M3).

A battery holds 500 of 1,000 kWh and moves 200 kW without losses; a load draws 100 kW in four hours.
Energy costs 0.30 EUR/kWh and earns 0.08; nothing is congested.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.studies import TOLERANCE_EUR, run_study

CASES = Path(__file__).parents[1] / "cases"
# `mo-cohda` chooses from a front, by no weighted sum.
MECHANISMS = (
    "individual",
    "cohda",
    "central",
    "bilevel",
    "price-response",
    "auction",
)


@pytest.fixture
def runs_of(tmp_path):
    """Runs of the study by mechanism, with some settings."""

    def of(*overrides: str, mechanisms=MECHANISMS):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        for name in ("objectives", "upper-cost"):
            shutil.copytree(CASES / name, place / name)
        return run_study(place / "objectives", mechanisms, overrides)

    return of


def lower_costs(runs) -> dict[str, float]:
    return {name: run.kpis["lower_cost"] for name, run in runs.items()}


def about(eur: float):
    return pytest.approx(eur, abs=TOLERANCE_EUR)


@pytest.mark.parametrize(
    ("stores", "cost_eur", "kept_kwh"),
    [
        ("{}", 120.0, 0.0),  # 400 kWh of load are bought
        ("{end: free}", -8.0, -500.0),  # the battery serves the load, and sells 100 kWh
        ("{end: value, value_eur_per_kwh: 0.2}", 80.0, -400.0),  # it serves, but does not sell
        ("{end: value, value_eur_per_kwh: {electricity: 0.4}}", 70.0, 500.0),  # 120 + 150 - 200
    ],
)
def test_stores_end_as_the_scenario_says(runs_of, stores, cost_eur, kept_kwh):
    runs = runs_of(f"stores={stores}")
    assert lower_costs(runs) == dict.fromkeys(MECHANISMS, about(cost_eur))
    for run in runs.values():
        assert run.kpis["store_energy_difference[battery]"] == pytest.approx(kept_kwh, abs=0.1)


def test_a_worth_makes_rolling_gates_see_beyond_their_window(runs_of):
    """Windows of an hour: at the end of each the battery had to be as full as at first."""
    gates = ("gates.every=1", "gates.horizon_steps=1")
    some = ("individual", "cohda", "central")
    worth = runs_of(*gates, "stores={end: value, value_eur_per_kwh: 0.2}", mechanisms=some)
    assert lower_costs(worth) == dict.fromkeys(some, about(80.0))
    assert lower_costs(runs_of(*gates, mechanisms=some)) == dict.fromkeys(some, about(120.0))
