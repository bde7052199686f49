"""Sources as series over a horizon.

A source is written as

* a SimBench profile, a share of the rated power: ``PV3``, ``WP4``, ``H0-A`` (that is
  ``H0-A_pload``), 15-minute means of 2016;
* a BDEW heat profile with hot water, ``bdew:EFH`` or ``bdew:MFH:4`` with the region of the test
  reference year (3, the lowland of north-west Germany, if left out);
* ``try:3``, the outdoor temperature of a test reference year;
* ``signal:temperature``, the scenario's outdoor temperature;
* a column of a CSV file.

Where the horizon's steps are longer than the source's, means are taken.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.grid import simbench
from quartier.quantities import Array, Horizon
from quartier.scenario import weather
from quartier.scenario.csv_series import CsvFile
from quartier.scenario.models import LOCAL, Price, TimeOfUse
from quartier.scenario.record import Record, SeriesError
from quartier.units.base import CsvColumn, SeriesRequest, Source

_DIMENSION = {
    "kW": ("power", 1.0),
    "MW": ("power", 1000.0),
    "W": ("power", 0.001),
    "kvar": ("power", 1.0),
    "1": ("share", 1.0),
    "EUR/kWh": ("price", 1.0),
    "EUR/MWh": ("price", 0.001),
    "degC": ("temperature", 1.0),
    "K": ("temperature", 1.0),
}
SIMBENCH = "a SimBench profile (year 2016)"
"""How SimBench profiles are named in messages: what is wrong with one is wrong with all."""
_TEMPERATURE = "signal:temperature"
_ZERO_CELSIUS_K = 273.15
_MOST_SHARE = 1.2
"""A share above this is taken for a power whose unit was forgotten."""
_YEAR_H = 8760.0


class SeriesReader:
    """Reads sources; every file and profile once.

    Parameters
    ----------
    folder
        Folder that paths of CSV files are relative to.
    simbench_scenario
        SimBench scenario (0, 1, 2) that the profiles are taken from.
    temperature
        The scenario's outdoor temperature, which ``signal:temperature`` stands for.
    """

    def __init__(
        self,
        folder: Path,
        simbench_scenario: int = simbench.NEWEST_SCENARIO,
        temperature: Source | float | None = None,
    ) -> None:
        self.folder = folder
        self._scenario = simbench_scenario
        self._temperature = temperature
        self.offhand = False
        """Whether constants stand in for heat and weather, which are slow to prepare."""
        self._files: dict[str, CsvFile] = {}
        self._profiles: dict[str, Array] = {}

    def read(self, request: SeriesRequest, horizon: Horizon) -> Array:
        """Return what a unit asks for over a horizon, shape ``(T,)``.

        A share is multiplied by the request's factor; a source that has the unit's dimension
        itself is converted.

        Raises
        ------
        SeriesError
            If the source does not exist, does not fit, or does not cover the horizon.
        """
        if request.source == _TEMPERATURE and isinstance(self._temperature, (int, float)):
            return np.full(horizon.steps, float(self._temperature))
        source = self._resolved(request.source)
        record, unit = self._record(source, horizon)
        what = describe(source)
        values = record.on(horizon, what)
        if request.annual_kwh is None:
            return _converted(values, unit, request, what)
        of_year = record
        if request.annual_source is not None:
            of_year, _ = self._record(request.annual_source, horizon)
        return values * (_annual_factor(of_year, request.annual_kwh, what) * request.factor)

    def preload(self, sources: Sequence[Source]) -> None:
        """Read all SimBench profiles among the sources at once."""
        names = [self._profile_name(s) for s in sources if isinstance(s, str)]
        wanted = sorted({n for n in names if n is not None} - set(self._profiles))
        if wanted:
            self._profiles.update(simbench.profiles(self._scenario, wanted))

    def profile(self, name: str, horizon: Horizon) -> Array:
        """Return a SimBench profile over a horizon, shape ``(T,)``."""
        return self._simbench(name).on(horizon, describe(name))

    def check_cover(self, source: Source, horizon: Horizon) -> None:
        """Check that a source covers a horizon; heat and weather cover every year.

        Raises
        ------
        SeriesError
            If it does not, or its file cannot be read.
        """
        if isinstance(source, CsvColumn):
            self._csv(source).check_cover(horizon, describe(source))
        elif ":" not in source:
            simbench_year = np.empty(simbench.PROFILE_ROWS)
            Record(simbench.PROFILE_START, simbench.PROFILE_STEP_H, simbench_year).check_cover(
                horizon, SIMBENCH
            )

    def price(self, price: Price, horizon: Horizon) -> Array:
        """Return a price in EUR/kWh over a horizon, shape ``(T,)``."""
        if isinstance(price, CsvColumn):
            return self.read(SeriesRequest(price, "EUR/kWh"), horizon)
        if isinstance(price, list):
            return time_of_use(price, horizon)
        return np.full(horizon.steps, float(price))

    # -- finding the source -------------------------------------------------------------------
    def _resolved(self, source: Source) -> Source:
        if source != _TEMPERATURE:
            return source
        if self._temperature is None:
            raise SeriesError(
                "needs the outdoor temperature; set signals.temperature, e.g. to try:3"
            )
        assert not isinstance(self._temperature, (int, float))
        return self._temperature

    def _record(self, source: Source, horizon: Horizon) -> tuple[Record, str]:
        if isinstance(source, CsvColumn):
            return self._csv(source), source.unit
        if source.startswith("bdew:"):
            kind, region = _parsed(source)
            weather.check_heat_profile(kind, region)
            if self.offhand:
                return _constant(horizon), "1"
            return _over_years(
                lambda year: weather.heat_profile(kind, region, year), horizon, LOCAL.key
            ), "1"
        if source.startswith("try:"):
            region = _number(source.partition(":")[2], source)
            weather.check_region(region)
            if self.offhand:
                return _constant(horizon), "degC"
            return _over_years(
                lambda year: weather.temperature(region, year), horizon, "Etc/GMT-1"
            ), "degC"
        return self._simbench(source), "1"

    def _csv(self, source: CsvColumn) -> Record:
        if source.csv not in self._files:
            self._files[source.csv] = CsvFile(self.folder / source.csv)
        return self._files[source.csv].record(source.column, source.timezone)

    def _simbench(self, source: str) -> Record:
        name = self._profile_name(source)
        if name is None:
            raise SeriesError(_no_profile(source, simbench.profile_names(self._scenario)))
        if name not in self._profiles:
            self._profiles.update(simbench.profiles(self._scenario, [name]))
        return Record(simbench.PROFILE_START, simbench.PROFILE_STEP_H, self._profiles[name])

    def _profile_name(self, source: str) -> str | None:
        known = simbench.profile_names(self._scenario)
        return next((name for name in (source, f"{source}_pload") if name in known), None)


def describe(source: Source) -> str:
    """Name a source in a message."""
    if isinstance(source, CsvColumn):
        return f"column {source.column!r} of {source.csv}"
    return f"profile {source!r}" if ":" in source else SIMBENCH


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


def _converted(values: Array, unit: str, request: SeriesRequest, what: str) -> Array:
    if not {unit, request.unit} <= set(_DIMENSION):
        if unit == request.unit:
            return values * request.factor
        raise SeriesError(
            f"{what} is in {unit!r}, but {request.unit!r} is needed; only these are converted: "
            f"{', '.join(_DIMENSION)}"
        )
    dimension, scale = _DIMENSION[unit]
    wanted, wanted_scale = _DIMENSION[request.unit]
    if dimension == "temperature" and wanted == "temperature":
        return _celsius(values, unit)
    if dimension == wanted:
        return values * (scale / wanted_scale)
    if dimension == "share" and wanted == "power":
        if values.max() > _MOST_SHARE:
            raise SeriesError(
                f"{what} reaches {values.max():g}, but a share of the rated power lies between 0 "
                "and 1; if it is a power, give its unit, e.g. unit: kW"
            )
        return values * request.factor
    raise SeriesError(
        f"{what} is a {dimension} ({unit}), but a {wanted} ({request.unit}) is needed"
    )


def _celsius(values: Array, unit: str) -> Array:
    return values - _ZERO_CELSIUS_K if unit == "K" else values


def _annual_factor(record: Record, annual_kwh: float, what: str) -> float:
    """Factor that makes the source's mean power over its years that of the annual energy."""
    values, years = record.of_years()
    mean = float(np.nanmean(values))
    if mean <= 0:
        raise SeriesError(f"{what} is zero all year and cannot be scaled to {annual_kwh:g} kWh/a")
    hours = len(values) * record.step_h / years if years else _YEAR_H
    return annual_kwh / hours / mean


def _over_years(of_year: Callable[[int], Record], horizon: Horizon, zone: str) -> Record:
    """Join the records of all calendar years that a horizon touches."""
    first = horizon.start.tz_convert(zone).year
    last = (horizon.end - pd.Timedelta(1)).tz_convert(zone).year
    records = [of_year(year) for year in range(first, last + 1)]
    values = np.concatenate([record.values for record in records])
    return Record(records[0].start, records[0].step_h, values)


def _constant(horizon: Horizon) -> Record:
    """Return what stands for heat and weather that are not needed."""
    return Record(horizon.start, horizon.dt_h, np.ones(horizon.steps))


def _parsed(source: str) -> tuple[str, int]:
    _, kind, *region = source.split(":")
    return kind, _number(region[0], source) if region else 3


def _number(text: str, source: str) -> int:
    if not text.isdecimal():
        raise SeriesError(f"profile {source!r}: write the region as a number, e.g. try:3")
    return int(text)


def _no_profile(source: str, known: Sequence[str]) -> str:
    names = sorted({name.removesuffix("_pload") for name in known if not name.endswith("_qload")})
    near = difflib.get_close_matches(source, names, n=3)
    if near:
        return f"there is no profile {source!r}; did you mean {' or '.join(near)}?"
    return (
        f"there is no profile {source!r}; write a SimBench profile (e.g. PV3, WP4, H0-A), a heat "
        "profile (bdew:EFH) or a column of a CSV file ({csv: ..., column: ...})"
    )
