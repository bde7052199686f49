"""Nodes of other carriers, bought and sold, in whole runs under every mechanism."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import yaml

import quartier

FILE = """
from pydantic import PositiveFloat

from quartier.units.base import HYDROGEN, UnitParameters
from quartier.units.converter import ConverterKind
from quartier.units.store import StoreKind, StoreParameters


class ElectrolyserParameters(UnitParameters):
    power_kw: PositiveFloat


class Electrolyser(ConverterKind):
    Parameters = ElectrolyserParameters
    gives = (HYDROGEN,)
    order = 5

    def out_per_kw(self, u, s):
        return 0.5


class Tank(StoreKind):
    Parameters = StoreParameters
    holds = command = HYDROGEN
    order = 4
"""
SCENARIO = {
    "name": "nodes",
    "horizon": {"start": "2016-07-25T08:00", "steps": 8},
    "grid": {"simbench": "1-MV-rural--2-sw"},
    "signals": {
        "export_eur_per_kwh": 0.05,
        "import_eur_per_kwh": [
            {"from": "00:00", "eur_per_kwh": 0.1},
            {"from": "09:00", "eur_per_kwh": 0.4},
        ],
    },
    "objectives": {"co2_eur_per_kg": 0.1},
    "neighbourhoods": {
        "place": {
            "bus": 15,
            "nodes": {
                "h2": {
                    "carrier": "hydrogen",
                    "demand": 40.0,
                    "buy": {"price_eur_per_kwh": 0.5, "max_kw": 15, "co2_kg_per_kwh": 0.3},
                    "sell": {"price_eur_per_kwh": 0.01, "max_kw": 5},
                },
                "gas": {
                    "carrier": "gas",
                    "buy": {"price_eur_per_kwh": 0.06, "co2_kg_per_kwh": 0.2, "max_kw": 500},
                },
            },
            "units": {
                "pv": {"kind": "pv", "power_kw": 60},
                "homes": {"kind": "household", "count": 10, "agents": "aggregated"},
                "electrolyser": {"kind": "hydrogen_of_ours:Electrolyser", "power_kw": 60},
                "tank": {
                    "kind": "hydrogen_of_ours:Tank",
                    "energy_kwh": 100,
                    "power_kw": 40,
                },
                "heat": {"kind": "heat_demand", "energy_kwh_per_year": 900_000},
                "chp": {"kind": "chp", "p_max_kw": 50, "p_min_kw": 20},
                "boiler": {"kind": "boiler", "heat_max_kw": 300},
            },
        }
    },
}
DT_H = 0.25


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The scenario, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "hydrogen_of_ours.py").write_text(FILE)
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump(SCENARIO))
    return "nodes.yaml"


MECHANISMS = ["uncontrolled", "individual", "cohda", "central", "bilevel", "mo-cohda"]


def test_nodes_are_balanced_and_paid_under_every_mechanism(study):
    compared = quartier.compare(study, MECHANISMS, out="all")
    for mechanism in MECHANISMS:
        result = compared.result(mechanism)
        check_balances(result)
        check_plan(result)
        check_money(result)
    costs = {m: compared.result(m).kpis["lower_cost"] for m in MECHANISMS}
    assert costs["individual"] <= min(costs.values()) + 1e-3
    assert costs["individual"] < costs["uncontrolled"] - 1


def check_balances(result):
    nodes, units = result.table("nodes"), result.table("units")
    assert set(nodes["carrier"]) == {"hydrogen", "gas", "heat"}
    gas = nodes[nodes["carrier"] == "gas"].set_index("time")
    burnt = units.groupby("time")["fuel_kw"].sum()
    np.testing.assert_allclose(gas["bought_kw"], burnt, atol=1e-9)
    hydrogen = nodes[nodes["carrier"] == "hydrogen"].set_index("time")
    assert hydrogen["unserved_kw"].max() < 1e-6
    assert hydrogen["bought_kw"].max() <= 15 + 1e-9
    assert (hydrogen["demand_kw"] == 40.0).all()
    by_unit = units.pivot_table("p_kw", "time", "unit", observed=True)
    tank = units[units["unit"] == "place.tank"].set_index("time")["energy_kwh"]
    before = tank.shift(fill_value=50.0)
    gained = (tank - before) / DT_H
    given = np.where(gained > 0, -gained / 0.95, -gained * 0.95)
    made = -0.5 * by_unit["place.electrolyser"]
    left = made + given + hydrogen["bought_kw"] - hydrogen["sold_kw"] - hydrogen["rejected_kw"]
    np.testing.assert_allclose(left, 40.0, atol=1e-6)


def check_plan(result):
    units = result.table("units")
    planned = units[units["planned_kw"].notna()]
    np.testing.assert_allclose(planned["p_kw"], planned["planned_kw"], atol=1e-3)


def check_money(result):
    """Gas and hydrogen are paid at the nodes, and units have nothing to pay themselves."""
    nodes, kpis = result.table("nodes"), result.kpis
    gas, hydrogen = (nodes[nodes["carrier"] == c] for c in ("gas", "hydrogen"))
    assert kpis["bought[gas]"] == pytest.approx(gas["bought_kw"].sum() * DT_H)
    bought, sold = (hydrogen[f"{way}_kw"].sum() * DT_H for way in ("bought", "sold"))
    paid = 0.06 * kpis["bought[gas]"] + 0.5 * bought - 0.01 * sold
    assert nodes["cost_eur"].sum() == pytest.approx(paid)
    signals = result.table("signals").set_index("name")["value"]
    assert signals["unit_cost[place]"].sum() == pytest.approx(paid)
    assert kpis["co2_local"] == pytest.approx(0.2 * kpis["bought[gas]"] + 0.3 * bought)
    assert result.table("units")["co2_kg"].sum() == pytest.approx(0.0)
    assert kpis["heat_demand"] == pytest.approx(
        nodes[nodes["carrier"] == "heat"]["demand_kw"].sum() * DT_H
    )
