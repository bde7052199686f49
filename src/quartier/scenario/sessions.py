"""Sessions at EV charging points: drawn from distributions, or given, and fitted to whole steps.

Drawn: on every local day each point has ``sessions_per_day`` arrivals on average, several of them
spread evenly over the day; time of arrival (by the clock), stay and energy are normal, cut at
three standard deviations. A vehicle leaves when the next one comes. Every point has its own
random numbers, from the seed and its name: adding a unit does not change the others.

A vehicle that is there before the horizon has been charging since its arrival; one that stays
beyond its end is due the part of its energy that belongs to the part of its stay inside.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from quartier.quantities import Array, Horizon
from quartier.scenario.models import LOCAL
from quartier.units.ev_station import EvStationParameters
from quartier.units.stays import Session

_CUT = 3.0
"""Standard deviations at which the distributions are cut."""
_LEAST_ENERGY_KWH = 0.5
_LEAST_STAY_H = 0.5


@dataclass(frozen=True)
class Stay:
    """A vehicle's stay in hours from the horizon's start (which may be before it)."""

    arrival_h: float
    departure_h: float
    due_kwh: float
    max_kw: float


@dataclass(frozen=True)
class Fitted:
    """Sessions of whole steps inside a horizon, and what of the stays they leave out.

    Parameters
    ----------
    short, short_kwh
        Stays that hold no whole step, and their energy.
    full, full_kwh
        Stays that are due more than whole steps give, and the energy beyond.
    gone_h
        Hours by which stays were cut since the next vehicle came.
    """

    sessions: tuple[Session, ...] = ()
    short: int = 0
    short_kwh: float = 0.0
    full: int = 0
    full_kwh: float = 0.0
    gone_h: float = 0.0

    def __add__(self, other: Fitted) -> Fitted:
        names = (name for name in vars(self))
        return Fitted(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def left_out_kwh(self) -> float:
        """Energy that is due and not charged."""
        return self.short_kwh + self.full_kwh

    @property
    def said(self) -> str:
        """What is left out, in a sentence; empty if nothing is."""
        parts = []
        if self.short:
            parts.append(f"{self.short} stay(s) hold no whole step ({self.short_kwh:.4g} kWh)")
        if self.full:
            parts.append(
                f"{self.full} of {len(self.sessions)} sessions are due {self.full_kwh:.4g} kWh "
                "more than their stays give in whole steps"
            )
        return f"{' and '.join(parts)}: left out" if parts else ""


def fitted(stays: Iterable[Stay], horizon: Horizon) -> Fitted:
    """Fit stays to whole steps inside a horizon."""
    return sum((_fitted(stay, horizon) for stay in stays), start=Fitted())


def _fitted(stay: Stay, horizon: Horizon) -> Fitted:
    arrival, departure = whole_steps(stay, horizon.dt_h)
    if departure <= arrival:
        inside = 0 <= stay.arrival_h < horizon.steps * horizon.dt_h
        return Fitted(short=1, short_kwh=stay.due_kwh) if inside else Fitted()
    first, last = max(arrival, 0), min(departure, horizon.steps)
    if last <= first:
        return Fitted()
    step_kwh = stay.max_kw * horizon.dt_h
    beyond_kwh = max(stay.due_kwh - step_kwh * (departure - arrival), 0.0)
    charged_kwh = step_kwh * (first - arrival)
    due_kwh = max(stay.due_kwh - charged_kwh, 0.0) * (last - first) / (departure - first)
    due_kwh = min(due_kwh, step_kwh * (last - first))
    sessions = (Session(first, last, float(due_kwh), stay.max_kw),) if due_kwh > 0 else ()
    if beyond_kwh <= 1e-9:
        return Fitted(sessions)
    inside_kwh = beyond_kwh * (last - first) / (departure - arrival)
    return Fitted(sessions, full=1, full_kwh=inside_kwh)


def whole_steps(stay: Stay, dt_h: float) -> tuple[int, int]:
    """First step that lies in a stay, and the one after the last."""
    return math.ceil(stay.arrival_h / dt_h - 1e-9), math.floor(stay.departure_h / dt_h + 1e-9)


# -- drawn ----------------------------------------------------------------------------------------
def drawn(u: EvStationParameters, name: str, horizon: Horizon, seed: int) -> Fitted:
    """Draw the sessions of a charging point.

    Parameters
    ----------
    name
        Name of the unit, which its random numbers belong to.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    stays = [stay for day in _days(horizon, u) for stay in _day(u, day, horizon, rng)]
    stays.sort(key=lambda stay: stay.arrival_h)
    gone_h = 0.0
    for k, (stay, after) in enumerate(itertools.pairwise(stays)):
        if after.arrival_h < stay.departure_h:
            gone_h += stay.departure_h - after.arrival_h
            stays[k] = replace(stay, departure_h=after.arrival_h)
    return replace(fitted(stays, horizon), gone_h=gone_h)


def _days(horizon: Horizon, u: EvStationParameters) -> pd.DatetimeIndex:
    """Local dates of all days of whose vehicles one may be there in the horizon."""
    spread_h = 24.0 - 24.0 / max(math.ceil(u.sessions_per_day), 1)
    longest = pd.Timedelta(hours=u.stay_h_mean + _CUT * u.stay_h_std + spread_h)
    first, last = (
        time.tz_convert(LOCAL).tz_localize(None) for time in (horizon.start - longest, horizon.end)
    )
    return pd.date_range(first.normalize(), last, freq="D")


def _day(
    u: EvStationParameters, date: pd.Timestamp, horizon: Horizon, rng: np.random.Generator
) -> list[Stay]:
    """Draw a day; always as many random numbers, so that days do not depend on each other."""
    whole, rest = divmod(u.sessions_per_day, 1)
    count = int(whole) + int(rng.random() < rest)
    draws = rng.standard_normal((int(whole) + 1, 3)).clip(-_CUT, _CUT)[:count]
    if not count:
        return []
    by_clock_h = u.arrival_h_mean + draws[:, 0] * u.arrival_h_std + 24 / count * np.arange(count)
    arrival_h = _from_start(date, by_clock_h, horizon)
    stay_h = np.maximum(u.stay_h_mean + draws[:, 1] * u.stay_h_std, _LEAST_STAY_H)
    due_kwh = np.maximum(u.energy_kwh_mean + draws[:, 2] * u.energy_kwh_std, _LEAST_ENERGY_KWH)
    return [
        Stay(float(a), float(a + stay), float(due), u.power_kw)
        for a, stay, due in zip(arrival_h, stay_h, due_kwh, strict=True)
    ]


def _from_start(date: pd.Timestamp, by_clock_h: Array, horizon: Horizon) -> Array:
    """Hours from the horizon's start to times by the clock of a local date.

    What spring skips is an hour later; of what autumn repeats, it is the first.
    """
    clock = date + pd.to_timedelta(by_clock_h, unit="h")
    times = clock.tz_localize(
        LOCAL, ambiguous=np.ones(len(clock), dtype=bool), nonexistent=pd.Timedelta(hours=1)
    )
    return np.asarray((times - horizon.start) / pd.Timedelta(hours=1), dtype=float)


def overlapping(stays: Sequence[Stay]) -> Iterable[tuple[int, int]]:
    """Places of stays, ordered by arrival, of which the second begins before the first ends."""
    order = sorted(range(len(stays)), key=lambda k: stays[k].arrival_h)
    for k, after in itertools.pairwise(order):
        if stays[after].arrival_h < stays[k].departure_h:
            yield k, after
