"""Elements against their limits over time: one element, and the voltages nearest to a limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.frames import label, wide
from quartier.figures.grid import Grid


def element(grid: Grid, table: pd.DataFrame, kind: str, index: int) -> go.Figure:
    """One element over time, with its limits.

    Parameters
    ----------
    grid
        Limits.
    table
        Table lines, transformers or buses of a run.
    kind, index
        ``line``, ``transformer`` or ``bus``, and its number.
    """
    is_bus = kind == "bus"
    elements = getattr(grid, f"{kind}es" if is_bus else f"{kind}s")
    name = label(kind, index, elements.at[index, "name"])
    what, unit = ("Voltage", "pu") if is_bus else ("Loading", "%")
    column = "vm_pu" if is_bus else "loading_percent"
    made = style.figure(
        f"{what} of {name}", x="time (UTC)", y=f"{what.lower()} ({unit})", unit=unit
    )
    rows = table[table["bus" if is_bus else "index"] == index]
    times = style.utc(rows["time"])
    values = {name: (rows[column].to_numpy(float), style.SERIES["executed"])}
    for limit in ("vm_max_pu", "vm_min_pu") if is_bus else ("limit_percent",):
        at = np.full(len(times), float(elements.at[index, limit]))
        values[_LIMITS[limit]] = (at, LIMIT_LOOKS[_LIMITS[limit]])
    for series, (of_series, chosen) in values.items():
        line = {**style.line(chosen), "shape": "hv"}
        made.add_trace(go.Scatter(x=times, y=of_series, name=series, mode="lines", line=line))
    made.update_layout(height=280)
    made.update_yaxes(rangemode="normal" if is_bus else "tozero")
    return made


_LIMITS = {"vm_max_pu": "upper limit", "vm_min_pu": "lower limit", "limit_percent": "limit"}
LIMIT_LOOKS = {
    "limit": style.SERIES["cap"],
    "upper limit": style.SERIES["cap"],
    "lower limit": style.SERIES["floor"],
}
"""Look by name of a limit."""


def voltages(grid: Grid, buses: pd.DataFrame) -> go.Figure:
    """Voltages over time of the buses that are nearest to their limits, with these limits.

    Parameters
    ----------
    grid
        Voltage bands.
    buses
        Table of a run.
    """
    made = style.figure("Voltage nearest to its limit", x="time (UTC)", y="voltage (pu)", unit="pu")
    matrix = wide(buses, "bus", "vm_pu")
    matrix = matrix[[bus for bus in matrix if bus in grid.buses.index]].dropna(how="all")
    sides = (("highest", "vm_max_pu", 1, 0), ("lowest", "vm_min_pu", -1, 1))
    times = style.utc(pd.DatetimeIndex(matrix.index))
    for name, column, sign, number in sides:
        limits = grid.buses[column].reindex(matrix.columns)
        at = np.nanargmax(sign * (matrix - limits).to_numpy(float), axis=1)
        values = matrix.to_numpy(float)[np.arange(len(matrix)), at]
        nearest = matrix.columns[at]
        _add_voltage(made, times, values, nearest, name, number)
        _add_limit(made, times, limits.reindex(nearest), name, number)
    return made


def _add_voltage(
    made: go.Figure,
    times: list[str],
    values: Any,
    nearest: pd.Index[Any],
    name: str,
    number: int,
) -> None:
    made.add_trace(
        go.Scatter(
            x=times,
            y=values,
            name=f"{name} against its limit",
            mode="lines",
            line={**style.line(style.look(number)), "shape": "hv", "dash": "solid"},
            text=[f"bus {bus}" for bus in nearest],
            hovertemplate="%{text}: %{y:.4f} pu<br>%{x} UTC<extra></extra>",
        )
    )


def _add_limit(
    made: go.Figure, times: list[str], limits: pd.Series[float], name: str, number: int
) -> None:
    made.add_trace(
        go.Scatter(
            x=times,
            y=limits.to_numpy(float),
            name=f"limit of that bus ({'upper' if name == 'highest' else 'lower'})",
            mode="lines",
            line={**style.line(style.look(number), 1.5), "dash": "dash", "shape": "hv"},
            hovertemplate="limit %{y:.3f} pu<extra></extra>",
        )
    )
