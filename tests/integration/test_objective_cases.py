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


def test_imported_energy_may_weigh_more_than_its_price(runs_of):
    """Free to end empty, at 0.30 EUR the battery serves; at 0.35 of worth only with L1e it does."""
    stores = "stores={end: value, value_eur_per_kwh: 0.35}"
    some = ("individual", "cohda", "central", "bilevel")
    runs = runs_of(stores, "objectives.imported_eur_per_kwh=0.1", mechanisms=some)
    # 400 kWh leave the store, at 0.35 each; without L1e it would have been filled instead.
    assert lower_costs(runs) == dict.fromkeys(some, about(140.0))
    assert runs["cohda"].kpis["store_energy_difference[battery]"] == pytest.approx(-400, abs=0.1)


@pytest.mark.parametrize(
    ("flexibility", "worth_eur"),
    [
        (("objectives.flexibility_eur_per_kwh=0.1",), 0.1 * (3 * 400 + 300)),
        (("signals.flexibility_up_eur_per_kwh=0.01",), 0.01 * (3 * 200 + 100)),
    ],
)
def test_flexibility_may_have_a_worth(runs_of, flexibility, worth_eur):
    """In three hours 200 kW either way; a kW charged moves from one side to the other.

    In the last hour nothing is left to go up, for the battery has to be as full as at first; so it
    serves the load of 100 kW there, with what it charged before, and could be lowered by 300 kW.
    """
    runs = runs_of(*flexibility)
    assert lower_costs(runs) == dict.fromkeys(MECHANISMS, about(120.0 - worth_eur))
    for run in runs.values():
        assert run.kpis["flexibility_value"] == about(worth_eur)
