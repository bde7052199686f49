"""What rows and columns of a program are called, in the words of whoever asked for it.

Programs carry their names along without looking at them: they are made up only where a program has
no solution, and somebody has to be told why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Label:
    """A row or a column in the scenario's words.

    Parameters
    ----------
    text
        Who and what: ``battery sunny.battery, charge``.
    time
        Start of the step; None: it belongs to no single one.
    unit
        Unit of its limits; None: they say nothing, or the text says them.
    exactly
        What an equality's right side is.
    """

    text: str
    time: pd.Timestamp | None = None
    unit: str | None = None
    exactly: str = "exactly"


class Names(Protocol):
    """Calls rows and columns by their names; None: nobody knows."""

    def row(self, row: int, /) -> Label | None:
        """What a row is called."""
        ...

    def column(self, column: int, /) -> Label | None:
        """What a column is called."""
        ...


Part: TypeAlias = tuple[int, Callable[[int], Label | None]]
"""Some rows or columns: how many, and what each of them is called."""


def nameless(_: int) -> None:
    """What nobody has a name for is called."""


@dataclass(frozen=True)
class Parts:
    """Names of a program put together of parts, rows and columns in their order."""

    rows: Sequence[Part] = ()
    columns: Sequence[Part] = ()

    def row(self, row: int) -> Label | None:
        """What a row is called."""
        return _found(self.rows, row)

    def column(self, column: int) -> Label | None:
        """What a column is called."""
        return _found(self.columns, column)


def _found(parts: Sequence[Part], place: int) -> Label | None:
    for count, called in parts:
        if place < count:
            return called(place)
        place -= count
    return None


@dataclass(frozen=True)
class Kept:
    """Names of what is left of a program: the numbers of the columns and rows that are."""

    names: Names
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]

    def row(self, row: int) -> Label | None:
        """What a row is called."""
        return self.names.row(int(self.rows[row])) if row < self.rows.size else None

    def column(self, column: int) -> Label | None:
        """What a column is called."""
        known = column < self.columns.size
        return self.names.column(int(self.columns[column])) if known else None


def of_kept(
    names: Names | None, columns: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> Kept | None:
    """Names of some columns and rows, if there are any names."""
    return None if names is None else Kept(names, np.flatnonzero(columns), np.flatnonzero(rows))


def by_step(text: str, times: pd.DatetimeIndex, unit: str | None = None) -> Part:
    """One row or column for each step, all called alike."""
    return len(times), lambda k: Label(text, times[k], unit)
