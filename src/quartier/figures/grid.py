"""What figures must know of a grid: coordinates, limits, loadings as a matrix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from quartier.figures.frames import label, wide

MOST_OTHERS = 4000
"""Lines that are drawn without figures on a map, the longest ones."""


@dataclass(frozen=True)
class Grid:
    """What a figure must know of a network.

    Attributes
    ----------
    buses
        By bus: ``name, x, y, vm_min_pu, vm_max_pu``.
    lines, transformers
        By index: ``name, from_bus, to_bus, limit_percent``.
    placed
        Whether ``x`` and ``y`` are coordinates of the data, not a drawing computed for them.
    others
        Coordinates of the ends of lines that are drawn without figures, shape ``(2, n)`` each;
        None where all lines have figures.
    """

    buses: pd.DataFrame
    lines: pd.DataFrame
    transformers: pd.DataFrame
    placed: bool = True
    others: tuple[Any, Any] | None = None

    def part(self, elements: Mapping[str, Collection[int]]) -> Grid:
        """Return the grid with some of its elements, and the other lines without figures."""
        kept = {
            kind: table[table.index.isin(list(elements[kind]))] if kind in elements else table
            for kind, table in (
                ("buses", self.buses),
                ("lines", self.lines),
                ("transformers", self.transformers),
            )
        }
        x, y = ends(self, self.lines[~self.lines.index.isin(kept["lines"].index)])
        longest = np.argsort(-np.hypot(*(x[1] - x[0], y[1] - y[0])), kind="stable")[:MOST_OTHERS]
        return Grid(**kept, placed=self.placed, others=(x[:, longest], y[:, longest]))


def relative_loading(grid: Grid, table: pd.DataFrame, kind: str) -> pd.Series[float]:
    """Loading in percent of the element's own limit, by row of the table lines or transformers."""
    limits = getattr(grid, kind)["limit_percent"]
    return table["loading_percent"] / table["index"].map(limits) * 100


def beyond_band(grid: Grid, buses: pd.DataFrame) -> pd.Series[float]:
    """How far voltages are beyond their bus' band in pu (below 0: inside), by row of the table."""
    high, low = (buses["bus"].map(grid.buses[c]) for c in ("vm_max_pu", "vm_min_pu"))
    over, under = buses["vm_pu"] - high, low - buses["vm_pu"]
    return over.where(over > under, under)


def ends(grid: Grid, elements: pd.DataFrame) -> tuple[Any, Any]:
    """Coordinates of the ends of elements, shape ``(2, n)`` each."""
    sides = [elements["from_bus"], elements["to_bus"]]
    x, y = ([grid.buses[c].reindex(e).to_numpy(float) for e in sides] for c in ("x", "y"))
    return np.array(x), np.array(y)


def by_highest(matrix: pd.DataFrame, limits: pd.Series[float]) -> list[str]:
    """Elements by their highest loading relative to their limit, the highest last."""
    return list(matrix.div(limits, axis=1).max().sort_values(kind="stable").index)


def names(grid: Grid, kind: str) -> list[str]:
    """Names of all elements of a kind, ``line`` or ``transformer``."""
    elements = getattr(grid, f"{kind}s")
    return [label(kind, index, name) for index, name in elements["name"].items()]


def loadings(
    grid: Grid, lines: pd.DataFrame, transformers: pd.DataFrame
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Loadings in percent by time (rows) and element (columns), and the elements' limits."""
    parts, limits = [], []
    for kind, table in (("line", lines), ("transformer", transformers)):
        elements = getattr(grid, f"{kind}s")
        labels = dict(zip(elements.index, names(grid, kind), strict=True))
        parts.append(wide(table, "index", "loading_percent").rename(columns=labels))
        limits.append(elements["limit_percent"].rename(labels))
    matrix, limit = pd.concat(parts, axis=1), pd.concat(limits)
    return matrix, limit.reindex(matrix.columns)
