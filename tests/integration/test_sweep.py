"""Studies on Dask: what fails is explained, what is missing is run, a lost worker loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import quartier
from quartier.errors import InputError
from quartier.sweep import scheduling
from quartier.sweep.scheduling import scheduled
from quartier.sweep.template import Template

CASE = Path(__file__).parents[1] / "cases" / "market"
POWER = "neighbourhoods.store.units.battery.power_kw"
BREAKS = "own:Breaks"
"""A mechanism that fails."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return shutil.copytree(CASE, tmp_path_factory.mktemp("sweep") / "market")


@pytest.fixture(scope="module")
def study(case):
    """Two values under two mechanisms, one of which is the baseline of both."""
    return quartier.sweep(
        case, {POWER: [10, 20]}, ["central", "uncontrolled"], out=case / "study", workers=2
    )


def test_every_run_is_a_row_with_its_kpis(study):
    runs = study.runs.set_index([POWER, "coordination"])
    assert len(runs) == 4 and not len(study.failed)
    assert runs.loc[(20, "central"), "system_cost"] == pytest.approx(14.2, rel=1e-4)
    assert runs.loc[(20, "uncontrolled"), "system_cost"] == pytest.approx(19.0)
    assert set(runs["status"]) == {"complete"}
    kpis = study.kpis.set_index([POWER, "coordination", "kpi"])
    assert (
        kpis.loc[(20, "central", "system_cost"), "mean"] == runs.loc[(20, "central"), "system_cost"]
    )
    assert kpis.loc[(20, "central", "system_cost"), "unit"] == "EUR"
    assert study.keys == (POWER,)
    pd.testing.assert_frame_equal(
        pd.read_csv(study.dir / "kpis.csv"), study.kpis, check_dtype=False
    )


def test_baselines_are_shared(study):
    folders = [path for path in (study.dir / "runs").iterdir() if path.is_dir()]
    assert len(folders) == 4
    for path in (study.dir / "runs").glob("central*/manifest.json"):
        assert json.loads(path.read_text())["baseline"].startswith("../uncontrolled")


def test_the_page_shows_kpis_over_the_key(study):
    html = (study.dir / "report.html").read_text()
    assert "cannot be shown" not in html and "Runs, and what went wrong" in html
    assert html.index("Cost of all, EUR") < html.index("Curtailed, MWh"), "what differs comes first"


def test_a_rerun_does_only_what_is_missing(study, case):
    before = {path: path.stat().st_mtime_ns for path in study.dir.glob("runs/*/manifest.json")}
    lost = next(study.dir.glob("runs/central*/kpis.json"))
    lost.unlink()
    again = quartier.sweep(case, {POWER: [10, 20]}, ["central", "uncontrolled"], out=study.dir)
    assert len(again.runs) == 4 and not len(again.failed)
    after = {path: path.stat().st_mtime_ns for path in study.dir.glob("runs/*/manifest.json")}
    assert {path: after[path] for path in before} == before
    assert len(after) == 5, "beside the one that was broken"


def test_a_run_that_fails_is_explained_and_the_others_are_kept(case, monkeypatch):
    (case / "own.py").write_text(
        "class Breaks:\n    def plan(self, problem, state, rng):\n        raise ValueError(0)\n"
    )
    monkeypatch.chdir(case)
    found = quartier.sweep(case, {}, ["uncontrolled", BREAKS], out=case / "broken", workers=2)
    assert found.runs["status"].tolist() == ["complete", "failed"]
    (row,) = found.failed.to_dict("records")
    assert "ValueError: 0" in row["error"]
    assert "1 of 2 runs have no KPIs" in (found.dir / "report.html").read_text()


def test_a_run_whose_baseline_failed_is_kept_without_what_compares(case, monkeypatch):
    (case / "own.py").write_text(
        "class Breaks:\n    def plan(self, problem, state, rng):\n        raise ValueError(0)\n"
    )
    monkeypatch.chdir(case)
    text = (case / "scenario.yaml").read_text()
    (case / "alone.yaml").write_text(f"baseline: {BREAKS}\n{text}")
    found = quartier.sweep(case / "alone.yaml", {}, ["central"], out=case / "alone", workers=1)
    (row,) = found.runs.to_dict("records")
    assert (row["status"], row["folder"]) == ("complete", found.uncompared["folder"].iloc[0])
    assert "its baseline failed" in row["remark"]
    assert row["system_cost"] > 0
    page = (found.dir / "report.html").read_text()
    assert "1 of 1 runs have no KPIs that compare: their baseline failed" in page


def test_what_bad_communication_costs_by_mechanism(tmp_path):
    """The study of the how-to page on a smaller scenario: loss x delay x mechanism."""
    found = quartier.sweep(
        CASE.parent / "sharing",
        {"communication.loss": [0, 0.3], "communication.delay_s": [0, 1]},
        ["cohda", "central"],
        out=tmp_path / "s",
        workers=2,
    )
    assert found.keys == ("communication.loss", "communication.delay_s")
    assert len(found.runs) == 8 and not len(found.failed)
    messages = found.kpis.query("kpi == 'negotiation_messages' and coordination == 'cohda'")
    assert len(messages) == 4 and (messages["mean"] > 0).all()
    page = (found.dir / "report.html").read_text()
    assert "cannot be shown" not in page and "The mechanism with the best mean" in page


def test_a_cluster_that_is_there_runs_a_study(case, tmp_path):
    """A scheduler and a worker, each started by hand, and a folder that both see."""
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    head = [f"{dask[-1]}.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen([*dask[:2], *head, "--scheduler-file", str(file)], **quiet)
    workers = []
    try:
        address = _wait_for(lambda: file.exists() and json.loads(file.read_text())["address"])
        own = [f"{dask[-1]}.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
        workers.append(subprocess.Popen([*dask[:2], *own, "--no-nanny"], **quiet))
        found = quartier.sweep(
            case, {POWER: [10, 20]}, ["uncontrolled"], out=tmp_path / "s", scheduler=address
        )
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()
    assert found.runs["status"].tolist() == ["complete"] * 2
    with pytest.raises(InputError, match=f"no Dask scheduler answers at {address}"):
        quartier.sweep(case, {POWER: [5]}, ["uncontrolled"], out=tmp_path / "s", scheduler=address)


def test_a_run_is_run_again_if_its_worker_is_killed(case, tmp_path):
    """Dask starts another one; the template and the run ended with the worker that was killed."""
    script = tmp_path / "study.py"
    script.write_text(
        "import quartier\n"
        "if __name__ == '__main__':\n"
        f"    quartier.sweep({str(case)!r}, {{}}, ['uncontrolled'], out={str(tmp_path / 's')!r},"
        " workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], cwd=case)
    run = _wait_for(lambda: _run_of(tmp_path / "s"))
    template = _parent(run)
    os.kill(_parent(template), signal.SIGKILL)
    for one in (run, template):
        assert _wait_for(lambda one=one: not Path(f"/proc/{one}").exists() or _is_zombie(one))
    assert process.wait(timeout=300) == 0
    found = quartier.Study.open(tmp_path / "s")
    assert found.runs["status"].tolist() == ["complete"]


def _run_of(folder: Path) -> int | None:
    """The process of a run below a folder: what it says goes to a file there."""
    for path in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if path.readlink().is_relative_to(folder / "runs"):
                return int(path.parts[2])
        except OSError:
            continue
    return None


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait_for(ask, seconds: float = 240.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ask():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to that in time")


def test_tasks_that_end_badly_have_their_code(tmp_path):
    task = {
        "scenario": str(tmp_path / "nowhere"),
        "coordination": "central",
        "seed": 1,
        "overrides": {},
        "out": str(tmp_path / "runs" / "one"),
        "baseline": None,
        "modules": [],
    }
    ((_, code),) = list(scheduled([task], 1, None, tmp_path))
    assert code == 1
    assert "nowhere" in (tmp_path / "runs" / "one.txt").read_text()


def test_runs_are_forked_from_a_process_that_knows_nothing_of_them(study):
    """What a run imports and opens is gone with it: the template's memory does not grow."""
    task = json.loads(next(study.dir.glob("runs/uncontrolled*.json")).read_text())
    template, sizes = Template(), []
    for number in range(4):
        described = study.dir / f"again-{number}.json"
        described.write_text(json.dumps(task | {"out": str(study.dir / f"again-{number}")}))
        assert template.run(described) == 0
        sizes.append(_memory_kb(template.pid))
    assert sizes[-1] <= 1.02 * sizes[0]
    kpis = {(study.dir / f"again-{n}" / "kpis.json").exists() for n in range(4)}
    assert kpis == {True}
    os.kill(template.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="forked from has ended"):
        template.run(described)


def _memory_kb(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_what_a_larger_battery_is_worth_by_mechanism(tmp_path):
    """The how-to page's study of battery size and mechanism, on a street with two sides."""
    size = "neighbourhoods.sunny.units.battery.energy_kwh"
    ways = ["individual", "cohda", "central"]
    made = quartier.sweep(CASE.parent / "sharing", {size: [1, 100]}, ways, out=tmp_path / "study")
    assert len(made.runs) == 6 and not len(made.failed)
    cost = made.runs.pivot_table("system_cost", size, "coordination")
    assert cost["individual"].tolist() == pytest.approx([28.0, 28.0])  # alone it earns nothing
    for way in ("cohda", "central"):
        assert cost[way].tolist() == pytest.approx([11.81, 0.6], abs=1e-3)


def test_studies_that_run_at_a_time_do_not_mind_each_other():
    """Dask warns where its port is taken, and here warnings are errors."""
    with scheduling._client(1, None) as one, scheduling._client(1, None) as other:
        assert one.scheduler_info()["address"] != other.scheduler_info()["address"]
