"""Fronts: what a neighbourhood or the grid operator trades off, and what was chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

NEGOTIATED, CAPPED = "mo-cohda", "mo-cohda-capped"
"""Methods whose chosen point is a plan: the offer, and what is carried out in its place."""
SYMBOLS = {
    "carried out": ("star", "hexagram", "star-diamond"),
    "chosen": ("star", "hexagram", "star-diamond"),
    "offered": ("diamond-open", "square-open", "triangle-up-open"),
    "points": ("circle-open",),
}
"""Symbols by what a point is; those of several gates take turns."""
COLOURS = {
    "carried out": style.VERMILION,
    "chosen": style.VERMILION,
    "offered": style.PURPLE,
}
OBJECTIVES = {
    "peak_import_kw": "peak import (kW)",
    "flexibility_kw": "flexibility, sum of steps (kW)",
    "co2_kg": "CO2 (kg)",
    "redispatch_cost_eur": "redispatch cost (EUR)",
    "losses_kwh": "grid losses (kWh)",
    "co2_slack_kg": "CO2 of imports (kg)",
}


def front(fronts: pd.DataFrame, neighbourhood: str) -> go.Figure:
    """Points of a neighbourhood's front, what was carried out as a star.

    The first two objectives are the axes, a third is the size of the markers.

    Parameters
    ----------
    fronts
        Table of a run.
    neighbourhood
        Name.
    """
    own = fronts[fronts["neighbourhood"] == neighbourhood]
    names = own["objective"].drop_duplicates().tolist()
    keys = ["gate", "method", "point", "chosen"]
    points = own.pivot_table(index=keys, columns="objective", values="value").reset_index()
    x, y = names[0], names[min(1, len(names) - 1)]
    made = style.figure(
        f"Front of {neighbourhood}",
        x=_axis(x, points[x]),
        y=_axis(y, points[y]),
        unit="",
        dates=False,
    )
    sizes = _sizes(points[names[2]]) if len(names) > 2 else pd.Series(10.0, index=points.index)
    capped = set(points.loc[points["method"] == CAPPED, "gate"])
    gates = sorted(points["gate"].unique())
    for number, (key, rows) in enumerate(points.groupby(["gate", "method", "chosen"])):
        gate, method, chosen = key
        role = role_of(str(method), bool(chosen), gate in capped)
        symbols = SYMBOLS[role]
        made.add_trace(
            go.Scatter(
                x=rows[x].to_numpy(float),
                y=rows[y].to_numpy(float),
                mode="markers",
                name=f"{role}, {method}, gate {gate}",
                marker={
                    "size": (sizes[rows.index] + (8 if chosen else 0)).tolist(),
                    "symbol": symbols[gates.index(gate) % len(symbols)],
                    "color": COLOURS.get(role, style.look(number).colour),
                    "opacity": 1,
                    "line": {"width": 2},
                },
                customdata=rows[["point", *names]].to_numpy(float).tolist(),
                hovertemplate=_hover(names),
                meta={"columns": ["point", *names]},
            )
        )
    if len(names) > 2:
        _add_scale(made, names[2], points[names[2]], sizes)
    return made


def role_of(method: str, chosen: bool, is_capped: bool) -> str:
    """What points are: of the front only, chosen, and if a plan, offered or carried out.

    Parameters
    ----------
    method
        How the front was found.
    chosen
        Whether the points are those that were chosen.
    is_capped
        Whether the gate has a front under P_set, whose chosen point is carried out instead.
    """
    if not chosen:
        return "points"
    if method == CAPPED or (method == NEGOTIATED and not is_capped):
        return "carried out"
    return "offered" if method == NEGOTIATED else "chosen"


def _axis(name: str, values: pd.Series[float]) -> str:
    """Title of an axis; a peak below 0 needs a word."""
    title = OBJECTIVES.get(name, name)
    below = name == "peak_import_kw" and bool((values < 0).any())
    return f"{title}; below 0: feed-in at all times" if below else title


def _sizes(values: pd.Series[float]) -> pd.Series[float]:
    """Diameter of markers in pixels, 8 to 22."""
    span = float(values.max() - values.min())
    return 8 + 14 * (values - values.min()) / span if span > 0 else values * 0 + 12


def _add_scale(
    made: go.Figure, name: str, values: pd.Series[float], sizes: pd.Series[float]
) -> None:
    """Add circles above the figure that say what sizes mean: least, middle and most."""
    ends, diameters = [
        np.unique([part.min(), (part.min() + part.max()) / 2, part.max()])
        for part in (values, sizes)
    ]
    hidden = {"visible": False, "fixedrange": True}
    made.update_layout(
        xaxis2={**hidden, "domain": [0.42, 1], "range": [-0.2, 2.8], "anchor": "y2"},
        yaxis2={**hidden, "domain": [0.92, 1], "range": [-1, 1], "anchor": "x2"},
    )
    made.update_layout(yaxis={"domain": [0, 0.88]})
    title = {
        "text": f"Size of circles: {OBJECTIVES.get(name, name)}",
        "x": 0.42,
        "xanchor": "right",
    }
    made.add_annotation(
        {
            **title,
            "y": 0.96,
            "yanchor": "middle",
            "xref": "paper",
            "yref": "paper",
            "showarrow": False,
        }
    )
    made.add_trace(
        go.Scatter(
            x=np.arange(len(ends), dtype=float),
            y=np.zeros(len(ends)),
            mode="markers+text",
            text=[f" {value:,.3g}" if abs(value) < 1000 else f" {value:,.0f}" for value in ends],
            textposition="middle right",
            marker={
                "size": diameters[: len(ends)].tolist(),
                "symbol": "circle-open",
                "color": style.INK,
                "opacity": 1,
                "line": {"width": 2},
            },
            xaxis="x2",
            yaxis="y2",
            hoverinfo="skip",
            meta={"role": "scale"},
        )
    )


def _hover(names: list[str]) -> str:
    rows = [
        f"{OBJECTIVES.get(name, name)}: %{{customdata[{number}]:.2f}}"
        for number, name in enumerate(names, start=1)
    ]
    return "<br>".join(["point %{customdata[0]}", *rows]) + "<extra></extra>"
