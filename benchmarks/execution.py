"""Execution phase per step against the bare power-flow loop of the same engine.

The bound is the engine alone on the network and the net injections that the run recorded:
pandapower recycled with nothing read back, or power-grid-model with the figures of every element.
The ratio says what mosaik, the units and the recording cost on top of it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandapower as pp

import quartier
from quartier import Result
from quartier.grid.engines import PowerGridModelFlow
from quartier.grid.network import Network, load_json


def bare_loop_s(result: Result, engine: str) -> float:
    """Seconds that an engine alone takes for the recorded injections of a run."""
    net = load_json(result.dir / "grid.json")
    buses = result.table("buses").sort_values(["time", "bus"])
    net.trafo["tap_pos"] = int(result.table("transformers")["tap_pos"].iloc[-1])
    steps = buses["time"].nunique()
    order = np.argsort(np.argsort(net.sgen["bus"].to_numpy()))
    p_mw = buses["p_mw"].to_numpy().reshape(steps, -1)[:, order]
    q_mvar = buses["q_mvar"].to_numpy().reshape(steps, -1)[:, order]
    if engine == "power-grid-model":
        network = Network(net)
        flow = PowerGridModelFlow(network)
        flow.step(p_mw[0], q_mvar[0], network.tap_pos)
        began = time.perf_counter()
        for p_now, q_now in zip(p_mw, q_mvar, strict=True):
            flow.step(p_now, q_now, network.tap_pos)
        return time.perf_counter() - began
    pp.runpp(net)
    began = time.perf_counter()
    for p_now, q_now in zip(p_mw, q_mvar, strict=True):
        net.sgen["p_mw"], net.sgen["q_mvar"] = p_now, q_now
        pp.runpp(net, recycle={"bus_pq": True, "trafo": False, "gen": False})
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coordination", default="uncontrolled")
    parser.add_argument("--engine", default="pandapower")
    parser.add_argument("--steps", type=int, default=130)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print(f"{'run':>4} {'bare ms/step':>13} {'execution ms/step':>18} {'ratio':>6}")
    for number in range(options.repeat):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            result = quartier.run(
                "fliegerhorst",
                coordination=options.coordination,
                overrides=[f"grid.engine={options.engine}", f"horizon.steps={options.steps}"],
                out=out,
            )
            steps = len(result.table("steps"))
            execution_s = float(result.manifest["wall_times_s"]["execution"])
            bare_s = bare_loop_s(result, options.engine)
        print(
            f"{number + 1:>4} {1e3 * bare_s / steps:>13.2f} {1e3 * execution_s / steps:>18.2f} "
            f"{execution_s / bare_s:>6.2f}"
        )


if __name__ == "__main__":
    main()
