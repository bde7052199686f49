"""Neighbourhoods at the prices of a player, and what they draw from it (M10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.problem import NeighbourhoodProblem, Problem
from quartier.quantities import ELECTRICITY, Array
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.base import UnitData
from quartier.units.node import Node

Prices = Mapping[tuple[str, str], Array]
"""In EUR/kWh by carrier and neighbourhood, shape ``(T,)`` each."""


def at_prices(one: NeighbourhoodProblem, prices: Prices) -> NeighbourhoodProblem:
    """A neighbourhood that buys and sells at prices; other carriers keep their tariffs."""
    own = {carrier: price for (carrier, name), price in prices.items() if name == one.name}
    if ELECTRICITY in own:
        one = one.metered(own[ELECTRICITY], own[ELECTRICITY])
    known = {node.name: _priced(node, own) for node, _ in by_node(one.units)}
    return replace(one, units=tuple(_moved(unit, known) for unit in one.units))


def _priced(node: Node, own: Mapping[str, Array]) -> Node:
    if node.carrier not in own:
        return node
    buy, sell = (
        t and replace(t, price_eur_per_kwh=own[node.carrier]) for t in (node.buy, node.sell)
    )
    return replace(node, buy=buy, sell=sell)


def _moved(unit: UnitData, nodes: Mapping[str, Node]) -> UnitData:
    """A unit at other nodes of the same names."""
    return replace(unit, nodes={c: nodes[node.name] for c, node in unit.nodes.items()})


def alike(problem: Problem, prices: Mapping[str, Array]) -> dict[tuple[str, str], Array]:
    """The same prices for all neighbourhoods, given by carrier."""
    names = [one.name for one in problem.neighbourhoods]
    return {(carrier, name): price for carrier, price in prices.items() for name in names}


def settled(problem: Problem, prices: Prices) -> dict[tuple[str, str], Array]:
    """Prices of what neighbourhoods do trade; of a carrier that no node trades, there is none."""
    traded = {
        (node.carrier, one.name)
        for one in problem.neighbourhoods
        for node, _ in by_node(one.units)
        if node.buy or node.sell
    }
    return {key: v for key, v in prices.items() if key[0] == ELECTRICITY or key in traded}


def sales_at(model: NeighbourhoodModel, values: Array) -> dict[str, Array]:
    """What nodes that sell do sell at a point of a neighbourhood's program, by node."""
    found = {}
    for node, _ in by_node(model.problem.units):
        if node.sell is not None:
            bought, sold = (
                values[model.traded_at(node, way)] if way == "sold_kw" or node.buy else 0.0
                for way in ("bought_kw", "sold_kw")
            )
            found[node.name] = np.maximum(sold - bought, 0.0)
    return found


def drawn_kw(
    one: NeighbourhoodProblem,
    solution: Solution,
    carriers: Mapping[str, object],
    sales: Mapping[str, Array],
) -> dict[str, Array]:
    """What it draws of each carrier in a solution as metered outside, shape ``(T,)`` each.

    Parameters
    ----------
    sales
        Most that a node sells by the plan, by name.
    """
    found = {carrier: np.zeros(one.horizon.steps) for carrier in carriers}
    if ELECTRICITY in found:
        found[ELECTRICITY] -= one.metered_kw(solution.p_kw)
    controls = {u: x for s in solution.schedules.values() for u, x in s.controls.items()}
    for node, members in by_node(one.units):
        if node.carrier not in found:
            continue
        net_kw = np.zeros(one.horizon.steps) if node.demand_kw is None else -node.demand_kw
        for unit in members:
            flow = KINDS[unit.kind].flow(
                unit.parameters, controls.get(unit.name, {}), unit.series, one.horizon.dt_h
            )
            net_kw = net_kw + flow.of(node.carrier)
        left = node.balance(net_kw, sales.get(node.name, np.inf))
        found[node.carrier] += left.bought_kw - left.sold_kw
    return found
