"""Loadings of all elements over time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.grid import Grid, by_highest, loadings

SEQUENTIAL = [
    [0.0, "#ffffff"],
    [0.35, "#cfe5f3"],
    [0.65, "#5aa5d6"],
    [0.85, "#0072b2"],
    [1.0, "#06213a"],
]
"""From no load to the highest, darker all the way, so that it reads in grey."""


def loading(grid: Grid, lines: pd.DataFrame, transformers: pd.DataFrame) -> go.Figure:
    """Heat map of loadings in percent: elements (highest first) by time, crosses where overloaded.

    Parameters
    ----------
    grid
        Limits.
    lines, transformers
        Tables of a run.
    """
    matrix, limits = loadings(grid, lines, transformers)
    order = by_highest(matrix, limits)
    matrix = matrix[order]
    height = int(np.clip(120 + 11 * len(order), 300, 680))
    made = style.figure("Loading of lines and transformers", x="time (UTC)", y="", unit="%")
    made.update_layout(height=height, meta={"x": "time_utc", "y": "element", "unit": "%"})
    made.update_yaxes(type="category", showgrid=False)
    times = style.utc(pd.DatetimeIndex(matrix.index))
    values = style.single(matrix.to_numpy().T)
    made.add_trace(
        go.Heatmap(
            x=times,
            y=list(order),
            z=values,
            name="loading",
            colorscale=SEQUENTIAL,
            zmin=0,
            zmax=max(100.0, float(np.nanmax(values, initial=0.0))),
            colorbar={"title": {"text": "%"}, "thickness": 12},
            hovertemplate="%{y}<br>%{x} UTC<br>%{z:.1f} %<extra></extra>",
            meta={"role": "loading"},
        )
    )
    _mark_overloads(made, matrix, limits, times)
    return made


def _mark_overloads(
    made: go.Figure, matrix: pd.DataFrame, limits: pd.Series[float], times: list[str]
) -> None:
    step, element = np.nonzero(matrix.to_numpy() > limits[matrix.columns].to_numpy() + 0.1)
    made.add_trace(
        go.Scatter(
            x=[times[i] for i in step],
            y=matrix.columns[element].tolist(),
            mode="markers",
            name="above its limit",
            marker={"symbol": "x-thin", "size": 5, "line": {"width": 1.2, "color": style.ORANGE}},
            hoverinfo="skip",
            meta={"role": "overloads", "unit": "", "csv": False},
        )
    )
