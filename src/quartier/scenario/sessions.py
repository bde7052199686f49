"""Sessions at EV charging points: drawn from distributions, or read from a CSV file.

Drawn: on every local day each point has ``sessions_per_day`` arrivals on average; time of
arrival, stay and energy are normal, cut at three standard deviations. Every point has its own
random numbers, from the seed and its name: adding a unit does not change the others.

Both: a vehicle that is there before the horizon has been charging since its arrival; one that
stays beyond its end is due the part of its energy that belongs to the part of its stay inside.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.quantities import Horizon
from quartier.scenario.models import LOCAL, to_utc
from quartier.scenario.record import SeriesError
from quartier.units.base import Session
from quartier.units.ev_station import EvStationParameters

_CUT = 3.0
"""Standard deviations at which the distributions are cut."""
_LEAST_ENERGY_KWH = 0.5
_COLUMNS = ("station", "arrival", "departure", "due_kwh", "max_kw")


@dataclass(frozen=True)
class Stay:
    """A vehicle's stay in hours from the horizon's start (which may be before it)."""

    arrival_h: float
    departure_h: float
    due_kwh: float
    max_kw: float


# -- drawn ----------------------------------------------------------------------------------------
def drawn(u: EvStationParameters, name: str, horizon: Horizon, seed: int) -> tuple[Session, ...]:
    """Draw the sessions of a charging point.

    Parameters
    ----------
    name
        Name of the unit, which its random numbers belong to.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    stays: list[Stay] = []
    for midnight in _midnights(horizon, u):
        for stay in _day(u, (midnight - horizon.start) / pd.Timedelta(hours=1), rng):
            if not stays or stay.arrival_h >= stays[-1].departure_h + horizon.dt_h:
                stays.append(stay)
    return tuple(s for s in (_fitted(stay, horizon) for stay in stays) if s is not None)


def _midnights(horizon: Horizon, u: EvStationParameters) -> pd.DatetimeIndex:
    """Local midnights of all days on which a vehicle may arrive that is there in the horizon."""
    longest = pd.Timedelta(hours=u.stay_h_mean + _CUT * u.stay_h_std)
    first = (horizon.start - longest).tz_convert(LOCAL).normalize()
    return pd.date_range(first, horizon.end.tz_convert(LOCAL), freq="D")


def _day(u: EvStationParameters, midnight_h: float, rng: np.random.Generator) -> list[Stay]:
    """Draw a day; always as many random numbers, so that days do not depend on each other."""
    whole, rest = divmod(u.sessions_per_day, 1)
    count = int(whole) + int(rng.random() < rest)
    draws = rng.standard_normal((int(whole) + 1, 3)).clip(-_CUT, _CUT)[:count]
    stays = []
    for arrival, stay, energy in draws:
        arrival_h = midnight_h + u.arrival_h_mean + arrival * u.arrival_h_std
        stay_h = max(u.stay_h_mean + stay * u.stay_h_std, 0.5)
        due_kwh = max(u.energy_kwh_mean + energy * u.energy_kwh_std, _LEAST_ENERGY_KWH)
        stays.append(Stay(arrival_h, arrival_h + stay_h, due_kwh, u.power_kw))
    return sorted(stays, key=lambda s: s.arrival_h)


def _fitted(stay: Stay, horizon: Horizon) -> Session | None:
    """Return a stay as a session of whole steps inside the horizon, None if there is none."""
    arrival = int(np.ceil(stay.arrival_h / horizon.dt_h - 1e-9))
    departure = int(np.floor(stay.departure_h / horizon.dt_h + 1e-9))
    first, last = max(arrival, 0), min(departure, horizon.steps)
    if last <= first:
        return None
    charged_kwh = stay.max_kw * horizon.dt_h * (first - arrival)
    due_kwh = max(stay.due_kwh - charged_kwh, 0.0) * (last - first) / (departure - first)
    due_kwh = min(due_kwh, stay.max_kw * horizon.dt_h * (last - first))
    return Session(first, last, float(due_kwh), stay.max_kw) if due_kwh > 0 else None


# -- read -----------------------------------------------------------------------------------------
class SessionFile:
    """Sessions in a CSV file with the columns station, arrival, departure, due_kwh, max_kw.

    Raises
    ------
    SeriesError
        If there is no such file, or it lacks a column.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SeriesError(f"there is no file {path}")
        self.path = path
        try:
            self._table = pd.read_csv(path, dtype=str, encoding="utf-8-sig").fillna("")
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise SeriesError(f"{path.name} is no CSV table: {str(error).strip()}") from error
        missing = [name for name in _COLUMNS if name not in self._table]
        if missing:
            raise SeriesError(f"{path.name} lacks the column(s) {', '.join(missing)}")

    @property
    def stations(self) -> list[str]:
        """Names of the charging points in the file."""
        return [str(name) for name in self._table["station"].unique()]

    def sessions(self, station: str, power_kw: float, horizon: Horizon) -> tuple[Session, ...]:
        """Return the sessions of a charging point that touch the horizon.

        Raises
        ------
        SeriesError
            If a value is wrong, a vehicle cannot be charged in its stay, or two are there at a
            time.
        """
        rows = self._table[self._table["station"] == station]
        lines = np.flatnonzero(self._table["station"] == station) + 2
        stays = [
            self._stay(int(line), row, power_kw, horizon)
            for line, (_, row) in zip(lines, rows.iterrows(), strict=True)
        ]
        ordered = sorted(stays, key=_by_arrival)
        for (line, before), (_, after) in itertools.pairwise(ordered):
            if after.arrival_h < before.departure_h:
                raise SeriesError(
                    f"{self.path.name}, line {line}: at station {station!r} the next vehicle "
                    "arrives before this one has left"
                )
        fitted = (_fitted(stay, horizon) for _, stay in ordered)
        return tuple(session for session in fitted if session is not None)

    def _stay(
        self, line: int, row: pd.Series[str], power_kw: float, horizon: Horizon
    ) -> tuple[int, Stay]:
        where = f"{self.path.name}, line {line}"
        arrival, departure = (_hours(row[key], horizon, where) for key in ("arrival", "departure"))
        if departure <= arrival:
            raise SeriesError(f"{where}: the vehicle departs before it arrives")
        due_kwh, max_kw = (_positive(row[key], key, where) for key in ("due_kwh", "max_kw"))
        stay = Stay(arrival, departure, due_kwh, min(max_kw, power_kw))
        whole = _in_steps(stay, horizon.dt_h)
        most_kwh = stay.max_kw * max(whole.departure_h - whole.arrival_h, 0.0)
        if due_kwh > most_kwh + 1e-9:
            raise SeriesError(
                f"{where}: the vehicle is due {due_kwh:g} kWh, but {stay.max_kw:g} kW over the "
                f"{whole.departure_h - whole.arrival_h:g} h of its stay (in whole steps) give at "
                f"most {most_kwh:g} kWh"
            )
        return line, stay


def _in_steps(stay: Stay, dt_h: float) -> Stay:
    """Return a stay cut to whole steps."""
    arrival = float(np.ceil(stay.arrival_h / dt_h - 1e-9)) * dt_h
    departure = float(np.floor(stay.departure_h / dt_h + 1e-9)) * dt_h
    return replace(stay, arrival_h=arrival, departure_h=departure)


def _by_arrival(item: tuple[int, Stay]) -> float:
    return item[1].arrival_h


def _hours(text: str, horizon: Horizon, where: str) -> float:
    """Hours from the horizon's start to a written time."""
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SeriesError(f"{where}: {text!r} is no time, e.g. 2016-07-25T17:30") from error
    try:
        time = to_utc(written)
    except ValueError as error:
        raise SeriesError(f"{where}: {error}") from error
    return float((time - horizon.start) / pd.Timedelta(hours=1))


def _positive(text: str, key: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (value > 0 and np.isfinite(value)):
        raise SeriesError(f"{where}: {key} is {text!r}, not a number above 0")
    return value
