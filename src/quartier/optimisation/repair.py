"""Stores that charge and discharge at once: told apart again, and counted (M1).

A linear program wastes energy that way where energy is worth less than nothing. What is executed
is the net power, so a plan has to be one, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.evaluate import energy_of, evaluate
from quartier.units.group import Group
from quartier.units.store import StoreKind

WASTED_KWH = 1e-6
"""Energy wasted in a step from which on it counts."""

Controls = Mapping[str, Mapping[str, Array]]


def stores_of(units: Sequence[UnitData]) -> list[UnitData]:
    """Units that charge and discharge."""
    return [unit for unit in units if isinstance(KINDS[unit.kind], StoreKind)]


def net_of(x: Mapping[str, Array]) -> dict[str, Array]:
    """Charge or discharge by the net power only."""
    net_kw = x["discharge_kw"] - x["charge_kw"]
    return {"charge_kw": np.maximum(-net_kw, 0.0), "discharge_kw": np.maximum(net_kw, 0.0)}


def wasteful(unit: UnitData, x: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Steps in which a store loses energy by charging and discharging at once."""
    kind, u, s, dt_h = KINDS[unit.kind], unit.parameters, unit.series, unit.horizon.dt_h
    net_kwh: Array = kind.next_energy(u, 0.0, net_of(x), s, dt_h)
    lost_kwh: Array = net_kwh - kind.next_energy(u, 0.0, x, s, dt_h)
    return lost_kwh > WASTED_KWH


def netted(units: Sequence[UnitData], controls: Controls) -> Controls:
    """Replace charging and discharging at once by the net power.

    A store that has no room for what it then no longer wastes follows its set point as far as it
    can, as it will in execution.
    """
    net = {unit.name: net_of(controls[unit.name]) for unit in stores_of(units)}
    controls = {**controls, **net}
    if all(_has_room(unit, net[unit.name]) for unit in stores_of(units)):
        return controls
    wanted = evaluate(units, controls, 0.0).command_kw
    followed = Group(units).run(wanted)
    return {unit: {n: v[0] for n, v in x.items()} for unit, x in followed.items()}


def _has_room(unit: UnitData, x: Mapping[str, Array]) -> bool:
    energy_kwh = energy_of(unit, {name: values[np.newaxis] for name, values in x.items()})[0]
    return bool(np.all(energy_kwh <= unit.series["energy_max_kwh"] + 1e-4))
