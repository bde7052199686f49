"""Values at regular times, and their means over the intervals of a horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quartier.quantities import Array, Horizon

_YEAR_H, _LEAST_YEAR_H = 8760.0, 364 * 24.0


class SeriesError(ValueError):
    """A series cannot be had; the message says what is wrong and what to do."""


class HorizonError(SeriesError):
    """The horizon lies outside what a source covers."""


@dataclass(frozen=True)
class Record:
    """Values at regular times.

    Parameters
    ----------
    start
        Start of the first interval (UTC).
    step_h
        Length of an interval in hours.
    values
        Means over the intervals, shape ``(N,)``.
    """

    start: pd.Timestamp
    step_h: float
    values: Array

    @property
    def end(self) -> pd.Timestamp:
        """End of the last interval (UTC)."""
        return self.start + len(self.values) * pd.Timedelta(hours=self.step_h)

    def on(self, horizon: Horizon, what: str) -> Array:
        """Return the means over the intervals of a horizon, shape ``(T,)``.

        Each value counts as long as its interval and the horizon's overlap, whatever the lengths
        of the two and wherever they begin: energy is kept.

        Raises
        ------
        SeriesError
            If it does not cover the horizon, or a value is missing.
        """
        self.check_cover(horizon, what)
        theirs = _edges(horizon.start, horizon.dt_h, 0, horizon.steps)
        step_ns = _nanoseconds(self.step_h)
        first, last = (int(t - self.start.value) for t in (theirs[0], theirs[-1]))
        ours = _edges(self.start, self.step_h, first // step_ns, -(-last // step_ns))
        cuts = np.union1d(theirs, ours[(ours > theirs[0]) & (ours < theirs[-1])])
        picked = self.values[first // step_ns + np.searchsorted(ours, cuts[:-1], "right") - 1]
        _check_present(picked, cuts[:-1], what)
        steps = np.searchsorted(theirs, cuts[:-1], "right") - 1
        weights = np.diff(cuts) / _nanoseconds(horizon.dt_h)
        return np.bincount(steps, weights * picked, minlength=horizon.steps)

    def of_years(self) -> tuple[Array, int]:
        """Return the values of the whole years from its start, and how many years these are.

        A record a day or two short of a year is one: 364 days are 52 weeks. One that is shorter
        is returned as it is, with 0 years.
        """
        years = int(len(self.values) * self.step_h // _LEAST_YEAR_H)
        if not years:
            return self.values, 0
        end = self.start + pd.DateOffset(years=years)
        return self.values[: round((end - self.start) / pd.Timedelta(hours=self.step_h))], years

    def check_cover(self, horizon: Horizon, what: str) -> None:
        """Check that it covers a horizon.

        Raises
        ------
        HorizonError
            If it does not.
        """
        if horizon.start < self.start or horizon.end > self.end:
            raise HorizonError(
                f"{what} covers {show_time(self.start)} to {show_time(self.end)}, but the horizon "
                f"is {show_time(horizon.start)} to {show_time(horizon.end)}; move horizon.start or "
                "shorten horizon.steps"
            )


def annual_factor(record: Record, annual_kwh: float, what: str) -> tuple[float, int]:
    """Factor that makes a source's mean power over its years that of the annual energy.

    Returns
    -------
    factor, years
        How many whole years the source has; with none, its mean is taken for that of a year.
    """
    values, years = record.of_years()
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    if mean <= 0:
        raise SeriesError(f"{what} is zero all year and cannot be scaled to {annual_kwh:g} kWh/a")
    hours = len(values) * record.step_h / years if years else _YEAR_H
    return annual_kwh / hours / mean, years


def _nanoseconds(hours: float) -> int:
    return round(hours * 3.6e12)


def _edges(start: pd.Timestamp, step_h: float, first: int, last: int) -> NDArray[np.int64]:
    """Boundaries ``first`` to ``last`` of intervals in ns since 1970."""
    return start.value + _nanoseconds(step_h) * np.arange(first, last + 1)


def _check_present(picked: Array, begin_ns: NDArray[np.int64], what: str) -> None:
    missing = np.flatnonzero(~np.isfinite(picked))
    if len(missing):
        first = pd.Timestamp(int(begin_ns[missing[0]]), tz="UTC")
        raise SeriesError(
            f"{what} has no value at {show_time(first)} ({len(missing)} missing in the horizon)"
        )


def show_time(time: pd.Timestamp) -> str:
    """Write a time in a message."""
    return f"{time.tz_convert('UTC'):%Y-%m-%d %H:%M} UTC"
