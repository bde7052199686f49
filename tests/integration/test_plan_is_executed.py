"""What is planned, and what own rules are expected to do, is what the simulation does (M1)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
import yaml

from quartier.agents.society import published
from quartier.instance import build
from quartier.scenario.load import load
from quartier.units.sampling import own_rules

from .studies import run_study, write_study

CASES = Path(__file__).parents[1] / "cases"
TOLERANCE_KW = 0.1


def odd_study(folder: Path, seed: int, **more) -> Path:
    """A random study with several units of a kind, odd limits, and several gates."""
    rng = np.random.default_rng(seed)
    path = write_study(folder, seed) / "scenario.yaml"
    scenario = yaml.safe_load(path.read_text(encoding="utf-8"))
    scenario["gates"] = {"every": 3, "horizon_steps": 4}
    for place in scenario["neighbourhoods"].values():
        units = place["units"]
        units["spare"] = {"kind": "battery", **_store(rng, 300.0)}
        units["cars"] = {"kind": "ev_station", "power_kw": 11.0, "count": 3, "agents": "aggregated"}
        for unit in list(units):
            if units[unit]["kind"] in {"boiler", "battery", "heat_pump", "chp"}:
                units[unit]["count"] = int(rng.integers(1, 3))
            if units[unit]["kind"] == "thermal_storage":
                units[unit] |= _store(rng, 400.0)
        if "boiler" in units:
            dear = {"heat_max_kw": float(rng.uniform(50, 500)), "fuel_eur_per_kwh": 0.08}
            units["old"] = {**units["boiler"], **dear}
    path.write_text(yaml.safe_dump({**scenario, **more}), encoding="utf-8")
    return folder


def _store(rng: np.random.Generator, energy_kwh: float) -> dict[str, float]:
    low, start, high = (float(x) for x in np.sort(rng.uniform(0.0, 1.0, 3)))
    power_kw = energy_kwh * float(rng.uniform(0.1, 1.0))
    socs = {"min_soc": low, "start_soc": start, "max_soc": high}
    return {"energy_kwh": energy_kwh, "power_kw": power_kw, **socs}


def case(folder: Path, name: str) -> Path:
    """A case beside a grid of two buses and a line."""
    shutil.copytree(CASES / name, folder)
    net = pp.create_empty_network()
    for bus in ("station", "place"):
        pp.create_bus(net, 20.0, name=bus, min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0)
    pp.create_line_from_parameters(net, 0, 1, 1.0, 0.3, 0.3, 10.0, 0.2, max_loading_percent=100.0)
    pp.create_load(net, 1, 0.05, name="village")
    pp.to_json(net, str(folder / "grid.json"))
    return folder


def by_unit(units: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the table ``units`` by time and unit."""
    inside = units[units["neighbourhood"].notna()]
    return inside.pivot(index="time", columns="unit", values=column)


@pytest.mark.parametrize("seed", range(3))
def test_own_rules_do_what_is_expected_of_them(tmp_path, seed):
    folder = odd_study(tmp_path / "study", seed)
    (result,) = run_study(folder, ["uncontrolled"]).values()
    table = result.table("units")
    done_kw, heat_kw = by_unit(table, "p_kw"), by_unit(table, "heat_kw")
    instance = build(load(folder))
    problem = instance.problem(0, 0, instance.initial_state())
    for neighbourhood in problem.neighbourhoods:
        for schedule in own_rules(neighbourhood.units, 10.0).values():
            for unit, p_kw in schedule.unit_p_kw.items():
                done = done_kw[unit].to_numpy()[: len(p_kw)]
                np.testing.assert_allclose(p_kw, done, atol=TOLERANCE_KW, err_msg=unit)
            for unit in schedule.controls.keys() & set(_boilers(neighbourhood)):
                made = schedule.controls[unit]["heat_kw"]
                done = heat_kw[unit].to_numpy()[: len(made)]
                np.testing.assert_allclose(made, done, atol=TOLERANCE_KW, err_msg=unit)


def _boilers(neighbourhood):
    return [unit.name for unit in neighbourhood.units if unit.kind == "boiler"]


@pytest.mark.parametrize(
    ("seed", "mechanism"), [(0, "individual"), (1, "individual"), (2, "central"), (3, "cohda")]
)
def test_units_do_what_is_planned_at_every_gate(tmp_path, seed, mechanism):
    folder = odd_study(tmp_path / "study", seed)
    (result,) = run_study(folder, [mechanism]).values()
    assert_as_planned(result)


def assert_as_planned(result):
    table = result.table("units")
    assert table["planned_kw"].notna().any()
    done, planned = by_unit(table, "p_kw"), by_unit(table, "planned_kw")
    off = (done - planned).abs().max()
    assert off.max() <= TOLERANCE_KW, off[off > TOLERANCE_KW].to_dict()


@pytest.mark.parametrize("mechanism", ["individual", "cohda"])
def test_each_of_two_boilers_does_its_part(tmp_path, mechanism):
    """30.00 EUR of fuel; shared by size it would be 51.67 EUR, see the case."""
    (result,) = run_study(case(tmp_path / "case", "two-boilers"), [mechanism]).values()
    heat_kw = by_unit(result.table("units"), "heat_kw")
    np.testing.assert_allclose(heat_kw["place.gas"], 90.0, atol=1e-3)
    np.testing.assert_allclose(heat_kw["place.oil"], 10.0, atol=1e-3)
    assert result.kpis["lower_cost"] == pytest.approx(30.0, abs=1e-2)


def test_a_battery_that_is_silent_does_what_is_expected_of_it(tmp_path):
    """Beside the plans of all others, which it looks at; its size is shared with its like."""
    folder = case(tmp_path / "case", "silent-battery")
    (result,) = run_study(folder, ["cohda"]).values()
    assert "not all agents committed: place.small" in result.manifest["error"]
    assert_as_planned(result)
    done = by_unit(result.table("units"), "p_kw")["place.small"]
    assert done.abs().min() > 1.0


def test_a_silent_neighbourhood_does_what_the_dso_expects(tmp_path):
    folder = case(tmp_path / "case", "silent-battery")
    (result,) = run_study(folder, ["uncontrolled"]).values()
    points = result.table("connection_points")
    instance = build(load(folder))
    problem = instance.problem(0, 0, instance.initial_state())
    expected = {
        neighbourhood.name: own_rules(neighbourhood.units, 10.0)
        for neighbourhood in problem.neighbourhoods
    }
    expected_kw = published(problem, expected)["place"].p_kw
    np.testing.assert_allclose(expected_kw, points["p_kw"], atol=TOLERANCE_KW)
