"""Nodes of a scenario: which units are at which, who plans for them, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quartier.quantities import Array, Horizon
from quartier.scenario.findings import Findings
from quartier.scenario.models import NeighbourhoodSettings, NodeSettings, Scenario
from quartier.scenario.problems import suggestion
from quartier.scenario.series import SeriesReader
from quartier.units import KINDS
from quartier.units.balance import by_node, flow_range
from quartier.units.base import (
    ELECTRICITY,
    HEAT,
    Carrier,
    SeriesRequest,
    UnitData,
    UnitKind,
    UnitParameters,
    is_measured,
)
from quartier.units.node import REJECTED_WEIGHT, Node, Tariff

_TOLERANCE = 1e-9
"""Prices closer than this count as equal, in EUR/kWh."""


# -- which units are at which node -----------------------------------------------------------------
def nodes_of(neighbourhood: NeighbourhoodSettings, unit: UnitParameters) -> dict[Carrier, str]:
    """Name of a unit's node by carrier; a carrier that it pays itself has none.

    A unit that states its own price of a carrier has a contract of its own: it keeps that price,
    and draws nothing from a node.
    """
    kind, found = KINDS[unit.kind], {}
    for carrier in kind.served(unit):
        known = [name for name, node in neighbourhood.nodes.items() if node.carrier == carrier]
        named = unit.nodes.get(carrier, getattr(unit, "hub", None) if carrier == HEAT else None)
        if named is not None:
            found[carrier] = named
        elif known and not _pays_itself(kind, unit, carrier):
            found[carrier] = known[0]
        elif carrier not in kind.priced:
            found[carrier] = carrier
    return found


def _pays_itself(kind: UnitKind, unit: UnitParameters, carrier: Carrier) -> bool:
    return carrier in kind.priced and getattr(unit, kind.priced[carrier][0]) is not None


def supplied(neighbourhood: NeighbourhoodSettings, unit: UnitParameters) -> UnitParameters:
    """Return a unit without the prices and emissions that its nodes have instead."""
    kind = KINDS[unit.kind]
    paid = [kind.priced[c] for c in nodes_of(neighbourhood, unit) if c in kind.priced]
    return unit.model_copy(update={name: 0.0 for names in paid for name in names})


def problems(neighbourhood: NeighbourhoodSettings, unit: UnitParameters) -> Iterator[str]:
    """What is wrong with the nodes that a unit names, or does not name."""
    kind = KINDS[unit.kind]
    for carrier in unit.nodes:
        if carrier not in kind.served(unit):
            known = ", ".join(kind.served(unit)) or "electricity only"
            yield f"nodes.{carrier}: the unit has to do with {known}"
    for carrier in kind.served(unit):
        declared = [name for name, node in neighbourhood.nodes.items() if node.carrier == carrier]
        named, pays = unit.nodes.get(carrier), _pays_itself(kind, unit, carrier)
        used = nodes_of(neighbourhood, unit).get(carrier)
        if named is not None and named not in declared:
            near = suggestion(named, declared)
            yield f"nodes.{carrier}: there is no node {named!r} of {carrier}{near}"
        elif used in neighbourhood.nodes and neighbourhood.nodes[used].carrier != carrier:
            other = neighbourhood.nodes[used].carrier
            yield f"the node {used!r} is one of {other}, not of {carrier}"
        if carrier in kind.priced:
            yield from _paid_twice(kind.priced[carrier], unit, carrier, used, pays=pays)
        elif named is None and used in declared and len(declared) > 1 and carrier != HEAT:
            yield f"there are several nodes of {carrier}; say which: nodes: {{{carrier}: {used}}}"


def _paid_twice(
    names: tuple[str, str], unit: UnitParameters, carrier: Carrier, used: str | None, *, pays: bool
) -> Iterator[str]:
    """Say where nobody states a price, or two do."""
    price, co2 = names
    if used is None and not pays:
        yield f"{price} is missing: state it, or declare a node of {carrier} that buys"
    elif used is not None and pays:
        yield f"{price} is stated, and so is the node {used!r} that it draws from; remove one"
    elif used is not None and co2 in unit.model_fields_set:
        yield f"{co2} is that of the node {used!r} it draws from; remove it, or state {price}, too"


# -- who plans for them ----------------------------------------------------------------------------
def agents_of(scenario: Scenario) -> dict[tuple[str, str], list[str]]:
    """Agents of the units of every description; units that share a node share an agent."""
    found = {}
    for neighbourhood, settings in scenario.neighbourhoods.items():
        hubs = _joined(settings)
        for name, unit in settings.units.items():
            if name in hubs:
                found[neighbourhood, name] = [f"{neighbourhood}.{hubs[name]}"] * unit.count
            else:
                found[neighbourhood, name] = _single(neighbourhood, name, unit)
    return found


def unit_names(neighbourhood: str, name: str, parameters: UnitParameters) -> list[str]:
    """Names of the units of a description: ``quarter.name``, or ``quarter.name-1``, ..."""
    if parameters.count == 1:
        return [f"{neighbourhood}.{name}"]
    return [f"{neighbourhood}.{name}-{k}" for k in range(1, parameters.count + 1)]


def _single(neighbourhood: str, name: str, unit: UnitParameters) -> list[str]:
    if unit.agents == "single":
        return unit_names(neighbourhood, name, unit)
    if unit.agents in {"aggregated", 1}:
        return [f"{neighbourhood}.{name}"] * unit.count
    groups = min(int(unit.agents), unit.count)
    return [
        f"{neighbourhood}.{name}-agent-{k * groups // unit.count + 1}" for k in range(unit.count)
    ]


def _joined(neighbourhood: NeighbourhoodSettings) -> dict[str, str]:
    """Name of an agent by unit, for units that a node ties to others: that of the first node."""
    at = {name: _ties(neighbourhood, unit) for name, unit in neighbourhood.units.items()}
    agent = {node: node for nodes in at.values() for node in nodes}
    order = list(agent)
    for nodes in at.values():
        for node in nodes[1:]:
            kept, other = sorted((agent[nodes[0]], agent[node]), key=order.index)
            agent = {name: kept if own == other else own for name, own in agent.items()}
    return {name: agent[nodes[0]] for name, nodes in at.items() if nodes}


def _ties(neighbourhood: NeighbourhoodSettings, unit: UnitParameters) -> list[str]:
    """Nodes that tie a unit to others: not those that only hand out what anybody takes."""
    found = nodes_of(neighbourhood, unit)
    return [name for carrier, name in found.items() if not _hands_out(neighbourhood, name, carrier)]


def _hands_out(neighbourhood: NeighbourhoodSettings, name: str, carrier: Carrier) -> bool:
    node = neighbourhood.nodes.get(name)
    if node is None or node.buy is None or node.buy.max_kw is not None or node.demand is not None:
        return False
    kinds = [
        KINDS[u.kind]
        for u in neighbourhood.units.values()
        if nodes_of(neighbourhood, u).get(carrier) == name
    ]
    return not any(carrier in kind.gives or kind.holds == carrier for kind in kinds)


# -- their data ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class NodeReader:
    """Reads the nodes of a scenario: those declared, and those that units bring along."""

    scenario: Scenario
    horizon: Horizon
    reader: SeriesReader
    findings: Findings
    _known: dict[str, Node] = field(default_factory=dict)

    def of_unit(self, neighbourhood: str, unit: UnitParameters) -> dict[Carrier, Node]:
        """Nodes of a unit by carrier."""
        named = nodes_of(self.scenario.neighbourhoods[neighbourhood], unit)
        return {
            carrier: self._node(neighbourhood, name, carrier) for carrier, name in named.items()
        }

    def _node(self, neighbourhood: str, name: str, carrier: Carrier) -> Node:
        full = f"{neighbourhood}.{name}"
        settings = self.scenario.neighbourhoods[neighbourhood].nodes.get(name)
        if full not in self._known:
            known = (
                Node(full, carrier)
                if settings is None
                else self._read(neighbourhood, name, settings)
            )
            self._known[full] = known
        return self._known[full]

    def _read(self, neighbourhood: str, name: str, settings: NodeSettings) -> Node:
        path = f"neighbourhoods.{neighbourhood}.nodes.{name}"
        penalty = self.scenario.objectives.penalty_eur_per_kwh
        unserved, rejected = settings.unserved_eur_per_kwh, settings.rejected_eur_per_kwh
        buy, sell = (self._tariff(f"{path}.{way}", settings, way) for way in ("buy", "sell"))
        node = Node(
            name=f"{neighbourhood}.{name}",
            carrier=settings.carrier,
            demand_kw=self._demand(f"{path}.demand", settings),
            buy=buy,
            sell=sell,
            efficiency=settings.efficiency,
            unserved=1.0 if unserved is None else unserved / penalty,
            rejected=REJECTED_WEIGHT if rejected is None else rejected / penalty,
        )
        for problem in _dear(node, penalty, self.scenario.objectives.co2_eur_per_kg):
            self.findings.add(path, problem)
        return node

    def _demand(self, path: str, settings: NodeSettings) -> Array | None:
        demand = settings.demand
        if demand is None or isinstance(demand, float):
            return None if demand is None else np.full(self.horizon.steps, demand)
        if not is_measured(demand):
            self.findings.add(path, f"is in {demand.unit!r}; give a power or an energy, e.g. kW")
            return None
        with self.findings.at(path):
            return self.reader.series("demand_kw", SeriesRequest(demand, "kW"), self.horizon)
        return None

    def _tariff(self, path: str, settings: NodeSettings, way: str) -> Tariff | None:
        asked = settings.buy if way == "buy" else settings.sell
        if asked is None:
            return None
        with self.findings.at(path):
            price = self.reader.price(asked.price_eur_per_kwh, self.horizon)
            most = np.inf if asked.max_kw is None else asked.max_kw
            return Tariff(price, most, getattr(asked, "co2_kg_per_kwh", 0.0))
        return None


def _dear(node: Node, penalty: float, co2_eur_per_kg: float) -> Iterator[str]:
    """Where something else would be cheaper than to buy what is lacking and sell what is left.

    What is bought costs its emissions, too.
    """
    buy = nothing = np.zeros(1)
    if node.buy is not None:
        buy = node.buy.price_eur_per_kwh + co2_eur_per_kg * node.buy.co2_kg_per_kwh
        buy = buy / node.efficiency
    sell = nothing if node.sell is None else node.sell.price_eur_per_kwh * node.efficiency
    unserved, rejected = node.unserved * penalty, node.rejected * penalty
    if node.buy and node.sell and np.any(sell > buy + _TOLERANCE):
        yield "sells dearer than it buys in some steps; energy must not be bought cheaper than sold"
    for what, price in (("buys", buy), ("sells", sell)):
        if price.max() > unserved + _TOLERANCE:
            yield f"{what} at {price.max():g} EUR/kWh, above what is not served: {unserved:g}"
        if price.min() < -rejected - _TOLERANCE:
            yield (
                f"{what} at {price.min():g} EUR/kWh, below what it costs to reject: {-rejected:g}; "
                "set rejected_eur_per_kwh"
            )


# -- what must hold --------------------------------------------------------------------------------
def check_trade(units: Sequence[UnitData], findings: Findings) -> None:
    """Note nodes whose tariffs the units at them would not keep to."""
    for node, members in by_node(units):
        neighbourhood, _, name = node.name.partition(".")
        for problem in _not_carried_out(node, members):
            findings.add(f"neighbourhoods.{neighbourhood}.nodes.{name}", problem)


def check_nodes(scenario: Scenario, findings: Findings) -> None:
    """Note nodes that nothing is given to, or that nobody takes from."""
    outside = getattr(scenario.problem, "serves", {})
    for neighbourhood, settings in scenario.neighbourhoods.items():
        at: dict[tuple[str, Carrier], list[UnitKind]] = {}
        for unit in settings.units.values():
            for carrier, name in nodes_of(settings, unit).items():
                at.setdefault((name, carrier), []).append(KINDS[unit.kind])
        for name, node in settings.nodes.items():
            path = f"neighbourhoods.{neighbourhood}.nodes.{name}"
            if node.carrier == ELECTRICITY:
                findings.add(path, "electricity is balanced at the connection point; see signals")
            elif (name, node.carrier) not in at:
                findings.add(path, f"no unit has to do with this node of {node.carrier}; remove it")
        for (name, carrier), kinds in at.items():
            known, taken = settings.nodes.get(name), carrier in outside
            for problem in _lopsided(known, name, carrier, kinds, taken=taken):
                findings.add(f"neighbourhoods.{neighbourhood}.units", problem)


def _not_carried_out(node: Node, members: Sequence[UnitData]) -> Iterator[str]:
    """Say what units would not do as it is planned, since their own limits know nothing of it."""
    kinds = {KINDS[unit.kind] for unit in members}
    trades = (node.buy or node.sell) and not node.makes_up
    if trades and any(k.balances and node.carrier in k.gives for k in kinds):
        yield (
            f"it buys only so much beside units that make whatever {node.carrier} is lacking "
            "(boilers), which would keep to no plan; let it buy without max_kw, or remove buy and "
            "sell, or these units"
        )
    burners = [u for u in members if node.carrier in KINDS[u.kind].priced]
    if node.buy is not None and burners and np.isfinite(node.buy.max_kw):
        most_kw = -np.sum([flow_range(u, node.carrier)[0] for u in burners], axis=0).min()
        if most_kw > node.buy.max_kw:
            yield (
                f"buy.max_kw is {node.buy.max_kw:g}, but its units can draw {most_kw:.4g} kW and "
                "keep no limit of what they burn; leave max_kw out, or make them smaller"
            )


def _lopsided(
    node: NodeSettings | None,
    name: str,
    carrier: Carrier,
    kinds: Sequence[UnitKind],
    *,
    taken: bool,
) -> Iterator[str]:
    """Say where a node has nobody who takes, or nobody who gives; user groups may take, too."""
    what = f"the heat hub {name!r}" if carrier == HEAT else f"the node {name!r}"
    takes = taken or any(carrier in kind.takes for kind in kinds)
    if not takes and not (node and (node.demand is not None or node.sell)):
        takers = _like("takes", carrier)
        yield f"{what} has nothing that takes {carrier}; add {takers}, or a demand of the node"
    if not any(carrier in kind.gives for kind in kinds) and not (node and node.buy):
        makers = _like("gives", carrier)
        yield f"{what} has nothing that makes {carrier}; add {makers}, or let the node buy it"


def _like(trait: str, carrier: Carrier) -> str:
    """Kinds that Quartier ships which give or take a carrier."""
    known: Mapping[str, UnitKind] = KINDS
    names = [name for name, kind in known.items() if carrier in getattr(kind, trait)]
    return f"a unit ({', '.join(names)})" if names else "a unit"
