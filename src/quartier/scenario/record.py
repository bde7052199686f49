"""Values at regular times, and their means over the intervals of a horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from quartier.quantities import Array, Horizon


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

        Raises
        ------
        SeriesError
            If it does not cover the horizon, a value is missing, or the lengths do not fit.
        """
        self.check_cover(horizon, what)
        fine = _common_step(self.step_h, horizon.dt_h, what)
        first = round((horizon.start - self.start) / pd.Timedelta(hours=fine))
        parts = round(self.step_h / fine)
        count = round(horizon.steps * horizon.dt_h / fine)
        picked = self.values[np.arange(first, first + count) // parts]
        _check_present(picked, horizon, fine, what)
        means = picked.reshape(horizon.steps, -1).mean(axis=1)
        return np.asarray(means, dtype=float)

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


def _common_step(ours_h: float, theirs_h: float, what: str) -> float:
    """Length of the intervals in which both count: the shorter, if it divides the longer."""
    short, long = sorted((ours_h, theirs_h))
    if abs(long / short - round(long / short)) > 1e-9:
        raise SeriesError(
            f"{what} has steps of {ours_h * 60:g} min, which neither divide nor are a multiple of "
            f"the horizon's {theirs_h * 60:g} min"
        )
    return short


def _check_present(picked: Array, horizon: Horizon, step_h: float, what: str) -> None:
    missing = np.flatnonzero(~np.isfinite(picked))
    if len(missing):
        first = horizon.start + int(missing[0]) * pd.Timedelta(hours=step_h)
        raise SeriesError(
            f"{what} has no value at {show_time(first)} ({len(missing)} missing in the horizon)"
        )


def show_time(time: pd.Timestamp) -> str:
    """Write a time in a message."""
    return f"{time.tz_convert('UTC'):%Y-%m-%d %H:%M} UTC"
