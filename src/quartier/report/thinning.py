"""Which steps of a long run and which elements of a large grid a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from quartier.figures.grid import beyond_band, relative_loading
from quartier.results.plot import Plot

CELLS = 300_000
"""Cells of the matrix of lines, transformers and buses by steps that a page may hold."""
MOST, LEAST = 800, 200
"""Steps that are shown at most, and at least where there are so many."""


@dataclass(frozen=True)
class Shown:
    """Steps that are shown, None if all are, and what the reader is told about it."""

    times: pd.DatetimeIndex | None
    note: str = ""


def shown_steps(plot: Plot, most: int | None = None) -> Shown:
    """Return the steps that a page shows.

    Of a run with more steps than fit, every n-th is kept, and of the steps in between the one with
    the highest loading, so that no peak of congestion is lost; further the steps with the highest
    and the lowest voltage and power of every connection point.

    Parameters
    ----------
    plot
        Figures of the run, with all its steps.
    most
        Most steps that are kept of every n-th and the highest loadings; by the size of the grid
        if None.
    """
    lines = plot.table("lines")
    times = pd.DatetimeIndex(lines["time"].drop_duplicates().sort_values())
    if most is None:
        most = int(np.clip(CELLS // (2 * max(1, len(plot.grid.lines))), LEAST, MOST))
    if len(times) <= most:
        return Shown(None)
    every = int(np.ceil(2 * len(times) / most))
    kept = times[::every].union(_highest(plot, lines, times, every)).union(_extremes(plot))
    note = (
        f"This run has {len(times):,} steps. The figures over time show every {every}th of them,"
        " and of those in between the one with the highest line loading, the highest and the lowest"
        f" voltage and power of every connection point: {len(kept):,} steps. KPIs and sums count"
        " all steps; all are in the tables of the run folder."
    )
    return Shown(kept, note)


NEAREST = {"lines": 800, "transformers": 100, "buses": 400}
"""How many elements nearest to their limits are shown of a large grid."""
LARGE = 6000
"""Buses from which on a grid is large: a browser needs seconds to draw more."""


@dataclass(frozen=True)
class Part:
    """Elements of a grid that are shown by kind, None if all are, and what the reader is told."""

    elements: Mapping[str, frozenset[int]] | None
    note: str = ""


def shown_elements(plot: Plot) -> Part:
    """Return the elements of a large grid that a page shows.

    Those nearest to, or furthest beyond, their own limit in any step, the buses at their ends,
    and all connection points.
    """
    grid = plot.grid
    if len(grid.buses) <= LARGE:
        return Part(None)
    lines, transformers = (
        _nearest(
            relative_loading(grid, plot.table(kind), kind), plot.table(kind)["index"], NEAREST[kind]
        )
        for kind in ("lines", "transformers")
    )
    voltages = plot.table("buses")
    buses = _nearest(beyond_band(grid, voltages), voltages["bus"], NEAREST["buses"])
    for table, kept in ((grid.lines, lines), (grid.transformers, transformers)):
        rows = table[table.index.isin(list(kept))]
        buses |= {*rows["from_bus"], *rows["to_bus"]}
    buses |= {*plot.places()["bus"]}
    note = (
        f"The grid has {len(grid.buses):,} buses and {len(grid.lines):,} lines. Figures show the"
        f" {len(lines)} lines, {len(transformers)} transformers and {NEAREST['buses']} buses that"
        " come nearest to their limits or are furthest beyond, with the buses at their ends and all"
        " connection points; the map draws the longest others without figures. KPIs and sums count"
        " everything; all is in the tables of the run folder."
    )
    return Part({"lines": lines, "transformers": transformers, "buses": frozenset(buses)}, note)


def _nearest(values: pd.Series[float], elements: pd.Series[int], most: int) -> frozenset[int]:
    """Elements with the greatest values in any step; those without a value come last."""
    highest = values.groupby(elements).max().fillna(-np.inf)
    return frozenset(int(index) for index in highest.nlargest(most).index)


def _highest(
    plot: Plot, lines: pd.DataFrame, times: pd.DatetimeIndex, every: int
) -> pd.DatetimeIndex:
    """Step of the highest loading in every group of steps."""
    relative = relative_loading(plot.grid, lines, "lines")
    by_step = relative.groupby(lines["time"]).max().reindex(times).fillna(-1.0)
    group = np.arange(len(times)) // every
    return pd.DatetimeIndex(by_step.groupby(group).idxmax())


def _extremes(plot: Plot) -> pd.DatetimeIndex:
    buses, points = plot.table("buses"), plot.table("connection_points")
    by_name = points.groupby("name")["p_kw"]
    rows = pd.concat([by_name.idxmax(), by_name.idxmin()]).dropna()
    found = [points["time"].loc[rows]]
    if buses["vm_pu"].notna().any():
        found.append(buses["time"].loc[[buses["vm_pu"].idxmax(), buses["vm_pu"].idxmin()]])
    return pd.DatetimeIndex(pd.concat(found).drop_duplicates())
