"""Whole runs with a kind of unit of the user's own."""

from __future__ import annotations

import sys

import pytest
import yaml

import quartier
from quartier import InputError, RunFailed

KIND = '''
from pydantic import PositiveFloat

from quartier.units.base import ELECTRICITY, Flow, UnitKind, UnitParameters


class Parameters(UnitParameters):
    power_kw: PositiveFloat


class Pump(UnitKind):
    """Draws the same power all the time."""

    Parameters = Parameters

    def flow(self, u, x, s, dt_h):
        return Flow({ELECTRICITY: -SHARE * u.power_kw})
'''
SCENARIO = {
    "name": "pumps",
    "horizon": {"start": "2016-07-25T10:00", "steps": 2},
    "grid": {"simbench": "1-MV-rural--2-sw"},
    "signals": {"export_eur_per_kwh": 0.08, "import_eur_per_kwh": 0.3},
    "neighbourhoods": {
        "quarter": {"bus": 15, "units": {"pump": {"kind": "pump_of_mine:Pump", "power_kw": 80}}}
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "pump_of_mine.py").write_text(f"SHARE = 0.5\n{KIND}")
    (tmp_path / "pumps.yaml").write_text(yaml.safe_dump(SCENARIO))
    return tmp_path


def test_own_kind_acts_as_written_and_is_run_anew_in_every_comparison(folder):
    first = quartier.compare("pumps.yaml", ["uncontrolled"], out="first")
    units = first.result("uncontrolled").table("units")
    pump = units[units["unit"] == "quarter.pump"]
    assert pump["p_kw"].tolist() == [-40.0, -40.0]
    assert set(pump["kind"]) == {"pump_of_mine:Pump"}
    again = quartier.compare("pumps.yaml", ["uncontrolled"], out="first")
    assert not again.runs["uncontrolled"].reused


def test_own_kind_that_fails_in_a_step_is_named_with_its_line(folder):
    # One unit alone is looked at before the run, with numbers for parameters.
    share = "(SHARE if isinstance(u.power_kw, float) else SHARE[0])"
    broken = KIND.replace("SHARE *", f"{share} *").replace("Pump", "Leak")
    (folder / "leak_of_mine.py").write_text(f"SHARE = 0.5\n{broken}")
    changed = "neighbourhoods.quarter.units.pump.kind=leak_of_mine:Leak"
    with pytest.raises(RunFailed, match=r"kind 'leak_of_mine:Leak' failed at step 0: TypeError.*"):
        quartier.run("pumps.yaml", coordination="uncontrolled", overrides=[changed], out="leak")
    manifest = quartier.Result.open("leak").manifest
    assert manifest["status"] == "failed"
    assert "(leak_of_mine.py, line 18)" in manifest["error"]


def test_own_kind_that_fails_at_once_is_wrong_input(folder):
    broken = KIND.replace("SHARE *", "SHARE[0] *").replace("Pump", "Leak")
    (folder / "leak_at_once.py").write_text(f"SHARE = 0.5\n{broken}")
    changed = "neighbourhoods.quarter.units.pump.kind=leak_at_once:Leak"
    with pytest.raises(InputError, match=r"kind 'leak_at_once:Leak' fails: TypeError.*line 18"):
        quartier.run("pumps.yaml", coordination="uncontrolled", overrides=[changed], out="leak")
