"""Series and files of users that went wrong, as cases in ``tests/cases/series``.

A case is a folder with the user's files and a ``case.yaml``::

    about: what it shows
    scenario: {horizon: {...}}      # merged into the village of ``tests.unit.grid_cases``
    units: {pv: {...}}              # the farm's, instead of those of the village
    profile: town                   # that the village's load names
    problems: [...]                 # the whole list, if it is wrong
    notes: [...]                    # parts of the notes, one each
    series: {farm.pv.available_kw: [...]}  # the first values
    means: {farm.pv.available_kw: 55.2}
    due_kwh: {farm.ev: 20}          # of all sessions of a unit
    left_out_kwh: 40                # of sessions
"""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from quartier.errors import InputError
from quartier.instance import Instance, build
from quartier.scenario import grid_data
from quartier.scenario.load import load
from tests.unit.grid_cases import village, write

CASES = Path(__file__).parents[1] / "cases" / "series"
NAMES = sorted(folder.name for folder in CASES.iterdir())


def case(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CASES / name / "case.yaml").read_text("utf-8"))
    return content


WRONG = [name for name in NAMES if "problems" in case(name)]
RIGHT = [name for name in NAMES if name not in WRONG]


@pytest.fixture(scope="module")
def shared_net():
    return village()


@pytest.fixture
def net(shared_net, monkeypatch):
    """Every scenario's grid, without the file: reading it would take most of the time."""
    grid = copy.deepcopy(shared_net)
    monkeypatch.setattr(grid_data, "load_json", lambda path: grid)
    return grid


def written(name: str, folder: Path, net: Any) -> Path:
    """Write a case's scenario with the case's own files."""
    told = case(name)
    if "profile" in told:
        net.load["profile"] = told["profile"]
    path = write(None, folder / name, told["scenario"])
    scenario = yaml.safe_load((path / "scenario.yaml").read_text("utf-8"))
    scenario["neighbourhoods"]["farm"]["units"] = told["units"]
    (path / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    for file in (CASES / name).glob("*.csv"):
        shutil.copy(file, path)
    return path


def said(instance: Instance) -> list[str]:
    return [f"{note.where}: {note.what}" for note in instance.notes]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_remedy(name, tmp_path, net):
    with pytest.raises(InputError) as caught:
        build(load(written(name, tmp_path, net)))
    assert list(caught.value.problems) == case(name)["problems"]


@pytest.mark.parametrize("name", RIGHT)
def test_the_rest_is_read_right_and_what_is_doubtful_is_said(name, tmp_path, net):
    told = case(name)
    instance = build(load(written(name, tmp_path, net)))
    units = {unit.name: unit for unit in instance.units}
    series = {f"{u.name}.{key}": values for u in units.values() for key, values in u.series.items()}
    for key, values in told.get("series", {}).items():
        assert series[key][: len(values)] == pytest.approx(values), key
    for key, mean in told.get("means", {}).items():
        assert series[key].mean() == pytest.approx(mean, rel=1e-5)
    for key, due_kwh in told.get("due_kwh", {}).items():
        assert sum(session.due_kwh for session in units[key].sessions) == pytest.approx(due_kwh)
    notes = said(instance)
    for part in told.get("notes", ()):
        assert any(part in note for note in notes), notes
    assert len(notes) == len(told.get("notes", ())), notes
    left_out_kwh = sum(note.amount for note in instance.notes if note.unit == "kWh")
    assert left_out_kwh == pytest.approx(told.get("left_out_kwh", 0.0), rel=1e-4)


def test_reactive_power_follows_a_loads_profile_but_not_a_generators(tmp_path, net):
    """As the page on one's own data says."""
    net.load["profile"], net.sgen["profile"] = "half", "half"
    net.sgen["q_mvar"] = -1.0
    half = {"csv": "half.csv", "column": "p", "unit": "1"}
    path = write(None, tmp_path / "q", {"grid": {"profiles": {"half": half}}})
    (path / "half.csv").write_text("time,p\n2016-05-02T10:00,0.5\n2016-05-02T10:15,0.5\n")
    instance = build(load(path))
    at = instance.network.position(2)
    assert instance.background_p_mw[0, at] == pytest.approx(-0.5)
    assert instance.background_q_mvar[0, at] == pytest.approx(-0.1)
    assert instance.plants[0].series["available_kw"] == pytest.approx(1500.0)
    assert instance.plant_q_kvar["wind park"] == pytest.approx(-1000.0)


@pytest.mark.parametrize(
    ("values", "profile_of", "problem", "note"),
    [
        ("-0.4 -0.2", "load", None, "goes down to -0.4: the load feeds in"),
        ("-0.4 -0.2", "sgen", "is negative (-0.4", None),
        ("-0.005 0.2", "sgen", None, "taken for 0"),
        ("1.0 9999", "load", None, "9999 (1 times) is no value"),
        ("1.0 3.0", "sgen", None, None),
    ],
)
def test_a_share_of_a_load_may_be_negative_that_of_a_plant_not(
    values, profile_of, problem, note, tmp_path, net
):
    net[profile_of]["profile"] = "own"
    own = {"csv": "own.csv", "column": "p", "unit": "1"}
    path = write(None, tmp_path / "q", {"grid": {"profiles": {"own": own}}})
    rows = [f"2016-05-02T10:{15 * k:02d},{v}" for k, v in enumerate(values.split())]
    (path / "own.csv").write_text("\n".join(["time,p", *rows]))
    if problem:
        with pytest.raises(InputError, match=problem.replace("(", r"\(")):
            build(load(path))
        return
    instance = build(load(path))
    found = [text for text in said(instance) if text.startswith("own.csv")]
    assert len(found) == (note is not None)
    assert note is None or note in found[0]
    assert np.isfinite(instance.background_p_mw).all()


SHARE = {"csv": "f.csv", "column": "p", "unit": "1"}


@pytest.mark.parametrize(
    ("unit", "first_kw"),
    [
        ({"kind": "pv", "power_kw": 500}, 250.0),
        ({"kind": "household", "energy_kwh_per_year": 8760.0, "profile": SHARE}, 1.0),
        ({"kind": "heat_demand", "energy_kwh_per_year": 8760.0, "profile": SHARE}, 1.0),
        ({"kind": "household", "profile": {**SHARE, "unit": "kW"}}, "is a share of what"),
    ],
)
def test_a_forecast_is_read_and_scaled_as_the_series_it_stands_for(unit, first_kw, tmp_path, net):
    path = write(None, tmp_path / "f", {"forecasts": {"farm.it": SHARE}})
    scenario = yaml.safe_load((path / "scenario.yaml").read_text("utf-8"))
    boiler = {"kind": "boiler", "heat_max_kw": 9, "fuel_eur_per_kwh": 0.1}
    more = {"boiler": boiler} if unit["kind"] == "heat_demand" else {}
    scenario["neighbourhoods"]["farm"]["units"] = {"it": unit, **more}
    (path / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    (path / "f.csv").write_text("time,p\n2016-05-02T10:00,0.5\n2016-05-02T10:15,0.5\n")
    if isinstance(first_kw, str):
        with pytest.raises(InputError, match=first_kw):
            build(load(path))
    else:
        assert build(load(path)).data.forecasts["farm.it"] == pytest.approx(first_kw)


def test_sessions_of_two_units_of_a_name_are_said_to_count_twice(tmp_path, net):
    path = written("ev_german_dates", tmp_path, net)
    scenario = yaml.safe_load((path / "scenario.yaml").read_text("utf-8"))
    scenario["neighbourhoods"]["other"] = {**scenario["neighbourhoods"]["farm"], "bus": 2}
    (path / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    notes = said(build(load(path)))
    assert notes == [
        "neighbourhoods.other.units.ev: sessions of ev count again: another unit has them, too"
    ]
