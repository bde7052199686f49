"""Stores that charge and discharge at once: repaired to their net power, and counted (M1).

A linear program may waste energy that way where energy is worth less than nothing. What is
executed is the net power, so the plan has to be one, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.evaluate import energy_of, evaluate
from quartier.units.group import Group
from quartier.units.store import StoreKind

WASTED_KWH = 1e-6
"""Energy wasted in a step from which on it counts."""

Controls = Mapping[str, Mapping[str, Array]]


def repaired(units: Sequence[UnitData], controls: Controls) -> tuple[Controls, int]:
    """Replace charging and discharging at once by the net power.

    A store that then has no room for what it no longer wastes follows its set point as far as it
    can, as it will in execution.

    Returns
    -------
    controls, steps
        The repaired controls, and in how many steps energy had been wasted.
    """
    stores = [unit for unit in units if isinstance(KINDS[unit.kind], StoreKind)]
    net = {unit.name: _net(controls[unit.name]) for unit in stores}
    wasted = sum(_wasted(unit, controls[unit.name], net[unit.name]) for unit in stores)
    controls = {**controls, **net}
    if not wasted or all(_has_room(unit, net[unit.name]) for unit in stores):
        return controls, wasted
    wanted = evaluate(units, controls, 0.0).command_kw
    followed = Group(units).run(wanted)
    return {unit: {n: v[0] for n, v in x.items()} for unit, x in followed.items()}, wasted


def _net(x: Mapping[str, Array]) -> dict[str, Array]:
    net_kw = x["discharge_kw"] - x["charge_kw"]
    return {"charge_kw": np.maximum(-net_kw, 0.0), "discharge_kw": np.maximum(net_kw, 0.0)}


def _wasted(unit: UnitData, x: Mapping[str, Array], net: Mapping[str, Array]) -> int:
    kind, u, dt_h = KINDS[unit.kind], unit.parameters, unit.horizon.dt_h
    before: Any = kind.next_energy(u, 0.0, x, dt_h)
    return int(np.sum(kind.next_energy(u, 0.0, net, dt_h) - before > WASTED_KWH))


def _has_room(unit: UnitData, x: Mapping[str, Array]) -> bool:
    energy_kwh = energy_of(unit, {name: values[np.newaxis] for name, values in x.items()})[0]
    return bool(np.all(energy_kwh <= unit.series["energy_max_kwh"] + WASTED_KWH))
