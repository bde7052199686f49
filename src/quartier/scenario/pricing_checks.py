"""What must hold of a scenario in which a player prices carriers (M10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from quartier.quantities import ELECTRICITY, Array
from quartier.scenario.asked import PricedSettings, PricingAsked
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.base import UnitData
from quartier.units.node import Node, Tariff

_TOLERANCE = 1e-9
"""Prices closer than this count as equal, in EUR/kWh."""


def wholesale(carrier: str) -> str:
    """Name of the signal with a carrier's wholesale price."""
    return f"wholesale_eur_per_kwh[{carrier}]"


def check_pricing(
    scenario: Scenario,
    units: Sequence[UnitData],
    signals: Mapping[str, tuple[Array, str]],
    findings: Findings,
) -> None:
    """Note what does not fit a player's prices, and what needs one."""
    asked = scenario.problem
    _check_connections(scenario, findings)
    if not isinstance(asked, PricingAsked):
        return
    if ELECTRICITY not in asked.carriers:
        findings.add("problem.carriers", "electricity is missing: say within which prices it is")
    nodes = by_node(units)
    for carrier, priced in asked.carriers.items():
        path = f"problem.carriers.{carrier}"
        for problem in (*_of_prices(priced), *_of_supply(carrier, priced, nodes)):
            findings.add(path, problem)
        if priced.cap_eur_per_kwh is not None:
            for where, tariff, sells in _tariffs(carrier, nodes, signals):
                for remark in _of_tariff(priced, tariff, sells=sells):
                    findings.note(path, f"{remark} of {where}; who has it may be worse off")
    if scenario.coordination == "bilevel":
        _check_linear(units, findings)
        _check_free(scenario, findings)


def _check_connections(scenario: Scenario, findings: Findings) -> None:
    """Losses of connections are metered where there is no grid, and priced by a player only."""
    fits = isinstance(scenario.problem, PricingAsked) and scenario.grid_settings is None
    for name, settings in scenario.neighbourhoods.items():
        if settings.connection_efficiency < 1.0 and not fits:
            findings.add(
                f"neighbourhoods.{name}.connection_efficiency",
                "is for problem: pricing with grid: none; leave it out",
            )


def _of_prices(priced: PricedSettings) -> Iterator[str]:
    cap, floor = priced.cap_eur_per_kwh, priced.floor_eur_per_kwh
    if cap is None:
        yield (
            "has no cap_eur_per_kwh: who must be served would pay any price, and the player's"
            " profit would have no limit; state one, e.g. the tariff that neighbourhoods would have"
        )
    elif cap < floor:
        yield f"its cap, {cap:g} EUR/kWh, is below its floor, {floor:g} EUR/kWh"
    limits = (priced.most_bought_kw, priced.most_sold_kw)
    if priced.wholesale_eur_per_kwh is None and limits != (None, None):
        yield "has contract limits, but no market: add wholesale_eur_per_kwh, or remove them"


def _of_supply(
    carrier: str, priced: PricedSettings, nodes: Sequence[tuple[Node, Sequence[UnitData]]]
) -> Iterator[str]:
    """Say where nobody trades a carrier, or nobody could supply it."""
    if carrier == ELECTRICITY:
        if priced.wholesale_eur_per_kwh is None:
            yield "has no wholesale_eur_per_kwh: there would be nobody to balance the power"
        return
    at = [(node, members) for node, members in nodes if node.carrier == carrier]
    if not any(node.buy or node.sell for node, _ in at):
        yield f"no node buys or sells {carrier}: add buy or sell to a node of it, or remove it"
        return
    sellers = any(
        node.sell and any(carrier in KINDS[unit.kind].gives for unit in members)
        for node, members in at
    )
    if priced.wholesale_eur_per_kwh is None and not sellers:
        yield (
            f"nobody can supply {carrier}: there is no wholesale_eur_per_kwh, and no node sells"
            " what its units make"
        )


def _tariffs(
    carrier: str,
    nodes: Sequence[tuple[Node, Sequence[UnitData]]],
    signals: Mapping[str, tuple[Array, str]],
) -> Iterator[tuple[str, Array, bool]]:
    """Where there is a tariff of a carrier, its prices, and whether they are of what is sold."""
    if carrier == ELECTRICITY:
        for name, sells in (("import_eur_per_kwh", False), ("export_eur_per_kwh", True)):
            if name in signals:
                yield f"signals.{name}", signals[name][0], sells
    for node, _ in nodes:
        ways: tuple[tuple[str, Tariff | None, bool], ...]
        ways = (("buy", node.buy, False), ("sell", node.sell, True))
        for way, tariff, sells in ways if node.carrier == carrier else ():
            if tariff is not None:
                yield f"{node.name}.{way}", tariff.price_eur_per_kwh, sells


def _of_tariff(priced: PricedSettings, tariff: Array, *, sells: bool) -> Iterator[str]:
    """Say where a tariff is better than the player's worst price."""
    cap, floor = priced.cap_eur_per_kwh, priced.floor_eur_per_kwh
    if not sells and cap is not None and cap > np.min(tariff) + _TOLERANCE:
        yield f"its cap, {cap:g} EUR/kWh, is above the tariff {np.min(tariff):g}"
    if sells and floor < np.max(tariff) - _TOLERANCE:
        yield f"its floor, {floor:g} EUR/kWh, is below the tariff {np.max(tariff):g}"


def _check_free(scenario: Scenario, findings: Findings) -> None:
    """Nothing is curtailed at prices that are not negative, unless a connection is limited."""
    for name, settings in scenario.neighbourhoods.items():
        for key in ("p_max_kw", "p_min_kw"):
            if getattr(settings, key) is not None:
                findings.add(
                    f"neighbourhoods.{name}.{key}",
                    "is a limit that bilevel does not know where a player sets prices; leave it"
                    " out, or take central",
                )
    if scenario.objectives.peak_eur_per_kw:
        findings.add(
            "objectives.peak_eur_per_kw",
            "ties the steps of a neighbourhood together, which bilevel does not know where a player"
            " sets prices; leave it out, or take central",
        )


def _check_linear(units: Sequence[UnitData], findings: Findings) -> None:
    """Prices are found by optimality conditions, which a unit that switches has not."""
    for unit in units:
        kind = KINDS[unit.kind]
        series = {name: values[0] for name, values in unit.series.items() if len(values)}
        limits = kind.bounds(unit.parameters, series)
        if any(c.binary and limits[c.name][1] > limits[c.name][0] for c in kind.controls):
            findings.add(
                "coordination",
                f"bilevel needs the neighbourhoods' optimality conditions, but {unit.name} switches"
                " on and off; leave out what it switches for (least power, starts, minimum times),"
                " or take central",
            )
