"""From a name to a checked scenario: files, variants, overrides, YAML's traps."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from quartier.errors import InputError
from quartier.scenario import yaml_file
from quartier.scenario.files import shipped
from quartier.scenario.load import load
from quartier.scenario.models import Scenario
from quartier.scenario.overrides import merged

CASES = Path(__file__).parents[1] / "cases"
TEMPLATE = Path(yaml_file.__file__).with_name("template.yaml")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own with the template, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    shutil.copy(TEMPLATE, tmp_path / "mine" / "scenario.yaml")
    return tmp_path / "mine"


# -- finding --------------------------------------------------------------------------------------
def test_shipped_scenarios_and_their_variants():
    found = shipped()
    variants = [name for name in found if name.startswith("fliegerhorst:")]
    assert [name.partition(":")[2] for name in variants] == [
        "max-feed-in",
        "large-battery",
        "max-load",
        "forecast-errors",
        "intraday",
        "year",
        "three-neighbourhoods",
    ]
    assert "230 households" in found["fliegerhorst"]
    for name in variants:
        assert found[name] == load(name).scenario.title


@pytest.mark.parametrize(
    ("source", "variant"),
    [("fliegerhorst", "max-feed-in"), ("fliegerhorst:max-load", "max-load")],
)
def test_a_shipped_name_with_and_without_a_variant(source, variant):
    loaded = load(source)
    assert (loaded.scenario.name, loaded.variant) == ("fliegerhorst", variant)


@pytest.mark.parametrize(
    "source", ["mine", "mine:no-wind", "mine/scenario.yaml", "mine/scenario.yaml:no-wind"]
)
def test_a_folder_and_a_file_of_ones_own(own, source):
    loaded = load(source)
    assert loaded.folder.resolve() == own
    has_wind = "wind" in loaded.scenario.neighbourhoods["quarter"].units
    assert has_wind == (loaded.variant == "base")


def test_a_folder_here_goes_before_a_shipped_scenario(own):
    own.rename(own.with_name("fliegerhorst"))
    assert load("fliegerhorst").scenario.name == "my-scenario"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("fliegerhrst", "did you mean fliegerhorst"),
        ("fliegerhorst:max-lod", "did you mean max-load"),
        ("../etc/passwd", "there is no scenario"),
        ("", "there is no scenario"),
    ],
)
def test_unknown_names(source, problem):
    with pytest.raises(InputError, match=problem):
        load(source)


# -- overrides ------------------------------------------------------------------------------------
def test_overrides_change_values_lists_and_units():
    scenario = load(
        "fliegerhorst",
        [
            "horizon.steps=96",
            "gates={every: 48}",
            "signals.export_eur_per_kwh.0.eur_per_kwh=0.05",
            "neighbourhoods.fliegerhorst.units.pv.power_kw=1e3",
            "neighbourhoods.fliegerhorst.units.chp=null",
            "neighbourhoods.fliegerhorst.units.pv2={kind: pv, power_kw: 5}",
            "grid.max_loading_percent={10: 80}",
        ],
    ).scenario
    units = scenario.neighbourhoods["fliegerhorst"].units
    assert (scenario.horizon.steps, scenario.gates.every) == (96, 48)
    assert scenario.signals.export_eur_per_kwh[0].eur_per_kwh == 0.05
    assert (units["pv"].power_kw, units["pv2"].power_kw) == (1000.0, 5.0)
    assert "chp" not in units
    assert scenario.grid.max_loading_percent == {10: 80.0}


def test_overrides_as_a_mapping_are_those_as_texts():
    changes = {
        "horizon.steps": np.int64(8),
        "horizon.start": datetime(2016, 7, 26),
        "grid.max_loading_percent": {3: 80.5, "line": 1e-5},
        "title": "1e3",
        "gates": None,
        "grid.lines_out": (4,),
    }
    loaded = load("fliegerhorst", changes)
    assert loaded.overrides == (
        "horizon.steps=8",
        'horizon.start="2016-07-26 00:00:00"',
        'grid.max_loading_percent={3: 80.5, "line": 1e-05}',
        'title="1e3"',
        "gates=null",
        "grid.lines_out=[4]",
    )
    assert loaded.scenario == load("fliegerhorst", loaded.overrides).scenario
    assert (loaded.scenario.title, loaded.scenario.grid.lines_out) == ("1e3", [4])
    assert loaded.scenario.grid.max_loading_percent == {3: 80.5, "line": 1e-5}
    assert load("fliegerhorst", "horizon.steps=8").scenario.horizon.steps == 8


def test_problems_that_an_override_made_name_it():
    changes = ["horizon.steps=0", "neighbourhoods.fliegerhorst={bus: -1}", "seed=2"]
    with pytest.raises(InputError) as caught:
        load("fliegerhorst", changes)
    assert str(caught.value).startswith("3 problems in the shipped scenario fliegerhorst:")
    assert caught.value.problems == (
        "horizon.steps: should be greater than 0 (got 0) (changed by --set horizon.steps)",
        "neighbourhoods.fliegerhorst.bus: should be greater than or equal to 0 (got -1) "
        "(changed by --set neighbourhoods.fliegerhorst)",
        "neighbourhoods.fliegerhorst.units: is missing "
        "(changed by --set neighbourhoods.fliegerhorst)",
    )


def test_all_wrong_overrides_are_listed_at_once():
    wrong = {
        "horizon.stps=3": "unknown key 'stps' in horizon; did you mean steps?",
        "neighbourhoods.fliegerhrst.bus=3": "did you mean fliegerhorst?",
        "neighbourhoods.fliegerhorst.units.pvv.power_kw=3": "did you mean pv?",
        "signals.export_eur_per_kwh.9.eur_per_kwh=3": "has 5 entries, counted from 0",
        "name.x=3": "name is a value, it has no 'x'",
        "horizon.steps": "write PATH=VALUE",
        "seed=[": "'[' is no YAML value",
    }
    with pytest.raises(InputError) as caught:
        load("fliegerhorst", [*wrong, "horizon.steps=-1"])
    problems = caught.value.problems
    assert len(problems) == len(wrong) + 1
    for problem, (text, expected) in zip(problems, wrong.items(), strict=False):
        assert problem.startswith(f"--set {text}: ")
        assert expected in problem


def test_merging_removes_by_null_and_keeps_the_base():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 2}
    assert merged(base, {"a": {"b": None, "c": [3]}, "e": 4}) == {"a": {"c": [3]}, "d": 2, "e": 4}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 2}


def test_the_resolved_scenario_is_plain_data_and_loads_again(own):
    loaded = load("fliegerhorst:max-load")
    resolved = loaded.resolved()
    assert resolved["neighbourhoods"]["fliegerhorst"]["units"]["wallbox"]["count"] == 230
    assert resolved["grid"]["simbench"] == "1-MV-rural--2-sw"
    assert type(loaded.scenario).model_validate(resolved) == loaded.scenario


# -- YAML -----------------------------------------------------------------------------------------
def test_plain_scalars_are_those_of_yaml_1_2():
    text = "{a: 16:00, b: 2016-07-25T00:00, c: 1e-4, d: no, e: true, f: 010, g: -.5, h: ~}"
    assert yaml_file.parse(text) == {
        "a": "16:00",
        "b": "2016-07-25T00:00",
        "c": 1e-4,
        "d": "no",
        "e": True,
        "f": 10,
        "g": -0.5,
        "h": None,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' is there twice"),
        ("a: [", "is no YAML"),
        ("a: !!python/object:os.system x", "is no YAML"),
        ("? [1]\n: 2", "a key must be a name or a number"),
        ("- 1", "no mapping"),
        ("", "is empty"),
    ],
)
def test_files_that_are_no_scenario(tmp_path, text, problem):
    (tmp_path / "scenario.yaml").write_text(text)
    with pytest.raises(InputError, match=problem):
        load(tmp_path)


# -- time -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "utc"),
    [
        ("2016-07-25T00:00", "2016-07-24T22:00Z"),
        ("2016-01-28", "2016-01-27T23:00Z"),
        ("2016-07-25T00:00+01:00", "2016-07-24T23:00Z"),
        ("2016-07-25 00:00Z", "2016-07-25T00:00Z"),
    ],
)
def test_start_is_local_unless_it_has_an_offset(start, utc):
    horizon = load("fliegerhorst", [f"horizon.start={start}"]).scenario.horizon.horizon
    assert horizon.start.isoformat() == utc.replace("Z", ":00+00:00")


@pytest.mark.parametrize("start", ["2016-03-27T02:30", "2016-10-30T02:30", "2016", "soon"])
def test_starts_that_are_no_instant(start):
    with pytest.raises(InputError, match=r"horizon\.start: "):
        load("fliegerhorst", [f"horizon.start={start}"])


@pytest.mark.parametrize("written", ["redispatch", {"kind": "redispatch"}, {}])
def test_a_problem_is_a_word_or_a_mapping(written):
    asked = load("fliegerhorst", {"problem": written}).resolved()["problem"]
    assert asked == {"kind": "redispatch"}


@pytest.mark.parametrize("written", ["redispach", {"kind": "redispach"}])
def test_a_problem_that_there_is_not_is_named(written):
    with pytest.raises(
        InputError, match=r"problem: unknown kind 'redispach'; did you mean redispatch"
    ):
        load("fliegerhorst", {"problem": written})


@pytest.mark.parametrize(
    "source",
    [*shipped(), *(path.parent for path in sorted(CASES.glob("*/scenario.yaml")))],
    ids=str,
)
def test_what_was_given_loads_to_the_same_scenario(source):
    """A run's manifest keeps it, so that the run can be repeated: no default counts as given."""
    loaded = load(source)
    again = Scenario.model_validate(json.loads(json.dumps(loaded.given())))
    assert again == loaded.scenario
    assert again.model_dump(exclude_unset=True) == loaded.scenario.model_dump(exclude_unset=True)
