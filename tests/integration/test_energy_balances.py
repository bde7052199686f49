"""The tables of a whole run against the physics and the grid: nothing may be lost on the way."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandapower as pp
import pytest

from quartier.results import Result

DT_H = 0.25


@pytest.fixture(scope="module")
def whole(run_of) -> Result:
    return run_of("max-feed-in", "uncontrolled")


@pytest.fixture(scope="module")
def parameters(whole) -> dict:
    return whole.manifest["scenario"]["neighbourhoods"]["fliegerhorst"]["units"]


def unit(run: Result, name: str):
    units = run.table("units")
    return units[units["unit"] == f"fliegerhorst.{name}"].reset_index(drop=True)


def balance_error_kwh(run: Result, name: str, u: dict, column: str) -> float:
    """Greatest difference to ``E' = (1 - σΔ) E + Δ (η_c c - d / η_d)`` over the run."""
    rows = unit(run, name)
    start = run.manifest["start_energy_kwh"][f"fliegerhorst.{name}"]
    energy = np.concatenate([[start], rows["energy_kwh"]])
    charge, discharge = rows[column].clip(upper=0).abs(), rows[column].clip(lower=0)
    kept = (1 - u["standing_loss_per_h"] * DT_H) * energy[:-1]
    gained = u["charge_efficiency"] * charge - discharge / u["discharge_efficiency"]
    return float(np.abs(energy[1:] - kept - DT_H * gained).max())


def test_battery_balance_closes(whole, parameters):
    assert balance_error_kwh(whole, "battery", parameters["battery"], "p_kw") < 1e-6


def test_thermal_storage_balance_closes(whole, parameters):
    assert balance_error_kwh(whole, "storage", parameters["storage"], "heat_kw") < 1e-6


def test_stores_end_no_emptier_than_they_began(whole):
    for name, start in whole.manifest["start_energy_kwh"].items():
        assert unit(whole, name.partition(".")[2])["energy_kwh"].iloc[-1] >= start - 1e-6


def test_fuel_becomes_power_and_heat(whole, parameters):
    chp, boiler = unit(whole, "chp"), unit(whole, "boiler")
    u = parameters["chp"]
    assert chp["fuel_kw"].max() > 0
    np.testing.assert_allclose(chp["p_kw"], u["electric_efficiency"] * chp["fuel_kw"], atol=1e-9)
    np.testing.assert_allclose(chp["heat_kw"], u["thermal_efficiency"] * chp["fuel_kw"], atol=1e-9)
    efficiency = parameters["boiler"]["efficiency"]
    np.testing.assert_allclose(boiler["heat_kw"], efficiency * boiler["fuel_kw"], atol=1e-9)


def test_heat_balance_of_the_hub_closes(whole):
    heat = whole.table("nodes").set_index("time")
    made = whole.table("units").query("kind != 'heat_demand'").groupby("time")["heat_kw"].sum()
    left = heat["demand_kw"] - heat["unserved_kw"] + heat["rejected_kw"]
    np.testing.assert_allclose(made, left, atol=1e-6)


def test_vehicles_get_what_they_are_due_and_nobody_else_charges(whole):
    stays = whole.table("ev_sessions")
    assert len(stays) >= 10
    np.testing.assert_allclose(stays["delivered_kwh"], stays["due_kwh"], atol=1e-6)
    units = whole.table("units").query("kind == 'ev_station'")
    charged = -units.groupby("unit")["p_kw"].sum() * DT_H
    delivered = stays.groupby("unit")["delivered_kwh"].sum()
    np.testing.assert_allclose(charged.reindex(delivered.index), delivered, atol=1e-6)
    assert charged.sum() == pytest.approx(delivered.sum(), abs=1e-6)


def test_power_of_the_grid_balances(whole):
    slack = whole.table("signals").query("name == 'slack_p_mw'").set_index("time")["value"]
    injected = whole.table("buses").groupby("time")["p_mw"].sum()
    losses = sum(whole.table(t).groupby("time")["loss_mw"].sum() for t in ("lines", "transformers"))
    np.testing.assert_allclose(slack, losses - injected, atol=1e-6)


def test_line_ten_is_overloaded_in_most_steps(whole):
    line = whole.table("lines").query("index == 10")
    assert (line["loading_percent"] > 100).sum() > 100
    assert line["loading_percent"].max() > 120


def test_plain_pandapower_replays_the_recorded_loadings(whole):
    """As ``grid.json`` itself explains, without Quartier."""
    net = pp.from_json(str(whole.dir / "grid.json"))
    buses, lines = whole.table("buses"), whole.table("lines")
    trafos = whole.table("transformers")
    for time in lines["time"].unique()[::26]:
        now = buses[buses["time"] == time].set_index("bus")
        net.sgen["p_mw"] = net.sgen["bus"].map(now["p_mw"])
        net.sgen["q_mvar"] = net.sgen["bus"].map(now["q_mvar"])
        taps = trafos[trafos["time"] == time].set_index("index")["tap_pos"]
        net.trafo["tap_pos"] = taps.reindex(net.trafo.index)
        pp.runpp(net)
        recorded = lines[lines["time"] == time].set_index("index")["loading_percent"]
        replayed = net.res_line["loading_percent"].reindex(recorded.index)
        np.testing.assert_allclose(replayed, recorded, atol=1e-4)
        loading = trafos[trafos["time"] == time].set_index("index")["loading_percent"]
        np.testing.assert_allclose(net.res_trafo["loading_percent"], loading, atol=1e-4)


def test_kpis_are_json_with_value_unit_and_label(whole):
    kpis = json.loads((whole.dir / "kpis.json").read_text())
    assert all(entry.keys() == {"value", "unit", "label"} for entry in kpis.values())
    assert kpis["congestion_solved"]["value"] is None


def test_steps_are_in_order(whole):
    times = list(whole.table("steps")["time"])
    assert len(times) == 130
    assert all(before < after for before, after in pairwise(times))
