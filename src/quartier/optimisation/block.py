"""Pyomo blocks of units, read from the units' own declarations (M1).

Nothing of a unit's physics is written here: bounds, flows, energy balance and further rows come
from its :class:`~quartier.units.base.UnitKind`, called with Pyomo variables instead of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quartier.errors import SolveFailed
from quartier.optimisation import pyo
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import by_node, flow_range
from quartier.units.base import Flow, Quantity, UnitData, Values
from quartier.units.node import Node

SLACK = 1e-6
"""A row without variables may be violated by this much: rounding in a given state."""


@dataclass(frozen=True)
class UnitTerms:
    """What a unit contributes to the rest of a model.

    ``controls`` holds, by name, a variable for each step in which the unit can choose, and the
    only possible number for the others; ``flows`` holds a step's flow each, ``block`` its own
    variables and rows.
    """

    unit: UnitData
    controls: Mapping[str, Sequence[Quantity]]
    flows: Sequence[Flow]
    block: Any
    end_eur: Quantity = 0.0
    """What its store gained is worth."""

    @property
    def acts(self) -> list[bool]:
        """Whether its power can be chosen, by step."""
        return [not _is_number(flow.p_kw) for flow in self.flows]


def add_unit(block: Any, unit: UnitData, relax_binaries: bool = False) -> UnitTerms:
    """Add a unit's variables and constraints to a Pyomo block.

    Names: a variable ``<control>[t]``, ``energy_kwh[t]`` at the end of step ``t - 1``, a
    constraint ``energy[t]`` that makes it so, and ``limit_<row>[t]`` for each further row.

    Parameters
    ----------
    relax_binaries
        Let binary controls be anything from 0 to 1.
    """
    kind, steps, dt_h = KINDS[unit.kind], range(unit.horizon.steps), unit.horizon.dt_h
    series = [series_at(unit, t) for t in steps]
    controls = _add_controls(block, unit, series, relax_binaries)
    chosen = [{name: values[t] for name, values in controls.items()} for t in steps]
    flows = [kind.flow(unit.parameters, chosen[t], series[t], dt_h) for t in steps]
    end_eur: Quantity = 0.0
    if kind.stores:
        end_eur = unit.end_eur(_add_energy(block, unit, chosen, series))
    _add_rows(block, unit, controls)
    return UnitTerms(unit, controls, flows, block, end_eur)


def series_at(unit: UnitData, t: int) -> Values:
    """Series at a step, as plain numbers."""
    return {
        name: float(values[t])
        for name, values in unit.series.items()
        if len(values) == unit.horizon.steps
    }


def _add_controls(
    block: Any, unit: UnitData, series: Sequence[Values], relax_binaries: bool
) -> dict[str, list[Quantity]]:
    kind = KINDS[unit.kind]
    limits = [kind.bounds(unit.parameters, s) for s in series]
    found: dict[str, list[Quantity]] = {}
    for control in kind.controls:
        pairs = [(float(limit[control.name][0]), float(limit[control.name][1])) for limit in limits]
        free = [t for t, (low, high) in enumerate(pairs) if high > low]
        binary = control.binary and not relax_binaries
        variable = pyo.Var(
            free,
            domain=pyo.Binary if binary else pyo.Reals,
            bounds=lambda _, t, pairs=pairs: pairs[t],
        )
        block.add_component(control.name, variable)
        found[control.name] = [
            variable[t] if high > low else low for t, (low, high) in enumerate(pairs)
        ]
    return found


def _add_energy(
    block: Any, unit: UnitData, chosen: Sequence[Values], series: Sequence[Values]
) -> Quantity:
    """Add the energy balance; steps without a choice need no variable. Return the last energy."""
    kind, u, dt_h = KINDS[unit.kind], unit.parameters, unit.horizon.dt_h
    least, most = unit.series["energy_min_kwh"], unit.series["energy_max_kwh"]
    ends = range(1, unit.horizon.steps + 1)
    block.energy_kwh = pyo.Var(
        [t for t in ends if _chooses(chosen[t - 1]) or least[t] > least[t - 1]],
        bounds=lambda _, t: (float(least[t]), float(most[t])),
    )
    block.energy = pyo.Constraint(list(block.energy_kwh))
    energy: Quantity = unit.state["energy_kwh"]
    for t in ends:
        following = kind.next_energy(u, energy, chosen[t - 1], series[t - 1], dt_h)
        if t in block.energy_kwh:
            energy = block.energy_kwh[t]
            block.energy[t] = energy - following == 0
        else:
            energy = following
    return energy


def _chooses(x: Values) -> bool:
    return any(not _is_number(value) for value in x.values())


def _add_rows(block: Any, unit: UnitData, controls: Mapping[str, Sequence[Quantity]]) -> None:
    kind, steps = KINDS[unit.kind], unit.horizon.steps
    for t in range(steps):
        for name, expression in kind.rows(unit.parameters, controls, t, unit):
            if _is_number(expression):
                check_row(unit, f"{name}[{t}]", float(expression))
                continue
            if block.component(f"limit_{name}") is None:
                block.add_component(f"limit_{name}", pyo.Constraint(range(steps)))
            block.component(f"limit_{name}")[t] = expression <= 0


def check_row(unit: UnitData, row: str, value: float) -> None:
    """Refuse a row without variables that does not hold.

    Raises
    ------
    SolveFailed
        It names unit, row and state.
    """
    if value > SLACK:
        hint = (
            f"Row {row} of {unit.name} cannot hold whatever is chosen; its state is {unit.state}."
        )
        raise SolveFailed(unit.name, "infeasible", hint)


def _is_number(value: Quantity) -> bool:
    return not hasattr(value, "is_expression_type")


@dataclass(frozen=True)
class NodeTerms:
    """What the nodes of a model come to over all steps."""

    penalised_kwh: Quantity = 0.0
    """Energy that the penalty is paid for: shares of what is not served and of what is rejected."""
    paid_eur: Quantity = 0.0
    """What is bought, less what is sold."""
    co2_kg: Quantity = 0.0
    """Emissions of what is bought."""


def add_nodes(block: Any, terms: Sequence[UnitTerms]) -> NodeTerms:
    """Add ``Σ flows + η bought - sold / η - rejected + unserved = demand`` of every node.

    Each has a block ``node_<name>`` with the variables ``rejected_kw[t]``, ``unserved_kw[t]``, and
    where it has such tariffs, ``bought_kw[t]`` and ``sold_kw[t]``.
    """
    by_name = {t.unit.name: t for t in terms}
    found = NodeTerms()
    for node, members in by_node([t.unit for t in terms]):
        part = pyo.Block()
        block.add_component(f"node_{node.name}", part)
        horizon = members[0].horizon
        part.rejected_kw = pyo.Var(range(horizon.steps), bounds=(0.0, None))
        part.unserved_kw = pyo.Var(range(horizon.steps), bounds=(0.0, None))
        _add_trade(part, node, members)
        part.balance = pyo.Constraint(range(horizon.steps))
        for t in range(horizon.steps):
            net_kw = sum(by_name[unit.name].flows[t].of(node.carrier) for unit in members)
            bought_kw = part.bought_kw[t] if node.buy else 0.0
            sold_kw = part.sold_kw[t] if node.sell else 0.0
            if node.buy or node.sell:
                net_kw = net_kw + node.efficiency * bought_kw - sold_kw / node.efficiency
            if node.demand_kw is not None:
                net_kw = net_kw - float(node.demand_kw[t])
            part.balance[t] = net_kw - part.rejected_kw[t] + part.unserved_kw[t] == 0
            lost_kw = node.penalised(part.unserved_kw[t], part.rejected_kw[t])
            found = NodeTerms(
                found.penalised_kwh + horizon.dt_h * lost_kw,
                found.paid_eur + horizon.dt_h * node.money_eur_per_h(bought_kw, sold_kw, t),
                found.co2_kg + horizon.dt_h * node.co2_kg_per_h(bought_kw),
            )
    return found


def _add_trade(part: Any, node: Node, members: Sequence[UnitData]) -> None:
    """Add what is bought and sold, bounded by what the units could do with it."""
    steps = range(members[0].horizon.steps)
    for name, most_kw in most_traded(node, members).items():
        bounds = {t: (0.0, float(most_kw[t])) for t in steps}
        part.add_component(name, pyo.Var(steps, bounds=lambda _, t, of=bounds: of[t]))


def most_traded(node: Node, members: Sequence[UnitData]) -> dict[str, Array]:
    """Most that a node could buy and sell, as far as it has a tariff for it, shape ``(T,)``."""
    ranges = [flow_range(unit, node.carrier) for unit in members]
    demand_kw = 0.0 if node.demand_kw is None else node.demand_kw
    least, most = (sum(r[side] for r in ranges) - demand_kw for side in (0, 1))
    kept = node.efficiency
    sides = (("bought_kw", node.buy, -least / kept), ("sold_kw", node.sell, most * kept))
    return {n: np.clip(reach, 0.0, t.max_kw) for n, t, reach in sides if t is not None}


def add_units(
    block: Any, units: Sequence[UnitData], relax_binaries: bool = False
) -> list[UnitTerms]:
    """Add a sub-block for every unit, named by the unit."""
    terms = []
    for unit in units:
        part, name = pyo.Block(), unit.name.replace(".", "_")
        while block.component(name) is not None:  # a.b_c beside a_b.c
            name += "_"
        block.add_component(name, part)
        terms.append(add_unit(part, unit, relax_binaries))
    return terms


def own_cost(
    terms: Sequence[UnitTerms],
    nodes: NodeTerms,
    co2_eur_per_kg: float,
    penalty_eur_per_kwh: float,
) -> Quantity:
    """Fuel, wear, starts, trade of nodes, emissions at their price, and the penalty of nodes.

    Less what stores gained, at its worth.
    """
    flows = [flow for term in terms for flow in term.flows]
    cost = sum(flow.cost_eur for flow in flows) + nodes.paid_eur
    if any(term.unit.end_eur_per_kwh for term in terms):
        cost = cost - sum(term.end_eur for term in terms)
    if co2_eur_per_kg:
        cost += co2_eur_per_kg * (sum(flow.co2_kg for flow in flows) + nodes.co2_kg)
    return cost + penalty_eur_per_kwh * nodes.penalised_kwh
