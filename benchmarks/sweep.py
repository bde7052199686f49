"""A study of 40 runs on two workers, one of which is killed, against the same runs one by one.

Prints how many runs have results or a reason, what a rerun does, throughput against one run after
another in the same way (one worker), the memory of the processes that runs are forked from, and the
load of the machine, which decides what the times are worth.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import quartier

CASE = Path(__file__).parents[1] / "tests" / "cases" / "market"
POWER = "neighbourhoods.store.units.battery.power_kw"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="fliegerhorst", help="or the small case in tests")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=48, help="length of the horizon; 0: its own")
    options = parser.parse_args()
    load = "load {:.1f}, {} cores"
    print(load.format(os.getloadavg()[0], os.cpu_count()))
    with tempfile.TemporaryDirectory() as folder:
        two = measured(Path(folder) / "two", options, workers=2)
        print(f"two workers: {two.seconds:.1f} s, template processes {two.memory()}")
        one = measured(Path(folder) / "one", options, workers=1)
        print(f"one after another: {one.seconds:.1f} s, ratio {one.seconds / two.seconds:.2f}")
        killed = measured(Path(folder) / "killed", options, workers=2, kill=True)
        runs = killed.study.runs
        explained = int(runs["error"].notna().sum())
        print(
            f"one worker killed after {killed.killed_s or float('nan'):.1f} s: {len(runs)} runs,"
            f" {len(runs) - len(killed.study.failed)} results, {explained} explained"
        )
        before = folders(killed.study.dir)
        again = measured(Path(folder) / "killed", options, workers=2)
        made = len(folders(killed.study.dir) - before)
        print(f"rerun: {made} runs in {again.seconds:.1f} s")
    print(load.format(os.getloadavg()[0], os.cpu_count()))


class measured:  # noqa: N801 - reads as a verb where it is used
    """A study, how long it took, and the memory of its template processes over time."""

    def __init__(self, out: Path, options, workers: int, *, kill: bool = False) -> None:
        self.sizes: dict[int, list[float]] = {}
        self.killed_s: float | None = None
        self._done = threading.Event()
        began = time.perf_counter()
        watch = threading.Thread(target=self._watch, args=(out, began, options.runs, kill))
        watch.start()
        values = {"horizon.steps": [options.steps]} if options.steps else {}
        if options.scenario == str(CASE):
            values[POWER] = [10, 20]
        count = options.runs // 2 if POWER in values else options.runs
        self.study = quartier.sweep(
            options.scenario, values, ["uncontrolled"], seeds=count, out=out, workers=workers
        )
        self.seconds = time.perf_counter() - began
        self._done.set()
        watch.join()

    def _watch(self, out: Path, began: float, runs: int, kill: bool) -> None:
        while not self._done.wait(0.2):
            found = templates()
            for process in found:
                self.sizes.setdefault(process, []).append(memory_mb(process))
            ended = len(list(out.glob("runs/*/kpis.json")))
            if kill and self.killed_s is None and ended >= runs // 4 and found:
                os.kill(parent(next(iter(found))), signal.SIGKILL)
                self.killed_s = time.perf_counter() - began

    def memory(self) -> str:
        """Memory of each template process after its first quarter and at its end."""
        told = [(s[len(s) // 4], max(s)) for s in self.sizes.values() if len(s) > 4]
        return ", ".join(f"{early:.0f} MB, at most {most:.0f}" for early, most in told)


def folders(study: Path) -> set[Path]:
    return {path.parent for path in study.glob("runs/*/manifest.json")}


def templates() -> list[int]:
    """Template processes whose workers this process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            named = b"quartier.sweep.template" in path.read_bytes().split(b"\0")
            process = int(path.parent.name)
            if named and os.getpid() in ancestors(process) and not is_fork(process):
                found.append(process)
        except OSError:
            continue
    return found


def is_fork(process: int) -> bool:
    """Whether a process is a run: its parent is called as it is."""
    return b"quartier.sweep.template" in Path(f"/proc/{parent(process)}/cmdline").read_bytes()


def ancestors(process: int) -> list[int]:
    found = []
    while process > 1:
        process = parent(process)
        found.append(process)
    return found


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def memory_mb(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(
        (int(li.split()[1]) / 1024 for li in status if li.startswith("VmRSS")), float("nan")
    )


if __name__ == "__main__":
    main()
