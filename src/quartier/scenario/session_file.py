"""Sessions at EV charging points in a CSV file, in any dialect that series are read in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.errors import InputError
from quartier.quantities import Horizon
from quartier.scenario.csv_numbers import read_numbers
from quartier.scenario.csv_table import CsvTable
from quartier.scenario.models import to_utc
from quartier.scenario.record import SeriesError
from quartier.scenario.sessions import Fitted, Stay, fitted, overlapping
from quartier.scenario.stamps import (
    FORMS,
    Stamps,
    order_name,
    read_stamps,
)

_COLUMNS = ("station", "arrival", "departure", "due_kwh", "max_kw")
_NUMBERS = ("due_kwh", "max_kw")


@dataclass(frozen=True)
class _Problem:
    """What is wrong in a row of the file."""

    row: int
    what: str


class SessionFile:
    """Sessions in a CSV file with the columns station, arrival, departure, due_kwh, max_kw.

    Raises
    ------
    SeriesError
        If there is no such file, it lacks a column, or one can be read in two ways.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = CsvTable(path, _COLUMNS)
        missing = [name for name in _COLUMNS if name not in self._table.names]
        if missing:
            raise SeriesError(
                f"{path.name} lacks the column(s) {', '.join(missing)}; it has "
                f"{', '.join(self._table.names)}"
            )
        self._stations = np.array(self._table.column("station"), dtype=object)
        self.said = list(self._table.said)
        """How the file is read, where that is not as a matter of course."""
        self._arrival, self._departure = self._times()
        self._due_kwh, self._max_kw = (
            read_numbers(self._table, name, self.said, strict=False) for name in _NUMBERS
        )

    @property
    def stations(self) -> list[str]:
        """Names of the charging points in the file."""
        return list(dict.fromkeys(self._stations))

    def due_kwh(self, station: str, horizon: Horizon) -> float:
        """Energy that a station's readable sessions are due in a horizon."""
        rows = [int(row) for row in np.flatnonzero(self._stations == station)]
        readable = [row for row in rows if not self._unreadable(row)]
        found = fitted((self._stay(row, np.inf, horizon) for row in readable), horizon)
        return sum(s.due_kwh for s in found.sessions) + found.left_out_kwh

    def sessions(self, station: str, power_kw: float, horizon: Horizon) -> Fitted:
        """Return the sessions of a charging point that touch the horizon.

        Raises
        ------
        InputError
            With every line that is wrong, or whose vehicle cannot be charged in its stay, and
            every two that are there at a time.
        """
        rows = [int(row) for row in np.flatnonzero(self._stations == station)]
        problems = [p for row in rows for p in self._unreadable(row)]
        if not problems:
            stays = [self._stay(row, power_kw, horizon) for row in rows]
            problems = [p for row, s in zip(rows, stays, strict=True) for p in _impossible(row, s)]
            problems += [
                _Problem(
                    rows[k],
                    f"at station {station!r} the next vehicle arrives before this one has left",
                )
                for k, _ in overlapping(stays)
            ]
        if problems:
            raise InputError([f"{self._table.where(p.row)}: {p.what}" for p in problems])
        return fitted(sorted(stays, key=lambda stay: stay.arrival_h), horizon)

    def _times(self) -> tuple[Stamps, Stamps]:
        """Read both columns of times in one way, which must fit them together."""
        written = [self._table.column(name) for name in ("arrival", "departure")]
        both = read_stamps([*written[0], *written[1]], self.path.name)
        if both.order:
            self.said.append(f"dates are read {order_name(both.order)}")
        count = len(written[0])
        return tuple(
            Stamps(both.clock[part], both.offset_h[part], both.order)
            for part in (slice(0, count), slice(count, None))
        )  # type: ignore[return-value]

    def _unreadable(self, row: int) -> list[_Problem]:
        problems = []
        for name, stamps in (("arrival", self._arrival), ("departure", self._departure)):
            written = self._table.column(name)[row]
            if pd.isna(stamps.clock[row]):
                problems.append(_Problem(row, f"{written!r} is no time; {FORMS}"))
                continue
            try:
                _utc(stamps, row)
            except ValueError as error:
                problems.append(_Problem(row, str(error)))
        for name, values in (("due_kwh", self._due_kwh), ("max_kw", self._max_kw)):
            if not (values[row] > 0 and np.isfinite(values[row])):
                written = self._table.column(name)[row]
                problems.append(_Problem(row, f"{name} is {written!r}, not a number above 0"))
        return problems

    def _stay(self, row: int, power_kw: float, horizon: Horizon) -> Stay:
        arrival_h, departure_h = (
            float((_utc(stamps, row) - horizon.start) / pd.Timedelta(hours=1))
            for stamps in (self._arrival, self._departure)
        )
        max_kw = min(float(self._max_kw[row]), power_kw)
        return Stay(arrival_h, departure_h, float(self._due_kwh[row]), max_kw)


def _utc(stamps: Stamps, row: int) -> pd.Timestamp:
    clock, offset_h = stamps.clock[row], stamps.offset_h[row]
    if np.isnan(offset_h):
        return to_utc(clock)
    return (clock - pd.Timedelta(hours=float(offset_h))).tz_localize("UTC")


def _impossible(row: int, stay: Stay) -> list[_Problem]:
    """What no whole steps are to blame for."""
    stay_h = stay.departure_h - stay.arrival_h
    if stay_h <= 0:
        return [_Problem(row, "the vehicle departs before it arrives")]
    most_kwh = stay.max_kw * stay_h
    if stay.due_kwh <= most_kwh + 1e-9:
        return []
    return [
        _Problem(
            row,
            f"the vehicle is due {stay.due_kwh:g} kWh, but {stay.max_kw:g} kW over the "
            f"{stay_h:.4g} h of its stay give at most {most_kwh:.4g} kWh",
        )
    ]
