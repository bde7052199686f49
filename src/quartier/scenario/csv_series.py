"""CSV files as series: local time to UTC, daylight saving resolved, gaps named.

The times are in the column ``time``, or else in the first one. Times without an offset are local
(``timezone`` of the source); the hour that autumn repeats must be in the file twice, the hour
that spring skips must not be there. Both dialects are read: comma with decimal point, and the
German one (semicolon, decimal comma, dots in thousands, ``31.12.2016 23:45``), as SMARD exports.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.quantities import Array
from quartier.scenario.record import Record, SeriesError, show_time

_GERMAN_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")


class CsvFile:
    """A CSV file with a column of times and columns of values.

    Raises
    ------
    SeriesError
        If there is no such file, or it is no table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise SeriesError(f"there is no file {path}")
        with path.open(encoding="utf-8-sig") as lines:
            head = lines.readline()
        separator = ";" if head.count(";") > head.count(",") else ","
        try:
            self._table = pd.read_csv(path, sep=separator, dtype=str, encoding="utf-8-sig")
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise SeriesError(f"{path.name} is no CSV table: {str(error).strip()}") from error
        self._table.columns = [str(name).strip() for name in self._table.columns]
        if len(self._table) < 2:
            raise SeriesError(f"{path.name} has fewer than two rows")
        columns = list(self._table.columns)
        self._time_column = "time" if "time" in columns else columns[0]

    @property
    def columns(self) -> list[str]:
        """Names of the columns of values."""
        return [str(name) for name in self._table.columns if name != self._time_column]

    def record(self, column: str, timezone: str) -> Record:
        """Return a column at regular times.

        Raises
        ------
        SeriesError
            If the times are not regular, a local time is ambiguous, or a value is no number.
        """
        times = self._times(timezone)
        step = _regular_step(times, self.path.name)
        return Record(times[0], step / pd.Timedelta(hours=1), self._numbers(column))

    def _times(self, timezone: str) -> pd.DatetimeIndex:
        written = self._table[self._time_column].fillna("").str.strip()
        with_offset = written.str.contains(_OFFSET)
        if with_offset.any() and not with_offset.all():
            row = int(np.flatnonzero(~with_offset)[0]) + 2
            raise SeriesError(
                f"{self.path.name}, line {row}: a time without the offset others have"
            )
        day_first = bool(_GERMAN_DATE.match(written.iloc[0]))
        times = pd.to_datetime(
            written,
            errors="coerce",
            utc=bool(with_offset.all()),
            dayfirst=day_first,
            format="mixed",
        )
        if times.isna().any():
            row = int(np.flatnonzero(times.isna())[0])
            raise SeriesError(
                f"{self.path.name}, line {row + 2}: {written.iloc[row]!r} is no time, "
                "e.g. 2016-07-25T00:00"
            )
        index = pd.DatetimeIndex(times)
        return index if index.tz is not None else localised(index, timezone, self.path.name)

    def _numbers(self, column: str) -> Array:
        if column not in self.columns:
            raise SeriesError(
                f"{self.path.name} has no column {column!r}; it has {', '.join(self.columns)}"
            )
        text = self._table[column].fillna("").str.strip()
        if text.str.contains(",", regex=False).any():  # decimal comma, dots in thousands
            text = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        empty = text.isin(["", "-", "nan", "NaN"])
        values = pd.to_numeric(text.where(~empty), errors="coerce")
        wrong = np.flatnonzero(values.isna() & ~empty)
        if len(wrong):
            row = int(wrong[0])
            raise SeriesError(
                f"{self.path.name}, line {row + 2}: {self._table[column].iloc[row]!r} in column "
                f"{column!r} is no number"
            )
        return values.to_numpy(dtype=float)


def localised(times: pd.DatetimeIndex, timezone: str, name: str) -> pd.DatetimeIndex:
    """Turn local times into UTC; the order tells the first from the second autumn hour.

    Raises
    ------
    SeriesError
        If the zone is unknown, a time is skipped in spring, or an autumn hour is there once.
    """
    try:
        return times.tz_localize(timezone, ambiguous="infer", nonexistent="raise").tz_convert("UTC")
    except Exception as error:  # pandas 2 raises pytz's errors here, pandas 3 ValueError
        raise SeriesError(f"{name}: {_why_not(times, timezone, error)}") from error


def _why_not(times: pd.DatetimeIndex, timezone: str, error: Exception) -> str:
    try:
        first = np.ones(len(times), dtype=bool)
        skipped = times[times.tz_localize(timezone, ambiguous=first, nonexistent="NaT").isna()]
    except (KeyError, ValueError):
        return f"{timezone!r} is no time zone, e.g. Europe/Berlin"
    remedy = (
        "write offsets (+01:00), or, if the file keeps winter time all year, say "
        "timezone: Etc/GMT-1"
    )
    if len(skipped):
        return (
            f"{skipped[0]:%Y-%m-%d %H:%M} does not exist in {timezone} (daylight saving); {remedy}"
        )
    twice = times[times.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT").isna()]
    if len(twice):
        return (
            f"{twice[0]:%Y-%m-%d %H:%M} is ambiguous in {timezone} (daylight saving ends), and the "
            f"hour is not there twice; {remedy}"
        )
    return f"times cannot be read in {timezone}: {error}"


def _regular_step(times: pd.DatetimeIndex, name: str) -> pd.Timedelta:
    """Step of regular times; names the first gap."""
    gaps = pd.Series(times[1:] - times[:-1])
    step = pd.Timedelta(gaps.mode().iloc[0])
    wrong = np.flatnonzero(gaps != step)
    if len(wrong) or step <= pd.Timedelta(0):
        at = int(wrong[0]) if len(wrong) else 0
        kind = "a gap" if gaps.iloc[at] > step else "a step back or a repeated time"
        raise SeriesError(
            f"{name}: {kind} between {show_time(times[at])} and {show_time(times[at + 1])} "
            f"(line {at + 3}); "
            f"{len(wrong)} of {len(gaps)} steps are not the {step / pd.Timedelta(minutes=1):g} min "
            "of the others"
        )
    return step
