"""Runs of two steps whose tables are written by hand, for KPIs that can be worked out by hand."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandapower as pp
import pandas as pd

from quartier.results import Result, RunWriter

T0, T1 = pd.to_datetime(["2016-07-24T22:00Z", "2016-07-24T22:30Z"])
TIMES = [T0, T1]
"""Two steps of half an hour."""

SCENARIO: dict[str, Any] = {
    "horizon": {"step_minutes": 30},
    "neighbourhoods": {"nord": {"redispatch_price_eur_per_kwh": 0.2}},
    "redispatch": {
        "loading_tolerance_percent": 0.1,
        "voltage_tolerance_pu": 1e-4,
        "price_eur_per_kwh": 0.1,
        "plant_prices": {"park": 0.5},
        "raise_price_eur_per_kwh": 0.3,
        "loss_price_eur_per_kwh": 0.06,
    },
    "objectives": {
        "curtailment_eur_per_kwh": 0.05,
        "co2_eur_per_kg": 0.1,
        "peak_eur_per_kw": 2.0,
        "penalty_eur_per_kwh": 10.0,
    },
}

Tables = dict[str, dict[str, Any]]


@functools.cache
def grid_json() -> str:
    """Two buses (0.95 .. 1.05 pu), a line of 20 kV and 0.1 kA with a limit of 50 %."""
    net = pp.create_empty_network()
    a, b = (
        pp.create_bus(net, 20.0, min_vm_pu=0.95, max_vm_pu=high, index=index)
        for index, high in ((3, 1.05), (7, 1.10))
    )
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 1.0, 0.1, 0.1, 0.0, 0.1, max_loading_percent=50.0)
    net.trafo["max_loading_percent"] = []
    return pp.to_json(net)


def run_of(folder: Path, tables: Tables, **manifest: Any) -> Result:
    writer = RunWriter(folder, {"scenario": SCENARIO, **manifest})
    for name, columns in tables.items():
        writer.add(name, columns)
    writer.finish("complete")
    (folder / "grid.json").write_text(grid_json(), encoding="utf-8")
    return Result.open(folder)


def lines(*loading_percent: float, loss_mw: float = 0.0) -> dict[str, Any]:
    return {"time": TIMES, "index": 0, "loading_percent": loading_percent, "loss_mw": loss_mw}


def signal(name: str, *values: float, unit: str = "1") -> dict[str, Any]:
    return {"time": TIMES, "name": name, "value": values, "unit": unit}


def points(**columns: Any) -> dict[str, Any]:
    return {"time": TIMES, "name": "nord", "kind": "neighbourhood", "bus": 7, **columns}


def units(unit: str, kind: str, neighbourhood: str | None = "nord", **columns: Any):
    return {"time": TIMES, "unit": unit, "kind": kind, "neighbourhood": neighbourhood, **columns}


def stack(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Blocks of rows below each other."""
    frame = pd.concat([pd.DataFrame(block) for block in blocks], ignore_index=True)
    return {name: frame[name].tolist() for name in frame}
