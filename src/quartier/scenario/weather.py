"""Weather of German test reference years (TRY 2010) and standard load profiles, by demandlib (MIT).

A test reference year is hourly, in CET, and belongs to no calendar year; 29 February repeats
28 February. Heat demand is the BDEW standard load profile (sigmoid of the day's temperature,
weighted over four days; hour factors), in local time, with demandlib's data. So is electricity:
by season and day of the week, without holidays; H0 with its dynamic factor over the year.

Source of the weather: DWD, Testreferenzjahre 2010 (mean year, 1988-2007). Source of the
profiles: BDEW/VKU/GEODE, Abwicklung von Standardlastprofilen Gas; VDEW, Repräsentative
Lastprofile (1999).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as remembered
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
ELECTRIC_PROFILES = ("H0", "G0", "G1", "G2", "G3", "G4", "G5", "G6", "L0", "L1", "L2")
"""BDEW electric load profiles: H0 households, G.. business, L.. farms."""
_RESIDENTIAL_CLASS = 11
"""Class of EFH and MFH in demandlib whose coefficients are BDEW's HEF03 and HMF03 (03: the mean
over Germany's stock of old and new buildings)."""
_CET = "Etc/GMT-1"
_PLACE = re.compile(r"(\d+)°(\d+)'N.*?(\d+)°(\d+)'O\D+(\d+) Meter")


@dataclass(frozen=True)
class Station:
    """The station of a test reference year."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float


def temperature(region: int, year: int) -> Record:
    """Outdoor temperature in °C, hourly over a calendar year.

    Raises
    ------
    SeriesError
        If there is no such region.
    """
    check_region(region)
    name = f"{cache.key('demandlib')}/temperature-{region}-{year}.parquet"
    values = cached_values(name, lambda: _read_temperature(region, year))
    return Record(pd.Timestamp(year, 1, 1, tz=_CET).tz_convert("UTC"), 1.0, values)


def heat_profile(kind: str, region: int, year: int, *, hot_water: bool = True) -> Record:
    """Heat demand over a calendar year in local time, as a share of its energy.

    Parameters
    ----------
    hot_water
        Whether hot water is part of it, or heating alone is meant.

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
    what = "heat" if hot_water else "heating"
    name = f"{cache.key('demandlib')}/{what}-{kind}-{region}-{year}.parquet"
    values = cached_values(name, lambda: _make_heat_profile(kind, region, year, hot_water))
    return Record(new_year(year), 1.0, values)


def electric_profile(kind: str, year: int) -> Record:
    """Electric load over a calendar year in local time, as a share of its energy.

    Returns
    -------
    Record
        Every 15 minutes, in 1/h.
    """
    name = f"{cache.key('demandlib')}/electric-{kind}-{year}.parquet"
    return Record(new_year(year), 0.25, cached_values(name, lambda: _make_electric(kind, year)))


def reference_year(region: int, year: int) -> pd.DataFrame:
    """Weather of a region, hour by hour of a calendar year in CET.

    Returns
    -------
    pandas.DataFrame
        ``t`` in °C, ``WG`` (wind in 10 m) in m/s, ``p`` in hPa, ``B`` and ``D`` (direct and diffuse
        irradiance on the horizontal) in W/m², as DWD calls them, indexed by the starts of hours.
    """
    hours = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left", tz=_CET)
    days = hours.day.where(~((hours.month == 2) & (hours.day == 29)), 28)
    keys = pd.MultiIndex.from_arrays([hours.month, days, hours.hour + 1])
    return _read_file(region)[1].reindex(keys).set_axis(hours)


def station(region: int) -> Station:
    """Return where the weather of a region was measured."""
    return _read_file(region)[0]


def new_year(year: int) -> pd.Timestamp:
    """Return when a year begins in Germany (UTC)."""
    return pd.Timestamp(year, 1, 1, tz="Europe/Berlin").tz_convert("UTC")


def check_heat_profile(kind: str, region: int) -> None:
    """Raise SeriesError if there is no such heat profile or region."""
    if kind not in HEAT_PROFILES:
        raise SeriesError(
            f"there is no heat profile bdew:{kind}; known: {', '.join(HEAT_PROFILES)}; of"
            f" electricity: {', '.join(ELECTRIC_PROFILES)}"
        )
    check_region(region)


def check_region(region: int) -> None:
    """Raise SeriesError if there is no test reference year of a region."""
    if region not in REGIONS:
        raise SeriesError(
            f"there is no test reference year of region {region}; regions are 1 to 15"
        )


def cached_values(name: str, make: Callable[[], Array]) -> Array:
    """Return an array that is made once and kept in the cache folder."""

    def write(path: Path) -> None:
        pq.write_table(pa.table({"value": make()}), path)

    return cache.cached(name, write, lambda path: pq.read_table(path)["value"].to_numpy())


@remembered
def _read_file(region: int) -> tuple[Station, pd.DataFrame]:
    """Return the station and the rows of a file, by month, day and hour (1 to 24)."""
    from demandlib.vdi import dwd_try

    folder = Path(dwd_try.__file__).parent / "resources_weather"
    text = (folder / f"TRY2010_{region:02d}_Jahr.dat").read_text(encoding="utf-8")
    head, _, body = text.partition("***\n")
    names = head.strip().splitlines()[-1].split()
    rows = pd.read_csv(io.StringIO(body), sep=r"\s+", names=names, index_col=["MM", "DD", "HH"])
    place = _PLACE.search(head)
    assert place is not None
    north, north_min, east, east_min, altitude = map(int, place.groups())
    return Station(north + north_min / 60, east + east_min / 60, altitude), rows


def _read_temperature(region: int, year: int) -> Array:
    return reference_year(region, year)["t"].to_numpy(dtype=float)


def _make_electric(kind: str, year: int) -> Array:
    from demandlib.bdew import ElecSlp

    with warnings.catch_warnings():  # demandlib leaves a filter of its own behind
        profiles = ElecSlp(year).get_profiles()
    by_clock = profiles["h0_dyn" if kind == "H0" else kind.lower()]
    return _on_passing_time(by_clock, year, 0.25)


def _make_heat_profile(kind: str, region: int, year: int, hot_water: bool) -> Array:
    from demandlib.bdew import HeatBuilding

    clock = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left")
    building = HeatBuilding(
        clock,
        temperature=pd.Series(_read_temperature(region, year), index=clock),
        shlp_type=kind,
        building_class=_RESIDENTIAL_CLASS if kind in ("EFH", "MFH") else 0,
        wind_class=0,
        ww_incl=hot_water,
        annual_heat_demand=1.0,
    )
    by_clock = pd.Series(np.asarray(building.get_bdew_profile()), index=clock)
    return _on_passing_time(by_clock, year, 1.0)


def _on_passing_time(by_clock: pd.Series[float], year: int, step_h: float) -> Array:
    """Read a profile on the clock's times off at every time that passes; in 1/h, its sum is 1."""
    ends = new_year(year), new_year(year + 1)
    passing = pd.date_range(*ends, freq=pd.Timedelta(hours=step_h), inclusive="left")
    clock_times = passing.tz_convert("Europe/Berlin").tz_localize(None)
    values = np.asarray(by_clock.reindex(clock_times), dtype=float)
    return np.asarray(values / values.sum() / step_h, dtype=float)
