"""Units of which it is chosen how many there are, over typical days (M11).

Two units may do twice what one may: what a kind says of one unit (bounds, flows, rows, energy) is
affine in its controls, so for ``n`` of them the constants are multiplied by ``n``. The physics is
the kind's own, made homogeneous; any number ``n >= 0``, whole or not, is a size. A day is cyclic:
stores end as full as they began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from quartier.errors import InputError, SolveFailed
from quartier.optimisation import pyo
from quartier.optimisation.block import SLACK, series_at
from quartier.units import KINDS
from quartier.units.base import Flow, Quantity, UnitData, Values
from quartier.units.node import Node


@dataclass(frozen=True)
class Day:
    """A typical day: nodes of all carriers, electricity too, and the units at them.

    Parameters
    ----------
    weight
        How many days of the year it stands for.
    units
        Each as one unit of its kind.
    nodes
        By carrier. What is too much there is thrown away; nothing stays unserved.
    blends
        By carrier that is mixed, the carrier it is mixed into, and its greatest share of the
        energy taken from there.
    """

    weight: float
    units: tuple[UnitData, ...]
    nodes: Mapping[str, Node]
    blends: Mapping[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class DayTerms:
    """What a day comes to in a model: not weighted."""

    flows_kw: Mapping[str, Sequence[Quantity]]
    """Net flow into each node before its demand, by carrier and step."""
    bought_kw: Mapping[str, Any]
    """What each node buys, by carrier and step."""
    cost_eur: Quantity
    co2_kg: Quantity
    controls: Mapping[str, Mapping[str, Sequence[Quantity]]]
    """Controls by unit and name, by step."""


def add_day(
    block: Any, day: Day, sizes: Mapping[str, Any], begins: Mapping[str, Any] | None = None
) -> DayTerms:
    """Add a typical day to a Pyomo block.

    Parameters
    ----------
    sizes
        How many there are, by unit: variables or numbers.
    begins
        Energy of stores when the day begins, by unit; of others, it is what the day ends with.

    Raises
    ------
    InputError
        If a unit switches (of something that runs or not, there is no half), or a store is to end
        fuller than it must.
    """
    dt_h, steps = day.units[0].horizon.dt_h, range(day.units[0].horizon.steps)
    begins, controls = dict(begins or {}), {}
    every = []
    for u in day.units:
        flows, controls[u.name] = _add_sized(block, u, sizes[u.name], begins.get(u.name))
        every.append(flows)
    cost: Quantity = sum(f.cost_eur for flows in every for f in flows)
    co2: Quantity = sum(f.co2_kg for flows in every for f in flows)
    net = {c: [sum(flows[t].of(c) for flows in every) for t in steps] for c in day.nodes}
    for part, (into, share) in day.blends.items():
        blended = _variables(block, f"blend_{part}", steps)
        burnt = [-net[into][t] for t in steps]
        limit = [blended[t] - share * burnt[t] <= 0 for t in steps]
        block.add_component(f"most_blend_{part}", pyo.Constraint(steps, rule=_each(limit)))
        net[part] = [net[part][t] - blended[t] for t in steps]
        net[into] = [net[into][t] + blended[t] for t in steps]
    bought = {}
    for carrier, node in day.nodes.items():
        if node.buy is not None:
            bought[carrier] = _variables(block, f"buy_{carrier}", steps, node.buy.max_kw)
            cost += dt_h * sum(node.money_eur_per_h(bought[carrier][t], 0.0, t) for t in steps)
            co2 += dt_h * sum(node.co2_kg_per_h(bought[carrier][t]) for t in steps)
            net[carrier] = [net[carrier][t] + bought[carrier][t] for t in steps]
    return DayTerms(net, bought, cost, co2, controls)


def _variables(block: Any, name: str, steps: range, most: float = float("inf")) -> Any:
    high = most if most < float("inf") else None
    block.add_component(name, pyo.Var(steps, bounds=(0.0, high)))
    return block.component(name)


def _each(rows: Sequence[Any]) -> Callable[[Any, int], Any]:
    return lambda _, t: rows[t]


def _add_sized(
    block: Any, unit: UnitData, size: Any, begin_kwh: Any
) -> tuple[list[Flow], dict[str, list[Quantity]]]:
    """Add many of a unit, and its store; return flow and controls of every step."""
    unit = KINDS[unit.kind].convex(unit)
    kind, u, dt_h = KINDS[unit.kind], unit.parameters, unit.horizon.dt_h
    steps, name = range(unit.horizon.steps), unit.name.replace(".", "_")
    series = [series_at(unit, t) for t in steps]
    part = pyo.Block()
    block.add_component(name, part)
    part.limits = pyo.ConstraintList()
    x = _controls(part, unit, series, size)
    at = [{control: values[t] for control, values in x.items()} for t in steps]
    idle = dict.fromkeys(x, 0.0)
    if kind.stores:
        _add_store(part, unit, at, series, size, begin_kwh)
    nothing = {control: [0.0 for _ in steps] for control in x}
    for t in steps:
        rows = zip(kind.rows(u, x, t, unit), kind.rows(u, nothing, t, unit), strict=True)
        for (_, many), (_, none) in rows:
            _limit(part, _made(many, none, size))
    flows = [
        _many(partial(kind.flow, u, s=s, dt_h=dt_h), values, idle, size)
        for values, s in zip(at, series, strict=True)
    ]
    return flows, x


def _controls(
    part: Any, unit: UnitData, series: Sequence[Values], size: Any
) -> dict[str, list[Quantity]]:
    kind = KINDS[unit.kind]
    limits = [kind.bounds(unit.parameters, s) for s in series]
    found: dict[str, list[Quantity]] = {}
    for control in kind.controls:
        pairs = [tuple(map(float, limit[control.name])) for limit in limits]
        free = [t for t, (low, high) in enumerate(pairs) if high > low]
        if free and control.binary:
            raise InputError([f"{unit.name} switches: its size cannot be chosen"])
        part.add_component(control.name, pyo.Var(free))
        variable = part.component(control.name)
        for t in free:
            _limit(part, pairs[t][0] * size - variable[t])
            _limit(part, variable[t] - pairs[t][1] * size)
        found[control.name] = [
            variable[t] if high > low else low * size for t, (low, high) in enumerate(pairs)
        ]
    return found


def _add_store(
    part: Any,
    unit: UnitData,
    at: Sequence[Values],
    series: Sequence[Values],
    size: Any,
    begin_kwh: Any,
) -> None:
    """Energy at the ends of all steps; the last one's is that of the start."""
    kind, u, dt_h = KINDS[unit.kind], unit.parameters, unit.horizon.dt_h
    least, most = unit.series["energy_min_kwh"], unit.series["energy_max_kwh"]
    if unit.start_energy_kwh > float(least[1:].min()):
        raise InputError(
            [f"{unit.name}: begins a typical day as it ends it; take start_soc as min_soc"]
        )
    part.energy_kwh = pyo.Var(range(len(at)))
    idle = dict.fromkeys(at[0], 0.0)
    part.energy = pyo.ConstraintList()
    if begin_kwh is not None:
        part.energy.add(part.energy_kwh[len(at) - 1] == begin_kwh)
    for t, (x, s) in enumerate(zip(at, series, strict=True)):
        before = part.energy_kwh[t - 1 if t else len(at) - 1]
        many = kind.next_energy(u, before, x, s, dt_h)
        none = kind.next_energy(u, 0.0, idle, s, dt_h)
        part.energy.add(part.energy_kwh[t] == _made(many, none, size))
        _limit(part, float(least[t + 1]) * size - part.energy_kwh[t])
        _limit(part, part.energy_kwh[t] - float(most[t + 1]) * size)


def _limit(part: Any, expression: Quantity) -> None:
    """Ask for ``expression <= 0``.

    Raises
    ------
    SolveFailed
        If it holds no variable, and does not hold.
    """
    if hasattr(expression, "is_expression_type") and expression.is_potentially_variable():
        part.limits.add(expression <= 0)
    elif pyo.value(expression) > SLACK:
        raise SolveFailed(part.name, "infeasible", "A limit cannot hold whatever is chosen.")


def _made(many: Quantity, none: Quantity, size: Any) -> Quantity:
    """``f(x) + (n - 1) f(0)``: an affine function of the controls, for ``n`` units."""
    return many + (size - 1) * none if none else many


def _many(flow: Callable[..., Flow], x: Values, idle: Values, size: Any) -> Flow:
    many, none = flow(x=x), flow(x=idle)
    return Flow(
        {c: _made(many.of(c), none.of(c), size) for c in many.power_kw},
        co2_kg=_made(many.co2_kg, none.co2_kg, size),
        cost_eur=_made(many.cost_eur, none.cost_eur, size),
    )
