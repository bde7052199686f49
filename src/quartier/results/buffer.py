"""Rows of one table that wait to be written, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from quartier.results.tables import ColumnType, Declared, columns_of, schema


class TableBuffer:
    """Blocks of rows of one table, copied when they are added.

    Parameters
    ----------
    table
        Name of a table in :data:`~quartier.results.tables.TABLES`, or of the mechanism's own.
    own
        Tables of the mechanism's own.

    Raises
    ------
    KeyError
        If there is no such table.
    """

    def __init__(self, table: str, own: Declared | None = None) -> None:
        self._table = table
        self._schema = schema(table, own)
        self._types = columns_of(table, own)
        self._blocks: list[dict[str, NDArray[Any]]] = []

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def add(self, columns: Mapping[str, Any]) -> None:
        """Add rows; scalars are repeated, numbers and texts left out become NaN or null.

        Raises
        ------
        ValueError
            If a column is unknown or missing, or lengths differ.
        """
        self._check(columns)
        rows = self._rows(columns)
        if rows:
            self._blocks.append(
                {name: self._values(name, columns.get(name), rows) for name in self._types}
            )

    def take(self) -> pa.Table:
        """Return all rows added so far as one table, and forget them."""
        blocks, self._blocks = self._blocks, []
        arrays = [
            _arrow(np.concatenate([block[name] for block in blocks]), kind)
            for name, kind in self._types.items()
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def _check(self, columns: Mapping[str, Any]) -> None:
        unknown = [name for name in columns if name not in self._types]
        if unknown:
            raise ValueError(
                f"table {self._table!r} has no column {', '.join(unknown)};"
                f" columns: {', '.join(self._types)}"
            )
        missing = [
            n for n, kind in self._types.items() if n not in columns and not kind.may_be_absent
        ]
        if missing:
            raise ValueError(f"table {self._table!r}: column {', '.join(missing)} is missing")

    def _rows(self, columns: Mapping[str, Any]) -> int:
        lengths = {name: len(value) for name, value in columns.items() if _is_column(value)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"table {self._table!r}: columns of different lengths: {lengths}")
        return next(iter(lengths.values()), 1)

    def _values(self, name: str, value: Any, rows: int) -> NDArray[Any]:
        kind = self._types[name]
        try:
            values = _numpy(value, kind)
        except (TypeError, ValueError) as error:
            raise ValueError(f"table {self._table!r}, column {name!r}: {error}") from error
        if values.ndim > 1:
            raise ValueError(f"table {self._table!r}, column {name!r}: more than one dimension")
        return values if values.ndim else np.full(rows, values)


def _is_column(value: Any) -> bool:
    """Whether a value is a column of its own rather than a scalar to repeat."""
    if isinstance(value, str):
        return False
    return value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, Sized)


def _numpy(value: Any, kind: ColumnType) -> NDArray[Any]:
    """Return a copy of a column or a scalar (of no dimension) in the column's own type."""
    if kind is ColumnType.NUMBER:
        return np.array(np.nan if value is None else value, dtype=np.float64)
    if kind is ColumnType.TIME:
        return _nanoseconds(value)
    if kind is ColumnType.TEXT:
        return np.array(value, dtype=object)
    return np.array(value).astype(
        np.int64 if kind is ColumnType.COUNT else np.bool_, casting="same_kind"
    )


def _nanoseconds(value: Any) -> NDArray[np.int64]:
    """Return times in nanoseconds since 1970, UTC."""
    times = pd.Timestamp(value) if isinstance(value, datetime) else pd.DatetimeIndex(value)
    if times.tz is None:
        raise ValueError("times must be UTC-aware")
    if isinstance(times, pd.Timestamp):
        return np.array(times.as_unit("ns").value, dtype=np.int64)
    return times.to_numpy(dtype="datetime64[ns]").view(np.int64)


def _arrow(values: NDArray[Any], kind: ColumnType) -> pa.Array:
    if kind is ColumnType.TIME:
        return pa.array(values, pa.int64()).cast(kind.arrow)
    return pa.array(values, kind.arrow, from_pandas=kind is ColumnType.TEXT)
