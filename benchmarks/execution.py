"""Execution phase per step against the bare power-flow loop of the same engine.

The bound is the engine alone, step by step, on the network and the net injections that the run
recorded: pandapower recycled with nothing read back, or power-grid-model with the figures of every
element. For power-grid-model also the same steps as batches of 96 are shown, which no run can
beat. The ratio says what mosaik, the units and the recording cost on top of it; it is of CPU time,
which other work on the machine spoils less than wall time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp

import quartier
from quartier import Result
from quartier.grid.engines import PowerGridModelFlow
from quartier.grid.network import Network, load_json

BATCH = 96


def cpu_s(work: Callable[[], object]) -> float:
    """CPU time that something takes in s."""
    began = time.process_time()
    work()
    return time.process_time() - began


class Execution:
    """CPU time of the execution phases of runs, with the planning at their one gate."""

    def __init__(self) -> None:
        runs: Any = import_module("quartier.run")
        self._run_world, self.seconds = runs.run_world, 0.0
        runs.run_world = self._timed

    def _timed(self, world: Any, execution: Any) -> None:
        self.seconds = cpu_s(lambda: self._run_world(world, execution))


def bare_s(result: Result, engine: str) -> tuple[float, float]:
    """CPU time of an engine alone for the injections of a run, one by one and in batches."""
    net = load_json(result.dir / "grid.json")
    buses = result.table("buses").sort_values(["time", "bus"])
    net.trafo["tap_pos"] = int(result.table("transformers")["tap_pos"].iloc[-1])
    steps = buses["time"].nunique()
    order = np.argsort(np.argsort(net.sgen["bus"].to_numpy()))
    p_mw = buses["p_mw"].to_numpy().reshape(steps, -1)[:, order]
    q_mvar = buses["q_mvar"].to_numpy().reshape(steps, -1)[:, order]
    rows = list(zip(p_mw, q_mvar, strict=True))
    if engine == "power-grid-model":
        network = Network(net)
        flow, tap_pos = PowerGridModelFlow(network), network.tap_pos
        flow.step(*rows[0], tap_pos)
        parts = [slice(first, first + BATCH) for first in range(0, steps, BATCH)]
        return (
            cpu_s(lambda: [flow.step(*row, tap_pos) for row in rows]),
            cpu_s(lambda: [flow.solve_steps(p_mw[k], q_mvar[k], tap_pos) for k in parts]),
        )
    pp.runpp(net)

    def recycled() -> None:
        for net.sgen["p_mw"], net.sgen["q_mvar"] in rows:
            pp.runpp(net, recycle={"bus_pq": True, "trafo": False, "gen": False})

    return cpu_s(recycled), np.nan


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="power-grid-model")
    parser.add_argument("--steps", type=int, default=960)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    execution = Execution()
    print(f"CPU ms a step, {options.engine}")
    print(f"{'run':>4} {'execution':>10} {'bare loop':>10} {'ratio':>6} {'batches':>8}")
    for number in range(options.repeat):
        with tempfile.TemporaryDirectory() as folder:
            result = quartier.run(
                "fliegerhorst:year",
                coordination="uncontrolled",
                overrides=[
                    f"grid.engine={options.engine}",
                    f"horizon.steps={options.steps}",
                    f"gates.every={options.steps}",
                ],
                out=Path(folder) / "run",
            )
            one_by_one_s, batches_s = bare_s(result, options.engine)
        figures = [1e3 * s / options.steps for s in (execution.seconds, one_by_one_s, batches_s)]
        ratio = execution.seconds / one_by_one_s
        print(
            f"{number + 1:>4} {figures[0]:>10.2f} {figures[1]:>10.2f} {ratio:>6.2f} "
            f"{figures[2]:>8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
