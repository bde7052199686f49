"""From a checked scenario to its data: everything is read, and every problem listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quartier.errors import InputError
from quartier.grid.network import Network
from quartier.grid.simbench import NEWEST_SCENARIO
from quartier.quantities import Array, Horizon
from quartier.scenario import checks
from quartier.scenario.communication_checks import check_communication
from quartier.scenario.coverage import covered, offhand
from quartier.scenario.findings import Findings, Note
from quartier.scenario.grid_data import GridData, read_grid, simbench_scenario
from quartier.scenario.members import Members
from quartier.scenario.models import Scenario
from quartier.scenario.problems import suggestion
from quartier.scenario.repair import Rest
from quartier.scenario.series import SeriesReader
from quartier.units import KINDS
from quartier.units.base import CsvColumn, SeriesRequest, UnitData

_ANY_TEMPERATURE = 10.0
"""Stands for an outdoor temperature that was taken out of a wrong scenario."""


@dataclass(frozen=True)
class ScenarioData:
    """All data of a scenario over its horizon.

    Parameters
    ----------
    buses
        Bus by neighbourhood.
    units
        Units of the neighbourhoods, named ``<neighbourhood>.<unit>``.
    signals
        Values, shape ``(T,)``, and unit by name: ``export_eur_per_kwh``, ``import_eur_per_kwh``,
        ``co2_kg_per_kwh``, and ``temperature_degc`` if the scenario has one.
    forecasts
        By unit: what planning takes for its series, shape ``(T,)``.
    notes
        What of the data is not simulated, or taken differently.
    """

    horizon: Horizon
    grid: GridData
    buses: Mapping[str, int]
    units: tuple[UnitData, ...]
    signals: Mapping[str, tuple[Array, str]]
    forecasts: Mapping[str, Array]
    notes: tuple[Note, ...] = ()


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
    grid = read_grid(scenario, folder, horizon, reader, findings)
    if findings.horizon_is_wrong and not reader.offhand:  # known from the user's own grid only
        horizon = offhand(horizon, reader)
    buses = _buses(scenario, grid.network, findings) if grid else {}
    units = Members(scenario, folder, horizon, seed, reader, findings).units(buses)
    signals = dict(_signals(scenario, horizon, reader, findings))
    if horizon.steps < scenario.horizon.steps or _lacks_prices(rest):
        signals = {}  # they are not those of all steps
    plants = grid.plants if grid else ()
    forecasts = dict(_forecasts(scenario, horizon, reader, findings, (*units, *plants)))
    checks.check(scenario, units, signals, findings, complete=complete)
    if grid is not None:
        check_communication(rest, plants, findings)
    if findings.problems or grid is None:
        return None, findings.problems
    return ScenarioData(horizon, grid, buses, units, signals, forecasts, findings.notes), []


def _reader(
    scenario: Scenario, folder: Path, findings: Findings, *, complete: bool
) -> SeriesReader:
    temperature = scenario.signals.temperature
    if temperature is None and not complete:
        temperature = _ANY_TEMPERATURE
    try:
        profiles = simbench_scenario(scenario.grid)
    except InputError:  # reported where the grid is read
        profiles = NEWEST_SCENARIO
    return SeriesReader(folder, profiles, temperature, findings.note)


def _lacks_prices(rest: Rest) -> bool:
    return any(rest.lacks("signals", f"{way}_eur_per_kwh") for way in ("export", "import"))


def _buses(scenario: Scenario, network: Network, findings: Findings) -> dict[str, int]:
    names = {str(name): int(bus) for bus, name in network.net.bus["name"].items()}
    dark = network.unsupplied_buses()
    found = {}
    for place, settings in scenario.neighbourhoods.items():
        path = f"neighbourhoods.{place}.bus"
        if isinstance(settings.bus, str) and settings.bus not in names:
            problem = f"there is no bus {settings.bus!r} in the grid"
            findings.add(path, problem + suggestion(settings.bus, names, most=0))
            continue
        with findings.at(path):
            bus = names[settings.bus] if isinstance(settings.bus, str) else settings.bus
            network.position(bus)
            if bus in dark:
                findings.add(path, f"bus {bus} is not connected to the upper grid")
            found[place] = bus
    return found


def _signals(
    scenario: Scenario, horizon: Horizon, reader: SeriesReader, findings: Findings
) -> Iterator[tuple[str, tuple[Array, str]]]:
    signals = scenario.signals
    for name in ("export_eur_per_kwh", "import_eur_per_kwh"):
        with findings.at(f"signals.{name}"):
            yield name, (reader.price(getattr(signals, name), horizon), "EUR/kWh")
    yield "co2_kg_per_kwh", (np.full(horizon.steps, signals.co2_kg_per_kwh), "kg/kWh")
    if signals.temperature is not None:
        with findings.at("signals.temperature"):
            request = SeriesRequest("signal:temperature", "degC")
            yield "temperature_degc", (reader.read(request, horizon), "degC")


def _forecasts(
    scenario: Scenario,
    horizon: Horizon,
    reader: SeriesReader,
    findings: Findings,
    units: tuple[UnitData, ...],
) -> Iterator[tuple[str, Array]]:
    known = {unit.name: unit for unit in units}
    for name, source in scenario.forecasts.items():
        path = f"forecasts.{name}"
        series = checks.forecast_series(known[name]) if name in known else None
        if series is None:
            findings.add(path, checks.no_forecast(name, known))
            continue
        with findings.at(path):
            yield (
                name,
                reader.series(series, _forecast_request(known[name], series, source), horizon),
            )


def _forecast_request(unit: UnitData, series: str, source: CsvColumn) -> SeriesRequest:
    """Ask for a forecast as for the series itself: a share of it is scaled as the series is."""
    request = KINDS[unit.kind].requests(unit.parameters)[series]
    scaled = request.annual_source or request.source
    return replace(request, source=source, annual_source=scaled)
