"""Which steps of a long run and which elements of a large grid a page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    highest = _by_step(plot)
    times = pd.DatetimeIndex(highest.index)
    if most is None:
        most = int(np.clip(CELLS // (2 * max(1, len(plot.grid.lines))), LEAST, MOST))
    if len(times) <= most:
        return Shown(None)
    every = int(np.ceil(2 * len(times) / most))
    kept = times[::every].union(_highest(highest, every)).union(_extremes(plot))
    note = (
        f"This run has {len(times):,} steps. The figures over time show every {every}th of them,"
        " and of those in between the one with the highest line loading, the highest and the lowest"
        f" voltage and power of every connection point: {len(kept):,} steps. KPIs and sums count"
        " all steps; all are in the tables of the run folder."
    )
    return Shown(kept, note)


NEAREST = {"lines": 800, "transformers": 100, "buses": 400}
"""How many elements nearest to their limits are shown of a large grid."""
LARGE = 2000
"""Buses from which on a grid is large: a page of all its figures takes megabytes and seconds."""


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
    branches = (
        _nearest(
            (relative_loading(grid, rows, kind), rows["index"]) for rows in plot.pieces(kind)
        ).nlargest(NEAREST[kind])
        for kind in ("lines", "transformers")
    )
    nearest = _nearest((beyond_band(grid, rows), rows["bus"]) for rows in plot.pieces("buses"))
    lines, transformers, buses = (
        frozenset(int(index) for index in found.index)
        for found in (*branches, nearest.nlargest(NEAREST["buses"]))
    )
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


def _nearest(values: Iterable[tuple[pd.Series[float], pd.Series[int]]]) -> pd.Series[float]:
    """Greatest value of every element in any step, of rows and their elements piece by piece.

    Elements without a value come last.
    """
    return _greatest(rows.groupby(elements).max() for rows, elements in values).fillna(-np.inf)


def _greatest(found: Iterable[pd.Series[float]]) -> pd.Series[float]:
    """Greatest value by label of several series, labels sorted."""
    return pd.concat([*found]).groupby(level=0).max()


def _by_step(plot: Plot) -> pd.Series[float]:
    """Highest loading of a line in percent of its own limit, by step."""
    return _greatest(
        relative_loading(plot.grid, rows, "lines").groupby(rows["time"]).max()
        for rows in plot.pieces("lines")
    )


def _highest(by_step: pd.Series[float], every: int) -> pd.DatetimeIndex:
    """Step of the highest loading in every group of steps."""
    group = np.arange(len(by_step)) // every
    return pd.DatetimeIndex(by_step.fillna(-1.0).groupby(group).idxmax())


def _extremes(plot: Plot) -> pd.DatetimeIndex:
    found = _outermost(plot, "connection_points", "p_kw", "name")["time"]
    voltages = _outermost(plot, "buses", "vm_pu", None)["time"]
    return pd.DatetimeIndex(pd.concat([found, voltages]).drop_duplicates())


def _outermost(plot: Plot, table: str, column: str, by: str | None) -> pd.DataFrame:
    """Rows with the highest and the lowest value of a column, for every label of another."""
    rows = [_outer_rows(piece, column, by) for piece in plot.pieces(table)]
    return _outer_rows(pd.concat(rows, ignore_index=True), column, by)


def _outer_rows(rows: pd.DataFrame, column: str, by: str | None) -> pd.DataFrame:
    known = rows[rows[column].notna()]
    labels = known[by] if by else np.zeros(len(known))
    values = known.groupby(labels)[column]
    outer: pd.DataFrame = known.loc[pd.concat([values.idxmax(), values.idxmin()])]
    return outer
