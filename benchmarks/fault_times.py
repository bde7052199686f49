"""How soon a run fails after a fault, what a kill loses, what checkpoints cost, against bounds.

Each fault happens for real, in a process of its own: a simulator beside a run of
`tests/cases/sharing` over many steps notes the time, and then raises, dies or hangs. `failed` is
when the manifest says so, `ended` when the process has ended. What a kill loses are the steps that
the planner had begun, in all but the last of which everybody has acted, without those that can be
read afterwards; and the time since the first of them was begun. The bounds are those of a machine
with nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import yaml

from quartier.results import Result

CASE = Path(__file__).parents[1] / "tests" / "cases" / "sharing"
STEPS, AT, DEADLINE_S = 600, 400, 2.0
EVERY = 3
SIMULATOR = """
import mosaik_api_v3, os, sys, time
META = {"api_version": "3.0", "type": "time-based",
        "models": {"M": {"public": True, "params": [], "attrs": ["x"]}}}
class Sim(mosaik_api_v3.Simulator):
    def __init__(self): super().__init__(META)
    def create(self, num, model): return [{"eid": "m", "type": "M"}]
    def step(self, now, inputs, max_advance):
        if now == AT * 3600:
            open("NOTE", "w").write(f"{time.time()}")
            FAULT
        return now + 3600
    def get_data(self, outputs): return {}
mosaik_api_v3.start_simulation(Sim())
"""
RUN = """
import sys, time
from quartier.simulators import world
from quartier.simulators.child import Child
build, source = world._build, open(sys.argv[1]).read()
def more(of, execution, checkpoints, guard):
    build(of, execution, checkpoints, guard)
    child = Child(["%(python)s", "-c", source, "%(addr)s"], 60.0)
    if source.startswith("raise"):
        open(sys.argv[2], "w").write(f"{time.time()}")
    of.start(guard.over(child), sim_id="other").M.create(1)
world._build = more
from quartier.cli import app
app(sys.argv[3:])
"""
OWN = """
import mosaik_api_v3, os, sys, time
META = {"api_version": "3.0", "type": "time-based",
        "models": {"M": {"public": True, "params": [], "attrs": ["set_point_kw", "p_kw"]}}}
class Sim(mosaik_api_v3.Simulator):
    def __init__(self): super().__init__(META)
    def create(self, num, model): return [{"eid": "m", "type": "M"}]
    def step(self, now, inputs, max_advance):
        if now == AT * 3600:
            os.kill(os.getpid(), 9)
        return now + 3600
    def get_data(self, outputs): return {e: {a: 0.0 for a in names} for e, names in outputs.items()}
mosaik_api_v3.start_simulation(Sim())
"""
NOTING = """
import os, sys, time
from quartier.simulators.planner import Planner
step, note = Planner.step, os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
def noting(self, time_, inputs, max_advance):
    after = step(self, time_, inputs, max_advance)
    os.write(note, f"{after // 3600} {time.time()}\\n".encode())
    return after
Planner.step = noting
from quartier.cli import app
app(sys.argv[2:])
"""
MANY = 60_000
"""Steps of a run that is killed, which must not be over before."""
KILLS = {"own simulator killed": 1, "killed, own simulator": 5, "killed": 5}
LOST_STEPS, LOST_S = 96, 2.0
FAULTS = {
    "raises": ("raise ZeroDivisionError", 3, 2.0),
    "is killed": ("os.kill(os.getpid(), 9)", 3, 2.0),
    "hangs": ("time.sleep(600)", 3, DEADLINE_S + 1.0),
    "dies at its start": ("", 3, 2.0),
    "Ctrl-C": ("time.sleep(0.5)", 130, 5.0),
}


def main() -> None:
    """Print a row for every fault, and the share of checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    print(f"{'fault':<20}{'exit':>6}{'failed after s':>16}{'bound s':>9}{'ended s':>9}{'left':>6}")
    for name in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            print_fault(name, Path(folder))
    print(f"\n{'kill':<24}{'exit':>6}{'begun':>8}{'readable':>10}{'lost':>6}{'lost s':>8}", end="")
    print(f"   bound {LOST_STEPS} steps or {LOST_S:g} s")
    draw = random.Random(1)
    for name, times in KILLS.items():
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                print_loss(name, Path(folder), draw.uniform(0.0, 3.0))
    with tempfile.TemporaryDirectory() as folder:
        usual, many = (cpu_s(Path(folder) / str(every), every) for every in (None, EVERY))
    each = (many - usual) / (STEPS // EVERY)
    share = each / 60.0
    print(f"a checkpoint takes {each:.3f} s of processor time;")
    print(f"one a minute, as by default: {share:.2%} of a run (bound 2 %)")


def command(out: Path, *options: str) -> list[str]:
    """Arguments of a run of many steps."""
    sets = [f"horizon.steps={STEPS}", "baseline=individual", *options]
    given = [part for one in sets for part in ("--set", one)]
    return ["run", str(scenario(out.parent)), "--out", str(out), "--quiet", *given]


def scenario(folder: Path, steps: int = STEPS) -> Path:
    """The case over as many steps as are needed."""
    copied = folder / "case"
    if not copied.exists():
        copied.mkdir()
        for path in CASE.iterdir():
            (copied / path.name).write_text(path.read_text("utf-8"), "utf-8")
        head, *rows = (copied / "s.csv").read_text("utf-8").splitlines()
        values = [row.split(",")[1:] for row in rows]
        times = [
            time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(1462176000 + 3600 * k))
            for k in range(steps)
        ]
        rows = [",".join([at, *values[k % len(values)]]) for k, at in enumerate(times)]
        (copied / "s.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return copied


def print_fault(name: str, folder: Path) -> None:
    """Let it happen, and print what came of it."""
    fault, code, bound_s = FAULTS[name]
    note, source, out = folder / "note", folder / "simulator.py", folder / "run"
    text = SIMULATOR.replace("AT", str(AT)).replace("NOTE", str(note)).replace("FAULT", fault)
    source.write_text(text if fault else "raise SystemExit('no licence')", "utf-8")
    options = command(out, f"deadlines.call_s={DEADLINE_S if name == 'hangs' else 60}")
    arguments = [sys.executable, "-c", RUN, str(source), str(note), *options]
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        while name == "Ctrl-C" and not note.exists() and process.poll() is None:
            time.sleep(0.01)
        if name == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        said = process.communicate()[1].decode()
    ended_s = time.time() - float(note.read_text())
    if process.returncode != code:
        print(said)
    finished = datetime.fromisoformat(Result.open(out).manifest["finished"]).timestamp()
    failed_s = finished - float(note.read_text())
    left = sum(row.split()[0] == str(process.pid) for row in rows_of_ps())
    print(
        f"{name:<20}{process.returncode:>6}{failed_s:>16.2f}{bound_s:>9.1f}{ended_s:>9.2f}{left:>6}",
        flush=True,
    )


def print_loss(name: str, folder: Path, wait_s: float) -> None:
    """Kill a simulator or the run, and print what is lost."""
    case, note, out = scenario(folder, MANY), folder / "note", folder / "run"
    if "own simulator" in name:
        at = 1000 if name.startswith("own") else -1
        (folder / "own.py").write_text(OWN.replace("AT", str(at)), "utf-8")
        data = yaml.safe_load((case / "scenario.yaml").read_text("utf-8"))
        data["horizon"]["start"] = str(data["horizon"]["start"])
        cmd = f"%(python)s {folder / 'own.py'} %(addr)s"
        data["simulators"] = {"mine": {"unit": "sunny.battery", "model": "M", "cmd": cmd}}
        (case / "scenario.yaml").write_text(yaml.safe_dump(data), "utf-8")
    sets = [f"horizon.steps={MANY}", "coordination=uncontrolled", "baseline=uncontrolled"]
    options = [part for one in sets for part in ("--set", one)]
    arguments = ["run", str(case), "--out", str(out), "--quiet", *options]
    with subprocess.Popen(
        [sys.executable, "-c", NOTING, str(note), *arguments],
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        while not (note.exists() and note.stat().st_size) and process.poll() is None:
            time.sleep(0.01)
        if not name.startswith("own"):
            time.sleep(wait_s)
            process.kill()
            killed = time.time()
        said = process.communicate()[1].decode()
    begun = [line.split() for line in note.read_text("utf-8").splitlines()]
    if not begun:
        raise SystemExit(said)
    if name.startswith("own"):
        killed = float(begun[-1][1])
    result, table = Result.open(out), "connection_points"
    readable = result.table(table)["time"].nunique() if table in result.tables else 0
    if int(begun[-1][0]) in (readable, MANY):
        print(said)
    first = next((float(at) for step, at in begun if int(step) > readable), killed)
    lost = int(begun[-1][0]) - readable
    print(
        f"{name:<24}{process.returncode:>6}{begun[-1][0]:>8}{readable:>10}{lost:>6}"
        f"{killed - first:>8.2f}",
        flush=True,
    )


def rows_of_ps() -> list[str]:
    """Sessions of all processes that run."""
    told = subprocess.run(["ps", "-eo", "sid=,stat="], capture_output=True, text=True, check=True)
    return [row for row in told.stdout.splitlines() if "Z" not in row]


def cpu_s(out: Path, every: int | None) -> float:
    """Processor time of a run with a checkpoint every so many steps, at once."""
    asked = [] if every is None else [f"checkpoints.every_steps={every}"]
    before = os.times()
    arguments = [sys.executable, "-m", "quartier", *command(out, *asked)]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return (
        after.children_user
        + after.children_system
        - before.children_user
        - (before.children_system)
    )


if __name__ == "__main__":
    main()
