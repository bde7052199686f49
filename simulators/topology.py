"""Where units belong: connection points and nodes, by position in arrays over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import by_node, capacity_kwh
from quartier.units.base import Carrier, UnitData
from quartier.units.node import Node

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Topology:
    """Connection points and nodes of a world.

    Arrays over points or nodes have one more entry at their end, for units that belong to none.

    Parameters
    ----------
    points
        Position by neighbourhood, or by the name of a plant outside of them.
    nodes
        Nodes by name, in the order of their positions.
    point_of_node
        Position of each node's connection point, shape ``(nodes,)``.
    capacity_kwh
        Energy that the stores of each node can hold, shape ``(nodes + 1,)``.
    demand_kw
        Demand of the nodes themselves, shape ``(T, nodes + 1)``.
    """

    points: Mapping[str, int] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    point_of_node: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    capacity_kwh: Array = field(default_factory=lambda: np.zeros(1))
    demand_kw: Array | None = None

    @classmethod
    def of(cls, points: Sequence[str], units: Sequence[UnitData]) -> Topology:
        """Return the topology of units: their connection points by name, and their nodes."""
        points_at, found = {name: k for k, name in enumerate(points)}, by_node(units)
        capacity = np.zeros(len(found) + 1)
        demand_kw = np.zeros((units[0].horizon.steps if units else 0, len(found) + 1))
        for k, (node, there) in enumerate(found):
            demand_kw[:, k] = 0.0 if node.demand_kw is None else node.demand_kw
            for unit in there:
                if KINDS[unit.kind].holds == node.carrier:
                    capacity[k] += capacity_kwh(unit)
        at = [points_at.get(there[0].neighbourhood or "", len(points_at)) for _, there in found]
        nodes = {node.name: node for node, _ in found}
        return cls(points_at, nodes, np.array(at, dtype=np.int64), capacity, demand_kw)

    def point_of(self, units: Sequence[UnitData]) -> Positions:
        """Position of each unit's connection point, shape ``(N,)``."""
        names = [u.name if u.neighbourhood is None else u.neighbourhood for u in units]
        return np.array([self.points.get(name, len(self.points)) for name in names], dtype=np.int64)

    def node_of(self, units: Sequence[UnitData], carrier: Carrier) -> Positions:
        """Position of each unit's node of a carrier, shape ``(N,)``."""
        known = {name: k for k, name in enumerate(self.nodes)}
        names = [u.nodes[carrier].name if carrier in u.nodes else "" for u in units]
        return np.array([known.get(name, len(known)) for name in names], dtype=np.int64)


def by_position(at: Positions, values: Array, size: int) -> Array:
    """Sums of values by place: shape ``(..., N)`` to ``(..., size)``."""
    before = values.shape[:-1]
    rows = math.prod(before)
    place = at + size * np.arange(rows)[:, None]
    found = np.bincount(place.ravel(), values.ravel(), size * rows)
    return found.astype(float, copy=False).reshape(*before, size)
