"""What is planned, and what own rules are expected to do, is what the simulation does (M1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

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


def by_unit(units: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the table ``units`` by time and unit."""
    inside = units[units["neighbourhood"].notna()]
    return inside.pivot(index="time", columns="unit", values=column)


@pytest.mark.parametrize("seed", range(8))
def test_own_rules_do_what_is_expected_of_them(tmp_path, seed):
    folder = odd_study(tmp_path / "study", seed)
    (result,) = run_study(folder, ["uncontrolled"]).values()
    table = result.table("units")
    done_kw, heat_kw = by_unit(table, "p_kw"), by_unit(table, "heat_kw")
    instance = build(load(folder))
    problem = instance.problem(0, 0, instance.initial_state())
    for task in problem.neighbourhoods:
        for schedule in own_rules(task.units, 10.0).values():
            for unit, p_kw in schedule.unit_p_kw.items():
                done = done_kw[unit].to_numpy()[: len(p_kw)]
                np.testing.assert_allclose(p_kw, done, atol=TOLERANCE_KW, err_msg=unit)
            for unit in schedule.controls.keys() & set(_boilers(task)):
                made = schedule.controls[unit]["heat_kw"]
                done = heat_kw[unit].to_numpy()[: len(made)]
                np.testing.assert_allclose(made, done, atol=TOLERANCE_KW, err_msg=unit)


def _boilers(task):
    return [unit.name for unit in task.units if unit.kind == "boiler"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mechanism", ["individual", "central", "cohda"])
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
