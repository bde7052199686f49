"""Dates and times of day as people write them, each column read in one way.

A column is read in the one way that fits all its cells. Where two ways fit and differ, other
evidence decides, or the column is refused with the two readings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from quartier.quantities import Array
from quartier.scenario.record import SeriesError

Order: TypeAlias = Literal["ymd", "dmy", "mdy"]

_DATE = (
    r"(?:(?P<a>\d{1,4})(?P<s>[-./])(?P<b>\d{1,2})(?P=s)(?P<c>\d{4}|\d{2}|\d(?=[T ]|$))"
    r"|(?P<n>\d{8}))"
)
_CLOCK = (
    r"(?P<h>\d{1,2})(?::?(?P<m>\d{2})(?::?(?P<sec>\d{2}(?:[.,]\d+)?))?)"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?:Uhr)?"
)
_OFFSET = r"(?P<off>Z|UTC|GMT|MESZ|MEZ|CEST|CET|[+-]\d{2}(?::?\d{2})?)"
_STAMP = re.compile(rf"{_DATE}(?:[T ,:_]\s*{_CLOCK}\s*{_OFFSET}?)?")
_ALONE = re.compile(rf"{_CLOCK.replace(':?', ':')}\s*{_OFFSET}?")
IS_TIME = re.compile(
    r"(?:\d{1,4}([-./])\d{1,2}\1\d{1,4}|\d{8}[T:]\d{3,6})(?:[T ,:_].*)?|\d{1,2}:\d{2}(?:\D.*)?",
)
"""What looks like a date, a time of day or both."""
_ZONES = {"Z": 0.0, "UTC": 0.0, "GMT": 0.0, "MEZ": 1.0, "CET": 1.0, "MESZ": 2.0, "CEST": 2.0}
_ORDER_NAMES = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}
FORMS = "write e.g. 2016-07-25T00:00"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMED = re.compile(rf"({'|'.join(_MONTHS)})[a-z]*\.? (\d{{1,2}}), (\d{{4}})\b(.*)")


@dataclass(frozen=True)
class Stamps:
    """Written times, row by row.

    Parameters
    ----------
    clock
        Date and time of day as written; NaT where a cell is no time.
    offset_h
        Hours that the clock is ahead of UTC, NaN where no offset is written.
    order
        How the dates were read, None where they can be read in one way only.
    """

    clock: pd.DatetimeIndex
    offset_h: Array
    order: Order | None


def joined(*columns: Sequence[str]) -> list[str]:
    """Join dates, times of day and zones that stand apart."""
    return [" ".join(cells).strip() for cells in zip(*columns, strict=True)]


def numbered(cell: str) -> str:
    """Write a month in numbers: ``Jul 2, 2023 12:00 AM`` is ``2023-07-02 12:00 AM``."""
    match = _NAMED.fullmatch(cell) if cell[:3] in _MONTHS else None
    if match is None:
        return cell
    month, day, year, rest = match.groups()
    return f"{year}-{_MONTHS.index(month) + 1:02d}-{int(day):02d}{rest}"


def has_clock(cell: str) -> bool:
    """Whether a cell is a date with a time of day."""
    match = _STAMP.fullmatch(cell)
    return bool(match and match["h"])


def is_date(cell: str) -> bool:
    """Whether a cell is a date, with a time of day or without."""
    return _STAMP.fullmatch(cell) is not None


def is_zone(cell: str) -> bool:
    """Whether a cell is the name of a time zone alone."""
    return cell in _ZONES


def is_clock(cell: str) -> bool:
    """Whether a cell is a time of day alone."""
    return _ALONE.fullmatch(cell) is not None


def read_stamps(
    cells: Sequence[str], what: str, order: Order | None = None, *, regular: bool = False
) -> Stamps:
    """Read a column of times.

    Parameters
    ----------
    what
        Name of the column in messages.
    order
        How the dates are written, if the user says so.
    regular
        Whether the times follow each other regularly: the reading that is more so is taken.

    Raises
    ------
    SeriesError
        If the dates can be read in two ways.
    """
    parts = pd.Series(cells, dtype=str).str.extract(rf"^{_STAMP.pattern}$")
    offset_h = parts["off"].map(_offset_h, na_action="ignore")
    after = _time_of_day(parts)
    orders = _orders(parts, order)
    readings = {o: pd.DatetimeIndex(_dates(parts, o) + after) for o in orders}
    wrong = {o: int(np.sum(times.isna())) for o, times in readings.items()}
    readings = {o: t for o, t in readings.items() if wrong[o] == min(wrong.values())}
    if regular and len(readings) > 1:
        breaks = {o: _breaks(times) for o, times in readings.items()}
        readings = {o: t for o, t in readings.items() if breaks[o] == min(breaks.values())}
    first, *others = readings.items()
    for other in others:
        if not first[1].equals(other[1]):
            raise SeriesError(_ambiguous(cells, what, first, other))
    return Stamps(
        first[1], np.asarray(offset_h, dtype=float), first[0] if len(orders) > 1 else None
    )


def order_name(order: Order) -> str:
    """Return a reading of dates in words."""
    return _ORDER_NAMES[order]


def _orders(parts: pd.DataFrame, wanted: Order | None) -> tuple[Order, ...]:
    """Orders in which day, month and year may be meant."""
    dated = parts[parts["a"].notna()]
    if dated.empty or (dated["a"].str.len() == 4).any():
        return ("ymd",)
    if wanted is not None:
        return (wanted,)
    if (dated["s"] == ".").all():
        return ("dmy",)
    short = (dated["a"].str.len() == 2).all() and (dated["c"].str.len() == 2).all()
    return ("dmy", "mdy", "ymd") if short else ("dmy", "mdy")


def _dates(parts: pd.DataFrame, order: Order) -> pd.Series[pd.Timestamp]:
    columns = {key: parts[part] for key, part in zip(order, "abc", strict=True)}
    compact = parts["n"].notna()
    for key, place in (("y", slice(0, 4)), ("m", slice(4, 6)), ("d", slice(6, 8))):
        columns[key] = columns[key].where(~compact, parts["n"].str[place])
    year = pd.to_numeric(columns["y"])
    year = year.where(columns["y"].str.len() != 2, year + 2000)
    ymd = {"year": year, "month": pd.to_numeric(columns["m"]), "day": pd.to_numeric(columns["d"])}
    return pd.to_datetime(pd.DataFrame(ymd), errors="coerce")


def _time_of_day(parts: pd.DataFrame) -> pd.Series[pd.Timedelta]:
    """Time since midnight; 24:00 is the next day's midnight, and a date alone is its midnight."""
    hour = pd.to_numeric(parts["h"]).fillna(0.0)
    half = parts["half"].str[0].str.lower()
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p"))
    minute = pd.to_numeric(parts["m"]).fillna(0.0)
    second = pd.to_numeric(parts["sec"].str.replace(",", ".")).fillna(0.0)
    seconds = hour * 3600 + minute * 60 + second
    return pd.to_timedelta(
        seconds.where((minute < 60) & (second < 60) & (seconds <= 86400)), unit="s"
    )


def _offset_h(text: str) -> float:
    if text in _ZONES:
        return _ZONES[text]
    digits = text[1:].replace(":", "").ljust(4, "0")
    return (-1 if text[0] == "-" else 1) * (int(digits[:2]) + int(digits[2:]) / 60)


def _breaks(times: pd.DatetimeIndex) -> int:
    """How often times that should be regular are not."""
    gaps = pd.Series(times[1:] - times[:-1])
    step = gaps.mode().min()  # NaT if no cell is a time
    return int((gaps != step).sum()) if step > pd.Timedelta(0) else len(gaps)


def _ambiguous(
    cells: Sequence[str],
    what: str,
    first: tuple[Order, pd.DatetimeIndex],
    other: tuple[Order, pd.DatetimeIndex],
) -> str:
    neither = np.asarray(first[1].isna()) & np.asarray(other[1].isna())
    at = int(np.flatnonzero(np.asarray(first[1] != other[1]) & ~neither)[0])
    days = {o: "no date" if pd.isna(t[at]) else f"{t[at]:%Y-%m-%d}" for o, t in (first, other)}
    readings = " or ".join(f"{day} ({_ORDER_NAMES[o]})" for o, day in days.items())
    return f"{what}: {cells[at]!r} is {readings}, and nothing in the file tells which; {FORMS}"


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
