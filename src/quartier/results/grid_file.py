"""The grid of a run for its figures, read from ``grid.json`` without loading pandapower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from quartier.figures.grid import Grid

MOST_SPRINGS = 1000
"""Buses up to which springs are balanced: their time grows with the square of the number."""


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
    """Coordinates by bus, None if a bus has none or something else than a point."""
    if "geo" not in bus:
        return None
    points = [_point(text) for text in bus["geo"]]
    if any(point is None for point in points) or len(points) > len(set(points)) == 1:
        return None
    return pd.DataFrame(points, index=bus.index, columns=["x", "y"]).astype(float)


def _point(text: Any) -> tuple[float, float] | None:
    """A point in GeoJSON; its height, if there is one, does not matter."""
    try:
        x, y = (float(number) for number in json.loads(text)["coordinates"][:2])
    except (TypeError, ValueError, KeyError):
        return None
    return (x, y) if np.isfinite([x, y]).all() else None


def _drawing(buses: pd.Index[Any], *branches: pd.DataFrame) -> pd.DataFrame:
    """Places by which connected buses lie together: balanced springs, in large grids a tree."""
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(buses)
    for table in branches:
        graph.add_edges_from(zip(table["from_bus"], table["to_bus"], strict=True))
    if len(buses) > MOST_SPRINGS:
        return _tree(graph).reindex(buses)
    start = {bus: (np.cos(i), np.sin(i)) for i, bus in enumerate(buses)}
    places = nx.spring_layout(graph, pos=start, iterations=200, seed=0)
    return pd.DataFrame.from_dict(places, orient="index", columns=["x", "y"]).reindex(buses) * 200


def _tree(graph: nx.Graph[Any]) -> pd.DataFrame:
    """Places around a middle, further out by distance, each branch in a sector of its own."""
    middle = max(graph.degree, key=lambda pair: pair[1])[0]
    roots = [middle, *(min(part) for part in nx.connected_components(graph) if middle not in part)]
    order: list[Any] = []
    parent: dict[Any, Any] = {}
    depth: dict[Any, int] = {}
    for number, root in enumerate(roots):
        depth[root] = 0 if number == 0 else 1
        order.append(root)
        for above, bus in nx.bfs_edges(graph, root):
            parent[bus], depth[bus] = above, depth[above] + 1
            order.append(bus)
    weight = dict.fromkeys(order, 1)
    for bus in reversed(order):
        if bus in parent:
            weight[parent[bus]] += weight[bus]
    free: dict[Any, float] = {}
    angle: dict[Any, float] = {}
    start = 0.0
    for bus in order:
        if bus in parent:
            begin = free[parent[bus]]
            free[parent[bus]] += weight[bus]
        else:
            begin, start = start, start + weight[bus]
        free[bus] = begin
        angle[bus] = 2 * np.pi * (begin + weight[bus] / 2) / len(order)
    places = {b: (depth[b] * np.cos(angle[b]), depth[b] * np.sin(angle[b])) for b in order}
    return pd.DataFrame.from_dict(places, orient="index", columns=["x", "y"])
