"""Standard series: made from test reference years and standard profiles, for any calendar year.

They are written with a prefix, what is left out at the end being as shown:

* ``bdew:H0``, an electric load profile of BDEW (``H0``, ``G0`` .. ``G6``, ``L0`` .. ``L2``);
* ``bdew:EFH:3``, a heat profile of BDEW with hot water, ``heating:EFH:3`` without; the number is
  the region of the test reference year (3: lowland of north-west Germany);
* ``try:3``, the outdoor temperature of a region;
* ``pv:3:30:180``, PV in a region by its tilt and azimuth in degrees (180: south);
* ``synthetic:day-ahead``, hourly prices with the shape of German day-ahead prices;
* ``wind:3:E-82/2300:108``, a wind turbine by its type (that of windpowerlib) and the height of its
  hub in m.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from quartier.quantities import Horizon
from quartier.scenario import day_ahead, renewables, weather
from quartier.scenario.models import LOCAL
from quartier.scenario.record import Record, SeriesError

CET = "Etc/GMT-1"


@dataclass(frozen=True)
class Standard:
    """A series that can be made of any calendar year of a time zone.

    Parameters
    ----------
    unit
        Unit of its values; ``1``: a share.
    typical
        What may stand for it where only the rest is checked.
    """

    of_year: Callable[[int], Record]
    unit: str = "1"
    zone: str = CET
    typical: float = 1.0

    def over(self, horizon: Horizon) -> Record:
        """Join the records of all calendar years that a horizon touches."""
        first = horizon.start.tz_convert(self.zone).year
        last = (horizon.end - pd.Timedelta(1)).tz_convert(self.zone).year
        records = [self.of_year(year) for year in range(first, last + 1)]
        values = np.concatenate([record.values for record in records])
        return Record(records[0].start, records[0].step_h, values)


def standard(source: str) -> Standard | None:
    """Return the series that a source stands for; None if it has no prefix of ours.

    Raises
    ------
    SeriesError
        If it is not written as it should be, or there is no such profile, region or turbine.
    """
    prefix, *parts = source.split(":")
    if prefix not in _MAKERS or not parts:
        return None
    make, most, form = _MAKERS[prefix]
    if len(parts) > most:
        raise SeriesError(f"profile {source!r} has too many parts; write it as {form}")
    try:
        return make(parts)
    except _NoNumberError as error:
        raise SeriesError(f"profile {source!r}: {error}, e.g. {form}") from None


class _NoNumberError(ValueError):
    """A part of a source that should be a number."""


def _bdew(parts: Sequence[str]) -> Standard:
    kind = parts[0]
    if kind not in weather.ELECTRIC_PROFILES:
        return _heat(parts, hot_water=True)
    if len(parts) > 1:
        raise SeriesError(
            f"electric profile bdew:{kind} is the same everywhere: leave out the region"
        )
    return Standard(lambda year: weather.electric_profile(kind, year), zone=LOCAL.key)


def _heat(parts: Sequence[str], *, hot_water: bool) -> Standard:
    kind, region = parts[0], _region(parts[1:])
    weather.check_heat_profile(kind, region)
    return Standard(
        lambda year: weather.heat_profile(kind, region, year, hot_water=hot_water), zone=LOCAL.key
    )


def _temperature(parts: Sequence[str]) -> Standard:
    region = _region(parts)
    weather.check_region(region)
    return Standard(lambda year: weather.temperature(region, year), "degC")


def _pv(parts: Sequence[str]) -> Standard:
    region, tilt, azimuth = _region(parts), *_numbers(parts[1:], ["30", "180"], "tilt and azimuth")
    weather.check_region(region)
    renewables.check_pv(tilt, azimuth)
    return Standard(lambda year: renewables.pv(region, tilt, azimuth, year))


def _wind(parts: Sequence[str]) -> Standard:
    region, turbine = _region(parts), parts[1] if len(parts) > 1 else "E-82/2300"
    (hub,) = _numbers(parts[2:], ["108"], "height")
    weather.check_region(region)
    renewables.check_wind(turbine, hub)
    return Standard(lambda year: renewables.wind(region, turbine, hub, year))


def _synthetic(parts: Sequence[str]) -> Standard:
    if parts != ["day-ahead"]:
        raise SeriesError(f"there is no synthetic {':'.join(parts)!r}; known: day-ahead")
    return Standard(day_ahead.synthetic, "EUR/MWh", LOCAL.key, day_ahead.MEAN_EUR_PER_MWH)


_MAKERS: dict[str, tuple[Callable[[Sequence[str]], Standard], int, str]] = {
    "bdew": (_bdew, 2, "bdew:EFH:3"),
    "heating": (lambda parts: _heat(parts, hot_water=False), 2, "heating:EFH:3"),
    "try": (_temperature, 1, "try:3"),
    "pv": (_pv, 3, "pv:3:30:180"),
    "synthetic": (_synthetic, 1, "synthetic:day-ahead"),
    "wind": (_wind, 3, "wind:3:E-82/2300:108"),
}
"""By prefix: what makes the series of its parts, how many these are at most, and the form."""


def _region(parts: Sequence[str]) -> int:
    text = parts[0] if parts else "3"
    if not text.isdecimal():
        raise _NoNumberError("write the region as a number")
    return int(text)


def _numbers(parts: Sequence[str], defaults: Sequence[str], what: str) -> list[float]:
    try:
        return [float(text) for text in (*parts, *defaults[len(parts) :])]
    except ValueError:
        raise _NoNumberError(f"write {what} as numbers") from None
