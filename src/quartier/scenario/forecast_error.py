"""Forecasts that err: drawn at random, anew at every gate, about what then happens.

The longer ahead, the more a forecast errs, and errors of near hours are alike: an autoregressive
process over the lead time, which begins with no error at the gate. So Söder, "Simulation of wind
speed forecast errors for operation planning of multiarea power systems" (PMAPS 2004), who has a
moving average in it besides (ARMA(1,1)), and errors of places near each other alike.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
from pydantic import Field, NonNegativeFloat

from quartier.quantities import Array
from quartier.units.base import Frozen, UnitData


class ForecastErrorSettings(Frozen):
    """How much forecasts err that planning uses; the run itself keeps to what happens."""

    std: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Standard deviation far ahead by kind of unit, as a share of what happens: `pv: 0.2`. Kinds
    that are not named, and units with a forecast of their own, do not err."""
    hourly_correlation: float = Field(0.9, ge=0, lt=1)
    """Correlation of the errors of two hours that follow each other."""

    def forecast(
        self, unit: UnitData, values: Array, common: bool, first: int, steps: int, seed: int
    ) -> Array:
        """What is expected at a gate of a series of a unit.

        Parameters
        ----------
        values
            What happens over the whole run, in kW.
        common
            Whether all units of the kind err alike: those that the same weather drives.
        first, steps
            The window of the gate. Elsewhere, what happens is expected.
        seed
            Seed of the run.

        Returns
        -------
        Array
            ``(1 + error) · value``, from zero to the greatest that happens, shape of ``values``.
        """
        std, found = self.std.get(unit.kind, 0.0), values.copy()
        if not std:
            return found
        who = crc32((unit.kind if common else unit.name).encode())
        rng = np.random.default_rng([seed, crc32(b"forecast"), who, first])
        factor = 1.0 + std * errors(steps, self.hourly_correlation**unit.horizon.dt_h, rng)
        window = slice(first, first + steps)
        found[window] = np.clip(factor * values[window], 0.0, values.max(initial=0.0))
        return found


def errors(steps: int, correlation: float, rng: np.random.Generator) -> Array:
    """Errors by lead time, shape ``(steps,)``; far ahead their standard deviation is 1.

    ``e_0 = 0``, ``e_k = φ e_(k-1) + √(1 - φ²) z_k`` with standard normal ``z``.

    Parameters
    ----------
    correlation
        ``φ``, from step to step.
    """
    shocks = np.sqrt(1 - correlation**2) * rng.standard_normal(steps)
    found = np.zeros(steps)
    for k in range(1, steps):
        found[k] = correlation * found[k - 1] + shocks[k]
    return found
