"""Which finished runs are as good as running again."""

from __future__ import annotations

import json
import shutil

import pytest

from quartier import fingerprint
from quartier.fingerprint import files, identity
from quartier.results import RunWriter, finished_run
from quartier.scenario.load import load

IDENTITY = {
    "scenario": {"name": "s", "coordination": "cohda", "baseline": "uncontrolled", "x": 1.5},
    "coordination": "cohda",
    "seed": 1,
    "versions": {"numpy": "2.2"},
    "code": "abc",
    "files": {"prices.csv": "def"},
    "own_code": {},
}


@pytest.fixture
def run(tmp_path):
    def make(name, status="complete", baseline="baseline", **changes):
        manifest = {**IDENTITY, "steps_expected": 0, "baseline": baseline, **changes}
        writer = RunWriter(tmp_path / name, manifest)
        writer.write_kpis({})
        (writer.directory / "grid.json").write_text("{}")
        if status != "running":
            writer.finish(status)
        return writer.directory

    return make


@pytest.fixture
def found(tmp_path):
    def find(**changes):
        result = finished_run({**IDENTITY, **changes}, [tmp_path / "runs", tmp_path / "nowhere"])
        return result and result.dir

    return find


def test_a_finished_run_of_the_same_identity_is_found(run, found):
    assert found() is None
    folder = run("runs/cohda-1")
    assert found() == folder


def test_runs_inside_comparisons_and_baselines_are_found(run, found):
    folder = run("runs/cohda-1/baseline", baseline=None, coordination="uncontrolled")
    assert found(coordination="uncontrolled") == folder
    assert found() is None


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"scenario": {**IDENTITY["scenario"], "x": 1.6}},
        {"versions": {"numpy": "2.3"}},
        {"code": "other"},
        {"files": {"prices.csv": "other"}},
        {"coordination": "individual"},
        {"baseline": None},
        {"status": "failed"},
        {"status": "cancelled"},
        {"status": "running"},
    ],
)
def test_other_runs_are_not(run, found, change):
    run("runs/other", **change)
    assert found() is None


def test_the_coordination_that_the_file_names_does_not_count(run, found):
    folder = run("runs/cohda-1", scenario={**IDENTITY["scenario"], "coordination": "individual"})
    assert found() == folder


def test_complete_goes_before_degraded_and_late_before_early(run, found):
    late = [run(f"runs/{name}") for name in ("b", "a")][-1]
    run("runs/c", status="degraded")
    assert found() == late
    for name in ("a", "b"):
        shutil.rmtree(late.parent / name)
    assert found() == late.parent / "c"


def test_folders_that_cannot_be_read_are_passed_over(run, found):
    folder = run("runs/good")
    for number, text in enumerate(("{", "[]", "{}", json.dumps({"coordinations": []}))):
        broken = folder.parent / f"broken-{number}"
        (broken / "tables").mkdir(parents=True)
        (broken / "manifest.json").write_text(text)
    without_kpis = run("runs/no-kpis")
    (without_kpis / "kpis.json").unlink()
    assert found() == folder


# -- what a run follows from ---------------------------------------------------------------------
def test_files_named_anywhere_in_a_scenario_are_told_by_their_content(tmp_path):
    (tmp_path / "prices.csv").write_text("time,price\n")
    scenario = {"signals": [{"csv": "prices.csv"}], "description": "x" * 5000, "other": "no.csv"}
    before = files(scenario, tmp_path)
    assert list(before) == ["prices.csv"]
    (tmp_path / "prices.csv").write_text("time,other\n")
    assert files(scenario, tmp_path) != before


def test_code_is_told_by_all_source_files_wherever_they_are_installed():
    names = fingerprint._sources()
    assert {"run.py", "agents/cohda.py", "simulators/unit.py", "units/battery.py"} <= names.keys()
    assert len(fingerprint.code()) == 64


def test_identity_names_what_figures_follow_from():
    loaded = load("fliegerhorst", ("horizon.steps=8",))
    found = identity(loaded, "individual")
    assert found.keys() == IDENTITY.keys()
    assert found["coordination"] == "individual"
    assert found["scenario"]["horizon"]["steps"] == 8
    assert {"python", "quartier", "highspy"} <= found["versions"].keys()
