"""The scenario aachen: sizes of the paper's table 2, weeks that run under every mechanism (M8)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from quartier.instance import build
from quartier.scenario.load import load

WEEKS = Path(__file__).parents[2] / "benchmarks" / "representative_weeks.py"
WATER_KWH_PER_M3 = 1.16 * 10
"""Water between 50 and 40 °C."""


@pytest.fixture(scope="module")
def units():
    return {unit.name: unit for unit in build(load("aachen")).units}


def sizes(units, field, *names):
    return [getattr(units[name].parameters, field) for name in names]


def test_sizes_are_those_of_the_papers_table_2(units):
    places = ("rural", "suburban", "urban")
    demand = [f"{place}.households" for place in places]
    assert sizes(units, "energy_kwh_per_year", *demand) == [434e3, 1472e3, 357e3]
    heat = [f"{place}.heat" for place in places]
    assert sizes(units, "energy_kwh_per_year", *heat) == [1491e3, 4019e3, 941e3]
    heaters = sizes(units, "power_kw", *(f"{place}.heater" for place in places))
    assert [0.99 * p_kw for p_kw in heaters] == pytest.approx([220, 700, 230], rel=0.003)
    stores = sizes(units, "energy_kwh", *(f"{place}.storage" for place in places))
    assert [e / WATER_KWH_PER_M3 for e in stores] == pytest.approx([180, 520, 50], rel=0.003)
    assert sizes(units, "power_kw", "rural.pv", "suburban.pv", "rural.wind") == [120, 1350, 2750]
    assert sizes(units, "energy_kwh", "rural.battery", "suburban.battery") == [120, 1350]
    chp = units["urban.chp"].parameters
    assert chp.p_max_kw * chp.thermal_efficiency / chp.electric_efficiency == pytest.approx(
        150, rel=0.003
    )


def test_heat_pumps_have_their_rated_heat_at_2_degrees(units):
    from quartier.units.heat_pump import cop_from_temperature

    cop = cop_from_temperature(2.0, 50.0, 0.4)
    rated = sizes(units, "power_kw", "rural.heat_pump", "suburban.heat_pump")
    assert [cop * p_kw for p_kw in rated] == pytest.approx([410, 1200], rel=0.003)


def test_two_days_run_alone_and_together(run_once):
    """Two gates, the second with what the first left in the stores."""
    scenario, days = "aachen:winter", "horizon.steps=48"
    alone = run_once(scenario, days, coordination="individual")
    together = run_once(scenario, days, f"baseline={alone.dir}", coordination="central")
    for run in (alone, together):
        assert run.manifest["status"] == "complete"
        assert run.kpis["heat_unserved"] == pytest.approx(0, abs=1e-6)
        assert run.table("solves")["gate"].nunique() == 2
    assert together.kpis["shared_energy"] > alone.kpis["shared_energy"]


def test_the_year_has_8760_hours():
    horizon = load("aachen:year").scenario.horizon.horizon
    assert (horizon.steps, horizon.end.year) == (8760, 2023)


def test_the_weeks_are_those_that_clustering_gives():
    pytest.importorskip("tsam", reason="the extra `test` brings it")
    spec = importlib.util.spec_from_file_location("representative_weeks", WEEKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    weeks = module.representative_weeks(module.hourly())
    assert [week.weeks for week in weeks.values()] == [22, 10, 20]
    for season, week in weeks.items():
        horizon = load(f"aachen:{season}").scenario.horizon.horizon
        assert (horizon.start, horizon.steps) == (week.start, 168)
