"""Panels below each other on shared axes, the look of a run, and times that all runs span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

TITLE_PX, GAP_PX, AROUND_PX = 22, 12, 60
"""Room for the title of a panel, between panels, and around all of them."""
LEAST_BREAK = pd.Timedelta(days=1)
"""Times without a step that are longer are left out of the axis."""
TICKS = 3
"""Labels of an axis from which times are left out."""


def looks(runs: Iterable[str]) -> dict[str, style.Look]:
    """Look by run, the same in every figure of a page."""
    return {run: style.look(number) for number, run in enumerate(runs)}


def run_ticks(runs: Iterable[str]) -> dict[str, list[str]]:
    """Labels of an axis of runs, long names in several lines."""
    names = list(runs)
    return {"tickvals": names, "ticktext": [name.replace(", ", ",<br>") for name in names]}


def panels(
    title: str, names: Sequence[str], *, y: str, unit: str, height: int = 130, same_y: bool = True
) -> go.Figure:
    """Return an empty figure with a panel a name, below each other, over one axis of time.

    Parameters
    ----------
    title
        Of the whole figure.
    names
        Titles of the panels, from top to bottom.
    y, unit
        Title of the vertical axes, and unit of the values in the CSV.
    height
        Height of a panel in pixels.
    same_y
        Whether all vertical axes span the same values.
    """
    inner = len(names) * (TITLE_PX + height + GAP_PX) - GAP_PX
    made = style.figure(title, x="time (UTC)", y=y, unit=unit, height=inner + AROUND_PX)
    x, vertical = made.layout.xaxis.to_plotly_json(), made.layout.yaxis.to_plotly_json()
    made.set_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        shared_yaxes="all" if same_y else False,
        subplot_titles=list(names),
    )
    made.update_xaxes({**x, "title": {"text": ""}})
    made.update_xaxes(title=x["title"], row=len(names), col=1)
    made.update_yaxes(vertical)
    made.update_annotations(x=0, xanchor="left", yanchor="bottom", font={"size": 13, "weight": 600})
    for row in range(len(names)):
        top = 1 - (row * (TITLE_PX + height + GAP_PX) + TITLE_PX) / inner
        made.update_yaxes(domain=[max(0.0, top - height / inner), top], row=row + 1, col=1)
        made.layout.annotations[row].update(y=top)
    return made


def step_line(
    times: pd.Series[pd.Timestamp] | pd.DatetimeIndex,
    values: pd.Series[float],
    name: str,
    look: style.Look,
) -> go.Scatter:
    """A value that holds for the step that begins at its time."""
    return go.Scatter(
        x=style.utc(times),
        y=values.to_numpy(float),
        name=name,
        mode="lines",
        line={**style.line(look), "shape": "hv"},
    )


def breaks(times: Iterable[pd.DatetimeIndex]) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Spans of more than a day in which no run has a step, but for a blank step at both ends.

    Parameters
    ----------
    times
        Starts of the steps of every run.
    """
    given = [index for index in times if len(index)]
    if not given:
        return []
    every = pd.DatetimeIndex(sorted(set().union(*given)))
    step = pd.Timedelta(min(style.step_ms(index) for index in given), unit="ms")
    return [
        (before + 2 * step, after - step)
        for before, after in pairwise(every)
        if after - before > LEAST_BREAK + 3 * step
    ]


def skip(
    made: go.Figure,
    spans: Sequence[tuple[pd.Timestamp, pd.Timestamp]],
    times: Iterable[pd.DatetimeIndex],
) -> go.Figure:
    """Leave spans of time out of the axes of a figure, and label what is left; return it.

    Parameters
    ----------
    made
        Figure over time.
    spans
        What :func:`breaks` returns.
    times
        Starts of the steps of every run.
    """
    if spans:
        every = pd.DatetimeIndex(sorted(set().union(*times)))
        ticks = every[np.linspace(0, len(every) - 1, TICKS).astype(int)].unique()
        made.update_xaxes(
            rangebreaks=[{"bounds": style.utc(list(span))} for span in spans],
            tickvals=style.utc(ticks),
            ticktext=[f"{time:%H:%M}<br>{time:%b %d, %Y}" for time in ticks],
        )
    return made
