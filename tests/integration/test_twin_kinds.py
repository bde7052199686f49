"""A kind of the user's own that equals a shipped one gives equal tables, KPIs and figures."""

from __future__ import annotations

import sys
from functools import reduce

import numpy as np
import pandas as pd
import pytest
import yaml

import quartier

TWINS = {
    "pv": "Pv",
    "conventional": "Conventional",
    "battery": "Battery",
    "ev_station": "EvStation",
    "heat_demand": "HeatDemand",
    "heat_pump": "HeatPump",
    "chp": "Chp",
    "thermal_storage": "ThermalStorage",
    "boiler": "Boiler",
}
"""Kinds that are asked what they are somewhere outside of ``quartier.units``."""

FILE = "\n".join(
    f"""
from quartier.units.{kind} import {name} as Shipped{name}, {name}Parameters


class {name}(Shipped{name}):
    class Parameters({name}Parameters):
        kind: str
"""
    for kind, name in TWINS.items()
)

UNITS = {
    "pv": {"kind": "pv", "power_kw": 900},
    "biogas": {"kind": "conventional", "power_kw": 50, "profile": "BM1"},
    "homes": {"kind": "household", "count": 30, "agents": "aggregated"},
    "cars": {
        "kind": "ev_station",
        "power_kw": 11,
        "count": 3,
        "arrival_h_mean": 12.5,
        "arrival_h_std": 0.2,
        "stay_h_mean": 1,
        "stay_h_std": 0.1,
        "sessions_per_day": 3,
    },
    "battery": {"kind": "battery", "energy_kwh": 300, "power_kw": 150},
    "heat": {"kind": "heat_demand", "energy_kwh_per_year": 600_000},
    "pump": {"kind": "heat_pump", "power_kw": 30, "cop": 3},
    "chp": {"kind": "chp", "p_max_kw": 60, "p_min_kw": 20, "fuel_eur_per_kwh": 0.07},
    "tank": {"kind": "thermal_storage", "energy_kwh": 300, "power_kw": 100},
    "boiler": {"kind": "boiler", "heat_max_kw": 300, "fuel_eur_per_kwh": 0.07},
}
SCENARIO = {
    "name": "twins",
    "horizon": {"start": "2016-07-25T12:00", "steps": 12},
    "grid": {"simbench": "1-MV-rural--2-sw"},
    "signals": {"export_eur_per_kwh": 0.08, "import_eur_per_kwh": 0.3},
    "objectives": {"peak_eur_per_kw": 0.1, "co2_eur_per_kg": 0.05},
}


@pytest.fixture
def scenarios(tmp_path, monkeypatch):
    """The same study with shipped kinds and with their twins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "twins_of_ours.py").write_text(FILE)
    own = {
        name: {**unit, "kind": f"twins_of_ours:{TWINS[unit['kind']]}"}
        if unit["kind"] in TWINS
        else unit
        for name, unit in UNITS.items()
    }
    for name, units in (("shipped", UNITS), ("own", own)):
        study = {**SCENARIO, "neighbourhoods": {"place": {"bus": 15, "units": units}}}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(study))
    return "shipped", "own"


@pytest.mark.parametrize("mechanism", ["bilevel", "mo-cohda"])
def test_an_equal_kind_of_ones_own_changes_nothing(scenarios, mechanism):
    shipped, own = (
        quartier.run(f"{name}.yaml", coordination=mechanism, out=name) for name in scenarios
    )
    assert shipped.tables == own.tables
    for name in set(shipped.tables) - {"solves", "negotiations", "messages"}:
        tables = (sorted_by_row(run, name) for run in (shipped, own))
        pd.testing.assert_frame_equal(*tables)
    pd.testing.assert_series_equal(kpis(shipped), kpis(own))
    for figure in ("schedule", "stores", "ev_stays", "reaction"):
        first, second = (getattr(run.plot, figure)().data for run in (shipped, own))
        for one, other in zip(first, second, strict=True):
            looks = [(t.name, t.line if t.type == "scatter" else t.marker) for t in (one, other)]
            assert looks[0] == looks[1]
            if one.type == "scatter" or figure != "ev_stays":
                np.testing.assert_allclose(
                    np.array(one.y, float), np.array(other.y, float), atol=1e-6
                )


def sorted_by_row(result, name):
    table = result.table(name).copy()
    if name in ("units", "plans"):
        table = table.drop(columns="kind", errors="ignore").sort_values(["time", "unit"])
    return table.reset_index(drop=True)


def kpis(result):
    names = {f"[twins_of_ours:{name}]": f"[{kind}]" for kind, name in TWINS.items()}
    found = result.kpis.rename(lambda key: reduce(lambda k, n: k.replace(*n), names.items(), key))
    # The grid has plants of shipped kinds, too, so that shares by kind are told apart.
    told_apart = found.index.str.contains(r"wall_time|bytes|curtailment_degree\[")
    return found[~told_apart].sort_index()
