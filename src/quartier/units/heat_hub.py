"""Heat hub: units that share a heat balance (M1).

``Σ heat + discharge - charge - rejected = demand - unserved``. With heat positive when a unit
delivers it, ``Σ heat = rejected - unserved`` over all units of the hub, the demand included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import ELECTRICITY, HEAT, Quantity, UnitData
from quartier.units.store import power_band

Controls = Mapping[str, Array]


REJECTED_WEIGHT = 0.05
"""Price of heat thrown away as a share of that of heat not served. With the default penalty it is
dearer than curtailing the power that would make the heat, so that nobody heats the open air to
spare a curtailment (M1 allows to reject heat, and says nothing of its price)."""


def penalised(unserved: Quantity, rejected: Quantity) -> Quantity:
    """Heat that the penalty is paid for: what is not served, and a share of what is rejected."""
    return unserved + REJECTED_WEIGHT * rejected


@dataclass(frozen=True)
class Balance:
    """What a hub makes too much and too little, shape ``(..., T)``."""

    rejected_kw: Array
    unserved_kw: Array


def balance(heat_kw: Array) -> Balance:
    """Return what is rejected and unserved, given the sum of all heat of a hub."""
    return Balance(np.maximum(heat_kw, 0.0), np.maximum(-heat_kw, 0.0))


def made_up(
    heat_kw: Array, planned_kw: Array, low_kw: Array, high_kw: Array, hub: NDArray[np.int64]
) -> Array:
    """Heat of the units that balance their hubs: what is planned, and a part of the deviation.

    What a hub lacks beyond the plan is shared in proportion to what each unit could give besides,
    what it lacks less in proportion to what each could give less. So a plan that holds is carried
    out unit by unit, all that can be served is served, and units without a plan share by size.

    Parameters
    ----------
    heat_kw
        What the units of a hub make together, the same for all of them, shape ``(N,)``.
    planned_kw, low_kw, high_kw
        Planned, least and greatest heat of each unit, shape ``(N,)``.
    hub
        Number of each unit's hub, shape ``(N,)``.
    """
    deviation_kw = heat_kw - _sums(planned_kw, hub)
    room_kw = np.where(deviation_kw > 0, high_kw - planned_kw, planned_kw - low_kw)
    most_kw = _sums(room_kw, hub)
    part = np.divide(room_kw, most_kw, out=np.zeros_like(room_kw), where=most_kw > 0)
    made_kw: Array = planned_kw + part * np.clip(deviation_kw, -most_kw, most_kw)
    return made_kw


def _sums(values: Array, hub: NDArray[np.int64]) -> Array:
    """Sum over the units of each one's hub, shape ``(N,)``."""
    return np.asarray(np.bincount(hub, values)[hub], dtype=float)


def stores_heat(unit: UnitData) -> bool:
    """Whether a unit is a store of its hub."""
    return KINDS[unit.kind].holds == HEAT


def heat_capacity_kwh(unit: UnitData) -> float:
    """Heat that a unit can store for its hub (the signal ``hub_capacity_kwh`` is their sum)."""
    u: Any = unit.parameters
    return float((u.max_soc - u.min_soc) * u.energy_kwh) if stores_heat(unit) else 0.0


def dead_energy_kwh(unit: UnitData) -> float:
    """Energy in a store of heat that its hub cannot use, below the least state of charge.

    The signal ``hub_energy_kwh`` is the sum of what is above it.
    """
    u: Any = unit.parameters
    return float(u.min_soc * u.energy_kwh) if stores_heat(unit) else 0.0


def hubs(units: Sequence[UnitData]) -> dict[tuple[str | None, str], list[UnitData]]:
    """Units by the hub they belong to, in order."""
    found: dict[tuple[str | None, str], list[UnitData]] = {}
    for unit in units:
        if unit.hub is not None:
            found.setdefault((unit.neighbourhood, unit.hub), []).append(unit)
    return found


def spare_heat_kw(
    units: Sequence[UnitData],
    controls: Mapping[str, Controls],
    energy_kwh: Mapping[str, Array],
    rejected_kw: Array,
) -> Array:
    """Heat that a hub could lose in each single step and still serve its demand.

    It is what it rejects, what its boilers have left, and what its stores could give, shape
    ``(..., T)``.
    """
    spare = rejected_kw.copy()
    for unit in units:
        kind, u = KINDS[unit.kind], unit.parameters
        if stores_heat(unit):
            spare = spare + power_band(unit, controls[unit.name], energy_kwh[unit.name])[0]
        elif kind.balances:
            now_kw = kind.flow(u, controls[unit.name], unit.series, 1.0).heat_kw
            spare = spare + np.maximum(full_heat_kw(unit) - now_kw, 0.0)
    return spare


def full_heat_kw(unit: UnitData) -> Array:
    """Heat of a unit with every control at its upper bound, shape ``(T,)``."""
    kind, u = KINDS[unit.kind], unit.parameters
    high = {name: top for name, (_, top) in kind.bounds(u, unit.series).items()}
    full_kw = kind.flow(u, high, unit.series, 1.0).heat_kw
    return np.broadcast_to(full_kw, (unit.horizon.steps,))


def bands(
    units: Sequence[UnitData],
    controls: Mapping[str, Controls],
    energy_kwh: Mapping[str, Array],
    rejected_kw: Array,
) -> dict[str, tuple[Array, Array]]:
    """Band of each unit of a hub, as far as the hub can bear the heat it costs.

    Heat beyond the demand may be stored or rejected; heat that goes missing has to be spare, and
    units share what is spare in their order.
    """
    spare_up = spare_heat_kw(units, controls, energy_kwh, rejected_kw)
    spare_down = spare_up.copy()
    found = {}
    for unit in units:
        kind, x = KINDS[unit.kind], controls[unit.name]
        if not kind.controls or kind.command != ELECTRICITY:
            continue
        up, down = kind.band(unit, x, energy_kwh.get(unit.name))
        lost_kw = heat_per_kw(unit)
        up, spare_up = _afforded(up, -lost_kw, spare_up)
        down, spare_down = _afforded(down, lost_kw, spare_down)
        found[unit.name] = kind.settled(unit, x, up, down)
    return found


def heat_per_kw(unit: UnitData) -> Array:
    """Change of heat with electric power, shape ``(T,)``."""
    kind = KINDS[unit.kind]
    probe = kind.flow(
        unit.parameters, dict.fromkeys((c.name for c in kind.controls), 1.0), unit.series, 1.0
    )
    return np.broadcast_to(probe.heat_kw / probe.p_kw, (unit.horizon.steps,))


def _afforded(band_kw: Array, lost_per_kw: Array, spare_kw: Array) -> tuple[Array, Array]:
    """Limit a band to the spare heat that it costs; return it and what is then left."""
    lost_per_kw = np.maximum(lost_per_kw, 0.0)
    bearable = np.where(
        lost_per_kw > 0, spare_kw / np.where(lost_per_kw > 0, lost_per_kw, 1.0), np.inf
    )
    band_kw = np.minimum(band_kw, bearable)
    return band_kw, spare_kw - band_kw * lost_per_kw
