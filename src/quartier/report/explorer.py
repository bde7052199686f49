"""From the map to the cause: what the scripts of the map, its lists and panels read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from quartier.errors import InputError
from quartier.figures import grid, limits, redispatch, schedules, style
from quartier.figures.frames import group_name, wide
from quartier.report.blocks import Custom, Figure
from quartier.results.plot import Plot

MOST_MEASURES = 20_000
"""Rows of P_set on a page; the rest is in ``redispatch.csv``."""
MOST_ASSETS = 40
"""Assets with a figure of their own, those with the largest caps."""


def explorer(plot: Plot) -> tuple[Custom, dict[str, Any]]:
    """Return the block with map and panels, and the model that its script reads."""
    model = _model(plot)
    worst = plot.worst_time()
    steps = [pd.Timestamp(time, tz="UTC") for time in model["times"]]
    figures = [_map(plot, worst), _element(plot, model)]
    assets = _assets(plot)
    figures += [Figure(f"asset-{number}", plot.asset(name)) for number, name in enumerate(assets)]
    model["worst"] = steps.index(worst)
    values = {"steps": len(steps), "worst": model["worst"], "assets": assets}
    return Custom("explorer.html.j2", values, figures), model


def _map(plot: Plot, worst: pd.Timestamp) -> Figure:
    lead = (
        "Wider lines are more loaded, dotted ones overloaded; triangles are voltages out of band."
    )
    if not plot.grid.placed:
        lead += " The grid has no coordinates: it is drawn so that neighbours lie together."
    return Figure("map", plot.loading_map(worst), lead, eager=True)


def _element(plot: Plot, model: dict[str, Any]) -> Figure:
    """The element with the highest loading; the script shows others in its place."""
    kind, index = str(model["elements"]["labels"][-1]).split(" ")[:2]
    return Figure("element", plot.element(kind, int(index)))


def _assets(plot: Plot) -> list[str]:
    try:
        rows = redispatch.measures(plot.table("redispatch"))
    except InputError:
        return []
    cuts = rows.groupby("asset")["cut_kw"].sum().sort_values(ascending=False, kind="stable")
    return [str(name) for name in cuts.index[:MOST_ASSETS]]


def _model(plot: Plot) -> dict[str, Any]:
    tables = plot.table("lines"), plot.table("transformers")
    matrix, highest = grid.loadings(plot.grid, *tables)
    order = grid.by_highest(matrix, highest)
    buses = plot.grid.buses
    voltage = wide(plot.table("buses"), "bus", "vm_pu").reindex(columns=buses.index)
    x, y = grid.ends(plot.grid, plot.grid.lines)
    return {
        "times": style.utc(pd.DatetimeIndex(matrix.index)),
        "elements": {"labels": list(order), "limits": highest[order].tolist()},
        "limit_lines": {name: style.line(look) for name, look in limits.LIMIT_LOOKS.items()},
        "loading": style.single(matrix[order].to_numpy().T),
        "buses": {
            "labels": [f"bus {bus}" for bus in buses.index],
            "names": buses["name"].astype(str).tolist(),
            "low": buses["vm_min_pu"].tolist(),
            "high": buses["vm_max_pu"].tolist(),
            "x": buses["x"].tolist(),
            "y": buses["y"].tolist(),
        },
        "voltage": style.single(voltage.to_numpy().T),
        "lines": {"labels": grid.names(plot.grid, "line"), "x": x.T.tolist(), "y": y.T.tolist()},
        "transformers": grid.names(plot.grid, "transformer"),
        "measures": _measures(plot),
        "reactions": _reactions(plot),
        "neighbourhoods": list(plot.neighbourhoods),
    }


def _measures(plot: Plot) -> dict[str, Any]:
    """Caps in force as columns, with what the asset then did."""
    try:
        rows = redispatch.measures(plot.whole_table("redispatch"))
    except InputError:
        return {}
    total, rows = len(rows), rows.sort_values("time", kind="stable")
    rows = rows.nlargest(MOST_MEASURES, "cut_kw", keep="first").sort_index()
    rows = rows.assign(result_kw=_done_kw(plot, rows))
    columns = ["offered_kw", "p_set_kw", "cut_kw", "sensitivity", "cost_eur", "result_kw"]
    texts = {name: _coded(rows[name]) for name in ("asset", "element")}
    flags = {name: rows[name].to_numpy(np.uint8) for name in ("preventive", "consumption")}
    numbers = {name: rows[name].to_numpy(float) for name in columns}
    time_s = (rows["time"].astype("int64") // 10**9).to_numpy(np.int32)
    gates = {name: rows[name].to_numpy(np.int32) for name in ("gate", "round")}
    return {"time_s": time_s, "total": total, **texts, **flags, **numbers, **gates}


def _done_kw(plot: Plot, rows: pd.DataFrame) -> Any:
    """What assets did in kW, by row with ``time`` and ``asset``."""
    points = pd.concat(
        [
            piece[piece["time"].isin(rows["time"])]
            for piece in plot.whole_pieces("connection_points", ["time", "name", "p_kw"])
        ]
    ).set_index(["time", "name"])["p_kw"]
    return points.reindex(pd.MultiIndex.from_frame(rows[["time", "asset"]])).to_numpy()


def _coded(texts: pd.Series[str]) -> dict[str, Any]:
    """Texts as numbers of a list of the different ones."""
    codes, different = pd.factorize(texts)
    return {"codes": codes.astype(np.int32), "names": list(different)}


def _reactions(plot: Plot) -> dict[str, Any]:
    """Plans before and after P_set and what was done, in kW by neighbourhood, group and step."""
    try:
        plans = plot.table("plans")
    except InputError:
        return {}
    return {name: _reaction(plot, plans, name) for name in plot.neighbourhoods}


def _reaction(plot: Plot, plans: pd.DataFrame, name: str) -> dict[str, Any]:
    units = plot.table("units")
    change = schedules.plan_change(plans, units, name)
    own = units[units["neighbourhood"] == name]
    groups = own["unit"].map({unit: group_name(unit) for unit in own["unit"].unique()})
    done = own["p_kw"].groupby([own["time"], groups.rename("group")]).sum()
    tables = {
        "first": change["first_kw"].unstack("group"),
        "last": change["last_kw"].unstack("group"),
        "done": done.unstack("group"),
    }
    columns = tables["done"].columns[tables["done"].abs().max() > 0]
    times = tables["done"].index
    matrices = {
        key: style.single(table.reindex(index=times, columns=columns).to_numpy().T)
        for key, table in tables.items()
    }
    labels = [str(group).removeprefix(f"{name}.") for group in columns]
    return {"groups": labels, **matrices}
