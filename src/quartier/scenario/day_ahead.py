"""A synthetic day-ahead price: no market's data, but their shape, from load, sun and wind.

No package ships German day-ahead prices. This series is a formula without chance: hourly residual
load (load less PV and wind) of a country like Germany in 2023, standardised over the year to ``x``,
gives

    price = 85 + 34 x + 3 x³ EUR/MWh,  and an eighth of that where it is negative.

That prices follow residual demand, steeply at both ends, is Wagner (2014), Residual Demand Modeling
and Application to Electricity Pricing, The Energy Journal 35(2), 45-73. The numbers are chosen for
the level of 2023 and 2024: means of 95.2 and 78.5 EUR/MWh (SMARD, "Der Strommarkt im Jahr 2024"),
over 300 and nearly 460 hours below zero (FfE, "Deutsche Strompreise an der Börse EPEX Spot" of both
years). Flat below zero, it has none of their extremes. Weather is that of test reference years,
whose regions do not belong to one and the same time.
"""

from __future__ import annotations

import numpy as np

from quartier import cache
from quartier.quantities import Array
from quartier.scenario import renewables, weather
from quartier.scenario.record import Record

MEAN_EUR_PER_MWH = 85.0
_PER_SPREAD, _CURVATURE, _BELOW_ZERO = 34.0, 3.0, 0.125
_LOAD_GW, _PV_GW, _WIND_GW = 55.0, 80.0, 65.0
"""Mean load, installed PV and wind of a country like Germany in 2023: assumptions. At its end 81.8
GW of PV and 61 GW of wind on land were installed (Bundesnetzagentur)."""
_CONSUMERS = {"H0": 0.28, "G0": 0.27}
"""Shares of households and business in consumption: assumptions; industry, the rest, is flat."""
_REGIONS = (3, 4, 5, 12, 13)
"""North, east, west, south-west, south-east: each gives a fifth of PV and wind."""


def synthetic(year: int) -> Record:
    """Return the price over a calendar year in EUR/MWh, hourly."""
    name = f"{cache.key('demandlib', 'pvlib', 'windpowerlib')}/day-ahead-{year}.parquet"
    values = weather.cached_values(name, lambda: _make(year))
    return Record(weather.new_year(year), 1.0, values)


def _make(year: int) -> Array:
    residual = _load_gw(year)
    for region in _REGIONS:
        sun, wind = (
            renewables.pv(region, 30, 180, year),
            renewables.wind(region, "E-82/2300", 108, year),
        )
        residual = residual - (_PV_GW * sun.values + _WIND_GW * wind.values) / len(_REGIONS)
    x = (residual - residual.mean()) / residual.std()
    price = MEAN_EUR_PER_MWH + _PER_SPREAD * x + _CURVATURE * x**3
    return np.asarray(np.where(price < 0, _BELOW_ZERO * price, price), dtype=float)


def _load_gw(year: int) -> Array:
    """Load by hours: flat industry, households and business by their standard profiles."""
    flat = 1.0 - sum(_CONSUMERS.values())
    profiles = {
        kind: weather.electric_profile(kind, year).values.reshape(-1, 4).mean(axis=1)
        for kind in _CONSUMERS
    }
    shares = [share * profiles[kind] / profiles[kind].mean() for kind, share in _CONSUMERS.items()]
    return np.asarray(_LOAD_GW * (flat + sum(shares)), dtype=float)
