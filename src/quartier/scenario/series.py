"""Sources as series over a horizon.

A source is written as

* a SimBench profile, a share of the rated power: ``PV3``, ``WP4``, ``H0-A`` (that is
  ``H0-A_pload``), 15-minute means of 2016;
* a standard series, for any year: load and heat profiles of BDEW, temperature, PV and wind of a
  test reference year (:mod:`quartier.scenario.standard`);
* ``signal:temperature``, the scenario's outdoor temperature;
* a column of a CSV file.

Where the horizon's steps are longer than the source's, means are taken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from quartier.grid import simbench
from quartier.quantities import Array, Horizon
from quartier.scenario import checked
from quartier.scenario.csv_series import CsvFile
from quartier.scenario.models import Price
from quartier.scenario.node_settings import MarketPrice
from quartier.scenario.record import Record, SeriesError, annual_factor
from quartier.scenario.standard import standard
from quartier.scenario.tariff import time_of_use
from quartier.units.base import CsvColumn, SeriesRequest, Source

SIMBENCH = "a SimBench profile (year 2016)"
"""How SimBench profiles are named in messages: what is wrong with one is wrong with all."""
_TEMPERATURE = "signal:temperature"
_PRICE_IN_NAME = re.compile(r"\[(?:€|EUR)/([kM]Wh)\]")


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
    note
        Told where (a file, or a path in the scenario) and what is read in an unusual way, or
        is doubtful.
    """

    def __init__(
        self,
        folder: Path,
        simbench_scenario: int = simbench.NEWEST_SCENARIO,
        temperature: Source | float | None = None,
        note: Callable[[str, str], None] = lambda where, what: None,
    ) -> None:
        self.folder = folder
        self._scenario = simbench_scenario
        self._temperature = temperature
        self.offhand = False
        """Whether constants stand in for heat and weather, which are slow to prepare."""
        self._note = note
        self._files: dict[tuple[str, str], CsvFile] = {}
        self._records: dict[CsvColumn, Record] = {}
        self._profiles: dict[str, Array] = {}

    def series(self, name: str, request: SeriesRequest, horizon: Horizon) -> Array:
        """Return a unit's series as :meth:`read` does, in addition checked for its sign by name.

        Raises
        ------
        SeriesError
            As :meth:`read`, and if it is negative but must not be.
        """
        values = self.read(request, horizon)
        if name not in checked.NEVER_NEGATIVE:
            return values
        rated_kw = request.rated_kw or 0.0
        values, doubt = checked.not_negative(name, values, rated_kw)
        if doubt:
            self._say(request.source, doubt)
        return values

    def read(self, request: SeriesRequest, horizon: Horizon) -> Array:
        """Return what a unit asks for over a horizon, shape ``(T,)``.

        A share is multiplied by the request's factor, or scaled to its annual energy; a source
        that has the unit's dimension itself is converted, and nothing scales it.

        Raises
        ------
        SeriesError
            If the source does not exist, does not fit or cannot be, or does not cover the
            horizon.
        """
        if request.source == _TEMPERATURE and isinstance(self._temperature, (int, float)):
            return self._number(float(self._temperature), request, horizon, "the temperature")
        source = self._resolved(request.source)
        record, unit = self._record(source, horizon)
        what = describe(source)
        values = record.on(horizon, what)
        if unit == "1" and request.annual_kwh is not None:
            return values * self._annual_factor(request, record, horizon)
        if unit == "1":
            checked.check_share(values, request, what)
        values = checked.converted(values, unit, request, what)
        if isinstance(source, CsvColumn):
            whole = checked.converted(record.values, unit, request, what)
            hours = len(whole) * record.step_h
            for doubt in checked.doubts(values, whole, hours, request, what):
                self._say(source, doubt)
        return values

    def _annual_factor(self, request: SeriesRequest, record: Record, horizon: Horizon) -> float:
        """Factor from a source's values to power, by the annual energy (times ``factor``)."""
        source = request.annual_source or request.source
        what, unit = describe(source), "1"
        if request.annual_source is not None:
            record, unit = self._record(source, horizon)
        if unit != "1":
            raise SeriesError(f"{describe(request.source)} is a share of what {what} does not tell")
        assert request.annual_kwh is not None
        factor, years = annual_factor(record, request.annual_kwh, what)
        if isinstance(source, CsvColumn) and not years:
            days = len(record.values) * record.step_h / 24
            self._say(
                source, f"{what} covers {days:.3g} days; their mean is taken for that of the year"
            )
        return factor * request.factor

    def _number(self, value: float, request: SeriesRequest, horizon: Horizon, what: str) -> Array:
        """Return a number that stands for a series, checked as one."""
        values = np.full(horizon.steps, value)
        for doubt in checked.doubts(values, values, horizon.steps * horizon.dt_h, request, what):
            self._note("signals", doubt)
        return values

    def _say(self, source: Source, what: str) -> None:
        if isinstance(source, CsvColumn):
            self._note(source.csv, what.replace(f" of {source.csv}", ""))
        else:
            self._note(source, what)

    def preload(self, sources: Sequence[Source]) -> None:
        """Read all SimBench profiles among the sources at once."""
        names = [self._profile_name(s) for s in sources if isinstance(s, str)]
        wanted = sorted({n for n in names if n is not None} - set(self._profiles))
        if wanted:
            self._profiles.update(simbench.profiles(self._scenario, wanted))

    @property
    def simbench_names(self) -> tuple[str, ...]:
        """SimBench profiles that were read."""
        return tuple(self._profiles)

    def share(self, source: CsvColumn, horizon: Horizon, *, of_load: bool) -> Array:
        """Return a share of the rated power of the grid's loads or generators, shape ``(T,)``.

        A load may feed in by a negative share, which is said; a generator must not draw.

        Raises
        ------
        SeriesError
            As :meth:`read`, and if a generator's is negative.
        """
        values, what = self.read(SeriesRequest(source, "1"), horizon), describe(source)
        if not of_load:
            values, doubt = checked.not_negative(what, values, 1.0)
        elif values.min() < 0:
            doubt = f"{what} goes down to {values.min():g}: the load feeds in"
        else:
            doubt = None
        if doubt:
            self._say(source, doubt)
        return values

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
        request = SeriesRequest("the price", "EUR/kWh")
        if isinstance(price, MarketPrice):
            return (
                self.read(replace(request, source=price.market), horizon) + price.plus_eur_per_kwh
            )
        if isinstance(price, CsvColumn):
            return self.read(replace(request, source=price), horizon)
        if not isinstance(price, list):
            return self._number(float(price), request, horizon, "the price")
        for entry in price:
            self._number(entry.eur_per_kwh, request, horizon, f"the price from {entry.start}")
        return time_of_use(price, horizon)

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
            return _as_power(self._csv(source), _unit(source))
        made = standard(source)
        if made is not None:
            record = _constant(horizon, made.typical) if self.offhand else made.over(horizon)
            return record, made.unit
        return self._simbench(source), "1"

    def _csv(self, source: CsvColumn) -> Record:
        if source not in self._records:
            key = (source.csv, source.column)
            if key not in self._files:
                self._files[key] = CsvFile(self.folder / source.csv, source.column)
            record = self._files[key].record(source, partial(self._say, source))
            values, mark = checked.without_marks(record.values)
            if mark is not None:
                count = int(np.isnan(values).sum() - np.isnan(record.values).sum())
                self._say(source, f"{describe(source)}: {mark:g} ({count} times) is no value")
            self._records[source] = replace(record, values=values)
        return self._records[source]

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


def _unit(source: CsvColumn) -> str:
    """Return the unit of a column: that of a price stands in its name, where a market exports it.

    Raises
    ------
    SeriesError
        If the scenario says another one.
    """
    named = _PRICE_IN_NAME.search(source.column)
    if named is None:
        return source.unit
    unit = f"EUR/{named[1]}"
    if "unit" in source.model_fields_set and source.unit != unit:
        raise SeriesError(
            f"{describe(source)} is in {named[0]} by its name; remove unit: {source.unit}"
        )
    return unit


def _as_power(record: Record, unit: str) -> tuple[Record, str]:
    """Return the mean power of what is the energy of each interval, and its unit."""
    if not unit.endswith("Wh") or "/" in unit:
        return record, unit
    return replace(record, values=record.values / record.step_h), unit.removesuffix("h")


def _constant(horizon: Horizon, value: float) -> Record:
    """Return what stands for a standard series that is not needed."""
    return Record(horizon.start, horizon.dt_h, np.full(horizon.steps, value))


def _no_profile(source: str, known: Sequence[str]) -> str:
    names = sorted({name.removesuffix("_pload") for name in known if not name.endswith("_qload")})
    near = difflib.get_close_matches(source, names, n=3)
    if near:
        return f"there is no profile {source!r}; did you mean {' or '.join(near)}?"
    return (
        f"there is no profile {source!r}; write a SimBench profile (e.g. PV3, WP4, H0-A), a "
        "standard one (bdew:H0, bdew:EFH, pv:3, wind:3) or a column of a CSV file ({csv: ..., "
        "column: ...})"
    )
