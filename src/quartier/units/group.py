"""Units of an agent or a neighbourhood simulated together: what planners and samplers run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import by_node, capacity_kwh, dead_energy_kwh
from quartier.units.base import Carrier, UnitData
from quartier.units.step import Fleet


class Group:
    """Copies of units, stepped in the order of their kinds as the simulators are.

    Parameters
    ----------
    units
        Units of one agent, or of a whole neighbourhood.
    copies
        Number K of independent copies.
    """

    def __init__(self, units: Sequence[UnitData], copies: int = 1) -> None:
        self.units, self.copies = tuple(units), copies
        self._steps = units[0].horizon.steps
        kinds = sorted({u.kind for u in units}, key=lambda name: KINDS[name].order)
        self._members = [[u for u in units if u.kind == kind] for kind in kinds]
        self._fleets = [
            Fleet(kind, members, copies) for kind, members in zip(kinds, self._members, strict=True)
        ]
        nodes = by_node(units)
        self._place = {
            (members[0].neighbourhood, n.name): k for k, (n, members) in enumerate(nodes)
        }
        self._demand_kw = np.zeros((self._steps, len(nodes) + 1))
        for k, (node, _) in enumerate(nodes):
            self._demand_kw[:, k] = 0.0 if node.demand_kw is None else node.demand_kw
        self._at = [
            {carrier: self._positions(members, carrier) for carrier in fleet.kind.carriers}
            for members, fleet in zip(self._members, self._fleets, strict=True)
        ]
        self._capacity_kwh, self._dead_kwh = np.zeros((2, len(nodes) + 1))
        for fleet, members, at in zip(self._fleets, self._members, self._at, strict=True):
            if fleet.kind.holds in at:
                where = at[fleet.kind.holds]
                np.add.at(self._capacity_kwh, where, [capacity_kwh(u) for u in members])
                np.add.at(self._dead_kwh, where, [dead_energy_kwh(u) for u in members])
        self._energy_kwh: list[list[Array]] = [[] for _ in self._fleets]

    def _positions(self, units: Sequence[UnitData], carrier: Carrier) -> NDArray[np.int64]:
        """Position of each unit's node; units without one share a last, idle one."""
        names = [u.nodes[carrier].name if carrier in u.nodes else "" for u in units]
        places = [
            self._place.get((u.neighbourhood, name), len(self._place))
            for u, name in zip(units, names, strict=True)
        ]
        return np.array(places, dtype=np.int64)

    def run(
        self, set_points: Mapping[str, Array], p_others_kw: Array | None = None
    ) -> dict[str, dict[str, Array]]:
        """Simulate all steps once; a group runs once only.

        Parameters
        ----------
        set_points
            By unit, shape ``(K, T)`` or ``(T,)``; units that are missing follow their own rule.
        p_others_kw
            Power of the rest of the neighbourhood, shape ``(T,)``; nothing if left out.

        Returns
        -------
        dict
            Controls by unit and name, shape ``(K, T)``.
        """
        rest_kw = np.zeros(self._steps) if p_others_kw is None else p_others_kw
        wanted = [self._set_points(members, set_points) for members in self._members]
        done: list[list[Mapping[str, Array]]] = [[] for _ in self._fleets]
        for t in range(self._steps):
            self._step(t, wanted, float(rest_kw[t]), done)
        return self._controls(done)

    @property
    def energy_kwh(self) -> dict[str, Array]:
        """Energy at the end of each step by store, shape ``(K, T)``, once it has run."""
        found: dict[str, Array] = {}
        for steps, members in zip(self._energy_kwh, self._members, strict=True):
            if KINDS[members[0].kind].stores:
                rows = np.split(np.stack(steps, axis=-1), len(members))
                found |= {unit.name: own for unit, own in zip(members, rows, strict=True)}
        return found

    def _step(
        self,
        t: int,
        wanted: list[Array],
        rest_kw: float,
        done: list[list[Mapping[str, Array]]],
    ) -> None:
        shape = (len(self._capacity_kwh), self.copies)
        net_kw = np.zeros(shape) - self._demand_kw[t][:, None]
        stored_kwh = np.zeros(shape) - self._dead_kwh[:, None]
        p_kw, order = np.full(self.copies, rest_kw), -1.0
        missing_kw, others_kw = -net_kw, p_kw
        for fleet, at in zip(self._fleets, self._at, strict=True):
            if fleet.kind.holds in at:
                np.add.at(stored_kwh, at[fleet.kind.holds], self._rows(fleet.state["energy_kwh"]))
        for i, (fleet, at) in enumerate(zip(self._fleets, self._at, strict=True)):
            if fleet.kind.order > order:  # kinds in the same place do not see each other
                order, missing_kw, others_kw = fleet.kind.order, -net_kw, p_kw
            signals = {"p_others_kw": np.tile(others_kw, len(fleet.names))}
            for carrier, where in at.items():
                capacity_kwh = np.repeat(self._capacity_kwh[where], self.copies)
                signals[f"{carrier}_missing_kw"] = missing_kw[where].ravel()
                signals[f"{carrier}_energy_kwh"] = stored_kwh[where].ravel()
                signals[f"{carrier}_capacity_kwh"] = capacity_kwh
            result = fleet.step(t, wanted[i][t], signals)
            for carrier, where in at.items():
                np.add.at(net_kw, where, self._rows(result.power_kw[carrier]))
            p_kw = p_kw + self._rows(result.p_kw).sum(axis=0)
            done[i].append(result.controls)
            self._energy_kwh[i].append(result.energy_kwh)

    def _rows(self, values: Array) -> Array:
        return values.reshape(-1, self.copies)

    def _set_points(self, members: list[UnitData], given: Mapping[str, Array]) -> Array:
        """Set points of a fleet, shape ``(T, N)``."""
        free = np.full((self.copies, self._steps), np.nan)
        rows = [np.broadcast_to(given.get(unit.name, free), free.shape) for unit in members]
        return np.ascontiguousarray(np.concatenate(rows).T)

    def _controls(self, done: list[list[Mapping[str, Array]]]) -> dict[str, dict[str, Array]]:
        found: dict[str, dict[str, Array]] = {unit.name: {} for unit in self.units}
        for steps, members in zip(done, self._members, strict=True):
            for name in steps[0]:
                values = np.stack([step[name] for step in steps], axis=-1)
                for unit, rows in zip(members, np.split(values, len(members)), strict=True):
                    found[unit.name][name] = rows
        return found
