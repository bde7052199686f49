"""Sign convention, time and names of quantities: stated here once, used everywhere.

* Power at a connection point is **positive when fed into the grid**, negative when drawn
  (Ramirez Acosta et al. 2023, Energies 16(11) 4319, section 3.2: ``P_G >= 0``, ``P_L <= 0``).
* Heat, and any other carrier, is positive when a unit delivers it to its node, negative when it
  takes it.
* Stores carry energy in kWh; charging and discharging are two non-negative powers in kW.
* A name ends with its unit: ``p_kw``, ``energy_kwh``, ``price_eur_per_kwh``, ``dt_h``. The
  grid side is in MW and Mvar, as pandapower has it, and named so (``p_mw``).
* Times are UTC-aware and name the start of an interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

LOCAL = ZoneInfo("Europe/Berlin")
"""Time zone of times without an offset, and of hours of the day."""

KW_PER_MW = 1000.0
"""Kilowatts in a megawatt."""

ELECTRICITY = "electricity"
"""The carrier of connection points."""

POWER_TOLERANCE_KW = 1e-6
"""Two powers closer than this are the same power."""

UNITS = {
    "kw": "kW",
    "kwh": "kWh",
    "kvar": "kvar",
    "mw": "MW",
    "mwh": "MWh",
    "mvar": "Mvar",
    "ka": "kA",
    "pu": "pu",
    "degree": "degree",
    "degc": "degC",
    "percent": "%",
    "kg": "kg",
    "eur": "EUR",
    "eur_per_kwh": "EUR/kWh",
    "eur_per_kg": "EUR/kg",
    "kg_per_kwh": "kg/kWh",
    "s": "s",
    "h": "h",
    "bytes": "B",
}
"""Units by the ending of a name."""


def through(p_kw: Array, efficiency: float | Array) -> Array:
    """Power outside of a connection that loses a part both ways, positive when fed in."""
    return np.asarray(np.where(p_kw > 0, p_kw * efficiency, p_kw / efficiency))


def share_of(part: Array, whole: Array) -> Array:
    """Share of a whole, 0 where there is none: of what is available, how much is curtailed."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def unit_of(name: str) -> str | None:
    """Return the unit that a name ends with, ``kW`` for ``p_kw``; None if it has none."""
    parts = name.split("_")
    endings = ("_".join(parts[k:]) for k in range(len(parts)))
    return next((UNITS[ending] for ending in endings if ending in UNITS), None)


@dataclass(frozen=True)
class Horizon:
    """A row of equally long intervals.

    Parameters
    ----------
    start
        Start of the first interval, UTC-aware.
    steps
        Number of intervals.
    dt_h
        Length of an interval in hours.
    """

    start: pd.Timestamp
    steps: int
    dt_h: float

    @property
    def times(self) -> pd.DatetimeIndex:
        """Start of every interval (UTC), shape ``(steps,)``."""
        return pd.date_range(self.start, periods=self.steps, freq=self.step)

    @property
    def step(self) -> timedelta:
        """Length of an interval."""
        return timedelta(hours=self.dt_h)

    @property
    def end(self) -> pd.Timestamp:
        """End of the last interval (UTC)."""
        return self.start + self.steps * self.step

    def window(self, first: int, steps: int) -> Horizon:
        """Return the part of ``steps`` intervals that begins with interval ``first``."""
        steps = min(steps, self.steps - first)
        return Horizon(self.start + first * self.step, steps, self.dt_h)


def shown(value: float, unit: str) -> tuple[float, str]:
    """Value and unit as readers see them: a share in percent, a count without a unit."""
    return (100 * value, "%") if unit == "1" else (value, "" if unit == "count" else unit)
