"""CSV files as series: local time to UTC, daylight saving resolved, gaps named.

A stamp is the start of an interval (``stamps`` says otherwise), whose mean the value is. The
times are in the column ``time``, or else in the first one that holds any; date and time of day
may stand apart, and a column of ends beside one of starts is checked against it. Times without an
offset are local (``timezone`` of the source); the hour that autumn repeats must be in the file
twice, the hour that spring skips must not be there.

Dates and numbers are read in the one way that fits the whole column. Where several do, the order
of the times, the rest of the file, or the user (``dates``, ``decimal``) decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.scenario.csv_numbers import read_numbers
from quartier.scenario.csv_table import CsvTable
from quartier.scenario.record import Record, SeriesError, show_time
from quartier.scenario.stamps import (
    FORMS,
    Order,
    Stamps,
    has_clock,
    is_clock,
    is_date,
    is_zone,
    joined,
    localised,
    order_name,
    read_stamps,
)
from quartier.units.base import CsvColumn

_STARTS = frozenset(["von", "from", "start", "begin", "beginn", "anfang", "ab"])
_ENDS = frozenset(["bis", "to", "end", "ende", "stop", "until"])
_ORDERS: dict[str, Order] = {"day-first": "dmy", "month-first": "mdy"}
_BEFORE = {"start": 0.0, "middle": 0.5, "end": 1.0}
_JITTER = 0.01
"""Share of a step by which stamps may be off regular times: clocks of meters drift."""
_LAST_S = 1.0
"""Seconds by which the end of an interval may be written before the next one's start."""
_LOOK = 200
"""Rows that tell what a column holds."""


class CsvFile:
    """A CSV file with times and columns of values.

    Parameters
    ----------
    wanted
        A column that its header must have.

    Raises
    ------
    SeriesError
        If there is no such file, or it is no table.
    """

    def __init__(self, path: Path, wanted: str | None = None) -> None:
        self.path = path
        self._table = CsvTable(path, [] if wanted is None else [wanted])
        if len(self._table.rows) < 2:
            raise SeriesError(f"{path.name} has fewer than two rows")

    @property
    def columns(self) -> list[str]:
        """Names of the columns of values."""
        return [name for name in self._table.names if name not in self._of_time]

    def record(self, source: CsvColumn, note: Callable[[str], None] = lambda _: None) -> Record:
        """Return a column at regular times.

        Parameters
        ----------
        source
            The column, and what the user says of the file.
        note
            Told how the file is read, where that is not as a matter of course.

        Raises
        ------
        SeriesError
            If the times are not regular, a local time is ambiguous, or a value is no number.
        """
        said = list(self._table.said)
        if source.column not in self.columns:
            raise SeriesError(
                f"{self.path.name} has no column {source.column!r}; it has "
                f"{', '.join(self.columns)}"
            )
        values = read_numbers(self._table, source.column, said, source.decimal)
        stamps = self._stamps(source)
        times = self._times(stamps, source.timezone, said)
        first, step = _regular(times, self._table, said)
        first -= self._share_before(source, step, said) * step
        self._check_ends(stamps, step)
        if self._speaks_of_utc and not {"timezone"} & source.model_fields_set:
            said.append(
                f"its head speaks of UTC, but times are taken for local ({source.timezone}); if "
                "they are UTC, say timezone: UTC"
            )
        if said:
            note("; ".join(said))
        return Record(first, step / pd.Timedelta(hours=1), values)

    @property
    def _speaks_of_utc(self) -> bool:
        """Whether the lines above the table say UTC, and its times do not."""
        head = " ".join([self._table.before, *self._of_time])
        bare = np.isnan(read_stamps(self._cells(self._of_time)[:1], "", "dmy").offset_h)
        if not bare.all() or any(self._holds(name, is_zone) for name in self._table.names):
            return False
        return bool(re.search(r"(?<![A-Za-z])utc(?![A-Za-z])", head.casefold()))

    # -- times ----------------------------------------------------------------------------------
    @cached_property
    def _of_time(self) -> list[str]:
        """Names of the column or columns that hold the start (or end) of the intervals."""
        names = self._table.names
        stamps = [name for name in names if self._holds(name, has_clock)]
        if stamps:
            return [_first(stamps)]
        dates = [name for name in names if self._holds(name, is_date)]
        clocks = [name for name in names if self._holds(name, is_clock)]
        if dates:
            return [dates[0], *([_first(clocks)] if clocks else [])]
        return ["time" if "time" in names else names[0]]

    @cached_property
    def _of_end(self) -> str | None:
        """Name of the column that holds the end of the intervals beside their start."""
        name = self._of_time[-1]
        kind = has_clock if len(self._of_time) == 1 else is_clock
        ends = [n for n in self._table.names if n != name and _words(n) & _ENDS]
        return next((n for n in ends if self._holds(n, kind)), None)

    def _holds(self, name: str, what: Callable[[str], bool]) -> bool:
        cells = [c for c in self._table.column(name, _LOOK) if c] if name else []
        return sum(map(what, cells)) * 2 > len(cells)

    def _cells(self, names: Sequence[str]) -> list[str]:
        return joined(*(self._table.column(name) for name in names))

    def _stamps(self, source: CsvColumn) -> Stamps:
        zones = [name for name in self._table.names if self._holds(name, is_zone)]
        cells = self._cells([*self._of_time, *zones[:1]])
        order = _ORDERS.get(source.dates or "")
        try:
            stamps = read_stamps(cells, self.path.name, order, regular=True)
        except SeriesError as error:
            raise SeriesError(f"{error}, or say dates: day-first or month-first") from None
        wrong = np.flatnonzero(stamps.clock.isna())
        if len(wrong):
            raise SeriesError(
                f"{self._table.where(int(wrong[0]))}: {cells[wrong[0]]!r} is no time; {FORMS}"
            )
        return stamps

    def _times(self, stamps: Stamps, timezone: str, said: list[str]) -> pd.DatetimeIndex:
        if stamps.order:
            said.append(f"dates are read {order_name(stamps.order)}")
        bare = np.isnan(stamps.offset_h)
        if bare.all():
            return localised(stamps.clock, timezone, self.path.name)
        if bare.any():
            row = int(np.flatnonzero(bare)[0])
            raise SeriesError(f"{self._table.where(row)}: a time without the offset others have")
        return (stamps.clock - pd.to_timedelta(stamps.offset_h, unit="h")).tz_localize("UTC")

    def _share_before(self, source: CsvColumn, step: pd.Timedelta, said: list[str]) -> float:
        """Share of an interval that lies before its stamp."""
        name, told = self._of_time[-1], "stamps" in source.model_fields_set
        if self._of_end is not None and source.stamps != "start":
            raise SeriesError(
                f"{self.path.name} has the start of its intervals in {name!r}, their end in "
                f"{self._of_end!r}; remove stamps: {source.stamps}"
            )
        if not told and self._of_end is None and _words(name) & _ENDS:
            raise SeriesError(
                f"{self.path.name} has its times in {name!r}, which sounds like the end of an "
                "interval; say stamps: end (or start)"
            )
        first = self._cells(self._of_time)[0]
        if not told and self._of_end is None and _begins_one_late(first, step):
            said.append(
                f"its first stamp is {first}; if stamps are the ends of the intervals, say "
                "stamps: end (or start)"
            )
        return _BEFORE[source.stamps]

    def _check_ends(self, stamps: Stamps, step: pd.Timedelta) -> None:
        """Check that intervals end where the next begins, by the clock."""
        if self._of_end is None:
            return
        cells = self._cells([*self._of_time[:-1], self._of_end])
        ends = read_stamps(cells, self.path.name, stamps.order or "dmy").clock
        length_s = np.asarray((ends - stamps.clock).total_seconds()) % 86400
        # Where clocks change, an interval seems an hour longer or shorter; some end at 00:14:59.
        allowed = [(step.total_seconds() + k * 3600) % 86400 for k in (-1, 0, 1)]
        wrong = np.min([np.abs(length_s - a) for a in allowed], axis=0) > _LAST_S
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise SeriesError(
                f"{self._table.where(row)}: the interval does not end "
                f"{step / pd.Timedelta(minutes=1):g} min after its start, where the next begins"
            )


def _first(names: list[str]) -> str:
    """Return the column of starts among those of times: ``time``, or the first that is no end."""
    if "time" in names:
        return "time"
    named = [n for n in names if _words(n) & _STARTS] or [n for n in names if not _words(n) & _ENDS]
    return (named or names)[0]


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.casefold()))


def _begins_one_late(first: str, step: pd.Timedelta) -> bool:
    """Whether a file begins a step after midnight, as where stamps are ends."""
    clock = read_stamps([first], "", "dmy").clock[0]
    return step < pd.Timedelta(days=1) and clock - clock.normalize() == step


def _regular(
    times: pd.DatetimeIndex, table: CsvTable, said: list[str]
) -> tuple[pd.Timestamp, pd.Timedelta]:
    """First time and step of regular times; names the first gap."""
    gaps = pd.Series(times[1:] - times[:-1])
    step = pd.Timedelta(gaps.mode().iloc[0])
    minutes = max(step.round("min"), pd.Timedelta(minutes=1))
    even = pd.date_range(times[0].round("min"), periods=len(times), freq=minutes)
    off_s = float(np.abs((times - even).total_seconds()).max())
    if 0 < off_s <= _JITTER * minutes.total_seconds():
        said.append(f"stamps are up to {off_s:g} s off regular times")
        return even[0], minutes
    wrong = np.flatnonzero(gaps != step)
    if len(wrong) or step <= pd.Timedelta(0):
        at = int(wrong[0]) if len(wrong) else 0
        kind = "a gap" if gaps.iloc[at] > step else "a step back or a repeated time"
        raise SeriesError(
            f"{table.path.name}: {kind} between {show_time(times[at])} and "
            f"{show_time(times[at + 1])} (line {table.rows[at + 1].line}); "
            f"{len(wrong)} of {len(gaps)} steps are not the {step / pd.Timedelta(minutes=1):g} min "
            "of the others"
        )
    return times[0], step
