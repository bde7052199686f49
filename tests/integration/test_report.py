"""The report of a run: rebuilt from its folder, partial if killed, never a reason to lose a run."""

import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

import quartier
from quartier import InputError, report
from quartier.progress import SilentProgress
from quartier.results import Result


@pytest.fixture
def copy(run_of, tmp_path):
    """A copy of a finished run that a test may change."""
    folder = tmp_path / "run"
    shutil.copytree(run_of("max-feed-in", "uncontrolled").dir, folder)
    return folder


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "quartier", "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_run_writes_its_report(run_of):
    result = run_of("max-feed-in", "cohda")
    assert (result.dir / "report.html").stat().st_size > 1e6
    assert result.manifest["wall_times_s"]["report"] > 0


def test_command_writes_the_report_anew(copy):
    (copy / "report.html").unlink(missing_ok=True)
    code, said = command(copy)
    assert code == 0
    assert str(copy / "report.html") in said.replace("\n", "")
    assert (copy / "report.html").read_text().rstrip().endswith("</html>")


def test_folder_that_is_no_run_is_wrong_input(tmp_path):
    code, said = command(tmp_path)
    assert code == 2
    assert "manifest.json" in said


def test_killed_run_gives_a_partial_report(copy):
    (copy / "kpis.json").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    killed = {**manifest, "status": "running", "steps_written": 96}
    (copy / "manifest.json").write_text(json.dumps(killed))
    code, said = command(copy)
    assert code == 0
    assert "partial" in said
    html = (copy / "report.html").read_text()
    assert "badge-partial" in html
    assert "96 of 130 steps were written" in html
    assert "There are no KPIs" in html


def test_run_killed_before_its_first_step_gives_a_report(copy):
    shutil.rmtree(copy / "tables")
    (copy / "tables").mkdir()
    for name in ("kpis.json", "grid.json"):
        (copy / name).unlink()
    html = report.write_report(Result.open(copy)).read_text()
    assert "No step was executed" in html
    assert "There are no results of the grid to show." in html


def test_degraded_parts_are_told(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    why = "agent <nord.pv> died at step 7"
    (copy / "manifest.json").write_text(
        json.dumps({**manifest, "status": "degraded", "error": why})
    )
    html = report.write_report(Result.open(copy)).read_text()
    assert "The run is degraded: agent &lt;nord.pv&gt; died at step 7" in html


class InTheWay(SilentProgress):
    """Puts a folder where the report is to be written, when the run comes to it."""

    def __init__(self, path):
        self.path = path

    def phase(self, name, total=None):
        if name.endswith("Report"):
            (self.path / "in-the-way").mkdir(parents=True)


def test_failure_of_the_report_does_not_lose_the_run(tmp_path):
    out = tmp_path / "run"
    result = quartier.run(
        "fliegerhorst",
        coordination="uncontrolled",
        overrides=["horizon.steps=4"],
        out=out,
        progress=InTheWay(out / "report.html"),
    )
    assert result.status == "complete"
    assert (out / "report.html").is_dir()
    log = (out / "log.txt").read_text()
    assert "no report.html was written" in log
    assert "quartier report" in log


# -- in a notebook -------------------------------------------------------------------------------
def test_every_figure_of_the_report_can_be_had_in_a_notebook(run_of):
    plot = run_of("max-feed-in", "cohda").plot
    alone = ["loading_map", "loading", "voltages", "causes", "objective", "costs"]
    by_neighbourhood = ["schedule", "reaction", "stores", "ev_stays"]
    for name in [*alone, *by_neighbourhood]:
        figure = getattr(plot, name)()
        assert figure.data, name
        assert figure.layout.title.text, name
        assert name in repr(plot)
    assert plot.asset("fliegerhorst").data
    assert plot.element("line", 10).data


def test_figure_that_does_not_apply_says_why(run_of):
    plot = run_of("max-feed-in", "uncontrolled").plot
    for name, why in (
        ("causes", "no P_set"),
        ("messages", "record.messages=true"),
        ("front", "record.fronts=true"),
        ("objective", "nobody negotiated"),
    ):
        with pytest.raises(InputError, match=why):
            getattr(plot, name)()
    with pytest.raises(InputError, match="no neighbourhood 'nowhere'; there are: fliegerhorst"):
        plot.schedule("nowhere")
    with pytest.raises(InputError, match="no step begins at"):
        plot.loading_map("1999-01-01")


def test_fronts_of_neighbourhood_and_grid_operator_are_drawn(tmp_path):
    noon = ("horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8", "record.fronts=true")
    result = quartier.run(
        "fliegerhorst", coordination="bilevel", overrides=noon, out=tmp_path / "r"
    )
    fronts = result.table("fronts")
    for whose, first in (("fliegerhorst", "peak_import_kw"), ("grid", "redispatch_cost_eur")):
        drawn = result.plot.front(whose)
        own = fronts[(fronts["neighbourhood"] == whose) & (fronts["objective"] == first)]
        points = [trace for trace in drawn.data if trace.meta.get("role") != "scale"]
        assert sorted(x for trace in points for x in trace.x) == sorted(own["value"])
    page = (result.dir / "report.html").read_text(encoding="utf-8")
    assert "What the grid operator trades off" in page
    with pytest.raises(InputError, match="no front 'nowhere'; there are: fliegerhorst, grid"):
        result.plot.front("nowhere")


def test_map_at_a_time_of_ones_own(run_of):
    result = run_of("max-feed-in", "uncontrolled")
    figure = result.plot.loading_map("2016-07-25 10:00")
    lines = result.table("lines")
    now = lines[lines["time"] == pd.Timestamp("2016-07-25 10:00Z")].set_index("index")
    hits = next(t for t in figure.data if (t.meta or {}).get("role") == "hits")
    assert hits.text[10] == f"line 10 MV1.101 Line 11: {now.loc[10, 'loading_percent']:.1f} %"


def test_notebook_shows_status_and_kpis(run_of):
    result = run_of("max-feed-in", "cohda")
    html = result._repr_html_()
    assert "complete" in html
    shown = re.search(r"Redispatch cost</th><td[^>]*>([\d,.]+)</td>", html)
    assert shown is not None
    assert float(shown[1].replace(",", "")) == pytest.approx(
        result.kpis["redispatch_cost"], rel=1e-3, abs=0.06
    )


DIES = """
class Dies:
    def plan(self, problem, state, rng):
        raise ValueError("no idea what to do")
"""


def test_the_report_of_a_run_that_failed_says_why(tmp_path, monkeypatch):
    """It is written when it is asked for: whoever waits for the error does not wait for it."""
    (tmp_path / "dies_in_report.py").write_text(DIES)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(quartier.RunFailed, match="no idea what to do"):
        quartier.run(
            "fliegerhorst",
            coordination="dies_in_report:Dies",
            overrides=["horizon.steps=4", "baseline=dies_in_report:Dies"],
            out=tmp_path / "run",
        )
    assert not (tmp_path / "run" / "report.html").exists()
    html = report.write_report(Result.open(tmp_path / "run")).read_text()
    assert "badge-failed" in html
    assert "Partial: the run is failed; 0 of 4 steps were written." in html
    assert "no idea what to do" in html
