"""Runs of weeks and more: how long, at which hours and in which months, every step counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.heat_map import SEQUENTIAL

POINTS = 400
"""Points of a load-duration curve, about."""
SHARPEST = 50
"""Highest values of a load-duration curve that are all points of it."""
MOST_DAYS = 800
"""Columns of a heat map by day; of longer runs, several days share one."""
DIVERGING = [
    [0.0, "#a04000"],
    [0.25, "#e6a97e"],
    [0.5, "#ffffff"],
    [0.75, "#7eb6dc"],
    [1.0, "#00406b"],
]
"""From drawn over nothing to fed in."""


def load_duration(curves: Mapping[str, pd.Series[float]], dt_h: float) -> go.Figure:
    """Load-duration curves: for how many hours an element is loaded at least so much.

    A curve only falls, so between two points that are kept it lies between their values; the
    highest :data:`SHARPEST` values are all kept.

    Parameters
    ----------
    curves
        Loading in percent of the own limit in every step, by element.
    dt_h
        Length of a step in hours.
    """
    made = style.figure(
        "Load-duration curves of the most loaded elements",
        x="hours in which the loading is at least so high",
        y="loading (% of the element's limit)",
        unit="%",
        dates=False,
    )
    made.update_layout(meta={"x": "hours", "unit": "%"})
    hours = 0.0
    for number, (name, loading) in enumerate(curves.items()):
        falling = np.sort(loading.dropna().to_numpy(float))[::-1]
        at = _kept(len(falling))
        hours = max(hours, len(falling) * dt_h)
        made.add_trace(
            go.Scatter(
                x=(at + 1) * dt_h,
                y=falling[at],
                name=name,
                mode="lines",
                line=style.line(number),
                hovertemplate="%{y:.1f} % or more in %{x:,.2f} h",
            )
        )
    limit = style.line(style.SERIES["cap"], 1.5)
    made.add_trace(
        go.Scatter(
            x=[0.0, hours],
            y=[100.0, 100.0],
            name="limit",
            mode="lines",
            line=limit,
            hoverinfo="skip",
            meta={"csv": False},
        )
    )
    made.update_yaxes(rangemode="tozero")
    return made


def _kept(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Positions of sorted values that a curve keeps: the first ones, and both ends."""
    spread = np.linspace(0, count - 1, POINTS).round() if count else np.empty(0)
    first = np.arange(min(SHARPEST, count))
    kept: np.ndarray[tuple[int], np.dtype[np.int64]] = np.unique(np.concatenate([first, spread]))
    return kept.astype(np.int64)


def by_hour(values: pd.Series[float], title: str, unit: str, *, highest: bool) -> go.Figure:
    """Heat map of a quantity, day by hour of the day (UTC).

    Parameters
    ----------
    values
        By step.
    title
        What is shown.
    unit
        Its unit.
    highest
        Whether a cell is the highest value of its hour, or else the mean.
    """
    times = pd.DatetimeIndex(values.index)
    days = times.floor("D")
    every = 1 + (days[-1] - days[0]).days // MOST_DAYS if len(days) else 1
    first = days[0] + (days - days[0]) // pd.Timedelta(days=every) * pd.Timedelta(days=every)
    cells = values.groupby([times.hour, first])
    matrix = (cells.max() if highest else cells.mean()).unstack()
    matrix = matrix.reindex(range(24))
    shown = style.single(matrix.to_numpy())
    ends = _ends(shown, signed=not highest)
    made = style.figure(title, x="day", y="hour of the day (UTC)", unit=unit, height=360)
    made.update_layout(meta={"x": "day", "y": "hour", "unit": unit})
    made.update_yaxes(showgrid=False, dtick=3)
    made.add_trace(
        go.Heatmap(
            x=style.utc(pd.DatetimeIndex(matrix.columns)),
            y=list(range(24)),
            z=shown,
            colorscale=SEQUENTIAL if highest else DIVERGING,
            zmin=ends[0],
            zmax=ends[1],
            colorbar={"title": {"text": unit}, "thickness": 12},
            hovertemplate=f"%{{x|%Y-%m-%d}}, %{{y}} h UTC<br>%{{z:,.1f}} {unit}<extra></extra>",
            meta={"role": "cells"},
        )
    )
    return made


def _ends(values: style.Numbers, *, signed: bool) -> tuple[float, float]:
    """Values at the ends of the colours: 0 is white."""
    known = np.abs(values[np.isfinite(values)])
    most = float(known.max(initial=0.0)) or 1.0
    return (-most, most) if signed else (0.0, max(100.0, most))


def by_day(values: pd.Series[float], title: str, axis: str, unit: str) -> go.Figure:
    """Lowest, mean and highest value of every day, the band between lowest and highest filled.

    Parameters
    ----------
    values
        By step.
    title, axis
        Titles of the figure and of its y-axis.
    unit
        Unit of the values.
    """
    days = values.groupby(pd.DatetimeIndex(values.index).floor("D"))
    made = style.figure(title, x="day (UTC)", y=axis, unit=unit)
    made.update_layout(hovermode="x unified")
    edge = {"color": "rgba(0,114,178,0.45)", "width": 0.5, "shape": "hv"}
    fill = {"fill": "tonexty", "fillcolor": style.SERIES["band"].colour}
    shown = (
        ("lowest of the day", days.min(), {"line": edge}),
        ("highest of the day", days.max(), {"line": edge, **fill}),
        ("mean of the day", days.mean(), {"line": style.line(style.SERIES["executed"], 1.5)}),
    )
    for name, series, look in shown:
        made.add_trace(
            go.Scatter(
                x=style.utc(pd.DatetimeIndex(series.index)),
                y=series.to_numpy(float),
                name=name,
                mode="lines",
                hovertemplate=f"%{{y:,.1f}} {unit}",
                **look,
            )
        )
    return made


def by_month(table: pd.DataFrame, title: str, axis: str, unit: str) -> go.Figure:
    """Bars a month, one a column beside the other.

    Parameters
    ----------
    table
        By month (``2016-07``); what each column holds is its name.
    title, axis
        Titles of the figure and of its y-axis.
    unit
        Unit of the values.
    """
    made = style.figure(title, x="month", y=axis, unit=unit, dates=False, height=320)
    made.update_layout(barmode="group", meta={"x": "month", "unit": unit})
    made.update_xaxes(type="category")
    for number, name in enumerate(table):
        made.add_trace(
            go.Bar(
                x=[str(month) for month in table.index],
                y=table[name].to_numpy(float),
                name=str(name),
                marker=style.filled(style.look(number)),
                hovertemplate=f"%{{y:,.2f}} {unit}",
            )
        )
    return made
