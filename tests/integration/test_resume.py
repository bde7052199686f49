"""A run that is continued ends with the numbers of one that was never interrupted, bit by bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import quartier
from quartier.cli import app
from quartier.errors import InputError, RunFailed
from quartier.progress import SilentProgress
from quartier.results import Result
from quartier.simulators import checkpoints

CASES = Path(__file__).parents[1] / "cases"
STEPS = 20
KILLS = int(os.environ.get("QUARTIER_KILLS", "3"))
"""Random steps that a run is killed at; more by the environment variable ``QUARTIER_KILLS``."""
TIMES = ("wall_s", "slowest", "slowest_s")
"""Columns that tell how long something took: no figures of a run."""

KILLER = """
import os, signal, sys
import quartier
import quartier.run  # what a run needs is imported once; no solver has threads yet
from quartier.progress import SilentProgress

class Kills(SilentProgress):
    def __init__(self, at): self.at, self.done_steps = at, -1
    def phase(self, name, total=None):
        if name.startswith("Run: ") and total: self.done_steps = 0
    def advance(self, n=1):
        if self.done_steps >= 0:
            self.done_steps += n
            if self.done_steps >= self.at: os.kill(os.getpid(), signal.SIGKILL)

scenario, coordination, *asked = sys.argv[1:]
for text in asked:
    at, folder = text.split(":", 1)
    child = os.fork()
    if not child:
        quartier.run(scenario, coordination=coordination, out=folder, progress=Kills(int(at)))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, folder
"""


def study(folder: Path, name: str = "resume") -> Path:
    """Copy a case, with a grid of two lines and a park."""
    shutil.copytree(CASES / name, folder)
    net = pp.create_empty_network()
    for k in range(3):
        pp.create_bus(net, 20.0, name=f"b{k}", min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0)
    for k in range(2):
        pp.create_line_from_parameters(net, k, k + 1, 5.0, 0.3, 0.3, 10.0, 0.06)
    net.line["max_loading_percent"] = 30.0
    pp.create_load(net, 1, 0.1, 0.02)
    pp.create_sgen(net, 1, 0.8, name="park", type="PV")
    pp.to_json(net, str(folder / "grid.json"))
    return folder


def equal(one: Result, other: Result) -> None:
    """Whether all numbers of two runs are the same, to the last bit."""
    assert one.status == other.status
    assert one.tables == other.tables
    for name in one.tables:
        tables = [run.table(name) for run in (one, other)]
        tables = [table.drop(columns=[c for c in TIMES if c in table]) for table in tables]
        if name == "signals":  # of a longer horizon, the rest follows
            tables = [table.sort_values(["name", "time"], ignore_index=True) for table in tables]
        pd.testing.assert_frame_equal(*tables, check_exact=True, obj=name)
    kpis = [
        run.kpis[~run.kpis.index.str.contains("wall_time|longest_answer")] for run in (one, other)
    ]
    pd.testing.assert_series_equal(*kpis, check_exact=True)


class StopsAt(SilentProgress):
    """Raises at the end of the block in which so many steps of the run are done."""

    def __init__(self, at: int) -> None:
        self._at, self._steps = at, -1

    def phase(self, name: str, total: int | None = None) -> None:
        if name.startswith("Run: ") and total:
            self._steps = 0

    def advance(self, n: int = 1) -> None:
        if self._steps >= 0:
            self._steps += n
            if self._steps >= self._at:
                raise OSError("the machine is on fire")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("resume") / "case")


@pytest.fixture(scope="module")
def whole(scenario: Path) -> Result:
    """Never interrupted."""
    return quartier.run(scenario, out=scenario.parent / "whole")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no POSIX signals on this system")
def test_a_run_killed_at_random_steps_ends_with_the_same_numbers(scenario, whole) -> None:
    at = sorted(random.Random(1).sample(range(1, STEPS), KILLS))
    folders = {k: scenario.parent / f"killed-{k}" for k in at}
    asked = [f"{k}:{folder}" for k, folder in folders.items()]
    subprocess.run([sys.executable, "-c", KILLER, scenario, "cohda", *asked], check=True)
    for k, folder in folders.items():
        killed = Result.open(folder)
        assert killed.status == "partial" and "--resume" in killed.manifest["error"]
        done = quartier.resume(folder)
        told = done.manifest["resumed"]
        # Killed while step k is recorded: before the checkpoint that may follow it.
        kept = (k - 1) // 3 * 3
        assert [(r["from_step"], r["was"]) for r in told] == [(kept, "partial")]
        equal(whole, done)


# -- other mechanisms: what they remember from gate to gate ---------------------------------------
@pytest.fixture(scope="module")
def sharing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same neighbourhoods with a pool in place of the grid."""
    folder = tmp_path_factory.mktemp("sharing") / "case"
    folder.mkdir()
    data = yaml.safe_load((CASES / "resume" / "scenario.yaml").read_text())
    data |= {"problem": "sharing", "grid": "none"}
    del data["redispatch"]
    for neighbourhood in data["neighbourhoods"].values():
        del neighbourhood["bus"]
    (folder / "scenario.yaml").write_text(yaml.safe_dump(data))
    return folder


@pytest.mark.parametrize("coordination", ["central", "auction"])
def test_a_failed_run_ends_with_the_same_numbers(sharing: Path, coordination: str) -> None:
    """`central` keeps programs from gate to gate, `auction` prices."""
    start = {"scenario": sharing, "coordination": coordination}
    whole = quartier.run(**start, out=sharing.parent / f"{coordination}-whole")
    folder = sharing.parent / f"{coordination}-failed"
    with pytest.raises(RunFailed, match="on fire"):
        quartier.run(**start, out=folder, progress=StopsAt(11))
    done = quartier.resume(folder)
    assert [(r["from_step"], r["was"]) for r in done.manifest["resumed"]] == [(9, "failed")]
    equal(whole, done)


# -- small runs of three steps ------------------------------------------------------------------
OWN = """
from quartier.coordination import Plan

class Remembers:
    def __init__(self): self.gates = 0
    def plan(self, problem, state, rng):
        self.gates += 1
        return Plan(records={"signals": [{"time": problem.horizon.times[0], "name": "gates",
                                          "value": float(self.gates), "unit": "1"},
                                         {"time": problem.horizon.times[0], "name": "drawn",
                                          "value": rng.random(), "unit": "1"}]})

class Tells(Remembers):
    def snapshot(self): return {"gates": self.gates}
    def restore(self, snapshot): self.gates = snapshot["gates"]
"""
EVERY = ("gates.every=1", "checkpoints.every_steps=1")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_memory.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("own_memory",):
        monkeypatch.delitem(sys.modules, name, raising=False)
    shutil.copytree(CASES / "sharing", tmp_path / "case")
    return tmp_path / "case"


def stopped(small: Path, coordination: str = "individual", at: int = 2) -> Path:
    folder = small.parent / "stopped"
    with pytest.raises(RunFailed):
        quartier.run(
            small, coordination=coordination, overrides=EVERY, out=folder, progress=StopsAt(at)
        )
    return folder


@pytest.mark.parametrize(("name", "first"), [("Remembers", 0), ("Tells", 1)])
def test_own_mechanisms_go_on_if_they_tell_what_they_remember(
    small: Path, name: str, first: int
) -> None:
    """Otherwise the run begins anew: its numbers are right in any case."""
    name = f"own_memory:{name}"
    whole = quartier.run(small, coordination=name, overrides=EVERY, out=small.parent / "whole")
    done = quartier.resume(stopped(small, name))
    assert done.manifest["resumed"][0]["from_step"] == first
    gates = done.table("signals").query("name == 'gates'")["value"]
    assert gates.tolist() == [1.0, 2.0, 3.0]
    equal(whole, done)


def test_a_finished_run_goes_on_with_a_longer_horizon(small: Path) -> None:
    """It plans where it had ended, from the state that it had ended in."""
    folder = small.parent / "run"
    text = "2016-05-02T13:00:00+02:00,20,0\n2016-05-02T14:00:00+02:00,0,50\n"
    with (small / "s.csv").open("a") as file:
        file.write(text)
    first = quartier.run(small, coordination="uncontrolled", out=folder)
    before = first.table("units")
    longer = quartier.resume(folder, steps=5)
    units = longer.table("units")
    assert longer.status == "complete" and longer.manifest["steps_written"] == 5
    pd.testing.assert_frame_equal(units[: len(before)], before, check_exact=True)
    assert len(longer.table("signals")["time"].unique()) == 5
    at_once = quartier.run(
        small, coordination="uncontrolled", overrides=["horizon.steps=5"], out=folder / "../once"
    )
    equal(at_once, longer)


def test_a_run_inside_its_baseline_is_continued_there(small: Path) -> None:
    class Stops(StopsAt):
        def phase(self, name: str, total: int | None = None) -> None:
            if name.startswith("Baseline: ") and total:
                self._steps = 0

    folder = small.parent / "run"
    whole = quartier.run(small, overrides=EVERY, out=small.parent / "whole")
    with pytest.raises(RunFailed):
        quartier.run(small, overrides=EVERY, out=folder, progress=Stops(2))
    done = quartier.resume(folder)
    assert Result.open(folder / "baseline").manifest["resumed"][0]["from_step"] == 1
    equal(whole, done)


def test_what_has_changed_is_named_and_nothing_is_mixed(small: Path) -> None:
    folder = stopped(small)
    text = (small / "s.csv").read_text()
    (small / "s.csv").write_text(text.replace(",40", ",41"))
    with pytest.raises(InputError, match=r"file s\.csv has changed.*\n.*run --from"):
        quartier.resume(folder)
    again = quartier.repeat(folder, out=small.parent / "again")
    assert again.manifest["repeats"]["changed"] == ["file s.csv has changed"]
    assert again.status == "complete"
    (small / "s.csv").write_text(text)
    assert quartier.resume(folder).status == "complete"


def test_a_repeated_run_has_the_same_numbers(small: Path) -> None:
    first = quartier.run(small, overrides=["horizon.steps=2"], seed=7, out=small.parent / "one")
    again = quartier.repeat(first.dir, out=small.parent / "two")
    assert again.manifest["repeats"]["changed"] == []
    assert again.manifest["seed"] == 7
    equal(first, again)


def test_there_must_be_something_to_go_on_with(small: Path) -> None:
    done = quartier.run(small, overrides=["checkpoints.at_end=false"], out=small.parent / "run")
    with pytest.raises(InputError, match="is complete; to go on, ask for more than 3 steps"):
        quartier.resume(done.dir)
    with pytest.raises(InputError, match="no checkpoint at its end"):
        quartier.resume(done.dir, steps=5)
    with pytest.raises(InputError, match="is no run folder"):
        quartier.resume(small)


@pytest.mark.parametrize("damage", ["half", "pickle", "version", "empty"])
def test_a_damaged_checkpoint_is_named(small: Path, damage: str) -> None:
    """Also one that would run code."""
    folder = stopped(small)
    path = folder / "checkpoint.npz"
    if damage == "half":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "pickle":
        np.savez(path, json=np.array([{"version": 1}], dtype=object), allow_pickle=True)
    elif damage == "version":
        text = json.dumps({"version": 99}).encode()
        np.savez(path, json=np.frombuffer(text, dtype=np.uint8))
    else:
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"checkpoint\.npz is .*delete it, then the run begins"):
        quartier.resume(folder)
    path.unlink()
    assert quartier.resume(folder).manifest["resumed"][0]["from_step"] == 0


def test_a_checkpoint_costs_little_and_comes_once_a_minute(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(
        checkpoints, "write_checkpoint", lambda folder, content: written.append(content["steps"])
    )
    quartier.run(small, overrides=["checkpoints.at_end=false"], out=small.parent / "one")
    assert not written
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    quartier.run(small, out=small.parent / "two", coordination="uncontrolled")
    assert written == [1, 3]  # after each block


def test_the_command_line_goes_on_and_repeats(small: Path) -> None:
    """In the words of the user, and with the exit codes of any other run."""
    cli = CliRunner()
    folder = stopped(small)
    done = cli.invoke(app, ["run", "--resume", str(folder), "-q"])
    assert done.exit_code == 0, done.output
    assert "Resumed at step 1 of 3." in done.output
    again = cli.invoke(app, ["run", "--from", str(folder), "--out", "again", "-q"])
    assert again.exit_code == 0, again.output
    assert "nothing that its figures follow from has changed" in again.output
    for wrong in (["--resume", str(folder), "--seed", "2"], ["--steps", "5"], []):
        assert cli.invoke(app, ["run", *wrong]).exit_code == 2


def test_a_run_that_goes_on_is_not_touched(small: Path) -> None:
    """Its process holds the lock."""
    folder = small.parent / "run"

    class Meddles(SilentProgress):
        def phase(self, name: str, total: int | None = None) -> None:
            if name == "Run: KPIs":
                assert Result.open(folder).status == "running"
                with pytest.raises(InputError, match="still going on"):
                    quartier.resume(folder)

    assert quartier.run(small, out=folder, progress=Meddles()).status == "complete"
