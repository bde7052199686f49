"""The command line: what it prints, where, and its exit codes."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import quartier
from quartier.cancelling import CancellableProgress
from quartier.catalogue import CATALOGUE
from quartier.cli import app
from quartier.errors import InputError, RunFailed
from quartier.progress import Cancelled
from quartier.results import ComparedRun, Comparison, Result, RunWriter
from quartier.results.comparison import write_figures, write_manifest
from quartier.scoreboard import figure
from quartier.units import KINDS


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def ends(monkeypatch, tmp_path):
    """Let ``quartier run`` end with a status or an exception; returns what it was asked."""
    asked = {}

    def end(status, error=None):
        def run(scenario, **options):
            asked.update(scenario=scenario, **options)
            if isinstance(status, BaseException):
                raise status
            writer = RunWriter(tmp_path / "run", {})
            kpis = {
                "losses": (12.3456, "MWh"),
                "redispatch_calls": (float("nan"), "count"),
                "agreement": (1.0, "1"),
            }
            writer.write_kpis(
                {n: {"value": v, "unit": u, "label": n.title()} for n, (v, u) in kpis.items()}
            )
            writer.finish(status, error)
            return Result.open(writer.directory)

        monkeypatch.setattr(quartier, "run", run)
        return asked

    return end


def test_complete_run_prints_kpis_and_the_folder(invoke, ends, tmp_path):
    ends("complete")
    answer = invoke("run", "fliegerhorst")
    assert answer.exit_code == 0
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert ["losses", "12.35", "MWh", "Losses"] in rows
    assert ["redispatch_calls", "–", "Redispatch_Calls"] in rows
    assert ["agreement", "100", "%", "Agreement"] in rows
    assert f"Run folder: {tmp_path / 'run'}" in answer.stdout
    assert answer.stderr == ""


def test_narrow_terminal_keeps_a_line_a_kpi(invoke, ends, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ends("complete")
    rows = [line.split() for line in invoke("run", "fliegerhorst").stdout.splitlines()]
    assert ["losses", "12.35", "MWh"] in rows


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "–"), (5e-15, "0"), (-3276.4, "-3,276"), (0.067448, "0.06745"), (1.0, "1")],
)
def test_figures_have_four_digits_or_all_whole_ones(value, text):
    assert figure(value) == text


def test_options_reach_the_run(invoke, ends, tmp_path):
    asked = ends("complete")
    invoke(
        *("run", "fliegerhorst:max-load", "--coordination", "cohda", "--seed", 7, "--quiet"),
        *("--set", "horizon.steps=4", "--set", "gates.rounds=1", "--out", tmp_path / "there"),
    )
    progress = asked.pop("progress")
    assert isinstance(progress, CancellableProgress)
    assert asked == {
        "scenario": "fliegerhorst:max-load",
        "coordination": "cohda",
        "seed": 7,
        "overrides": ["horizon.steps=4", "gates.rounds=1"],
        "out": tmp_path / "there",
    }


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        ("degraded", 4, "The run is degraded: agent x died"),
        ("partial", 3, "The run is partial: agent x died"),
        (InputError(["no bus 999", "no line 7"], "s.yaml"), 2, "2 problems in s.yaml:\n  - no bus"),
        (RunFailed("grid: step 3 failed"), 3, "grid: step 3 failed"),
        (KeyboardInterrupt(), 130, "Cancelled."),
        (Cancelled(), 130, "Cancelled."),
    ],
)
def test_exit_code_and_message_tell_how_it_ended(invoke, ends, end, code, message):
    ends(end, "agent x died")
    answer = invoke("run", "fliegerhorst")
    assert answer.exit_code == code
    assert message in answer.stderr
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ("complete", 0, ""),
        ("degraded", 4, "cohda is degraded: agent x died"),
        ("failed", 3, "cohda is failed: agent x died"),
    ],
)
def test_comparison_tells_how_each_run_ended(invoke, monkeypatch, tmp_path, status, code, message):
    asked = {}

    def compare(scenario, coordinations, **options):
        asked.update(options, scenario=scenario, coordinations=coordinations)
        entry = {"value": 12.3456, "unit": "MWh", "label": "Losses"}
        write_figures(tmp_path, {"cohda": {"losses": entry}})
        runs = {"cohda": ComparedRun(tmp_path / "cohda", status, message and "agent x died")}
        write_manifest(tmp_path, runs, status=status, coordinations=["cohda"])
        return Comparison.open(tmp_path)

    monkeypatch.setattr(quartier, "compare", compare)
    options = ("-c", "cohda", "--set", "horizon.steps=4", "--seed", 7, "--out", "there")
    answer = invoke("compare", "fliegerhorst", *options)
    assert answer.exit_code == code
    assert "12.35" in answer.stdout
    assert f"Comparison folder: {tmp_path}" in answer.stdout
    assert message in answer.stderr
    assert isinstance(asked.pop("progress"), CancellableProgress)
    assert asked == {
        "scenario": "fliegerhorst",
        "coordinations": "cohda",
        "overrides": ["horizon.steps=4"],
        "seed": 7,
        "out": Path("there"),
    }


def test_an_error_of_ours_shows_where_it_is(invoke, ends):
    ends(ZeroDivisionError("a bug"))
    answer = invoke("run", "fliegerhorst")
    assert answer.exit_code == 3
    assert "ZeroDivisionError: a bug" in answer.stderr


def test_usage_errors_are_input_errors(invoke):
    assert invoke("run").exit_code == 2
    assert invoke("list", "things").exit_code == 2
    assert invoke("run", "fliegerhorst", "--seed", "-1").exit_code == 2


def test_lists_have_a_line_for_everything(invoke):
    answer = invoke("list")
    assert answer.exit_code == 0
    for name in ("fliegerhorst", "fliegerhorst:max-load", "uncontrolled", "cohda", "battery"):
        assert name in answer.stdout
    for line in answer.stdout.splitlines():
        words = line.strip(" ─").split()
        assert len(words) != 1 or words[0] in CATALOGUE, f"no description: {line}"
    assert "ev_station" not in invoke("list", "scenarios").stdout
    assert "wall_time_planning" not in answer.stdout
    assert "wall_time_planning" in invoke("list", "kpis").stdout


def test_lists_read_from_sources_what_importing_them_says():
    assert [name for name, _ in CATALOGUE["units"]()] == list(KINDS)
    for name, told in CATALOGUE["units"]():
        assert told == (type(KINDS[name]).__doc__ or "").strip().partition("\n")[0]


def test_new_scenario_is_valid_as_it_is(invoke, tmp_path):
    answer = invoke("new", "mine")
    assert answer.exit_code == 0
    assert "name: mine\n" in (tmp_path / "mine" / "scenario.yaml").read_text()
    checked = invoke("validate", "mine")
    assert checked.exit_code == 0, checked.output
    assert "mine is valid" in checked.stdout
    line = (tmp_path / "mine" / "scenario.yaml").read_text().splitlines()[0]
    assert (tmp_path / "mine" / line.partition("$schema=")[2]).is_file()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import numpy\nnumpy.no_such_name", "AttributeError: module 'numpy' has no attribute"),
        ("\nraise ValueError('boom')", "ValueError: boom (own_module.py, line 2)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (own_module.py, line 2)"),
        ("import no_such_package", "No module named 'no_such_package' (own_module.py, line 1)"),
        ("def plan(:", "SyntaxError: invalid syntax (own_module.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_wrong_input(
    invoke, tmp_path, monkeypatch, text, problem
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_module.py").write_text(text)
    answer = invoke("validate", "fliegerhorst", "-c", "own_module:Mine")
    assert answer.exit_code == 2
    assert "cannot import 'own_module': " in answer.stderr
    assert problem in answer.stderr
    assert "Traceback" not in answer.output


def test_new_refuses_to_overwrite(invoke, tmp_path):
    (tmp_path / "mine").mkdir()
    answer = invoke("new", "mine")
    assert answer.exit_code == 2
    assert "mine exists already" in answer.stderr


def test_new_refuses_what_is_no_name(invoke):
    answer = invoke("new", "my scenario")
    assert answer.exit_code == 2
    assert "is no name" in answer.stderr


def test_validate_lists_problems_of_the_scenario_and_of_the_coordination(invoke):
    invoke("new", "mine")
    wrong = ["--set", "grid.lines_out=[9999]", "--set", "baseline=nonsense"]
    answer = invoke("validate", "mine", "-c", "cohdaa", *wrong)
    assert answer.exit_code == 2
    assert "3 problems" in answer.stderr
    assert "'nonsense'" in answer.stderr
    assert "9999" in answer.stderr
    assert "coordination 'cohdaa' is unknown; known: uncontrolled, cohda" in answer.stderr


def test_validate_names_a_column_that_smards_export_lacks(invoke, tmp_path):
    invoke("new", "mine")
    rows = [f"25.07.2016 {h:02d}:00;25.07.2016 {h + 1:02d}:00;{h},5" for h in range(20)]
    text = "\n".join(["Datum von;Datum bis;Schweiz [€/MWh] Originalauflösungen", *rows])
    (tmp_path / "mine" / "smard.csv").write_text(text, encoding="utf-8")
    column = "{csv: smard.csv, column: 'Deutschland/Luxemburg [€/MWh]'}"
    answer = invoke("validate", "mine", "--set", f"signals.import_eur_per_kwh={{market: {column}}}")
    assert answer.exit_code == 2
    assert answer.stderr.startswith("1 problem in ")
    assert "signals.import_eur_per_kwh: smard.csv has no column 'Deutschland/Lux" in answer.stderr
    assert "Schweiz [€/MWh] Originalauflösungen" in answer.stderr


def test_validate_names_unknown_scenarios(invoke):
    answer = invoke("validate", "fligerhorst")
    assert answer.exit_code == 2
    assert "fliegerhorst" in answer.stderr


def test_validate_names_a_shipped_scenario_and_the_override_to_blame(invoke):
    answer = invoke("validate", "fliegerhorst", "--set", "horizon.steps=16000")
    assert answer.exit_code == 2
    assert answer.stderr.startswith("1 problem in the shipped scenario fliegerhorst:")
    assert "(changed by --set horizon.steps)" in answer.stderr


def test_module_is_the_same_program():
    answer = subprocess.run(
        [sys.executable, "-m", "quartier", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"quartier {quartier.__version__}\n"


SHORT = ("fliegerhorst", "--set", "horizon.steps=8")


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """Caches that a run before has filled."""
    out = tmp_path_factory.mktemp("warm") / "run"
    quartier.run("fliegerhorst", overrides={"horizon.steps": 8}, out=out)


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], ("numpy", "pandas", "yaml", "quartier.units", "quartier.run")),
        (["--version"], ("numpy", "pandas", "yaml", "quartier.units", "quartier.run")),
        (["list"], ("numpy", "pandas", "scipy", "quartier.units", "quartier.scenario.load")),
        (["list", "kpis"], ("pandapower", "mosaik", "mango", "pyomo", "numba", "simbench")),
        (["validate", "fliegerhorst"], ("mosaik", "mango", "pyomo", "highspy", "quartier.report")),
        (["validate", "fliegerhorst"], ("pandapower", "numba", "simbench", "scipy.stats")),
        (["run", *SHORT], ("pandapower", "numba", "simbench", "scipy.stats", "scipy.optimize")),
        (["run", *SHORT, "-c", "uncontrolled"], ("pandapower", "pyomo")),
    ],
)
def test_commands_do_not_import_what_they_do_not_need(words, heavy, warm, tmp_path):
    code = (
        "import sys; from typer.testing import CliRunner; from quartier.cli import app\n"
        f"assert CliRunner().invoke(app, {words}).exit_code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout == "[]\n"
