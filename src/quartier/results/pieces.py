"""Tables of a run read in pieces, so that nobody has to hold all of a long run at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from quartier.errors import InputError
from quartier.results.tables import Declared, schema

MOST_ROWS = 250_000
"""Rows of a piece, about: some tens of MB, and few enough pieces that their number costs nothing.
A part that was written at once is never split."""

Span: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]
"""First and last step of a stretch of time."""


def part_files(directory: Path, table: str) -> list[Path]:
    """Parts of a table, in the order of writing."""
    parts = (directory / "tables" / table).glob("part-*.parquet")
    # Names compare faster than paths: a year lists hundreds of parts hundreds of times.
    return sorted(parts, key=lambda part: part.name)


def read(
    files: Sequence[Path],
    table: str,
    columns: Sequence[str] | None = None,
    own: Declared | None = None,
    span: Span | None = None,
) -> pa.Table:
    """Return the rows of some parts, with the columns asked for in their declared types.

    Parameters
    ----------
    files
        Parts of the table.
    table
        Its name.
    columns
        Which are read, all if None.
    own
        Tables that the mechanism declares.
    span
        Rows of this time only, if given; the table must have a ``time``.

    Raises
    ------
    InputError
        If a part cannot be read; it names the file.
    """
    declared = schema(table, own)
    if columns is not None:
        declared = pa.schema([declared.field(name) for name in columns])
    if not files:
        return declared.empty_table()
    return pa.concat_tables([_rows(file, declared, span) for file in files])


def _rows(path: Path, columns: pa.Schema, span: Span | None) -> pa.Table:
    names = [*columns.names, *(["time"] if span and "time" not in columns.names else [])]
    with _readable(path), pyarrow.parquet.ParquetFile(path) as file:
        rows = file.read(columns=names)
        if span is not None:
            first, last = (pa.scalar(time, rows.schema.field("time").type) for time in span)
            time = rows["time"]
            rows = rows.filter(pc.and_(pc.greater_equal(time, first), pc.less_equal(time, last)))
        return rows.select(columns.names).cast(columns)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say which part cannot be read: all others can."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:  # Arrow's own are among them
        why = str(error).splitlines()[0]
        raise InputError(
            [
                f"{path} is damaged, or was written by another version ({why});"
                " the rest can be read: move it away to read the table without it"
            ]
        ) from error


def _metadata(path: Path) -> pyarrow.parquet.FileMetaData:
    with _readable(path):
        return pyarrow.parquet.read_metadata(path)


def pieces(
    directory: Path,
    table: str,
    columns: Sequence[str] | None = None,
    own: Declared | None = None,
    most_rows: int | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield a table in pieces of whole parts, in the order of writing; at least one.

    Parameters
    ----------
    directory
        Run folder.
    table, columns, own
        As :func:`read` has them.
    most_rows
        Rows of a piece at most, unless one part has more; :data:`MOST_ROWS` if None.
    """
    most_rows = most_rows or MOST_ROWS
    waiting: list[Path] = []
    rows = 0
    for file in part_files(directory, table):
        here = _metadata(file).num_rows
        if waiting and rows + here > most_rows:
            yield read(waiting, table, columns, own).to_pandas()
            waiting, rows = [], 0
        waiting.append(file)
        rows += here
    yield read(waiting, table, columns, own).to_pandas()


def spans(directory: Path, tables: Sequence[str], most_rows: int | None = None) -> list[Span]:
    """Cut a run into stretches of whole steps, in none of which a table has much more rows.

    Parameters
    ----------
    directory
        Run folder.
    tables
        Tables with a row a step and element; the first has all steps.
    most_rows
        Rows of a stretch at most, unless one step has more; :data:`MOST_ROWS` if None.

    Returns
    -------
    list of Span
        Empty if the whole run has no more rows.
    """
    most_rows = most_rows or MOST_ROWS
    most = 0
    for table in tables:
        files = part_files(directory, table)
        most = max(most, sum(_metadata(file).num_rows for file in files))
    if most <= most_rows:
        return []
    found = [
        pc.unique(read([f], tables[0], ["time"])["time"]) for f in part_files(directory, tables[0])
    ]
    times = np.unique(np.concatenate([part.to_numpy(zero_copy_only=False) for part in found]))
    index = pd.DatetimeIndex(times).tz_localize("UTC")
    steps = max(1, int(len(index) * most_rows / most))
    return [
        (part[0], part[-1])
        for k in range(0, len(index), steps)
        if len(part := index[k : k + steps])
    ]


def overlapping(
    files: Sequence[Path], span: Span, known: dict[Path, Span | None] | None = None
) -> list[Path]:
    """Parts that may have rows of a stretch of time, by what Parquet says of their columns.

    ``known`` keeps what it says from call to call: a written part does not change.
    """
    known = {} if known is None else known
    for file in files:
        if file not in known:
            known[file] = _bounds(file)
    return [file for file in files if _overlap(known[file], span)]


def _overlap(bounds: Span | None, span: Span) -> bool:
    return bounds is None or (bounds[0] <= span[1] and bounds[1] >= span[0])


def _bounds(file: Path) -> Span | None:
    """Earliest and latest time in a part; None if it does not say."""
    metadata = _metadata(file)
    at = metadata.schema.to_arrow_schema().get_field_index("time")
    groups = [metadata.row_group(k).column(at).statistics for k in range(metadata.num_row_groups)]
    if not groups or any(one is None or not one.has_min_max for one in groups):
        return None
    return _utc(min(one.min for one in groups)), _utc(max(one.max for one in groups))


def _utc(time: datetime) -> pd.Timestamp:
    stamp = pd.Timestamp(time)
    return stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC")
