"""A run folder of a large grid, with made-up results, as a run would leave it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandapower as pp
import pandas as pd

from quartier.results import Result, RunWriter

START = pd.Timestamp("2016-05-02T08:00Z")


def large_run(folder: Path, buses: int, steps: int = 8, *, placed: bool = False) -> Result:
    """Feeders from one station; one line, one transformer and one bus are beyond their limits."""
    rng = np.random.default_rng(3)
    net = pp.create_empty_network(add_stdtypes=False)
    index = pp.create_buses(net, buses, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
    starts = np.where(np.arange(1, buses) % 50 == 1, 0, np.arange(buses - 1))
    if placed:
        x, y = rng.uniform(7, 9, buses), rng.uniform(52, 54, buses)
        net.bus["geo"] = [
            json.dumps({"type": "Point", "coordinates": [a, b]}) for a, b in zip(x, y, strict=True)
        ]
    pp.create_ext_grid(net, 0)
    pp.create_lines_from_parameters(
        net, starts, index[1:], 0.5, 0.1, 0.1, 0.0, 0.3, max_loading_percent=100.0
    )
    net.trafo["max_loading_percent"] = []
    scenario = {
        "name": "large",
        "title": "A large grid",
        "horizon": {"step_minutes": 15},
        "neighbourhoods": {"farm": {}},
    }
    manifest = {
        "scenario": scenario,
        "coordination": "uncontrolled",
        "seed": 1,
        "start": START,
        "end": START + pd.Timedelta(minutes=15 * steps),
        "steps_expected": steps,
        "versions": {},
        "overrides": [],
    }
    writer = RunWriter(folder, manifest)
    pp.to_json(net, str(folder / "grid.json"))
    for step in range(steps):
        time = START + pd.Timedelta(minutes=15 * step)
        loading, vm_pu = rng.uniform(0, 60, buses - 1), rng.uniform(0.95, 1.05, buses)
        loading[buses // 2] = 130.0
        vm_pu[buses // 3] = 1.2
        writer.add(
            "lines",
            {"time": time, "index": net.line.index, "name": None, "loading_percent": loading},
        )
        writer.add("buses", {"time": time, "bus": net.bus.index, "vm_pu": vm_pu})
        writer.add("steps", {"time": [time], "converged": [True], "iterations": [3.0]})
        point = {"name": ["farm"], "kind": ["neighbourhood"], "bus": [7], "p_kw": [1.0]}
        writer.add("connection_points", {"time": [time], **point})
        unit = {"neighbourhood": ["farm"], "unit": ["farm.pv"], "kind": ["pv"], "p_kw": [1.0]}
        writer.add("units", {"time": [time], **unit})
    writer.finish("complete")
    return Result.open(folder)
