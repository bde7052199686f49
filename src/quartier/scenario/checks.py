"""What must hold between the parts of a scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np

from quartier.quantities import Array
from quartier.scenario.asked import MOST_PLAYERS
from quartier.scenario.bundles_checks import check_bundles
from quartier.scenario.findings import Findings
from quartier.scenario.idle import note_idle
from quartier.scenario.models import FLEXIBILITY, MarketSettings, Scenario
from quartier.scenario.nodes import check_nodes, check_trade
from quartier.scenario.pricing_checks import check_pricing
from quartier.scenario.problems import suggestion
from quartier.scenario.repair import Rest
from quartier.scenario.zones import check_zones
from quartier.units import KINDS
from quartier.units.balance import by_node, flow_range
from quartier.units.base import UnitData
from quartier.units.kinds import is_own

PRICE_TOLERANCE = 1e-9
"""Difference of prices in EUR/kWh that counts as none."""
LEAST_KW = 1e-3
"""Missing power that counts."""
UNPLANNED = "uncontrolled"
"""The mechanism that plans for nobody, so that nothing is left unplanned."""


def check(
    scenario: Scenario,
    units: tuple[UnitData, ...],
    signals: Mapping[str, tuple[Array, str]],
    findings: Findings,
    rest: Rest,
) -> None:
    """Note what does not fit together.

    Parameters
    ----------
    rest
        Which wrong parts are missing: then nothing that is missing is a problem.
    """
    if not rest.lacks("problem"):
        _check_grid(scenario, findings)
        _check_problem(scenario, units, findings)
        note_idle(scenario, findings)
    check_zones(scenario, findings, rest)
    _check_prices(scenario, signals, findings)
    _check_weights(scenario, signals, findings)
    _check_stores(scenario, findings)
    _check_flexibility(scenario, signals, findings)
    _check_gates(scenario, findings)
    _check_names(scenario, units, findings)
    if not rest.lacks("problem") and not rest.lacks("neighbourhoods"):
        check_pricing(scenario, units, signals, findings)
        check_bundles(scenario, units, signals, findings)
    if not rest.gone:
        check_nodes(scenario, findings)
        check_trade(units, findings)
        _note_what_cannot_be_served(units, findings)


def _check_grid(scenario: Scenario, findings: Findings) -> None:
    if scenario.redispatch.cross_check and find_spec("casadi") is None:
        findings.add(
            "redispatch.cross_check",
            "needs Ipopt, which the extra `ac` brings: pip install 'quartier[ac]', or leave it out",
        )
    if scenario.grid_settings is not None:
        return
    if scenario.problem.needs_grid:
        findings.add(
            "grid",
            f"is none, but the problem {scenario.problem.kind!r} needs one: name a grid, or ask"
            " something else, e.g. problem: sharing or market",
        )
    if getattr(scenario.problem, "redispatch", False):
        findings.add(
            "problem.redispatch", "needs a grid, but grid is none: name one, or leave it out"
        )
    placed = [
        name
        for name, neighbourhood in scenario.neighbourhoods.items()
        if neighbourhood.bus is not None
    ]
    if placed:
        findings.note("grid", f"is none: the buses of {', '.join(placed)} stand for nothing")


def _check_prices(
    scenario: Scenario, signals: Mapping[str, tuple[Array, str]], findings: Findings
) -> None:
    """Buying to sell would pay without limit, and the cost would not be convex."""
    if not {"export_eur_per_kwh", "import_eur_per_kwh"} <= set(signals):
        return
    exported, imported = signals["export_eur_per_kwh"][0], signals["import_eur_per_kwh"][0]
    wrong = np.flatnonzero(imported < exported - PRICE_TOLERANCE)
    if len(wrong):
        at = int(wrong[0])
        time = scenario.horizon.horizon.times[at]
        findings.add(
            "signals.import_eur_per_kwh",
            f"is {imported[at]:g} EUR/kWh at {time:%Y-%m-%d %H:%M} UTC, below the export price "
            f"{exported[at]:g} ({len(wrong)} steps); energy must not be bought cheaper than sold",
        )


def _check_problem(scenario: Scenario, units: Sequence[UnitData], findings: Findings) -> None:
    """What the problem asks for must go with the neighbourhoods that there are."""
    players = len(scenario.neighbourhoods)
    if getattr(scenario.problem, "allocation", "") == "shapley" and players > MOST_PLAYERS:
        findings.add(
            "problem.allocation",
            f"shapley looks at all coalitions of {players} neighbourhoods, which are too many (at"
            f" most {MOST_PLAYERS}); take retrospective, equal or proportional",
        )
    if getattr(scenario.problem, "leader", "") == "all" and scenario.coordination == "bilevel":
        for unit in units:
            if _switches(unit):
                findings.add(
                    "problem.leader",
                    f"all needs the neighbourhoods' optimality conditions, but {unit.name} switches"
                    " on and off; leave out what it switches for (least power, starts, minimum"
                    " times), or take problem.leader: pool",
                )
    if scenario.problem.kind == "sharing" and scenario.coordination == "cohda":
        _check_pool(scenario, findings)
    if scenario.coordination in ("price-response", "auction"):
        _check_market(scenario, units, findings)


def _check_market(scenario: Scenario, units: Sequence[UnitData], findings: Findings) -> None:
    """Price takers answer prices, and no caps; those of ADMM have a linear program each."""
    if getattr(scenario.problem, "redispatch", False):
        findings.add(
            "problem.redispatch",
            "asks for answers to caps, while neighbourhoods of"
            f" {scenario.coordination} answer prices only; leave it out, or take central or"
            " bilevel",
        )
    if scenario.coordination == "auction" and scenario.market.clearing == "day-ahead":
        _check_blocks(scenario.market, findings)
    if scenario.market.method == "admm" and scenario.problem.kind == "redispatch":
        findings.add("market.method", "prices of limits need memory; take market.method: memory")
    elif scenario.market.stabilisation == "level" and scenario.problem.kind == "redispatch":
        findings.add(
            "market.stabilisation",
            "prices of limits are smoothed; take market.stabilisation: smooth",
        )
    elif scenario.coordination == "price-response" and scenario.market.method == "admm":
        for unit in filter(_switches, units):
            findings.add(
                "market.method",
                f"admm needs units that do not switch, but {unit.name} does; leave out what it"
                " switches for (least power, starts, minimum times), or take memory",
            )


def _check_blocks(market: MarketSettings, findings: Findings) -> None:
    """Blocks over all hours are bid at what they cost, and bid again where prices move."""
    instead = "take clearing: hourly, or leave it out"
    if market.bids == "algorithm-1":
        findings.add("market.bids", f"algorithm-1 bids for single hours; {instead}")
    if market.forecast == "learned":
        findings.add(
            "market.forecast",
            f"learned holds the auction of all hours again, which blocks do anyway; {instead}",
        )


def _switches(unit: UnitData) -> bool:
    """Whether a unit has an on/off decision."""
    kind = KINDS[unit.kind]
    series = {name: values[0] for name, values in unit.series.items() if len(values)}
    limits = kind.bounds(unit.parameters, series)
    return any(c.binary and limits[c.name][1] > limits[c.name][0] for c in kind.controls)


def _check_pool(scenario: Scenario, findings: Findings) -> None:
    """Agents that negotiate about the pool's power know no power of a single neighbourhood."""
    known = [
        (f"neighbourhoods.{name}.{key}", getattr(settings, key) is not None)
        for name, settings in scenario.neighbourhoods.items()
        for key in ("p_max_kw", "p_min_kw")
    ]
    known += [
        ("problem.redispatch", getattr(scenario.problem, "redispatch", False)),
        ("objectives.peak_eur_per_kw", scenario.objectives.peak_eur_per_kw > 0),
        ("problem.inside_fee_share", getattr(scenario.problem, "inside_fee_share", 0.0) > 0),
    ]
    for path, is_set in known:
        if is_set:
            findings.add(
                path,
                "concerns single neighbourhoods, while cohda shares by the power of all together;"
                " leave it out, or take central or bilevel",
            )


def _check_weights(
    scenario: Scenario, signals: Mapping[str, tuple[Array, str]], findings: Findings
) -> None:
    """A cap must be worth more than anything gained by breaking it, and curtailing less."""
    if not {"export_eur_per_kwh", "import_eur_per_kwh"} <= set(signals):
        return
    exported, imported = signals["export_eur_per_kwh"][0], signals["import_eur_per_kwh"][0]
    objectives = scenario.objectives
    curtailment = objectives.curtailment_eur_per_kwh
    stored = max((scenario.stores.worth(c) or 0.0 for c in _held(scenario)), default=0.0)
    if stored >= objectives.penalty_eur_per_kwh:
        findings.add(
            "stores.value_eur_per_kwh",
            f"is {stored:g}, not below objectives.penalty_eur_per_kwh "
            f"({objectives.penalty_eur_per_kwh:g}): stores would be filled whatever a cap forbids",
        )
    drawn = float(imported.max()) + objectives.imported_eur_per_kwh
    dearest = max(drawn, float(exported.max()) + curtailment)
    prices = (float(signals[name][0].max()) for name in FLEXIBILITY if name in signals)
    flexibility = objectives.flexibility_eur_per_kwh + max(prices, default=0.0)
    if objectives.penalty_eur_per_kwh <= dearest + flexibility:
        with_it = f", and {flexibility:g} for flexibility" if flexibility else ""
        findings.add(
            "objectives.penalty_eur_per_kwh",
            f"{objectives.penalty_eur_per_kwh:g} is not above the dearest energy, {dearest:g} "
            f"EUR/kWh (import, or export and curtailment together{with_it}): caps and heat would "
            "be sold",
        )
    if -imported.min() > curtailment:
        findings.add(
            "objectives.curtailment_eur_per_kwh",
            f"{curtailment:g} is below what consumption earns when the import price is "
            f"{imported.min():g} EUR/kWh; set it to {-imported.min():g} or more",
        )


def _held(scenario: Scenario) -> set[str]:
    """Carriers that stores hold."""
    held = {KINDS[unit.kind].holds for unit in scenario.unit_items().values()}
    return {carrier for carrier in held if carrier is not None}


def _check_stores(scenario: Scenario, findings: Findings) -> None:
    value = scenario.stores.value_eur_per_kwh
    held = _held(scenario)
    for carrier in value if isinstance(value, dict) else ():
        if carrier not in held:
            findings.add(
                f"stores.value_eur_per_kwh.{carrier}",
                f"no unit stores it{suggestion(carrier, sorted(held))}",
            )


def _check_flexibility(
    scenario: Scenario, signals: Mapping[str, tuple[Array, str]], findings: Findings
) -> None:
    """Nobody pays for what it could do; and only who redispatches asks for it."""
    for name in FLEXIBILITY:
        if name in signals and (least := float(signals[name][0].min())) < 0:
            findings.add(f"signals.{name}", f"is down to {least:g} EUR/kWh; it must not be below 0")
    weights = {
        f"objectives.{name}": getattr(scenario.objectives, name)
        for name in ("imported_eur_per_kwh", "flexibility_eur_per_kwh")
    }
    given = [f"signals.{name}" for name in FLEXIBILITY if getattr(scenario.signals, name)]
    for path in [*(path for path, weight in weights.items() if weight), *given]:
        if scenario.problem.kind != "redispatch":
            findings.add(path, "is an objective of `problem: redispatch` only; leave it out")


def _check_gates(scenario: Scenario, findings: Findings) -> None:
    if scenario.gates.first >= scenario.horizon.steps:
        findings.add(
            "gates.first",
            f"is step {scenario.gates.first}, but the horizon has only {scenario.horizon.steps}",
        )
    if scenario.gates.horizon_steps is not None and scenario.coordination != UNPLANNED:
        _note_unplanned(scenario, scenario.gates.horizon_steps, findings)


def _note_unplanned(scenario: Scenario, ahead: int, findings: Findings) -> None:
    """Say which steps no plan reaches."""
    gates, steps = scenario.gates, scenario.horizon.steps
    missing = np.arange(steps) >= gates.first
    for gate in range(gates.first, steps, gates.every or steps):
        missing[gate : gate + ahead] = False
    if missing.any():
        findings.note(
            "gates.horizon_steps",
            f"is {ahead}: {missing.sum()} of {steps} steps have no plan, the first is step "
            f"{missing.argmax()}; units follow their own rules there",
        )


def _check_names(scenario: Scenario, units: tuple[UnitData, ...], findings: Findings) -> None:
    """Check that counted units, and agents of nodes and of others, do not share a name."""
    for name, count in Counter(unit.name for unit in units).items():
        if count > 1:
            findings.add(_path(name), "a unit with a count makes a unit of the same name; rename")
    node_agents = {unit.agent for unit in units if unit.nodes}
    for unit in units:
        if not unit.nodes and unit.agent in node_agents:
            findings.add(
                _path(unit.name), f"has the name of the node {unit.agent!r}; rename one of them"
            )


def _note_what_cannot_be_served(units: Sequence[UnitData], findings: Findings) -> None:
    """Note demands above all that a node's units could give at once: that much stays unserved."""
    for node, members in by_node(units):
        most_kw = np.sum([flow_range(unit, node.carrier)[1] for unit in members], axis=0)
        most_kw = most_kw + (node.buy.max_kw * node.efficiency if node.buy else 0.0)
        short_kw = (0.0 if node.demand_kw is None else node.demand_kw) - most_kw
        steps, horizon = np.flatnonzero(short_kw > LEAST_KW), members[0].horizon
        if steps.size:
            worst = int(np.argmax(short_kw))
            findings.note(
                f"neighbourhoods.{node.name}",
                f"more {node.carrier} is demanded than all units can give at once in {steps.size}"
                f" of {horizon.steps} steps, first at {horizon.times[steps[0]]:%Y-%m-%d %H:%M} UTC;"
                f" {short_kw[worst]:.4g} kW are missing at {horizon.times[worst]:%Y-%m-%d %H:%M}"
                " UTC: at least that stays unserved",
            )


def _path(unit_name: str) -> str:
    neighbourhood, _, name = unit_name.partition(".")
    return f"neighbourhoods.{neighbourhood}.units.{name}"


def check_forecast_error(
    scenario: Scenario, units: Sequence[UnitData], findings: Findings, *, complete: bool
) -> None:
    """Note kinds of which no unit follows a series that could be forecast.

    Parameters
    ----------
    complete
        False if units may be missing: then only names that are no kind's are a problem.
    """
    known = dict.fromkeys(unit.kind for unit in units if forecast_series(unit))
    for kind in scenario.forecast_error.std:
        if kind in known or (not complete and (kind in KINDS or is_own(kind))):
            continue
        why = f"no unit of this kind could be forecast{suggestion(kind, known)}"
        findings.add(f"forecast_error.std.{kind}", why)
    erring = scenario.forecast_error
    for key in ("hourly_correlations", "common"):
        for kind in getattr(erring, key):
            if kind not in erring.std:
                why = f"this kind does not err{suggestion(kind, erring.std)}; add it to std"
                findings.add(f"forecast_error.{key}.{kind}", why)
    if erring.arrival_h and complete and not any(KINDS[unit.kind].sessions for unit in units):
        findings.add("forecast_error.arrival_h", "there is no charging station; remove it")


def forecast_series(unit: UnitData) -> str | None:
    """Name of the series of a unit that a forecast replaces, None if it has none."""
    names = ("available_kw", "load_kw", "demand_kw")
    return next((name for name in names if name in unit.series), None)


def no_forecast(name: str, known: Mapping[str, UnitData]) -> str:
    """Say why there can be no forecast of a name."""
    if name in known:
        return f"a {known[name].kind} follows no series that could be forecast"
    return f"there is no unit of this name{suggestion(name, known)}"
