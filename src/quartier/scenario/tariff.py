"""Prices by local time of day."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from quartier.quantities import Array, Horizon
from quartier.scenario.models import LOCAL, TimeOfUse
from quartier.scenario.record import Record


def time_of_use(entries: Sequence[TimeOfUse], horizon: Horizon) -> Array:
    """Return a price by local time of day, exact mean over each interval, shape ``(T,)``.

    Before the first entry of the day, the last one holds.
    """
    ordered = sorted(entries, key=lambda entry: entry.start)
    starts = [int(e.start[:2]) * 60 + int(e.start[3:]) for e in ordered]
    # Intervals within which no price changes; clocks change by whole hours.
    fine = pd.Timedelta(minutes=math.gcd(60, round(horizon.dt_h * 60), *starts))
    times = pd.date_range(horizon.start.floor(fine), horizon.end.ceil(fine), freq=fine)[:-1]
    local = times.tz_convert(LOCAL)
    minutes = local.hour.to_numpy() * 60 + local.minute.to_numpy()
    which = np.searchsorted(starts, minutes, side="right") - 1
    prices = np.array([e.eur_per_kwh for e in ordered])[which]
    return Record(times[0], fine / pd.Timedelta(hours=1), prices).on(horizon, "the tariff")
