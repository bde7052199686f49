"""Whether data cover the horizon: asked first, since preparing data for it may take long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from quartier.grid import simbench
from quartier.quantities import Horizon
from quartier.scenario.asked import MarketAsked
from quartier.scenario.findings import Findings
from quartier.scenario.models import FLEXIBILITY, Scenario
from quartier.scenario.node_settings import column_of
from quartier.scenario.record import HorizonError, SeriesError
from quartier.scenario.series import SeriesReader
from quartier.units import KINDS
from quartier.units.base import CsvColumn, SeriesRequest, Source, UnitParameters
from quartier.units.kinds import is_own

_ANY_SIMBENCH = "PV3"
"""Every SimBench grid has profiles, and all of them cover the same year."""


def covered(
    scenario: Scenario, reader: SeriesReader, findings: Findings, *, is_known: bool = True
) -> Horizon:
    """Return the horizon to read data over.

    If profiles or the user's own data do not cover the scenario's horizon, that is noted, and the
    rest is checked over a year at most, with stand-ins for what is slow to prepare.

    Parameters
    ----------
    is_known
        False if the scenario's horizon is a stand-in itself, which need not be covered.
    """
    horizon = scenario.horizon.horizon
    findings.cover_is_known = not is_known
    for path, source in _sources(scenario):
        with findings.at(path):
            try:
                reader.check_cover(source, horizon)
            except HorizonError:
                raise
            except SeriesError:
                pass  # noted where it is read
    if is_known and not findings.horizon_is_wrong:
        return horizon
    findings.cover_is_known = True
    return offhand(horizon, reader)


def offhand(horizon: Horizon, reader: SeriesReader) -> Horizon:
    """Return a horizon over which the rest of a wrong scenario is quickly checked."""
    reader.offhand = True
    return replace(horizon, steps=min(horizon.steps, simbench.PROFILE_ROWS))


def _sources(scenario: Scenario) -> Iterator[tuple[str, Source]]:
    """Sources that the scenario names, by their path in the file."""
    grid = scenario.grid_settings
    if grid is not None and grid.simbench is not None:
        yield "grid", _ANY_SIMBENCH
    for name, column in (grid.profiles if grid is not None else {}).items():
        yield f"grid.profiles.{name}", column
    signals = scenario.signals
    for name in ("export_eur_per_kwh", "import_eur_per_kwh", *FLEXIBILITY, "temperature"):
        if (priced := column_of(getattr(signals, name))) is not None:
            yield f"signals.{name}", priced
    yield from _of_markets(scenario)
    for (neighbourhood, name), parameters in scenario.unit_items().items():
        for source in _requested(parameters):
            yield f"neighbourhoods.{neighbourhood}.units.{name}", source
    yield from _of_nodes(scenario)
    for name, source in scenario.forecasts.items():
        yield f"forecasts.{name}", source


def _of_markets(scenario: Scenario) -> Iterator[tuple[str, Source]]:
    if isinstance(scenario.market.forecast, CsvColumn):
        yield "market.forecast", scenario.market.forecast
    for carrier, settings in getattr(scenario.problem, "carriers", {}).items():
        if (market := column_of(settings.wholesale_eur_per_kwh)) is not None:
            yield f"problem.carriers.{carrier}.wholesale_eur_per_kwh", market
    for name, request in supplier_requests(scenario).items():
        yield f"problem.suppliers.{name}.profile", request.source
    for name, group in getattr(scenario.problem, "groups", {}).items():
        for carrier, source in group.needs.items():
            yield f"problem.groups.{name}.needs.{carrier}", source


def supplier_requests(scenario: Scenario) -> dict[str, SeriesRequest]:
    """What suppliers that follow a profile ask for, by name."""
    suppliers = scenario.problem.suppliers if isinstance(scenario.problem, MarketAsked) else {}
    return {name: s.request for name, s in suppliers.items() if s.request is not None}


def _of_nodes(scenario: Scenario) -> Iterator[tuple[str, Source]]:
    for neighbourhood, settings in scenario.neighbourhoods.items():
        for name, node in settings.nodes.items():
            tariffs = [t.price_eur_per_kwh for t in (node.buy, node.sell) if t is not None]
            for column in map(column_of, (node.demand, *tariffs)):
                if column is not None:
                    yield f"neighbourhoods.{neighbourhood}.nodes.{name}", column


def _requested(parameters: UnitParameters) -> Iterator[Source]:
    """Sources of a unit's series; an own kind that fails is noted where the unit is made."""
    try:
        requests = KINDS[parameters.kind].requests(parameters).values()
    except Exception:
        if not is_own(parameters.kind):
            raise
        return
    yield from (request.source for request in requests)
