"""From a checked scenario to its data: everything is read, and every problem listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quartier.grid.network import Network
from quartier.grid.tables import find_element
from quartier.quantities import Array, Horizon
from quartier.scenario import checks
from quartier.scenario.bundles_data import InDays, in_days
from quartier.scenario.communication_checks import check_communication
from quartier.scenario.coverage import covered, offhand, supplier_requests
from quartier.scenario.findings import Findings, Note
from quartier.scenario.grid_data import GridData, profiles_of, read_grid
from quartier.scenario.left_out import note_profiles
from quartier.scenario.models import FLEXIBILITY, Scenario
from quartier.scenario.names import check_names
from quartier.scenario.nodes import unit_names
from quartier.scenario.pricing_checks import wholesale
from quartier.scenario.problems import suggestion
from quartier.scenario.repair import Rest
from quartier.scenario.series import SeriesReader
from quartier.scenario.simulator_checks import check_simulators
from quartier.scenario.unit_reader import UnitReader
from quartier.units import KINDS
from quartier.units.base import CsvColumn, SeriesRequest, UnitData

COPPER_PLATE = 0
"""The one bus that all are at where there is no grid."""
_ANY_TEMPERATURE = 10.0
"""Stands for an outdoor temperature that was taken out of a wrong scenario."""


@dataclass(frozen=True)
class ScenarioData:
    """All data of a scenario over its horizon.

    Parameters
    ----------
    grid
        None if the scenario has no grid.
    buses
        Bus by neighbourhood; on a copper plate it is the same for all.
    units
        Units of the neighbourhoods, named ``<neighbourhood>.<unit>``.
    signals
        Values, shape ``(T,)``, and unit by name: ``export_eur_per_kwh``, ``import_eur_per_kwh``,
        ``co2_kg_per_kwh``, and ``temperature_degc`` if the scenario has one.
    forecasts
        By unit: what planning takes for its series, shape ``(T,)``.
    supplied
        By supplier of a market that follows a profile: power that it has in kW, shape ``(T,)``.
    notes
        What of the data is not simulated, or taken differently.
    bundled
        What user groups need, where bundles are offered; the rest is then in typical days, too.
    """

    horizon: Horizon
    grid: GridData | None
    buses: Mapping[str, int]
    units: tuple[UnitData, ...]
    signals: Mapping[str, tuple[Array, str]]
    forecasts: Mapping[str, Array]
    supplied: Mapping[str, Array]
    notes: tuple[Note, ...] = ()
    bundled: InDays | None = None


def assemble(
    scenario: Scenario, folder: Path, seed: int, rest: Rest | None = None
) -> tuple[ScenarioData | None, list[str]]:
    """Read all data of a scenario.

    Parameters
    ----------
    folder
        Folder that paths in the scenario are relative to.
    seed
        Seed of the EV sessions.
    rest
        Given if wrong parts were taken out of the scenario: what refers to a part that is not
        there is then no problem.

    Returns
    -------
    data, problems
        Data is None if there is any problem.
    """
    findings, rest = Findings(), rest or Rest(scenario, frozenset())
    complete = not rest.gone
    reader = _reader(scenario, folder, findings, complete=complete)
    horizon = covered(scenario, reader, findings, is_known=not rest.lacks("horizon"))
    settings = scenario.grid_settings
    grid = None
    if settings is not None:
        grid = read_grid(scenario, settings, folder, horizon, reader, findings)
    if findings.horizon_is_wrong and not reader.offhand:  # known from the user's own grid only
        horizon = offhand(horizon, reader)
    if settings is None:
        buses = dict.fromkeys(scenario.neighbourhoods, COPPER_PLATE)
    else:
        buses = _buses(scenario, grid.network, findings) if grid else {}
    units = UnitReader(scenario, folder, horizon, seed, reader, findings).units(buses)
    signals = dict(_signals(scenario, horizon, reader, findings))
    if scenario.problem.lowers_export:
        signals = _lowered(signals, horizon, findings)
    if horizon.steps < scenario.horizon.steps or _lacks_prices(rest):
        signals = {}  # they are not those of all steps
    plants = grid.plants if grid else ()
    idle = grid.cut_off if grid else frozenset()
    forecasts = dict(_forecasts(scenario, horizon, reader, findings, (*units, *plants), idle))
    supplied = dict(_supplied(scenario, horizon, reader, findings))
    checks.check(scenario, units, signals, findings, rest)
    every = complete and not findings.problems  # else units may be missing
    checks.check_forecast_error(scenario, (*units, *plants), findings, complete=every)
    if complete:
        check_simulators(scenario.simulators, _kinds(scenario), findings)
    if grid is not None or settings is None:
        check_communication(rest, plants, findings)
        check_names(scenario, units, grid.rows if grid else {}, findings)
    if (settings is None or settings.simbench is None) and reader.simbench_names:
        note_profiles(reader.simbench_names, findings)
    bundled = in_days(scenario.problem, horizon, units, signals, reader, findings)
    if findings.problems or (grid is None and settings is not None):
        return None, findings.problems
    data = ScenarioData(horizon, grid, buses, units, signals, forecasts, supplied, findings.notes)
    return _in_days(data, bundled), []


def _in_days(data: ScenarioData, bundled: InDays | None) -> ScenarioData:
    """The data in typical days, where there are any."""
    if bundled is None:
        return data
    return replace(
        data,
        horizon=bundled.horizon,
        units=bundled.units,
        signals=bundled.signals,
        bundled=bundled,
    )


def _reader(
    scenario: Scenario, folder: Path, findings: Findings, *, complete: bool
) -> SeriesReader:
    temperature = scenario.signals.temperature
    if temperature is None and not complete:
        temperature = _ANY_TEMPERATURE
    return SeriesReader(folder, profiles_of(scenario.grid_settings), temperature, findings.note)


def _lacks_prices(rest: Rest) -> bool:
    return any(rest.lacks("signals", f"{way}_eur_per_kwh") for way in ("export", "import"))


def _kinds(scenario: Scenario) -> dict[str, str]:
    """Kind by unit."""
    return {
        name: unit.kind
        for (neighbourhood, described), unit in scenario.unit_items().items()
        for name in unit_names(neighbourhood, described, unit)
    }


def _buses(scenario: Scenario, network: Network, findings: Findings) -> dict[str, int]:
    table = network.net.bus
    names = [str(name) for name in table["name"] if name is not None]
    dark = network.unsupplied_buses()
    found = {}
    for neighbourhood, settings in scenario.neighbourhoods.items():
        path = f"neighbourhoods.{neighbourhood}.bus"
        if settings.bus is None:
            findings.add(path, "is missing")
            continue
        bus = find_element(table, settings.bus)
        if bus is None:
            findings.add(path, _no_bus(settings.bus, network, names))
            continue
        if bus in dark:
            findings.add(path, f"bus {bus} is out of service or not connected to the upper grid")
        other = [b for b, name in table["name"].items() if str(name) == str(settings.bus)]
        if other and bus not in other:
            findings.note(path, f"{settings.bus} is taken for an index: bus {other[0]} is named so")
        found[neighbourhood] = bus
    return found


def _no_bus(key: int | str, network: Network, names: list[str]) -> str:
    """Say that there is no such bus, or that several have its name."""
    if isinstance(key, int):
        known = f"{network.buses.min()} .. {network.buses.max()}"
        return f"bus {key} is not in the grid; its buses are {known}"
    if names.count(key) > 1:
        return f"several buses are named {key!r}; name the bus by its index"
    return f"there is no bus {key!r} in the grid{suggestion(key, names, most=0)}"


def _signals(
    scenario: Scenario, horizon: Horizon, reader: SeriesReader, findings: Findings
) -> Iterator[tuple[str, tuple[Array, str]]]:
    signals = scenario.signals
    for name in ("export_eur_per_kwh", "import_eur_per_kwh"):
        with findings.at(f"signals.{name}"):
            yield name, (reader.price(getattr(signals, name), horizon), "EUR/kWh")
    for name in FLEXIBILITY:
        if (price := getattr(signals, name)) is not None:
            with findings.at(f"signals.{name}"):
                yield name, (reader.price(price, horizon), "EUR/kWh")
    if isinstance(forecast := scenario.market.forecast, CsvColumn):
        with findings.at("market.forecast"):
            yield "forecast_eur_per_kwh", (reader.price(forecast, horizon), "EUR/kWh")
    for carrier, priced in getattr(scenario.problem, "carriers", {}).items():
        if priced.wholesale_eur_per_kwh is not None:
            with findings.at(f"problem.carriers.{carrier}.wholesale_eur_per_kwh"):
                values = reader.price(priced.wholesale_eur_per_kwh, horizon)
                yield wholesale(carrier), (values, "EUR/kWh")
    yield "co2_kg_per_kwh", (np.full(horizon.steps, signals.co2_kg_per_kwh), "kg/kWh")
    if signals.temperature is not None:
        with findings.at("signals.temperature"):
            request = SeriesRequest("signal:temperature", "degC")
            yield "temperature_degc", (reader.read(request, horizon), "degC")


def _supplied(
    scenario: Scenario, horizon: Horizon, reader: SeriesReader, findings: Findings
) -> Iterator[tuple[str, Array]]:
    """Power of the suppliers that follow a profile."""
    requests = supplier_requests(scenario)
    reader.preload([request.source for request in requests.values()])
    for name, request in requests.items():
        with findings.at(f"problem.suppliers.{name}.profile"):
            yield name, reader.series("available_kw", request, horizon)


def _lowered(
    signals: Mapping[str, tuple[Array, str]], horizon: Horizon, findings: Findings
) -> dict[str, tuple[Array, str]]:
    """Lower the export price to the import price where it is above, and say so (M8)."""
    exported, imported = (signals.get(f"{way}_eur_per_kwh") for way in ("export", "import"))
    if exported is None or imported is None:
        return dict(signals)
    above = np.flatnonzero(exported[0] > imported[0] + checks.PRICE_TOLERANCE)
    if above.size:
        at = int(above[0])
        findings.note(
            "signals.export_eur_per_kwh",
            f"is above the import price in {above.size} of {horizon.steps} steps, first at"
            f" {horizon.times[at]:%Y-%m-%d %H:%M} UTC ({exported[0][at]:g} and {imported[0][at]:g}"
            " EUR/kWh), and lowered to it there: energy must not be bought to be sold",
        )
    return {**signals, "export_eur_per_kwh": (np.minimum(exported[0], imported[0]), exported[1])}


def _forecasts(
    scenario: Scenario,
    horizon: Horizon,
    reader: SeriesReader,
    findings: Findings,
    units: tuple[UnitData, ...],
    idle: frozenset[str],
) -> Iterator[tuple[str, Array]]:
    """Read forecasts; those of ``idle`` plants, at buses without supply, are for nothing."""
    known = {unit.name: unit for unit in units}
    for name, source in scenario.forecasts.items():
        if name in idle:
            continue
        path = f"forecasts.{name}"
        series = checks.forecast_series(known[name]) if name in known else None
        if series is None:
            findings.add(path, checks.no_forecast(name, known))
            continue
        with findings.at(path):
            request = _forecast_request(known[name], series, source)
            yield name, reader.series(series, request, horizon)


def _forecast_request(unit: UnitData, series: str, source: CsvColumn) -> SeriesRequest:
    """Ask for a forecast as for the series itself: a share of it is scaled as the series is."""
    request = KINDS[unit.kind].requests(unit.parameters).get(series)
    if request is None:  # an own kind that makes its series itself
        return SeriesRequest(source, "kW")
    scaled = request.annual_source or request.source
    return replace(request, source=source, annual_source=scaled)
