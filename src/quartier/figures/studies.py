"""Studies: a KPI over a key of the scenario, over two of them, and who is best where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

HEIGHT = 420
MOST_POINTS = 500
"""Draws in a figure up to which each is a point; of more, those far off are."""


def over(table: pd.DataFrame, key: str, title: str, unit: str) -> go.Figure:
    """Mean of a KPI over a key, a line a mechanism, with the interval over seeds as a band.

    Parameters
    ----------
    table
        Rows of one KPI with the columns ``key``, ``coordination``, ``mean``, ``low``, ``high``.
    """
    made = style.figure(title, x=key, y=unit or "value", unit=unit, dates=False)
    made.update_layout(height=HEIGHT, meta={"x": key, "unit": unit})
    for number, (name, rows) in enumerate(table.groupby("coordination", sort=False)):
        look = style.look(number)
        made.add_trace(
            go.Scatter(
                x=rows[key].tolist(),
                y=rows["mean"].to_numpy(float),
                name=str(name),
                legendgroup=str(name),
                mode="lines+markers",
                line=style.line(look),
                marker={"symbol": look.symbol, "size": 7},
                customdata=rows[["low", "high", "n"]].to_numpy(float),
                hovertemplate="%{y:,.4~g} (%{customdata[0]:,.4~g} to %{customdata[1]:,.4~g},"
                " %{customdata[2]:.0f} seeds)",
                meta={"columns": ["low", "high", "seeds"]},
            )
        )
        _add_band(made, rows[rows["low"].notna()], key, str(name), look)
    if not _is_numeric(table[key]):
        made.update_xaxes(type="category")
    return made


def _add_band(made: go.Figure, rows: pd.DataFrame, key: str, name: str, look: style.Look) -> None:
    """Add the interval of a line, if it has any."""
    if rows.empty:
        return
    there, back = rows[key].tolist(), rows[key].tolist()[::-1]
    made.add_trace(
        go.Scatter(
            x=[*there, *back],
            y=[*rows["high"].tolist(), *rows["low"].tolist()[::-1]],
            name=f"{name}, interval",
            legendgroup=name,
            mode="lines",
            fill="toself",
            fillcolor=look.colour,
            opacity=0.2,
            line={"width": 0},
            hoverinfo="skip",
            meta={"csv": False},
        )
    )


def spread(runs: pd.DataFrame, key: str | None, title: str, unit: str) -> go.Figure:
    """Box plots of a KPI over its draws, a box a mechanism and value of a key, if there is one.

    Parameters
    ----------
    runs
        A row a run with the columns ``coordination``, ``seed``, ``value``, and ``key``.
    """
    axis = key or "mechanism"
    made = style.figure(title, x=axis, y=unit or "value", unit=unit, dates=False)
    made.update_layout(height=HEIGHT, boxmode="group", meta={"x": axis, "unit": unit})
    for number, (name, rows) in enumerate(runs.groupby("coordination", sort=False)):
        look = style.look(number)
        made.add_trace(
            go.Box(
                x=[str(name)] * len(rows) if key is None else rows[key].astype(str).tolist(),
                y=rows["value"].to_numpy(float),
                name=str(name),
                marker={"color": look.colour, "symbol": look.symbol, "size": 4},
                line={"width": 1.5},
                boxpoints="all" if len(runs) <= MOST_POINTS else "outliers",
                jitter=0.4,
                pointpos=0,
                customdata=rows[["seed"]].to_numpy(),
                hovertemplate="seed %{customdata[0]}: %{y:,.4~g}",
                meta={"columns": ["seed"]},
            )
        )
    made.update_xaxes(type="category")
    return made


def heat(table: pd.DataFrame, keys: Sequence[str], title: str, unit: str) -> go.Figure:
    """Mean of a KPI over two keys, of one mechanism.

    Parameters
    ----------
    table
        Rows of one KPI and mechanism, with both keys and ``mean``.
    """
    first, second = keys
    wide = table.pivot_table("mean", second, first, sort=False, dropna=False)
    made = _over_both(title, first, second, unit)
    made.add_trace(
        go.Heatmap(
            x=[str(v) for v in wide.columns],
            y=[str(v) for v in wide.index],
            z=wide.to_numpy(float),
            text=[[_text(v) for v in row] for row in wide.to_numpy(float)],
            texttemplate="%{text}",
            colorscale="Cividis",
            colorbar={"title": unit},
            hovertemplate=f"{first} %{{x}}, {second} %{{y}}: %{{z:,.4~g}} {unit}<extra></extra>",
        )
    )
    return made


def best(table: pd.DataFrame, keys: Sequence[str], title: str, unit: str, low: bool) -> go.Figure:
    """Which mechanism has the best mean of a KPI over two keys, and by how much to the next.

    Parameters
    ----------
    table
        Rows of one KPI with both keys, ``coordination`` and ``mean``.
    low
        Whether less is better.
    """
    first, second = keys
    names = list(dict.fromkeys(table["coordination"]))
    rows = table.assign(score=table["mean"] * (1 if low else -1)).dropna(subset=["score"])
    rows = rows.sort_values("score", kind="stable")
    winner = rows.drop_duplicates(list(keys))
    place = winner.assign(number=[names.index(name) for name in winner["coordination"]])
    wide = place.pivot_table("number", second, first, sort=False)
    order = table.drop_duplicates(first)[first], table.drop_duplicates(second)[second]
    wide = wide.reindex(index=order[1], columns=order[0])
    value = place.pivot_table("mean", second, first, sort=False).reindex_like(wide)
    numbers = wide.to_numpy(float)
    told = [
        [
            "" if np.isnan(n) else f"{names[int(n)]}<br>{_text(v)}"
            for n, v in zip(*pair, strict=True)
        ]
        for pair in zip(numbers, value.to_numpy(float), strict=True)
    ]
    made = _over_both(title, first, second, unit)
    made.add_trace(
        go.Heatmap(
            x=[str(v) for v in wide.columns],
            y=[str(v) for v in wide.index],
            z=numbers,
            zmin=-0.5,
            zmax=len(names) - 0.5,
            text=told,
            texttemplate="%{text}",
            colorscale=_steps([style.look(k).colour for k in range(len(names))]),
            showscale=False,
            opacity=0.6,
            hovertemplate=f"{first} %{{x}}, {second} %{{y}}: %{{text}} {unit}<extra></extra>",
        )
    )
    return made


def _over_both(title: str, first: str, second: str, unit: str) -> go.Figure:
    made = style.figure(title, x=first, y=second, unit=unit, dates=False)
    made.update_layout(height=HEIGHT, meta={"x": first, "y": second, "unit": unit})
    made.update_xaxes(type="category", showgrid=False)
    made.update_yaxes(type="category", showgrid=False)
    return made


def _steps(colours: Sequence[str]) -> list[tuple[float, str]]:
    """A colour scale of equal steps."""
    count = len(colours)
    return [(edge / count, c) for k, c in enumerate(colours) for edge in (k, k + 1)]


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.4g}"


def _is_numeric(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
