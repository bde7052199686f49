"""Units of an agent or a neighbourhood simulated together: what planners and samplers run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.heat_hub import dead_energy_kwh, heat_capacity_kwh, hubs, stores_heat
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
        places = list(hubs(units))
        self._capacity_kwh, self._dead_kwh = np.zeros((2, len(places) + 1))
        for unit in units:
            self._capacity_kwh[self._hub(places, unit)] += heat_capacity_kwh(unit)
            self._dead_kwh[self._hub(places, unit)] += dead_energy_kwh(unit)
        # Units without a hub share a last, idle one.
        self._hubs = [np.array([self._hub(places, u) for u in m]) for m in self._members]
        self._energy_kwh: list[list[Array]] = [[] for _ in self._fleets]

    @staticmethod
    def _hub(places: list[tuple[str | None, str]], unit: UnitData) -> int:
        return places.index((unit.neighbourhood, unit.hub)) if unit.hub else len(places)

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
        heat_kw, stored_kwh = np.zeros(shape), np.zeros(shape) - self._dead_kwh[:, None]
        p_kw, order = np.full(self.copies, rest_kw), -1
        missing_kw, others_kw = -heat_kw, p_kw
        for fleet, members, hub in zip(self._fleets, self._members, self._hubs, strict=True):
            if stores_heat(members[0]):
                np.add.at(stored_kwh, hub, self._rows(fleet.state["energy_kwh"]))
        for i, (fleet, hub) in enumerate(zip(self._fleets, self._hubs, strict=True)):
            if fleet.kind.order > order:  # kinds in the same place do not see each other
                order, missing_kw, others_kw = fleet.kind.order, -heat_kw, p_kw
            signals = {
                "heat_missing_kw": missing_kw[hub].ravel(),
                "hub_energy_kwh": stored_kwh[hub].ravel(),
                "hub_capacity_kwh": np.repeat(self._capacity_kwh[hub], self.copies),
                "p_others_kw": np.tile(others_kw, len(hub)),
            }
            result = fleet.step(t, wanted[i][t], signals)
            np.add.at(heat_kw, hub, self._rows(result.heat_kw))
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
