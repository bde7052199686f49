"""The grid of a run for its figures, read from ``grid.json`` without loading pandapower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from quartier.figures.grid import Grid


def read_grid(path: Path) -> Grid:
    """Read buses with coordinates and voltage bands, lines and transformers with limits.

    A grid without coordinates is drawn so that connected buses lie together.

    Parameters
    ----------
    path
        pandapower JSON file of a run.
    """
    net = json.loads(path.read_text(encoding="utf-8"))["_object"]
    bus, line, trafo = (frame(net, name) for name in ("bus", "line", "trafo"))
    lines, transformers = (
        _branches(line, "from_bus", "to_bus"),
        _branches(trafo, "hv_bus", "lv_bus"),
    )
    places = _coordinates(bus)
    placed = places is not None
    if places is None:
        places = _drawing(bus.index, lines, transformers)
    bands = {"vm_min_pu": bus["min_vm_pu"], "vm_max_pu": bus["max_vm_pu"]}
    buses = pd.DataFrame({"name": bus["name"], **bands}).join(places)
    return Grid(buses, lines, transformers, placed)


def frame(net: dict[str, Any], table: str) -> pd.DataFrame:
    """A table of a network as pandapower's JSON holds it."""
    split = json.loads(net[table]["_object"])
    return pd.DataFrame(split["data"], index=split["index"], columns=split["columns"])


def _branches(table: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    columns = ["name", start, end, "max_loading_percent"]
    names = {start: "from_bus", end: "to_bus", "max_loading_percent": "limit_percent"}
    return table[columns].rename(columns=names).astype({"limit_percent": float})


def _coordinates(bus: pd.DataFrame) -> pd.DataFrame | None:
    """Coordinates by bus, None if a bus has none."""
    if "geo" not in bus or bus["geo"].isna().any():
        return None
    points = [json.loads(text)["coordinates"] for text in bus["geo"]]
    return pd.DataFrame(points, index=bus.index, columns=["x", "y"]).astype(float)


def _drawing(buses: pd.Index[Any], *branches: pd.DataFrame) -> pd.DataFrame:
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(buses)
    for table in branches:
        graph.add_edges_from(zip(table["from_bus"], table["to_bus"], strict=True))
    start = {bus: (np.cos(i), np.sin(i)) for i, bus in enumerate(buses)}
    places = nx.spring_layout(graph, pos=start, iterations=200, seed=0)
    return pd.DataFrame.from_dict(places, orient="index", columns=["x", "y"]).reindex(buses) * 200
