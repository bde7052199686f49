"""The flexibility that units offer (M3, L2), in linear form: what the front is made of.

The limits are those of the units' own kinds (:meth:`~quartier.units.base.UnitKind.limits`). For the
units of a linear program (CHPs convexified), the sum of all band variables is never more
than what :func:`quartier.units.evaluate.evaluate` finds in the same controls, and can reach it
except where said:

store
    Raised, it first ends charging, then discharges: the least of three linear terms, exact.
    Lowered, it first ends discharging: exact unless it charges and discharges at once, where less
    is counted.
charging station
    Later charging, sooner charging: the least of linear terms, exact.
heat pump, electric heater, CHP
    From rest to the rated power, and no more than their nodes can bear: what they reject or sell
    and could buy, what boilers have left and what stores can give. Units share that in their order;
    where a later unit costs less per kW than an earlier one, it is counted as if it cost as much.
curtailable unit
    What can be raised and lowered adds up to the available power, whatever is curtailed.
other kinds
    Count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from quartier.optimisation import pyo
from quartier.optimisation.block import UnitTerms, series_at
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import by_node, full_kw, per_kw
from quartier.units.base import ELECTRICITY, Limits, Quantity
from quartier.units.node import Node


def add_bands(
    block: Any,
    model: Any,
    parts: Sequence[UnitTerms],
    prices: tuple[Array, Array] | None = None,
) -> Quantity:
    """Add the bands of units to a block; return their sum over units and steps in kW.

    Parameters
    ----------
    block
        Where variables and rows go.
    model
        Where the units' own blocks are.
    parts
        The units, all with linear constraints. (One that switches is counted as if it could run
        partly: that may be more than it offers.)
    prices
        What each kW counts by step, up and down, shape ``(T,)``; one, if left out.
    """
    block.rows = pyo.ConstraintList()
    found: list[Quantity] = [0.0]
    for part in parts:
        if part.unit.hub is None:
            for t, sides in enumerate(_limits(model, part)):
                found += [
                    _priced(_least(block, sides[k], t, prices is not None), prices, k, t)
                    for k in (0, 1)
                ]
    found += _at_nodes(block, model, [part for part in parts if part.unit.nodes], prices)
    return sum(found)


def _priced(power: Quantity, prices: tuple[Array, Array] | None, side: int, t: int) -> Quantity:
    return power if prices is None else float(prices[side][t]) * power


def _least(block: Any, limits: Limits, t: int, bounded: bool) -> Quantity:
    """A power of a step from zero to the least of some limits.

    With a bound, too, that follows from those of what it hangs on: proofs of duals ask for it.
    """
    numbers = [float(limit) for limit in limits if not _varies(limit)]
    if bounded:
        varying = [pyo.compute_bounds_on_expr(limit)[1] for limit in limits if _varies(limit)]
        numbers += [float(bound) for bound in varying if bound is not None]
    most = min(numbers, default=None)
    if most is not None and most <= 0:
        return 0.0
    block.add_component(f"kw_{len(block.component_map(pyo.Var))}", pyo.Var([t], bounds=(0.0, most)))
    variable = block.component(f"kw_{len(block.component_map(pyo.Var)) - 1}")[t]
    for limit in limits:
        if _varies(limit):
            block.rows.add(variable - limit <= 0)
    return variable


def _varies(value: Quantity) -> bool:
    return hasattr(value, "is_expression_type")


def _at_nodes(
    block: Any,
    model: Any,
    parts: Sequence[UnitTerms],
    prices: tuple[Array, Array] | None,
) -> list[Quantity]:
    """Bands of units as far as their nodes can bear what they cost, by step."""
    acting = [p for p in parts if p.controls and KINDS[p.unit.kind].command == ELECTRICITY]
    bands = [list(_limits(model, part)) for part in acting]
    gained = [{c: per_kw(p.unit, c) for c in p.unit.nodes} for p in acting]
    nodes = [node for node, _ in by_node([part.unit for part in parts]) if not _bears_all(node)]
    spares = {node.name: list(_spares(model, node, parts)) for node in nodes}
    found: list[Quantity] = []
    for t in range(parts[0].unit.horizon.steps if parts else 0):
        spare_kw = {
            node.name: _spare_now(model.component(f"node_{node.name}"), node, t)
            + sum(_least(block, spare[t], t, prices is not None) for spare in spares[node.name])
            for node in nodes
        }
        for side, sign in ((0, -1.0), (1, 1.0)):
            own = [_least(block, band[t][side], t, prices is not None) for band in bands]
            for node in nodes:
                lost = [
                    sign * float(of_unit[node.carrier][t]) if _is_at(p, node) else 0.0
                    for p, of_unit in zip(acting, gained, strict=True)
                ]
                _afford(block, own, lost, spare_kw[node.name])
            found += [_priced(power, prices, side, t) for power in own]
    return found


def _bears_all(node: Node) -> bool:
    return node.buy is not None and bool(np.isinf(node.buy.max_kw))


def _is_at(part: UnitTerms, node: Node) -> bool:
    own = part.unit.nodes.get(node.carrier)
    return own is not None and own.name == node.name


def _spare_now(block: Any, node: Node, t: int) -> Quantity:
    """What a node rejects or sells, and could buy besides."""
    spare = block.rejected_kw[t]
    if node.sell is not None:
        spare = spare + block.sold_kw[t] / node.efficiency
    if node.buy is not None:
        spare = spare + (node.buy.max_kw - block.bought_kw[t]) * node.efficiency
    return spare


def _afford(block: Any, band_kw: Limits, lost: Sequence[float], spare_kw: Quantity) -> None:
    """Limit bands to what is spare; nobody pays less for a kW than those before."""
    paid, price = 0.0, 0.0
    for power, own in zip(band_kw, lost, strict=True):
        if own > 0 and _varies(power):
            price = max(price, own)
            paid = paid + price * power
    if _varies(paid):
        block.rows.add(paid - spare_kw <= 0)


def _spares(
    model: Any, node: Node, parts: Sequence[UnitTerms]
) -> Iterator[Sequence[Sequence[Quantity]]]:
    """What each store of a node, or unit that balances it, could still give, by step."""
    for part in parts:
        kind = KINDS[part.unit.kind]
        if not _is_at(part, node):
            continue
        if kind.holds == node.carrier:
            yield [up for up, _ in _limits(model, part)]
        elif kind.balances and kind.command == node.carrier:
            most_kw = full_kw(part.unit, node.carrier)
            yield [
                [float(most) - flow.of(node.carrier)]
                for most, flow in zip(most_kw, part.flows, strict=True)
            ]


def _limits(model: Any, part: UnitTerms) -> Iterator[tuple[Limits, Limits]]:
    """What a unit alone could be raised and lowered by, by step."""
    unit, kind = part.unit, KINDS[part.unit.kind]
    stored = list(_energy(model, part)) if kind.stores else []
    for t in range(unit.horizon.steps):
        x = {name: values[t] for name, values in part.controls.items()}
        out_kw: Quantity = 0.0
        in_kw: Quantity = 0.0
        if kind.stores:
            out_kw = (stored[t] - unit.series["energy_min_kwh"][t + 1]) / unit.horizon.dt_h
            in_kw = (unit.series["energy_max_kwh"][t + 1] - stored[t]) / unit.horizon.dt_h
        yield kind.limits(unit.parameters, x, series_at(unit, t), out_kw, in_kw)


def _energy(model: Any, part: UnitTerms) -> Iterator[Quantity]:
    """Energy at the end of each step."""
    unit, kind = part.unit, KINDS[part.unit.kind]
    known = dict(model.component(unit.name.replace(".", "_")).energy_kwh.items())
    energy: Quantity = unit.state["energy_kwh"]
    for t in range(unit.horizon.steps):
        x = {name: values[t] for name, values in part.controls.items()}
        s = series_at(unit, t)
        following = kind.next_energy(unit.parameters, energy, x, s, unit.horizon.dt_h)
        energy = known.get(t + 1, following)
        yield energy
