"""Forecasts that err about what then happens, the less the nearer that is.

What happens is the scenario's data; a forecast deviates from it. The longer ahead, the more it
errs, and errors of near hours are alike: an autoregressive process over the lead time, which begins
with no error at the gate. So Söder, "Simulation of wind speed forecast errors for operation
planning of multiarea power systems" (PMAPS 2004), who has a moving average in it besides
(ARMA(1,1)), and errors of places near each other alike.

What drives the process is numbered by the step in which it becomes known, not by the gate: a later
gate knows more of the same future, its forecast is nearer, and the change from one forecast to the
next is news that nobody could foresee (Heath and Jackson, "Modeling the evolution of demand
forecasts", IIE Transactions 26(3), 1994). So two runs with the same seed and other gates have the
same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated
from zlib import crc32

import numpy as np
from pydantic import Field, NonNegativeFloat

from quartier.quantities import Array
from quartier.scenario.settings import Share
from quartier.units.base import Frozen, UnitData
from quartier.units.stays import Session, Stays

Correlation = Annotated[float, Field(ge=0, lt=1)]

DRAWN = 96
"""Steps drawn at once: what a gate looks at is drawn without all that came before."""
BEFORE = 1 << 20
"""Such blocks before the run, for forecasts older than it: a seed is no negative number."""


class ForecastErrorSettings(Frozen):
    """How much forecasts err that planning uses; the run itself keeps to what happens."""

    std: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Standard deviation far ahead by kind of unit, as a share of what happens: `pv: 0.2`. Kinds
    that are not named, and units with a forecast of their own, do not err."""
    hourly_correlation: Correlation = 0.9
    """Correlation of the errors of two hours that follow each other."""
    hourly_correlations: dict[str, Correlation] = Field(default_factory=dict)
    """The same of single kinds; the others have `hourly_correlation`."""
    common: dict[str, Share] = Field(default_factory=dict)
    """Share of an error's variance that all units of a kind have in common; without it, all of
    what the same weather drives (PV, wind), nothing of others."""
    arrival_h: NonNegativeFloat = 0.0
    """Standard deviation far ahead in h of when a vehicle is expected at a charging station. When
    it leaves, and with what it is due, is known."""
    age_h: NonNegativeFloat = 0.0
    """How old forecasts are at a gate, in h: so long before it, errors begin to grow."""

    def forecast(
        self, unit: UnitData, values: Array, same_weather: bool, first: int, steps: int, seed: int
    ) -> Array:
        """What is expected at a gate of a series of a unit.

        Parameters
        ----------
        values
            What happens over the whole run, in kW.
        same_weather
            Whether the same weather drives all units of the kind.
        first, steps
            The window of the gate. Elsewhere, what happens is expected.
        seed
            Seed of the run.

        Returns
        -------
        Array
            ``(1 + error) · value``, from zero to the rated power, if any; shape of ``values``.
        """
        std, found = self.std.get(unit.kind, 0.0), values.copy()
        if not std:
            return found
        common = self.common.get(unit.kind, float(same_weather))
        error = self._errors(unit, common, first, steps, seed)
        window = slice(first, first + steps)
        rated_kw = getattr(unit.parameters, "power_kw", np.inf)
        most = max(rated_kw, values.max(initial=0.0))
        found[window] = np.clip((1.0 + std * error) * values[window], 0.0, most)
        return found

    def arrivals(self, unit: UnitData, first: int, steps: int, seed: int) -> Sequence[Session]:
        """Stays as expected at a gate: who is there is known, who comes may come sooner or later.

        Nobody is expected before the vehicle before has left, nor so late that too little time is
        left to charge.
        """
        if not self.arrival_h or not unit.sessions:
            return unit.sessions
        error = self._errors(unit, 0.0, first, steps, seed)
        late = np.rint(self.arrival_h / unit.horizon.dt_h * error).astype(np.int64)
        stays = Stays.of(unit.sessions)
        stays = stays.at(np.argsort(stays.arrival, kind="stable"))
        arrival, departure = stays.arrival.copy(), stays.departure
        free = np.maximum.accumulate(np.concatenate([[first + 1], departure[:-1]]))
        coming = (first < arrival) & (arrival < first + len(late))
        most_kw = float(getattr(unit.parameters, "power_kw", np.inf))
        step_kwh = np.minimum(stays.max_kw[coming], most_kw) * unit.horizon.dt_h
        charging = np.ceil(stays.due_kwh[coming] / step_kwh - 1e-9).astype(np.int64)
        last = np.maximum(departure[coming] - charging, arrival[coming])
        expected = arrival[coming] + late[arrival[coming] - first]
        arrival[coming] = np.minimum(np.maximum(expected, free[coming]), last)
        return Stays(arrival, departure, stays.due_kwh, stays.max_kw)

    def _errors(self, unit: UnitData, common: float, first: int, steps: int, seed: int) -> Array:
        """Errors of a unit in the window of a gate, shape ``(steps,)``."""
        dt_h, kind = unit.horizon.dt_h, unit.kind
        hourly = self.hourly_correlations.get(kind, self.hourly_correlation)
        old = round(self.age_h / dt_h)
        first, count = first - old, steps + old
        alike = np.sqrt(common) * news(kind, first, count, seed) if common else 0.0
        own = np.sqrt(1 - common) * news(unit.name, first, count, seed) if common < 1 else 0.0
        return errors(alike + own + np.zeros(count), hourly**dt_h)[old:]


@lru_cache(maxsize=256)
def news(who: str, first: int, steps: int, seed: int) -> Array:
    """What becomes known in each step, standard normal, shape ``(steps,)``: one for all gates.

    Kept, and read only: units of a kind that the same weather drives ask for the same.
    """
    name, begin = crc32(who.encode()), first // DRAWN
    blocks = [
        np.random.default_rng([seed, crc32(b"forecast"), name, BEFORE + block])
        for block in range(begin, (first + steps - 1) // DRAWN + 1)
    ]
    drawn = np.concatenate([rng.standard_normal(DRAWN) for rng in blocks])
    found = drawn[first - begin * DRAWN :][:steps]
    found.flags.writeable = False
    return found


def errors(news: Array, correlation: float) -> Array:
    """Errors by lead time, shape ``(steps,)``; far ahead their standard deviation is 1.

    ``e_0 = 0``, ``e_k = φ e_(k-1) + √(1 - φ²) z_k``.

    Parameters
    ----------
    news
        ``z``, standard normal, shape ``(steps,)``; the first plays no part.
    correlation
        ``φ``, from step to step.
    """
    shocks = np.sqrt(1 - correlation**2) * news
    found = np.zeros(len(news))
    for k in range(1, len(news)):
        found[k] = correlation * found[k - 1] + shocks[k]
    return found
