"""What must hold of a scenario in which an operator offers bundles (M11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.quantities import ELECTRICITY
from quartier.scenario.bundles_asked import CONNECTION, BundlesAsked, GroupSettings
from quartier.scenario.bundles_data import Signals
from quartier.scenario.findings import Findings
from quartier.scenario.models import NeighbourhoodSettings, Scenario
from quartier.scenario.problems import suggestion
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.base import UnitData, Values


def check_bundles(
    scenario: Scenario, units: Sequence[UnitData], signals: Signals, findings: Findings
) -> None:
    """Note what does not fit bundles."""
    asked = scenario.problem
    if not isinstance(asked, BundlesAsked):
        return
    if len(scenario.neighbourhoods) > 1:
        findings.add(
            "neighbourhoods",
            f"are {', '.join(scenario.neighbourhoods)}, but an operator has one system: make them"
            " one; users are problem.groups",
        )
    if scenario.grid_settings is not None:
        findings.add("grid", "knows no sizes to be chosen; set grid: none")
    for where, problem in (
        *_of_carriers(asked),
        *_of_bundles(asked),
        *_of_groups(asked),
        *_of_system(asked, scenario),
        *_of_kinds(asked, units),
        *_of_supply(asked, units),
    ):
        findings.add(where, problem)
    if scenario.stores.end != "as-start":
        findings.add("stores.end", "of a typical day is its beginning: leave it out")
    if "export_eur_per_kwh" in signals and np.any(signals["export_eur_per_kwh"][0] > 0):
        findings.add("signals.export_eur_per_kwh", "is paid to nobody here: set it to 0")


def _of_carriers(asked: BundlesAsked) -> Iterator[tuple[str, str]]:
    for carrier, sold in asked.sold.items():
        if sold.most_eur_per_kwh is None:
            yield (
                f"problem.sold.{carrier}",
                "has no most_eur_per_kwh: prices, and with them the search, would have no bound;"
                " state one, e.g. somewhat above the competitor's",
            )
    served = [c for sold, s in asked.sold.items() for c in s.serves or [sold]]
    for carrier in {c for c in served if served.count(c) > 1}:
        yield "problem.sold", f"{carrier} is sold as several carriers; serves must not overlap"


def _of_bundles(asked: BundlesAsked) -> Iterator[tuple[str, str]]:
    """Say which bundles no user can want."""
    wanted = {asked.serves.get(c) for g in asked.groups.values() for c in g.needs}
    seen: dict[frozenset[str], str] = {}
    for name, carriers in asked.bundles.items():
        path, held = f"problem.bundles.{name}", frozenset(carriers)
        if not carriers or len(held) < len(carriers):
            yield path, "should hold every carrier once, and at least one"
        for carrier in carriers:
            if carrier not in asked.sold:
                yield path, f"{carrier} is not sold{suggestion(carrier, asked.sold)}"
            elif carrier not in wanted:
                yield (
                    path,
                    f"no user can want it: no group needs {carrier}; remove the bundle, or add a"
                    " need",
                )
        if held in seen:
            yield path, f"no user can want it: {seen[held]!r} holds the same; remove one"
        seen.setdefault(held, name)


def _of_groups(asked: BundlesAsked) -> Iterator[tuple[str, str]]:
    for name, group in asked.groups.items():
        path = f"problem.groups.{name}"
        for carrier in group.needs:
            if carrier not in asked.serves:
                known = suggestion(carrier, asked.serves)
                yield f"{path}.needs.{carrier}", f"nobody sells it: see problem.sold{known}"
        yield from _of_prices(path, group, asked)


def _of_prices(path: str, group: GroupSettings, asked: BundlesAsked) -> Iterator[tuple[str, str]]:
    sold = {asked.serves[c] for c in group.needs if c in asked.serves}
    for carrier in sorted(sold - set(group.outside_eur_per_kwh)):
        yield (
            f"{path}.outside_eur_per_kwh",
            f"says nothing of {carrier}: who has no other choice pays any price",
        )
    for key in ("outside_eur_per_kwh", "kwh_per_household"):
        for carrier in getattr(group, key):
            if carrier not in sold:
                known = suggestion(carrier, sorted(sold))
                yield f"{path}.{key}.{carrier}", f"the group needs nothing sold as it{known}"


def _of_system(asked: BundlesAsked, scenario: Scenario) -> Iterator[tuple[str, str]]:
    if scenario.forecasts or scenario.forecast_error.std or scenario.forecast_error.arrival_h:
        yield "forecasts", "err, while what is sized is planned for what happens; remove them"
    for place, settings in scenario.neighbourhoods.items():
        path = f"neighbourhoods.{place}"
        for key in ("p_max_kw", "p_min_kw"):
            if getattr(settings, key) is not None:
                yield f"{path}.{key}", "is chosen here: see problem.connection.most"
        for name, node in settings.nodes.items():
            if node.demand is not None or node.sell is not None or node.efficiency < 1:
                yield (
                    f"{path}.nodes.{name}",
                    "may only buy here: what is needed stands in problem.groups; remove demand,"
                    " sell and efficiency",
                )
        yield from _of_names(asked, place, settings)


def _of_names(
    asked: BundlesAsked, place: str, settings: NeighbourhoodSettings
) -> Iterator[tuple[str, str]]:
    for group in asked.groups:
        if group in settings.units:
            yield f"problem.groups.{group}", f"has the name of a unit of {place}; rename one"
    if CONNECTION in settings.units:
        yield (
            f"neighbourhoods.{place}.units.{CONNECTION}",
            "has the name that the connection has among sizes; rename it",
        )
    for name in asked.sizes:
        if name not in settings.units:
            yield (
                f"problem.sizes.{name}",
                f"there is no such unit{suggestion(name, settings.units)}",
            )
        elif settings.units[name].count > 1:
            yield f"problem.sizes.{name}", "of several units: write one, its number is chosen"


def _of_kinds(asked: BundlesAsked, units: Sequence[UnitData]) -> Iterator[tuple[str, str]]:
    """Say which units there cannot be half of, or that do not begin a day as they end it."""
    for unit in units:
        kind = KINDS[unit.kind]
        path = f"neighbourhoods.{unit.name.replace('.', '.units.', 1)}"
        series = {name: values[0] for name, values in unit.series.items() if len(values)}
        limits = kind.bounds(unit.parameters, series)
        if any(c.binary and limits[c.name][1] > limits[c.name][0] for c in kind.controls):
            yield (
                path,
                "switches on and off, of which there is no half: leave out what it switches for"
                " (least power, starts, minimum times)",
            )
        if getattr(unit.parameters, "ramp_kw_per_h", None) is not None:
            yield (
                f"{path}.ramp_kw_per_h",
                "ties a day to the one before, which typical days do not follow; leave it out",
            )
        if unit.name.partition(".")[2] in asked.sizes and _needs(unit, series, limits):
            yield (
                f"problem.sizes.{unit.name.partition('.')[2]}",
                "is a load: to serve none of it would cost the least; leave its size out",
            )
        if kind.stores and not hasattr(unit.parameters, "start_soc"):
            yield (
                path,
                f"a {unit.kind} is a load that is moved in time, which typical days do not know;"
                " leave it out",
            )


def _needs(unit: UnitData, series: Values, limits: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether a unit takes something of itself, whatever is done with it."""
    kind = KINDS[unit.kind]
    if not kind.controls:
        return True
    idle = kind.flow(unit.parameters, dict.fromkeys(limits, 0.0), series, unit.horizon.dt_h)
    return any(np.any(idle.of(carrier) < 0) for carrier in idle.power_kw)


def _of_supply(asked: BundlesAsked, units: Sequence[UnitData]) -> Iterator[tuple[str, str]]:
    """Say which carriers nobody can supply, of those in a bundle; power comes from the grid."""
    nodes: dict[str, list[str]] = {}
    can = {ELECTRICITY}
    for node, members in by_node(units):
        nodes.setdefault(node.carrier, []).append(node.name)
        if node.buy or any(node.carrier in KINDS[unit.kind].gives for unit in members):
            can.add(node.carrier)
    for carrier, names in nodes.items():
        if len(names) > 1:
            yield (
                f"neighbourhoods.{names[0].partition('.')[0]}",
                f"has several nodes of {carrier} ({', '.join(names)}); all of it is one here",
            )
    bundled = {c for carriers in asked.bundles.values() for c in carriers}
    needed = {c for g in asked.groups.values() for c in g.needs}
    for carrier in sorted(needed - can):
        if asked.serves.get(carrier) in bundled:
            yield (
                f"problem.sold.{asked.serves[carrier]}",
                f"nobody can supply {carrier}: no unit of the system makes it, and no node of it"
                " buys; add one, or leave it out of bundles",
            )
