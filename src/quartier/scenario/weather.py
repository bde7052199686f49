"""Weather and heat demand of German test reference years (TRY 2010), by demandlib (MIT).

A test reference year is hourly, in CET, and belongs to no calendar year; 29 February repeats
28 February. Heat demand is the BDEW standard load profile (sigmoid of the day's temperature,
weighted over four days; hour factors), in local time, with demandlib's data.

Source of the weather: DWD, Testreferenzjahre 2010 (mean year, 1988-2007). Source of the
profiles: BDEW/VKU/GEODE, Abwicklung von Standardlastprofilen Gas.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from quartier import cache
from quartier.quantities import Array
from quartier.scenario.record import Record, SeriesError

REGIONS = range(1, 16)
"""Regions of the test reference years; 3 is the lowland of north-west Germany (Hamburg)."""
HEAT_PROFILES = ("EFH", "MFH", "GMF", "GPD", "GHD", "GWA", "GGB", "GKO", "GBD", "GBA", "GMK", "GBH")
"""BDEW heat load profiles: EFH one-family, MFH apartment houses, G.. business."""
_RESIDENTIAL_CLASS = 11
"""Class of EFH and MFH in demandlib whose coefficients are BDEW's HEF03 and HMF03 (03: the mean
over Germany's stock of old and new buildings)."""
_CET = "Etc/GMT-1"


def temperature(region: int, year: int) -> Record:
    """Outdoor temperature in °C, hourly over a calendar year.

    Raises
    ------
    SeriesError
        If there is no such region.
    """
    check_region(region)
    name = f"{cache.key('demandlib')}/temperature-{region}-{year}.parquet"
    values = _cached_values(name, lambda: _read_temperature(region, year))
    return Record(pd.Timestamp(year, 1, 1, tz=_CET).tz_convert("UTC"), 1.0, values)


def heat_profile(kind: str, region: int, year: int) -> Record:
    """Heat demand with hot water over a calendar year in local time, as a share of its energy.

    Returns
    -------
    Record
        Hourly, in 1/h: the sum over the year is 1.

    Raises
    ------
    SeriesError
        If there is no such profile or region.
    """
    check_heat_profile(kind, region)
    name = f"{cache.key('demandlib')}/heat-{kind}-{region}-{year}.parquet"
    values = _cached_values(name, lambda: _make_heat_profile(kind, region, year))
    return Record(_new_year(year), 1.0, values)


def _new_year(year: int) -> pd.Timestamp:
    return pd.Timestamp(year, 1, 1, tz="Europe/Berlin").tz_convert("UTC")


def check_heat_profile(kind: str, region: int) -> None:
    """Raise SeriesError if there is no such heat profile or region."""
    if kind not in HEAT_PROFILES:
        raise SeriesError(
            f"there is no heat profile bdew:{kind}; known: {', '.join(HEAT_PROFILES)}"
        )
    check_region(region)


def check_region(region: int) -> None:
    """Raise SeriesError if there is no test reference year of a region."""
    if region not in REGIONS:
        raise SeriesError(
            f"there is no test reference year of region {region}; regions are 1 to 15"
        )


def _cached_values(name: str, make: Callable[[], Array]) -> Array:
    def write(path: Path) -> None:
        pq.write_table(pa.table({"value": make()}), path)

    return cache.cached(name, write, lambda path: pq.read_table(path)["value"].to_numpy())


def _read_temperature(region: int, year: int) -> Array:
    from demandlib.vdi import dwd_try

    folder = Path(dwd_try.__file__).parent / "resources_weather"
    rows = dwd_try.read_dwd_weather_file(str(folder / f"TRY2010_{region:02d}_Jahr.dat"))["TAMB"]
    hours = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left")
    days = hours.day.where(~((hours.month == 2) & (hours.day == 29)), 28)
    keys = pd.MultiIndex.from_arrays([hours.month, days, hours.hour + 1])
    return np.asarray(rows.reindex(keys), dtype=float)


def _make_heat_profile(kind: str, region: int, year: int) -> Array:
    """Make the profile on the clock's hours, then read it off at every hour that passes."""
    from demandlib.bdew import HeatBuilding

    clock = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left")
    building = HeatBuilding(
        clock,
        temperature=pd.Series(_read_temperature(region, year), index=clock),
        shlp_type=kind,
        building_class=_RESIDENTIAL_CLASS if kind in ("EFH", "MFH") else 0,
        wind_class=0,
        ww_incl=True,
        annual_heat_demand=1.0,
    )
    by_clock = pd.Series(np.asarray(building.get_bdew_profile()), index=clock)
    passing = pd.date_range(_new_year(year), _new_year(year + 1), freq="h", inclusive="left")
    clock_times = passing.tz_convert("Europe/Berlin").tz_localize(None)
    values = np.asarray(by_clock.reindex(clock_times), dtype=float)
    return np.asarray(values / values.sum(), dtype=float)
