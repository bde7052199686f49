"""Which tap changers the grid operator moves, and where they stand.

All of them move together, by the same number of steps: one number tells the position of the
first, the others keep their distance to it, as the data have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quartier.grid.tables import Indices, column, find_element, label, unknown
from quartier.quantities import Array

MEDIUM_KV = (1.0, 36.0)
"""Medium voltage: above the first, up to the second (IEC 60038)."""
TYPES = ("Ratio", "Symmetrical", "Ideal")
"""Types of tap changers that pandapower computes; of others it ignores the position."""


@dataclass(frozen=True)
class TapChangers:
    """The tap changers that are moved, and their positions.

    Attributes
    ----------
    moved
        Positions of their transformers in the table.
    distance
        By how many steps each stands above ``position``, in the order of ``moved``.
    lowest, highest, position
        Range and value of the number that tells where all of them stand: the position of the
        first; 0 if there is none.
    """

    moved: Indices
    distance: Array
    lowest: int
    highest: int
    position: int

    def at(self, position: int) -> Array:
        """Tap positions of the moved transformers, shape of ``moved``."""
        return self.distance + position


def acts(trafo: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether pandapower lets the tap position of a transformer act on its ratio."""
    if not {"tap_changer_type", "tap_side"} <= set(trafo):
        return np.zeros(len(trafo), dtype=bool)
    numbers = column(trafo, "tap_step_percent", np.nan) + column(trafo, "tap_neutral", np.nan)
    known = trafo["tap_changer_type"].isin(TYPES) & trafo["tap_side"].isin(["hv", "lv"])
    return np.asarray(known & np.isfinite(numbers))


def without_effect(trafo: pd.DataFrame) -> Iterator[int]:
    """Rows of transformers in service whose tap position is off neutral and yet has no effect.

    Those with a table of ratios are left out: there the table decides.
    """
    away = column(trafo, "tap_pos", 0.0) != column(trafo, "tap_neutral", 0.0)
    away &= column(trafo, "tap_dependency_table", 0.0) == 0
    stepped = column(trafo, "tap_step_percent", 0.0) != 0
    used = trafo["in_service"].to_numpy(dtype=bool)
    yield from (int(k) for k in np.flatnonzero(used & away & stepped & ~acts(trafo)))


def set_taps(
    trafo: pd.DataFrame, tap_pos: int | None, named: Sequence[int | str] | None
) -> tuple[TapChangers, list[str]]:
    """Find the tap changers that are moved, and set them to ``tap_pos`` if one is given.

    Parameters
    ----------
    trafo
        pandapower's table; its ``tap_pos`` is changed.
    tap_pos
        Position for all of them; None keeps each one's own.
    named
        Transformers to move by index or name; None for those from high to medium voltage.

    Returns
    -------
    changers, problems
    """
    chosen, problems = _chosen(trafo, named)
    if tap_pos is not None:
        problems += _misplaced(trafo, chosen, tap_pos)
        trafo.loc[trafo.index[chosen], "tap_pos"] = float(tap_pos)
    ranged = ~np.isnan(column(trafo, "tap_min", np.nan) + column(trafo, "tap_max", np.nan))
    moved = chosen[(acts(trafo) & ranged & trafo["in_service"].to_numpy(dtype=bool))[chosen]]
    if not moved.size or problems:
        return TapChangers(moved[:0], np.zeros(0), 0, 0, 0), problems
    rows = trafo.iloc[moved]
    stand = _positions(rows)
    position = int(np.floor(stand[0]))
    distance = stand - position
    lowest = int(np.ceil((column(rows, "tap_min", 0.0) - distance).max()))
    highest = int(np.floor((column(rows, "tap_max", 0.0) - distance).min()))
    trafo.loc[rows.index, "tap_pos"] = stand
    return TapChangers(moved, distance, lowest, highest, position), problems


def _positions(rows: pd.DataFrame) -> Array:
    """Positions of the taps; neutral where there is none."""
    neutral = column(rows, "tap_neutral", 0.0)
    present = column(rows, "tap_pos", np.nan)
    return np.where(np.isnan(present), neutral, present)


def _chosen(trafo: pd.DataFrame, named: Sequence[int | str] | None) -> tuple[Indices, list[str]]:
    """Positions of the transformers whose tap changers are moved, and what is wrong."""
    stepped = column(trafo, "tap_step_percent", 0.0) != 0
    if named is None:
        low, high = MEDIUM_KV
        upper, lower = (column(trafo, f"vn_{side}_kv", 0.0) for side in ("hv", "lv"))
        between = (upper > high) & (lower > low) & (lower <= high)
        used = trafo["in_service"].to_numpy(dtype=bool)
        on_load = column(trafo, "autoTap", 1.0) != 0  # SimBench says 0 where taps are off load
        return np.flatnonzero(between & stepped & used & on_load), []
    found, problems = [], []
    for key in named:
        index = find_element(trafo, key)
        if index is None:
            problems.append(f"tap_changers: {unknown('transformer', key, trafo)}")
            continue
        row = trafo.index.tolist().index(index)
        found.append(row)
        if not stepped[row]:
            name = label("transformer", trafo, row)
            problems.append(f"tap_changers: {name} has no tap changer (tap_step_percent)")
    return np.array(sorted({*found}), dtype=np.int64), problems


def _misplaced(trafo: pd.DataFrame, chosen: Indices, tap_pos: int) -> list[str]:
    """Say where a position for all does not fit."""
    if not chosen.size:
        return [
            f"tap position {tap_pos}: no transformer with a tap changer from high to medium "
            "voltage; leave it out, or name transformers by tap_changers"
        ]
    rows = trafo.iloc[chosen]
    low = column(rows, "tap_min", -np.inf).max()
    high = column(rows, "tap_max", np.inf).min()
    if low <= tap_pos <= high:
        return []
    return [f"tap position {tap_pos} is outside {low:g} .. {high:g}"]
