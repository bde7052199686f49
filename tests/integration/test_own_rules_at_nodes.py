"""Units that nobody plans for, at nodes that several of them serve: nothing is done twice."""

from __future__ import annotations

import pytest
import yaml

import quartier

MARKET = {
    "kind": "market",
    "suppliers": {"all": {"blocks": [{"power_kw": 1000, "price_eur_per_kwh": 0.1}]}},
    "floor_eur_per_kwh": 0.0,
    "ceiling_eur_per_kwh": 3.0,
}


def run(folder, start, nodes, units):
    scenario = {
        "name": "rules",
        "horizon": {"start": start, "steps": 2, "step_minutes": 60},
        "coordination": "uncontrolled",
        "grid": "none",
        "problem": MARKET,
        "signals": {"export_eur_per_kwh": 0.1, "import_eur_per_kwh": 0.1, "temperature": "try:3"},
        "neighbourhoods": {"here": {"nodes": nodes, "units": units}},
    }
    folder.mkdir()
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    result = quartier.run(folder, out=folder / "run")
    units = result.table("units").groupby("unit", observed=True)
    return result, units[["p_kw", "heat_kw", "fuel_kw"]].mean()


def test_two_fuel_cells_share_the_heat_of_a_hub(tmp_path):
    """50 kW: 25 each by their size, 71.4 kW of hydrogen each."""
    cell = {"kind": "fuel_cell", "power_kw": 100}
    result, mean = run(
        tmp_path / "case",
        "2016-01-25T00:00",
        {
            "h2": {"carrier": "hydrogen", "buy": {"price_eur_per_kwh": 0.05}},
            "heat": {"carrier": "heat", "demand": 50},
        },
        {"one": cell, "two": cell},
    )
    assert mean["heat_kw"].tolist() == pytest.approx([25.0, 25.0])
    nodes = result.table("nodes").groupby("node")
    assert nodes["rejected_kw"].max()["here.heat"] == pytest.approx(0.0, abs=1e-9)
    assert nodes["bought_kw"].max()["here.h2"] == pytest.approx(50 / 0.35)


def test_the_sun_also_heats_what_a_chiller_needs(tmp_path):
    """10 kW of heat and 35 / 0.7 for the cold: no boiler burns while the sun can give both."""
    _, mean = run(
        tmp_path / "case",
        "2016-07-25T11:00",
        {
            "heat": {"carrier": "heat", "demand": 10},
            "cold": {"carrier": "cooling", "demand": 35},
        },
        {
            "chiller": {"kind": "absorption_chiller", "power_kw": 100},
            "solar": {"kind": "solar_thermal", "power_kw": 1000, "profile": "pv:3:45:180"},
            "boiler": {"kind": "boiler", "heat_max_kw": 100, "fuel_eur_per_kwh": 0.06},
        },
    )
    assert mean.loc["here.solar", "heat_kw"] == pytest.approx(60.0)
    assert mean.loc["here.boiler", "fuel_kw"] == pytest.approx(0.0, abs=1e-9)
