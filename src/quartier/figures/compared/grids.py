"""The grid under several mechanisms: congestion over time, an element, voltages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.compared.panels import looks, panels, run_ticks, step_line
from quartier.figures.frames import label, wide
from quartier.figures.grid import Grid, loadings
from quartier.figures.heat_map import SEQUENTIAL

LIMIT = style.Look(style.INK, dash="dash")
ROW_PX = 34
"""Height of a run in the chart of congestion."""


def worst(
    grid: Grid, lines: pd.DataFrame, transformers: pd.DataFrame, tolerance_percent: float
) -> pd.DataFrame:
    """Return by time: ``highest_percent`` of the element's own limit, ``element``, ``overloads``.

    Parameters
    ----------
    grid
        Limits.
    lines, transformers
        Tables of a run.
    tolerance_percent
        Percentage points above the limit from which on an overload counts, as in the KPIs.
    """
    matrix, limits = loadings(grid, lines, transformers)
    relative = matrix.div(limits, axis=1) * 100
    known = relative.dropna(how="all").idxmax(axis=1)
    element = known.reindex(matrix.index).fillna("no power flow")
    return pd.DataFrame(
        {
            "highest_percent": relative.max(axis=1),
            "element": element,
            "overloads": matrix.sub(limits, axis=1).gt(tolerance_percent).sum(axis=1),
        }
    )


def congestion(frames: Mapping[str, pd.DataFrame], blank: Sequence[pd.Timestamp] = ()) -> go.Figure:
    """Highest loading of every step as a heat map: runs by time, crosses where overloaded.

    Parameters
    ----------
    frames
        What :func:`worst` returns, by run.
    blank
        Further times, without a step, where a part of the axis ends or begins.
    """
    made = style.figure("Congestion over time", x="time (UTC)", y="", unit="%")
    height = 150 + ROW_PX * len(frames)
    made.update_layout(height=height, meta={"x": "time_utc", "y": "run", "unit": "%"})
    made.update_yaxes(type="category", autorange="reversed", showgrid=False, **run_ticks(frames))
    times = pd.DatetimeIndex(sorted(set(blank).union(*(frame.index for frame in frames.values()))))
    aligned = {run: frame.reindex(times) for run, frame in frames.items()}
    values = style.single([frame["highest_percent"] for frame in aligned.values()])
    made.add_trace(
        go.Heatmap(
            x=style.utc(times),
            y=list(frames),
            z=values,
            text=[_told(frame) for frame in aligned.values()],
            name="highest loading",
            colorscale=SEQUENTIAL,
            zmin=0,
            zmax=max(100.0, float(np.nanmax(values, initial=0.0))),
            ygap=3,
            colorbar={"title": {"text": "%"}, "thickness": 12},
            hovertemplate="%{y}<br>%{x} UTC<br>%{z:.1f} % of its limit: %{text}<extra></extra>",
            meta={"role": "loading"},
        )
    )
    _mark(made, aligned)
    end = times[-1] + pd.Timedelta(style.step_ms(times), unit="ms")
    made.update_xaxes(range=style.utc([times[0], end]))
    return made


def _told(frame: pd.DataFrame) -> list[str]:
    rows = zip(frame["element"], frame["overloads"], strict=True)
    return [
        "" if pd.isna(element) else f"{element}; {int(count)} overloaded" for element, count in rows
    ]


def _mark(made: go.Figure, frames: Mapping[str, pd.DataFrame]) -> None:
    """A cross a run and step with overloads."""
    over = {
        run: pd.DatetimeIndex(frame.index[frame["overloads"] > 0]) for run, frame in frames.items()
    }
    made.add_trace(
        go.Scatter(
            x=[time for times in over.values() for time in style.utc(times)],
            y=[run for run, times in over.items() for _ in times],
            mode="markers",
            name="overloaded",
            marker={"symbol": "x-thin", "size": 6, "line": {"width": 1.4, "color": style.ORANGE}},
            hoverinfo="skip",
            meta={"role": "overloads", "unit": "", "csv": False},
        )
    )


def highest_loading(frames: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Highest loading of an element in every step, in percent of its own limit, a line a run.

    Parameters
    ----------
    frames
        What :func:`worst` returns, by run.
    """
    title, y = "Highest loading of the grid", "loading (% of the element's limit)"
    made = style.figure(title, x="time (UTC)", y=y, unit="%")
    for run, look in looks(frames).items():
        frame = frames[run]
        trace = step_line(pd.DatetimeIndex(frame.index), frame["highest_percent"], run, look)
        hover = f"{run}: %{{y:.1f}} %, %{{text}}<br>%{{x}} UTC<extra></extra>"
        made.add_trace(trace.update(text=_told(frame), hovertemplate=hover))
    _limits(made, {100.0}, [index for frame in frames.values() for index in frame.index])
    return made


def element(grid: Grid, tables: Mapping[str, pd.DataFrame], kind: str, index: int) -> go.Figure:
    """Loading of one line or transformer, a line a run, with its limit.

    Parameters
    ----------
    grid
        The grid of all runs.
    tables
        Table ``lines`` or ``transformers`` by run.
    kind, index
        ``line`` or ``transformer``, and its number.
    """
    rated = getattr(grid, f"{kind}s").loc[index]
    name = label(kind, index, rated["name"])
    made = style.figure(f"Loading of {name}", x="time (UTC)", y="loading (%)", unit="%")
    times: list[pd.Timestamp] = []
    for run, look in looks(tables).items():
        rows = tables[run][tables[run]["index"] == index]
        times += list(rows["time"])
        trace = step_line(rows["time"], rows["loading_percent"], run, look)
        hover = f"{run}: %{{y:.1f}} %<br>%{{x}} UTC<extra></extra>"
        made.add_trace(trace.update(hovertemplate=hover))
    _limits(made, {float(rated["limit_percent"])}, times)
    return made


def most_loaded(
    grid: Grid, tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], count: int | None
) -> list[tuple[str, int]]:
    """Kind and index of the elements with the highest loading in any run, the highest first.

    Parameters
    ----------
    grid
        The grid of all runs.
    tables
        Tables ``lines`` and ``transformers`` by run.
    count
        How many; all if None.
    """
    highest = []
    for lines, transformers in tables.values():
        for kind, table in (("line", lines), ("transformer", transformers)):
            limits = getattr(grid, f"{kind}s")["limit_percent"]
            peaks = table.groupby("index")["loading_percent"].max() / limits
            highest.append(pd.concat({kind: peaks}))
    peaks = pd.concat(highest).groupby(level=[0, 1]).max().sort_values(kind="stable")
    return [(str(kind), int(index)) for kind, index in peaks.index[::-1][:count]]


SIDES = (("highest", "vm_max_pu", 1), ("lowest", "vm_min_pu", -1))


def voltages(grids: Mapping[str, Grid], tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Highest and lowest voltage, each of the bus nearest to its limit: a line a run.

    Parameters
    ----------
    grids
        Grid by run.
    tables
        Table ``buses`` by run.
    """
    names = [f"{side}, at the bus nearest to its limit" for side, _, _ in SIDES]
    names = [name[0].upper() + name[1:] for name in names]
    made = panels("Voltages", names, y="pu", unit="pu", height=220, same_y=False)
    for row, (side, column, sign) in enumerate(SIDES, 1):
        limits: set[float] = set()
        times: set[pd.Timestamp] = set()
        for run, look in looks(tables).items():
            found = _nearest(grids[run], tables[run], column, sign)
            limits |= set(found["limit"].dropna())
            times |= set(found.index)
            trace = step_line(pd.DatetimeIndex(found.index), found["vm_pu"], f"{run}: {side}", look)
            hover = f"{run}, %{{text}}: %{{y:.4f}} pu<br>%{{x}} UTC<extra></extra>"
            trace.update(text=list(found["bus"]), hovertemplate=hover, legendgroup=run)
            made.add_trace(trace, row=row, col=1)
        _limits(made, limits, sorted(times), row=row, col=1)
    return made


def _nearest(grid: Grid, buses: pd.DataFrame, column: str, sign: int) -> pd.DataFrame:
    """By time: ``vm_pu``, ``limit`` and ``bus`` of the bus nearest to its limit on a side."""
    matrix = wide(buses, "bus", "vm_pu")
    matrix = matrix[[bus for bus in matrix if bus in grid.buses.index]]
    limits = grid.buses[column].reindex(matrix.columns)
    solved = matrix.dropna(how="all")
    at = np.nanargmax(sign * (solved - limits).to_numpy(float), axis=1)
    frame = pd.DataFrame(
        {
            "vm_pu": solved.to_numpy(float)[np.arange(len(solved)), at],
            "limit": limits.to_numpy(float)[at],
            "bus": [f"bus {bus}" for bus in solved.columns[at]],
        },
        index=solved.index,
    )
    return frame.reindex(matrix.index).fillna({"bus": "no power flow"})


def _limits(made: go.Figure, values: set[float], times: Any, **place: int) -> None:
    """A dashed line a limit over all times."""
    if not len(times):
        return
    for value in sorted(values):
        trace = go.Scatter(
            x=style.utc([min(times), max(times)]),
            y=[value, value],
            name=f"limit: {value:g}",
            mode="lines",
            line=style.line(LIMIT, 1.5),
            legendgroup="limit",
            hovertemplate="limit %{y:g}<extra></extra>",
            meta={"role": "limit"},
        )
        made.add_trace(trace, **place)
