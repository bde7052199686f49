"""Zones of a market: who is in which, and that lines lead somewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quartier.scenario.asked import MarketAsked
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.scenario.problems import suggestion
from quartier.scenario.repair import Rest

KNOWING = ("uncontrolled", "individual", "central", "price-response", "auction")
"""Mechanisms for markets that know of zones."""
BLIND = ("cohda",)
"""Those that do not: they know the power of all together only."""


def check_zones(scenario: Scenario, findings: Findings, rest: Rest) -> None:
    """Note members without a zone, zones without members, and lines that lead nowhere."""
    asked = scenario.problem
    if rest.lacks("problem", "kind") or rest.lacks("problem", "zones"):
        return
    zones = list(dict.fromkeys(asked.zones)) if isinstance(asked, MarketAsked) else []
    members = dict(_members(scenario))
    for path, zone in members.items():
        if not zones and zone is not None:
            why = "only a market with problem.zones has any"
            findings.add(f"{path}.zone", f"is {zone!r}, but {why}; name the zones, or leave it out")
        elif zones and zone is None:
            findings.add(f"{path}.zone", f"is missing; zones are: {', '.join(zones)}")
        elif zone is not None and zone not in zones:
            findings.add(f"{path}.zone", f"there is no zone {zone!r}{suggestion(zone, zones)}")
    if isinstance(asked, MarketAsked):
        complete = not rest.lacks("neighbourhoods") and not rest.lacks("problem", "suppliers")
        for why in _wrong_zones(asked, scenario, set(members.values()) if complete else set(zones)):
            findings.add("problem.zones", why)
        _check_lines(asked, zones, findings)
    for why in blind(scenario, [scenario.coordination]).values():
        findings.add("coordination", why)


def blind(scenario: Scenario, coordinations: Iterable[str]) -> dict[str, str]:
    """Why mechanisms do not answer a market with zones, by name of those that do not."""
    if not isinstance(scenario.problem, MarketAsked) or not scenario.problem.zones:
        return {}
    return {
        name: f"{name} knows of no zones; leave problem.zones out, or take {', '.join(KNOWING)}"
        for name in coordinations
        if name in BLIND
    }


def _members(scenario: Scenario) -> Iterator[tuple[str, str | None]]:
    """Path and zone of all suppliers and neighbourhoods."""
    if isinstance(scenario.problem, MarketAsked):
        for name, supplier in scenario.problem.suppliers.items():
            yield f"problem.suppliers.{name}", supplier.zone
    for name, neighbourhood in scenario.neighbourhoods.items():
        yield f"neighbourhoods.{name}", neighbourhood.zone


def _wrong_zones(asked: MarketAsked, scenario: Scenario, taken: set[str | None]) -> Iterator[str]:
    for zone in dict.fromkeys(asked.zones):
        if asked.zones.count(zone) > 1:
            yield f"{zone!r} is named more than once; remove one"
        if zone not in taken:
            yield f"nobody is in {zone!r}; put a supplier or a neighbourhood there, or remove it"
        for kind, names in (
            ("neighbourhood", scenario.neighbourhoods),
            ("supplier", asked.suppliers),
        ):
            if zone in names:
                yield f"{zone!r} is the name of a {kind}, too; rename one of them"


def _check_lines(asked: MarketAsked, zones: list[str], findings: Findings) -> None:
    if asked.lines and not zones:
        findings.add("problem.lines", "lie between zones, and there are none; name problem.zones")
        return
    for name, line in asked.lines.items():
        for key, zone in (("from", line.start), ("to", line.end)):
            if zone not in zones:
                why = f"there is no zone {zone!r}{suggestion(zone, zones)}"
                findings.add(f"problem.lines.{name}.{key}", why)
        if line.start == line.end:
            findings.add(f"problem.lines.{name}", f"leads from {line.start!r} to itself; remove it")
