"""What units of a node share: its balance, and what each could do without breaking it (M1, M3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import ELECTRICITY, Carrier, UnitData, UnitParameters
from quartier.units.node import Balance, Node

Controls = Mapping[str, Array]


def by_node(units: Sequence[UnitData]) -> list[tuple[Node, list[UnitData]]]:
    """Nodes of units with the units at them, in order."""
    found: dict[tuple[str | None, str], tuple[Node, list[UnitData]]] = {}
    for unit in units:
        for node in unit.nodes.values():
            found.setdefault((unit.neighbourhood, node.name), (node, []))[1].append(unit)
    return list(found.values())


def made_up(
    total_kw: Array, planned_kw: Array, low_kw: Array, high_kw: Array, hub: NDArray[np.int64]
) -> Array:
    """What the units make that balance their hubs: what is planned, and a part of the deviation.

    What a hub lacks beyond the plan is shared in proportion to what each unit could give besides,
    what it lacks less in proportion to what each could give less. So a plan that holds is carried
    out unit by unit, all that can be served is served, and units without a plan share by size.

    Parameters
    ----------
    total_kw
        What the units of a hub make together, the same for all of them, shape ``(..., N)``.
    planned_kw, low_kw, high_kw
        Planned, least and greatest power of each unit, shape ``(..., N)``.
    hub
        Number of each unit's hub, shape ``(N,)``.
    """
    deviation_kw = total_kw - _sums(planned_kw, hub)
    room_kw = np.where(deviation_kw > 0, high_kw - planned_kw, planned_kw - low_kw)
    most_kw = _sums(room_kw, hub)
    part = np.divide(room_kw, most_kw, out=np.zeros_like(room_kw), where=most_kw > 0)
    made_kw: Array = planned_kw + part * np.clip(deviation_kw, -most_kw, most_kw)
    return made_kw


def _sums(values: Array, hub: NDArray[np.int64]) -> Array:
    """Sum over the units of each one's hub, shape ``(..., N)``."""
    hubs = int(hub.max()) + 1
    place = hub + hubs * np.arange(values.size // hub.size)[:, None]  # another in each step
    return np.asarray(np.bincount(place.ravel(), values.ravel())[place], float).reshape(
        values.shape
    )


def capacity_kwh(unit: UnitData) -> float:
    """Energy that a unit can store for its node (the signal ``<carrier>_capacity_kwh``)."""
    u: Any = unit.parameters
    return float((u.max_soc - u.min_soc) * u.energy_kwh) if _stores(unit) else 0.0


def dead_energy_kwh(unit: UnitData) -> float:
    """Energy in a store that its node cannot use, below the least state of charge.

    The signal ``<carrier>_energy_kwh`` is the sum of what is above it.
    """
    u: Any = unit.parameters
    return float(u.min_soc * u.energy_kwh) if _stores(unit) else 0.0


def _stores(unit: UnitData) -> bool:
    """Whether a unit stores a carrier for a node."""
    return KINDS[unit.kind].holds not in {None, ELECTRICITY}


# -- what a unit can do for a node ---------------------------------------------------------------
def flow_range(unit: UnitData, carrier: Carrier) -> tuple[Array, Array]:
    """Least and greatest flow of a carrier, whatever the controls, shape ``(T,)`` each."""
    kind, u, s = KINDS[unit.kind], unit.parameters, unit.series
    bounds = kind.bounds(u, s)
    nothing = dict.fromkeys(bounds, 0.0)

    def flow(x: Mapping[str, Any]) -> Array:
        return np.broadcast_to(kind.flow(u, x, s, 1.0).of(carrier), unit.horizon.steps)

    least, most = flow(nothing).astype(float), flow(nothing).astype(float)
    for name, ends in bounds.items():
        changes = [flow({**nothing, name: end}) - flow(nothing) for end in ends]
        least, most = least + np.minimum(*changes), most + np.maximum(*changes)
    return least, most


def full_kw(unit: UnitData, carrier: Carrier) -> Array:
    """Flow of a unit with every control at its upper bound, shape ``(T,)``."""
    kind, u = KINDS[unit.kind], unit.parameters
    high = {name: top for name, (_, top) in kind.bounds(u, unit.series).items()}
    full = kind.flow(u, high, unit.series, 1.0).of(carrier)
    return np.broadcast_to(full, (unit.horizon.steps,))


def greatest_kw(parameters: UnitParameters, carrier: Carrier) -> float:
    """Most that a unit with these parameters can ever give of a carrier.

    0 of what stores it, takes it only, or depends on its series.
    """
    kind, u = KINDS[parameters.kind], parameters
    gives = carrier == ELECTRICITY or carrier in kind.gives
    if kind.holds == carrier or not (kind.controls and gives):
        return 0.0
    if kind.curtailable:
        return float(getattr(u, "power_kw", 0.0))
    missing = {name: 0.0 for name, value in u if value is None}  # prices that a node has instead
    free = u.model_copy(update=missing)
    try:
        high = {name: top for name, (_, top) in kind.bounds(free, {}).items()}
        return max(float(kind.flow(free, high, {}, 1.0).of(carrier)), 0.0)
    except KeyError:
        return 0.0


def per_kw(unit: UnitData, carrier: Carrier) -> Array:
    """Change of a flow with electric power, shape ``(T,)``."""
    kind = KINDS[unit.kind]
    probe = kind.flow(
        unit.parameters, dict.fromkeys((c.name for c in kind.controls), 1.0), unit.series, 1.0
    )
    return np.broadcast_to(probe.of(carrier) / probe.p_kw, (unit.horizon.steps,))


# -- bands: what each could do without breaking the balance ----------------------------------------
def spare_kw(
    node: Node,
    units: Sequence[UnitData],
    controls: Mapping[str, Controls],
    energy_kwh: Mapping[str, Array],
    left: Balance,
) -> Array:
    """Power that a node could lose in each single step and still serve its demand.

    It is what it rejects or sells and could buy besides, what the units that balance it have left,
    and what its stores could give, shape ``(..., T)``.
    """
    spare: Array = left.rejected_kw.copy()
    if node.sell is not None:
        spare = spare + left.sold_kw / node.efficiency
    if node.buy is not None:
        spare = spare + (node.buy.max_kw - left.bought_kw) * node.efficiency
    for unit in units:
        kind, u = KINDS[unit.kind], unit.parameters
        if kind.holds == node.carrier:
            spare = (
                spare + KINDS[unit.kind].band(unit, controls[unit.name], energy_kwh[unit.name])[0]
            )
        elif kind.balances and kind.command == node.carrier:
            now_kw = kind.flow(u, controls[unit.name], unit.series, 1.0).of(node.carrier)
            spare = spare + np.maximum(full_kw(unit, node.carrier) - now_kw, 0.0)
    return spare


def bands(
    units: Sequence[UnitData],
    controls: Mapping[str, Controls],
    energy_kwh: Mapping[str, Array],
    left: Mapping[str, Balance],
) -> dict[str, tuple[Array, Array]]:
    """Band of each unit at a node, as far as its nodes can bear what it costs them.

    What is beyond the demand may be stored, sold or rejected; what goes missing has to be spare,
    and units share what is spare in their order.

    Parameters
    ----------
    left
        Balances by node.
    """
    spare_up = {
        node.name: spare_kw(node, members, controls, energy_kwh, left[node.name])
        for node, members in by_node(units)
    }
    spare_down = dict(spare_up)
    found = {}
    for unit in units:
        kind, x = KINDS[unit.kind], controls[unit.name]
        if not (unit.nodes and kind.controls and kind.command == ELECTRICITY):
            continue
        up, down = kind.band(unit, x, energy_kwh.get(unit.name))
        for carrier, node in unit.nodes.items():
            gained = per_kw(unit, carrier)
            up = _afforded(up, -gained, spare_up[node.name])
            down = _afforded(down, gained, spare_down[node.name])
        for carrier, node in unit.nodes.items():
            gained = per_kw(unit, carrier)
            spare_up[node.name] = _left(spare_up[node.name], up, -gained)
            spare_down[node.name] = _left(spare_down[node.name], down, gained)
        found[unit.name] = kind.settled(unit, x, up, down)
    return found


def _afforded(band_kw: Array, lost_per_kw: Array, spare: Array) -> Array:
    """Limit a band to what is spare of what it costs."""
    costs = lost_per_kw > 0
    return np.minimum(band_kw, np.where(costs, spare / np.where(costs, lost_per_kw, 1.0), np.inf))


def _left(spare: Array, band_kw: Array, lost_per_kw: Array) -> Array:
    """What is then left for others."""
    left: Array = spare - band_kw * np.maximum(lost_per_kw, 0.0)
    return left
