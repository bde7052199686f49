"""Faults injected for real: each is caught, and named with who, where and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quartier
from quartier.errors import RunFailed, SolveFailed
from quartier.results import Result
from quartier.simulators import world as worlds
from quartier.simulators.child import Child
from quartier.simulators.guard import Guard
from quartier.simulators.inputs import AtBoundary, total
from quartier.units.step import Fleet

CASE = Path(__file__).parents[1] / "cases" / "sharing"
MODEL = """
import mosaik_api_v3, os, subprocess, sys, time
META = {"api_version": "3.0", "type": "time-based",
        "models": {"M": {"public": True, "params": [], "attrs": ["x"]}}}
class Sim(mosaik_api_v3.Simulator):
    def __init__(self): super().__init__(META)
    def create(self, num, model): return [{"eid": f"m{k}", "type": "M"} for k in range(num)]
    def step(self, time_, inputs, max_advance):
        FAULT
        return time_ + 3600
    def get_data(self, outputs): return {e: {a: 1.0 for a in names} for e, names in outputs.items()}
mosaik_api_v3.start_simulation(Sim())
"""
AT = "if time_ >= 3600: "
RAISES = AT + "raise ZeroDivisionError('this model is broken')"
DIES = AT + "(sys.stderr.write('no more fuel\\n'), os._exit(7))"
HANGS = AT + "(subprocess.Popen(['sleep', '600']), time.sleep(600))"
posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")


def model(fault: str) -> list[str]:
    """Command of a simulator that has a fault."""
    return ["%(python)s", "-c", MODEL.replace("FAULT", fault), "%(addr)s"]


@contextmanager
def with_children(
    monkeypatch: pytest.MonkeyPatch, **commands: list[str]
) -> Iterator[dict[str, Child]]:
    """Let simulators of others take part in the worlds of runs, as processes of their own."""
    build, children = worlds._build, {name: Child(c, 30.0) for name, c in commands.items()}

    def more(world: Any, execution: Any, checkpoints: Any, guard: Guard) -> None:
        build(world, execution, checkpoints, guard)
        if execution.name == "individual":  # not in the baseline
            for name, child in children.items():
                world.start(guard.over(child), sim_id=name).M.create(2)

    monkeypatch.setattr(worlds, "_build", more)
    yield children


def failed(folder: Path, *overrides: str) -> str:
    """Run what must fail; its manifest says so, and what was written is readable."""
    with pytest.raises(RunFailed) as caught:
        quartier.run(CASE, overrides=overrides, out=folder)
    result = Result.open(folder)
    assert result.status == "failed"
    assert result.manifest["error"] == str(caught.value)
    assert "Traceback" not in result.manifest["error"].replace(" Traceback", "")
    for table in result.tables:
        assert len(result.table(table)) > 0
    return str(caught.value)


def is_gone(process: subprocess.Popen[bytes] | None) -> bool:
    """Whether nothing that runs is left of a process and all that it started."""
    assert process is not None
    found = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in found.stdout.splitlines()]
    return not any(int(group) == process.pid and state[0] != "Z" for group, state in rows)


# -- simulators -----------------------------------------------------------------------------------
@pytest.mark.parametrize("at", [1, 2])  # begins a block, is in the middle of one
def test_a_simulator_in_process_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    execute = Fleet._execute

    def breaks(self: Fleet, *args: Any) -> Any:
        if self.now == at and "battery" in self.names[0]:
            raise ZeroDivisionError("this model is broken")
        return execute(self, *args)

    monkeypatch.setattr(Fleet, "_execute", breaks)
    error = failed(tmp_path / "run", "baseline=individual")
    assert error == (
        f"simulator 'battery' failed in step() of Fleet at step {at} (2016-05-02 {8 + at:02}:00:00"
        "+00:00):"
        " ZeroDivisionError: this model is broken"
    )


@posix
def test_a_simulator_in_a_process_of_its_own_raises(tmp_path, monkeypatch) -> None:
    with with_children(monkeypatch, other=model(RAISES)) as children:
        error = failed(tmp_path / "run")
    assert "simulator 'other' failed in step()" in error
    assert "at step 1 (2016-05-02 09:00:00+00:00): ZeroDivisionError: this model is broken" in error
    assert is_gone(children["other"].process)


@posix
def test_a_simulator_dies_in_the_middle(tmp_path, monkeypatch) -> None:
    with with_children(monkeypatch, other=model(DIES)) as children:
        error = failed(tmp_path / "run")
    assert "'other' failed in step()" in error and "its process ended" in error
    assert "no more fuel" in error
    assert is_gone(children["other"].process)


@posix
def test_a_simulator_is_killed(tmp_path, monkeypatch) -> None:
    """By somebody else, with a signal that it cannot answer."""
    kills = AT + "os.kill(os.getpid(), 9)"
    with with_children(monkeypatch, other=model(kills)) as children:
        error = failed(tmp_path / "run")
    assert "'other' failed in step()" in error and "its process ended" in error
    assert children["other"].process.returncode == -signal.SIGKILL


@posix
def test_a_simulator_hangs_and_nothing_of_it_is_left(tmp_path, monkeypatch) -> None:
    began = time.monotonic()
    with with_children(monkeypatch, other=model(HANGS)) as children:
        error = failed(tmp_path / "run", "deadlines.call_s=2")
    assert "'other' failed in step()" in error and "did not answer within 2 s" in error
    assert is_gone(children["other"].process)
    assert time.monotonic() - began < 60.0


@posix
@pytest.mark.parametrize("key", ["call_s", "plan_s"])
def test_a_call_in_process_hangs(tmp_path: Path, monkeypatch, key: str) -> None:
    """Also whoever plans, if that has a deadline."""

    def sleeps(self: Any, *args: Any) -> Any:
        time.sleep(60)

    if key == "call_s":
        monkeypatch.setattr(Fleet, "steps", sleeps)
    else:
        monkeypatch.setattr("quartier.optimisation.NeighbourhoodModel.solve", sleeps)
    began = time.monotonic()
    error = failed(tmp_path / "run", f"deadlines.{key}=1", "baseline=individual")
    assert time.monotonic() - began < 30.0
    assert "within 1 s" in error


STUCK = """
import ctypes, sys
from quartier.units.step import Fleet
execute, c = Fleet._execute, ctypes.LIBRARY(None)
lock = ctypes.create_string_buffer(64)
def waits(self, *args):
    if self.now == 1 and "battery" in self.names[0]:
        c.pthread_mutex_lock(lock)
        c.pthread_mutex_lock(lock)  # for ever, whatever signal comes
    return execute(self, *args)
Fleet._execute = waits
from quartier.cli import app
app(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="locks of the C library")
@pytest.mark.parametrize(
    ("library", "code", "status"), [("CDLL", 3, "failed"), ("PyDLL", 1, "partial")]
)
def test_a_call_never_comes_back_to_python(
    tmp_path: Path, library: str, code: int, status: str
) -> None:
    """The process is ended all the same; at the worst, C keeps all of Python to itself."""
    folder = tmp_path / "run"
    options = ("--set", "deadlines.call_s=2", "--set", "baseline=individual", "--quiet")
    command = [sys.executable, "-c", STUCK.replace("LIBRARY", library), "run", str(CASE)]
    ended = subprocess.run(
        [*command, *options, "--out", str(folder)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert ended.returncode == code, ended.stderr
    result = Result.open(folder)
    assert result.status == status
    if status == "failed":
        told = "simulator 'battery' hangs in step() of Fleet at step 1 (2016-05-02 09:00:00+00:00)"
        assert result.manifest["error"].startswith(told)
        assert told in ended.stderr
        assert len(result.table("connection_points")) == 2
    else:
        assert "Timeout (" in ended.stderr and "in waits" in ended.stderr
    assert all(len(result.table(name)) for name in result.tables)


@posix
def test_a_simulator_that_dies_at_its_start_is_not_waited_for(tmp_path, monkeypatch) -> None:
    command = ["%(python)s", "-c", "raise SystemExit('no licence')"]
    began = time.monotonic()
    with with_children(monkeypatch, other=command):
        error = failed(tmp_path / "run")
    assert time.monotonic() - began < 25.0  # of 30 s that it may take to start
    assert "'other' died at its start (exit code 1)" in error and "no licence" in error


@posix
def test_of_several_that_fail_the_root_is_told_first(tmp_path, monkeypatch) -> None:
    """One says why; the other's connection was only closed."""
    dies = AT + "os._exit(1)"
    with with_children(monkeypatch, one=model(dies), two=model(RAISES)):
        error = failed(tmp_path / "run")
    root, followed = error.split("\nWhat followed:")
    assert "'two' failed" in root and "ZeroDivisionError" in root
    assert "'one' failed" in followed


# -- what comes in --------------------------------------------------------------------------------
WRONG = [float("nan"), float("inf"), None, "12", [1.0], {"p": 1}, True, object()]


@pytest.mark.parametrize("value", WRONG, ids=lambda v: type(v).__name__ + str(v)[:3])
@pytest.mark.parametrize("attribute", ["set_point_kw", "p_others_kw"])
def test_a_wrong_value_is_refused_at_a_unit(value: Any, attribute: str) -> None:
    """It names entity, attribute and source."""
    from quartier.simulators import Battery

    battery = Battery()
    battery.init("battery", step_size=900, steps=4)
    (made,) = battery.create(1, "Battery", energy_kwh=10.0, power_kw=5.0, wear_eur_per_kwh=0.02)
    battery.setup_done()
    inputs = {made["eid"]: {attribute: {"other.m0": value}}}
    with pytest.raises(RunFailed, match=rf"{made['eid']}\.{attribute} from other\.m0 is"):
        battery.step(0, inputs, 0)
    battery.step(0, {made["eid"]: {attribute: {"other.m0": 1}}}, 0)


@pytest.mark.parametrize(
    "value",
    [np.array([1.0, np.nan]), np.array([1.0, np.inf]), None, "12", [None, 1.0], np.ones(3), 1.0],
    ids=["nan", "inf", "none", "text", "missing", "shape", "scalar"],
)
def test_a_wrong_array_is_refused_where_it_arrives(value: Any) -> None:
    good = np.ones(2)
    with pytest.raises(RunFailed, match=r"^Nodes\.led from boiler\.Fleet "):
        total({"Nodes": {"led": {"chp.Fleet": good, "boiler.Fleet": value}}}, "Nodes", "led", (2,))
    assert total({"Nodes": {"led": {"chp.Fleet": good}}}, "Nodes", "led", (2,)).tolist() == [1, 1]


def test_a_wrong_number_in_a_block_is_named_with_its_step() -> None:
    block = np.ones((4, 2))
    block[2, 1] = np.nan
    with pytest.raises(
        AtBoundary, match=r"^Nodes\.led from boiler\.Fleet is nan at \[1\]$"
    ) as told:
        total({"Nodes": {"led": {"boiler.Fleet": block}}}, "Nodes", "led", (2,), steps=4)
    assert told.value.row == 2


@pytest.mark.parametrize("at", [1, 2])  # begins a block, is in the middle of one
@pytest.mark.parametrize("name", ["p_kw", "energy_kwh"])
def test_a_unit_that_hands_out_nan_is_named_with_the_time(tmp_path, monkeypatch, name, at) -> None:
    advance = Fleet.advance

    def breaks(self: Fleet, t: int, set_point: Any, signals: Any, done: Any) -> Any:
        found, nothing = advance(self, t, set_point, signals, done), np.array([np.nan])
        if t == at and "battery" in self.names[0]:
            if name == "p_kw":
                done[-1] = ({**found, "charge_kw": nothing}, done[-1][1])
            else:
                self._state["energy_kwh"] = nothing
                done[-1] = (found, nothing)
        return found

    monkeypatch.setattr(Fleet, "advance", breaks)
    error = failed(tmp_path / "run", "baseline=individual")
    time = f"step {at} (2016-05-02 {8 + at:02}:00:00+00:00)"
    where = f"battery.sunny.battery.{name} is nan @ {time}"
    assert error == where


# -- plans and solvers ----------------------------------------------------------------------------
def test_without_a_solution_units_follow_their_own_rules_and_the_run_is_degraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def infeasible(self: Any) -> Any:
        raise SolveFailed("sunny", "infeasible", "No choice keeps all limits at once.")

    monkeypatch.setattr("quartier.optimisation.NeighbourhoodModel.solve", infeasible)
    result = quartier.run(CASE, out=tmp_path / "run")
    assert result.status == "degraded"
    assert "gate 0: no plan: sunny: infeasible. No choice" in result.manifest["error"]
    assert result.table("solves")[["problem", "status"]].values.tolist() == [
        ["sunny", "infeasible"]
    ]
    own = Result.open(tmp_path / "run" / "baseline").table("units")["p_kw"]
    assert result.table("units")["p_kw"].tolist() == own.tolist()
