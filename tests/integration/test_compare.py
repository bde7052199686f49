"""Whole comparisons of a few steps: what they run, reuse and refuse, and how they end."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

import quartier
from quartier import Comparison, Result
from quartier.cli import app

SHORT = ("horizon.steps=8",)
MECHANISMS = ("uncontrolled", "cohda", "individual")

STRATEGIES = """
from quartier.coordination import Plan


class Idle:
    def plan(self, problem, state, rng):
        return Plan()


class Complains:
    def plan(self, problem, state, rng):
        return Plan(degraded=("agent x died",))


class Fails:
    def plan(self, problem, state, rng):
        raise ZeroDivisionError("one over nothing")


class Interrupted:
    def plan(self, problem, state, rng):
        raise KeyboardInterrupt
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A working directory with an earlier run of ``individual``, and with own strategies."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "mine_too.py").write_text(STRATEGIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def individual(workplace) -> Result:
    return quartier.run("fliegerhorst", coordination="individual", overrides=SHORT)


@pytest.fixture(scope="module")
def compared(individual) -> Comparison:
    return quartier.compare("fliegerhorst", MECHANISMS, overrides=SHORT)


def again(*names, **options):
    return quartier.compare("fliegerhorst", names, overrides=SHORT, **options)


# -- what is compared -----------------------------------------------------------------------------
def test_folder_holds_the_figures_of_all(compared):
    assert compared.status == "complete"
    assert compared.dir.name.startswith("compare-")
    assert compared.dir.parent.parts == ("runs", "fliegerhorst")
    figures = json.loads((compared.dir / "compare.json").read_text())
    assert tuple(figures) == MECHANISMS
    for kpis in figures.values():
        assert kpis["losses"]["unit"] == "MWh"
        assert kpis["losses"]["value"] > 0
    assert tuple(compared.kpis.columns) == MECHANISMS
    header = (compared.dir / "compare.csv").read_text().splitlines()[0]
    assert header == "kpi,label,unit,uncontrolled,cohda,individual"


def test_figures_are_those_of_the_runs_but_for_what_is_counted_together(compared):
    for name in MECHANISMS:
        own = compared.result(name).kpis
        both = compared.kpis[name].drop(["gap_to_bilevel", "gap_to_bound"])
        assert both.to_dict() == pytest.approx(own.to_dict(), nan_ok=True)
    assert compared.manifest["reference_offer"] == "individual"
    assert compared.kpis.loc["gap_to_bilevel"].isna().all()


def test_earlier_runs_and_their_baselines_are_reused(compared, individual):
    runs = compared.runs
    assert runs["individual"].dir == individual.dir
    assert runs["uncontrolled"].dir == individual.dir / "baseline"
    assert [run.reused for run in runs.values()] == [True, True, False]
    assert compared.manifest["runs"]["individual"]["dir"] == f"../{individual.dir.name}"


def test_baseline_is_run_once_and_shared(compared, individual):
    cohda = compared.result("cohda")
    assert not (cohda.dir / "baseline").exists()
    baseline = cohda.manifest["baseline"]
    assert (cohda.dir / baseline).resolve() == (individual.dir / "baseline").resolve()
    assert cohda.kpis.notna()["export_avoidance[fliegerhorst]"]


def test_a_mechanism_has_the_same_figures_alone_and_in_a_comparison(compared, tmp_path):
    alone = quartier.run(
        "fliegerhorst", coordination="cohda", overrides=SHORT, out=tmp_path / "alone"
    )
    both = {name: value for name, value in alone.kpis.to_dict().items() if "wall_time" not in name}
    assert compared.result("cohda").kpis[list(both)].to_dict() == pytest.approx(both, nan_ok=True)


def test_nothing_is_run_twice(compared):
    second = again("cohda", "uncontrolled")
    assert all(run.reused for run in second.runs.values())
    assert second.runs["cohda"].dir == compared.runs["cohda"].dir
    assert {path.name for path in second.dir.iterdir()} == {
        "compare.csv",
        "compare.json",
        "manifest.json",
        "report.html",
    }


def test_another_seed_or_scenario_is_run_anew(compared, tmp_path):
    other = quartier.compare(
        "fliegerhorst", "uncontrolled", seed=2, overrides=SHORT, out=tmp_path / "a"
    )
    assert not other.runs["uncontrolled"].reused
    other = quartier.compare(
        "fliegerhorst", "uncontrolled", overrides=["horizon.steps=2"], out=tmp_path / "b"
    )
    assert not other.runs["uncontrolled"].reused


def test_a_comparison_can_be_made_again_in_its_folder(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"overrides": ["horizon.steps=2"], "out": tmp_path / "there"}
    first = quartier.compare("fliegerhorst", ["mine_too:Idle"], **options)
    assert list(first.manifest["runs"]) == ["uncontrolled", "mine_too:Idle"]
    assert first.result("mine_too:Idle").manifest["baseline"] == "../uncontrolled"
    assert list(first.kpis.columns) == ["mine_too:Idle"]
    second = quartier.compare("fliegerhorst", "uncontrolled, mine_too:Idle", **options)
    assert second.runs["uncontrolled"].reused
    assert not second.runs["mine_too:Idle"].reused, "its code may have changed"
    assert second.runs["mine_too:Idle"].dir.name == "mine_too-Idle-2"


# -- how it ends ----------------------------------------------------------------------------------
def test_a_mechanism_that_fails_leaves_the_others_their_turn(compared):
    ended = again("mine_too:Fails", "mine_too:Complains", "cohda")
    assert ended.status == "failed"
    assert {name: run.status for name, run in ended.runs.items()} == {
        "uncontrolled": "complete",
        "mine_too:Fails": "failed",
        "mine_too:Complains": "degraded",
        "cohda": "complete",
    }
    assert "one over nothing" in (ended.runs["mine_too:Fails"].error or "")
    assert ended.kpis["mine_too:Fails"].isna().all()
    assert ended.kpis["mine_too:Complains"].notna().any()


def test_a_page_that_fails_does_not_lose_the_comparison(compared, tmp_path, monkeypatch, caplog):
    def fails(comparison):
        raise ZeroDivisionError("no page")

    there = tmp_path / "there"
    assert (again("cohda", out=there).dir / "report.html").exists()
    monkeypatch.setattr(sys.modules["quartier.compare"], "write_comparison", fails)
    second = again("cohda", out=there)
    assert second.status == "complete"
    assert second.kpis["cohda"].equals(compared.kpis["cohda"])
    assert not (there / "report.html").exists(), "that of the earlier comparison says other things"
    assert f"quartier report {there}" in caplog.text
    assert "no page" in (there / "log.txt").read_text()


def test_an_interrupted_comparison_says_so(compared, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        again("mine_too:Interrupted", out=tmp_path / "there")
    manifest = json.loads((tmp_path / "there" / "manifest.json").read_text())
    assert manifest["status"] == "cancelled"


def test_unknown_names_are_all_named_and_nothing_is_run(workplace, tmp_path):
    with pytest.raises(quartier.InputError, match=r"2 problems(.|\n)*known: uncontrolled, cohda"):
        again("cohdaa", "cohda", "bilvel", out=tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_folder_with_something_else_in_it_is_refused(workplace, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(quartier.InputError, match="is not empty"):
        again("cohda", out=tmp_path)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("cohda,uncontrolled", 0),
        ("cohda,mine_too:Complains", 4),
        ("mine_too:Complains,mine_too:Fails", 3),
        ("cohda,kohda", 2),
    ],
)
def test_exit_code_is_that_of_the_worst(compared, workplace, names, code):
    options = ("--set", SHORT[0], "--quiet")
    answer = CliRunner().invoke(app, ["compare", "fliegerhorst", "-c", names, *options])
    assert answer.exit_code == code, answer.stderr
    assert "Traceback" not in answer.stderr
    if code == 2:
        assert "known: uncontrolled, cohda" in answer.stderr
    else:
        assert "Comparison folder: runs" in answer.stdout
