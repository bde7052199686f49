"""Limits of the grid's elements, read from ``grid.json`` without loading pandapower."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from quartier.quantities import Array


@dataclass(frozen=True)
class Limits:
    """What the grid's elements can bear, every array in the order of the index beside it.

    Lines and transformers in percent of their rated current and in MVA at 100 %, buses in pu.
    """

    line: pd.DataFrame
    """``limit_percent`` and ``rating_mva`` by pandapower's line index."""
    transformer: pd.DataFrame
    """``limit_percent`` and ``rating_mva`` by pandapower's transformer index."""
    bus: pd.DataFrame
    """``vm_min_pu`` and ``vm_max_pu`` by pandapower's bus index."""


def read_limits(path: Path) -> Limits:
    """Read the limits from a run's ``grid.json``, where the run wrote those that it used.

    Parameters
    ----------
    path
        pandapower JSON file; its elements' ``max_loading_percent``, ``min_vm_pu`` and
        ``max_vm_pu`` are taken as they stand.
    """
    net = json.loads(path.read_text(encoding="utf-8"))["_object"]
    bus, line, trafo = (_frame(net, name) for name in ("bus", "line", "trafo"))
    volts = bus["vn_kv"].reindex(line["from_bus"]).to_numpy(dtype=float)
    amps = line["max_i_ka"] * line["df"] * line["parallel"]
    power = trafo["sn_mva"] * trafo["df"] * trafo["parallel"]
    return Limits(
        line=_ratings(line, np.sqrt(3) * volts * amps.to_numpy(dtype=float)),
        transformer=_ratings(trafo, power.to_numpy(dtype=float)),
        bus=pd.DataFrame({"vm_min_pu": bus["min_vm_pu"], "vm_max_pu": bus["max_vm_pu"]}),
    )


def _ratings(table: pd.DataFrame, rating_mva: Array) -> pd.DataFrame:
    return pd.DataFrame(
        {"limit_percent": table["max_loading_percent"], "rating_mva": rating_mva},
        index=table.index,
        dtype=float,
    )


def _frame(net: dict[str, Any], table: str) -> pd.DataFrame:
    split = json.loads(net[table]["_object"])
    return pd.DataFrame(split["data"], index=split["index"], columns=split["columns"])
