"""Numbers in tables as people write them: decimal point or comma, thousands.

A column is read with the decimal mark with which all its cells are numbers. Where both fit and
differ (``1.200``), the rest of the file decides, or the column is refused with the two readings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from quartier.quantities import Array
from quartier.scenario.csv_table import CsvTable, is_missing
from quartier.scenario.record import SeriesError
from quartier.scenario.stamps import IS_TIME

Decimal: TypeAlias = Literal[".", ","]

_DECIMALS = {".": "a decimal point", ",": "a decimal comma"}
_GROUPS: Mapping[Decimal, str] = {".": r",'’\s", ",": r".'’\s"}
_MANTISSA = r"(?:0|[1-9]\d{{0,2}}(?:[{groups}]\d{{3}})+|\d+)?"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_NUMBER = {
    mark: rf"(?=.*\d)[+-]?{_MANTISSA.format(groups=groups)}(?:{re.escape(mark)}\d*)?{_EXPONENT}"
    for mark, groups in _GROUPS.items()
}


def fitting(cells: pd.Series[str]) -> dict[Decimal, pd.Series[bool]]:
    """Which cells are numbers by each decimal mark."""
    minus = cells.str.replace("−", "-", regex=False)
    return {mark: minus.str.fullmatch(pattern).astype(bool) for mark, pattern in _NUMBER.items()}


def readings(cells: pd.Series[str]) -> dict[Decimal, Array]:
    """Return the numbers of a column by every decimal mark with which all cells are numbers."""
    found: dict[Decimal, Array] = {}
    for mark, fits in fitting(cells).items():
        if fits.all():
            bare = cells.str.replace("−", "-", regex=False)
            bare = bare.str.replace(rf"[{_GROUPS[mark]}]", "", regex=True)
            numbers = pd.to_numeric(bare.str.replace(mark, ".", regex=False), errors="coerce")
            found[mark] = numbers.to_numpy(dtype=float)
    return found


def read_numbers(
    table: CsvTable,
    column: str,
    said: list[str],
    decimal: Decimal | None = None,
    *,
    strict: bool = True,
) -> Array:
    """Return the numbers of a column, NaN where there is none.

    Parameters
    ----------
    said
        Gets how they are read, where that is not as a matter of course.
    decimal
        The decimal mark, if the user says so.
    strict
        Whether a cell that is no number by any mark is an error, or NaN.

    Raises
    ------
    SeriesError
        If a cell is no number, or the column can be read in two ways.
    """
    cells = pd.Series(table.column(column), dtype=str)
    asked, fits = ~cells.map(is_missing), fitting(cells)
    if not strict:
        asked &= fits["."] | fits[","]
    found = readings(cells[asked])
    mark = decimal or _decimal(table, column, found)
    if mark not in found:
        raise SeriesError(_no_number(table, column, cells.where(asked, "0"), decimal))
    differ = np.flatnonzero(found["."] != found[","]) if len(found) > 1 else np.array([])
    if len(differ) and table.separator != ",":
        example = f"{cells[asked].iloc[differ[0]]} is {found[mark][differ[0]]:.10g}"
        said.append(f"{column!r} is read with {_DECIMALS[mark]} ({example})")
    elif mark == ",":
        said.append(f"{column!r} is read with a decimal comma")
    values = np.full(len(cells), np.nan)
    values[asked] = found[mark]
    return values


def _decimal(table: CsvTable, column: str, found: dict[Decimal, Array]) -> Decimal:
    """Return the decimal mark of a column by its own cells, else by the rest of the file."""
    if len(found) < 2:
        return next(iter(found), ".")
    differ = np.flatnonzero(found["."] != found[","])
    mark = _elsewhere(table) if len(differ) else "."
    if mark is None:
        at = int(differ[0])
        raise SeriesError(
            f"{table.path.name}, column {column!r}: a number is {found['.'][at]:.10g} (decimal "
            f"point) or {found[','][at]:.10g} (decimal comma), and nothing in the file tells "
            'which; say decimal: "." or decimal: ",", or write it without thousands'
        )
    return mark


def _elsewhere(table: CsvTable) -> Decimal | None:
    """Decimal mark of a file by its other columns, its separator or its dates."""
    marks: set[Decimal] = set()
    for name in table.names:
        cells = pd.Series(table.column(name), dtype=str)
        found = readings(cells[~cells.map(is_missing)])
        marks |= set(found) if len(found) == 1 else set()
    if len(marks) == 1:
        return marks.pop()
    if marks:
        return None
    first = table.rows[0].cells
    dates = [cell for row in table.rows for cell in row.cells[_first_time(first) :][:1]]
    quoted = any("," in cell for row in table.rows for cell in row.cells)
    # Commas in numbers would need quotes; years first are written by programs.
    if table.separator == "," or all(re.match(r"\d{4}-", cell) for cell in dates):
        return None if quoted or table.separator == ";" else "."
    return "," if all(re.match(r"\d+\.\d+\.", cell) for cell in dates) else None


def _first_time(cells: list[str]) -> int:
    return next((k for k, cell in enumerate(cells) if IS_TIME.fullmatch(cell)), 0)


def _no_number(table: CsvTable, column: str, cells: pd.Series[str], decimal: Decimal | None) -> str:
    """Name the first cell that is no number, or that is one in another way than the others."""
    fits = fitting(cells)
    bad = np.flatnonzero(~(fits[decimal] if decimal else fits["."] | fits[","]))
    if len(bad):
        row, kind = int(bad[0]), f" with {_DECIMALS[decimal]}" if decimal else ""
        return f"{table.where(row)}: {cells[row]!r} in column {column!r} is no number{kind}"
    point, comma = (int(np.flatnonzero(~fits[mark])[0]) for mark in (",", "."))
    return (
        f"{table.path.name}, column {column!r}: {cells[point]!r} has a decimal point, "
        f"{cells[comma]!r} (line {table.rows[comma].line}) a decimal comma; write all numbers "
        "alike"
    )
