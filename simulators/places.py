"""Where units belong: connection points and heat hubs, by position in arrays over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units.base import UnitData
from quartier.units.heat_hub import dead_energy_kwh, heat_capacity_kwh, stores_heat

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Connection points and heat hubs of a world.

    Arrays over points or hubs have one more entry at their end, for units that belong to none.

    Parameters
    ----------
    points
        Position by neighbourhood, or by the name of a plant outside of them.
    hubs
        Position by heat hub.
    capacity_kwh, start_kwh
        Heat that each hub can store, and that is usable at the start, shape ``(hubs + 1,)``.
    """

    points: Mapping[str, int] = field(default_factory=dict)
    hubs: Mapping[str, int] = field(default_factory=dict)
    capacity_kwh: Array = field(default_factory=lambda: np.zeros(1))
    start_kwh: Array = field(default_factory=lambda: np.zeros(1))

    @classmethod
    def of(cls, points: Sequence[str], units: Sequence[UnitData]) -> Places:
        """Return the places of units: their connection points by name, and their hubs."""
        hubs = list(dict.fromkeys(u.hub for u in units if u.hub is not None))
        capacity_kwh, start_kwh = np.zeros((2, len(hubs) + 1))
        for unit in units:
            if unit.hub is not None and stores_heat(unit):
                capacity_kwh[hubs.index(unit.hub)] += heat_capacity_kwh(unit)
                start_kwh[hubs.index(unit.hub)] += unit.state["energy_kwh"] - dead_energy_kwh(unit)
        return cls(_positions(points), _positions(hubs), capacity_kwh, start_kwh)

    def point_of(self, units: Sequence[UnitData]) -> Positions:
        """Position of each unit's connection point, shape ``(N,)``."""
        names = [u.name if u.neighbourhood is None else u.neighbourhood for u in units]
        return np.array([self.points.get(name, len(self.points)) for name in names], dtype=np.int64)

    def hub_of(self, units: Sequence[UnitData]) -> Positions:
        """Position of each unit's heat hub, shape ``(N,)``."""
        names = [u.hub or "" for u in units]
        return np.array([self.hubs.get(name, len(self.hubs)) for name in names], dtype=np.int64)


def _positions(names: Sequence[str]) -> dict[str, int]:
    return {name: k for k, name in enumerate(names)}
