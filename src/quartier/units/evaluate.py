"""From controls to schedules: trajectories, costs, hub balance, set points and band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import bands, by_node
from quartier.units.base import Flow, UnitData, UnitKind
from quartier.units.node import Node
from quartier.units.schedule import Schedule

Controls = Mapping[str, Mapping[str, Array]]
"""Controls by unit and name, shape ``(T,)``, or ``(K, T)`` for K schedules."""


def evaluate(units: Sequence[UnitData], controls: Controls, penalty_eur_per_kwh: float) -> Schedule:
    """Return the schedule that controls of one agent's units make.

    Parameters
    ----------
    controls
        Controls by unit and name, shape ``(T,)``; those of curtailable units are not looked at.
    penalty_eur_per_kwh
        Price of what nodes do not serve; what they throw away costs a share of it.
    """
    lifted = {
        unit: {name: np.asarray(values, dtype=float)[np.newaxis] for name, values in x.items()}
        for unit, x in controls.items()
    }
    return evaluate_many(units, lifted, penalty_eur_per_kwh)[0]


def evaluate_many(
    units: Sequence[UnitData], controls: Controls, penalty_eur_per_kwh: float
) -> list[Schedule]:
    """Return K schedules at once, from controls of shape ``(K, T)``."""
    batch = _Batch(max((len(v) for x in controls.values() for v in x.values()), default=1))
    for unit in units:
        batch.add(unit, controls.get(unit.name, {}))
    batch.add_nodes(units, penalty_eur_per_kwh)
    for unit in units:
        if unit.hub is None:
            batch.add_band(unit)
    return [batch.schedule(k) for k in range(batch.size)]


def energy_of(unit: UnitData, x: Mapping[str, Array]) -> Array:
    """Energy of a store at the boundaries of the steps, shape ``(K, T+1)``.

    The balance of a store is affine in its energy, as the optimiser needs it anyway: what is kept
    of it does not depend on what is done, and what is gained can be had for all steps at once.
    """
    kind, u, s, dt_h = KINDS[unit.kind], unit.parameters, unit.series, unit.horizon.dt_h
    nothing = dict.fromkeys((c.name for c in kind.controls), 0.0)
    empty, full = (kind.next_energy(u, energy, nothing, s, dt_h) for energy in (0.0, 1.0))
    kept = np.broadcast_to(full - empty, unit.horizon.steps)
    shape = np.broadcast_shapes(*(values.shape for values in x.values()))
    gained = np.broadcast_to(kind.next_energy(u, 0.0, x, s, dt_h), shape)
    energy = np.empty((gained.shape[0], gained.shape[1] + 1))
    energy[:, 0] = unit.state["energy_kwh"]
    for t in range(gained.shape[1]):
        energy[:, t + 1] = kept[t] * energy[:, t] + gained[:, t]
    return energy


@dataclass
class _Batch:
    """K schedules in the making; arrays have shape ``(K, T)``."""

    size: int
    controls: dict[str, dict[str, Array]] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    p_kw: dict[str, Array] = field(default_factory=dict)
    energy_kwh: dict[str, Array] = field(default_factory=dict)
    command_kw: dict[str, Array] = field(default_factory=dict)
    cost_eur: Array = field(init=False)
    co2_kg: Array = field(init=False)
    unserved_kwh: Array = field(init=False)
    totals: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cost_eur, self.co2_kg, self.unserved_kwh = np.zeros((3, self.size))

    def add(self, unit: UnitData, x: Mapping[str, Array]) -> None:
        """Take in a unit's own trajectories and costs."""
        kind, steps = KINDS[unit.kind], unit.horizon.steps
        if kind.curtailable:
            x = {"p_kw": unit.series["available_kw"]}
        shape = (self.size, steps)
        own = {name: np.broadcast_to(values, shape) for name, values in x.items()}
        flow = kind.flow(unit.parameters, own, unit.series, unit.horizon.dt_h)
        self.controls[unit.name], self.flows[unit.name] = own, flow
        self.p_kw[unit.name] = np.broadcast_to(flow.p_kw, shape)
        if kind.stores:
            energy = self.energy_kwh[unit.name] = energy_of(unit, own)
            self.cost_eur -= unit.end_eur(energy[:, -1])
        command = np.nan if kind.command is None else flow.of(kind.command)
        command = np.inf if kind.curtailable else command
        self.command_kw[unit.name] = np.broadcast_to(command, shape)
        self.cost_eur += np.broadcast_to(flow.cost_eur, shape).sum(axis=-1)
        self.co2_kg += np.broadcast_to(flow.co2_kg, shape).sum(axis=-1)
        self._total("p_kw", flow.p_kw, shape)
        self._total("curtailable_kw", flow.p_kw if kind.curtailable else 0.0, shape)

    def _total(self, name: str, values: Array | float, shape: tuple[int, int]) -> None:
        self.totals[name] = self.totals.get(name, np.zeros(shape)) + values

    def add_nodes(self, units: Sequence[UnitData], penalty_eur_per_kwh: float) -> None:
        """Take in the balances of nodes and what their units could still do."""
        left = {}
        for node, members in by_node(units):
            left[node.name] = balance = node.balance(self._net_kw(node, members))
            dt_h = members[0].horizon.dt_h
            unserved_kwh = dt_h * balance.unserved_kw.sum(axis=-1)
            rejected_kwh = dt_h * balance.rejected_kw.sum(axis=-1)
            self.unserved_kwh += unserved_kwh
            self.cost_eur += penalty_eur_per_kwh * node.penalised(unserved_kwh, rejected_kwh)
            if node.buy or node.sell:
                paid = node.money_eur_per_h(balance.bought_kw, balance.sold_kw)
                self.cost_eur += dt_h * paid.sum(axis=-1)
                self.co2_kg += dt_h * node.co2_kg_per_h(balance.bought_kw.sum(axis=-1))
        kinds = {unit.name: KINDS[unit.kind] for unit in units}
        for name, (up, down) in bands(units, self.controls, self.energy_kwh, left).items():
            self._add_band(kinds[name], up, down)

    def _net_kw(self, node: Node, members: Sequence[UnitData]) -> Array:
        """What flows into a node less its demand."""
        flows = (self.flows[unit.name].of(node.carrier) for unit in members)
        net_kw = sum(flows, np.zeros(self.size)[:, None])
        if node.demand_kw is not None:
            net_kw = net_kw - node.demand_kw
        return np.broadcast_to(net_kw, (self.size, members[0].horizon.steps))

    def add_band(self, unit: UnitData) -> None:
        """Take in what a unit without a node could still do."""
        kind, x = KINDS[unit.kind], self.controls[unit.name]
        if kind.controls and not kind.curtailable:
            up, down = kind.band(unit, x, self.energy_kwh.get(unit.name))
            self._add_band(kind, *kind.settled(unit, x, up, down))

    def _add_band(self, kind: UnitKind, up: Array, down: Array) -> None:
        self._total("up_kw", np.maximum(up, 0.0), up.shape)
        self._total("down_kw", np.maximum(down, 0.0), down.shape)
        if kind.shiftable:
            self._total("shiftable_kw", np.maximum(up, 0.0) + np.maximum(down, 0.0), up.shape)

    def schedule(self, k: int) -> Schedule:
        """Return one of the schedules."""
        zero = np.zeros_like(self.totals["p_kw"])
        return Schedule(
            p_kw=self.totals["p_kw"][k],
            curtailable_kw=self.totals["curtailable_kw"][k],
            cost_eur=float(self.cost_eur[k]),
            co2_kg=float(self.co2_kg[k]),
            unserved_kwh=float(self.unserved_kwh[k]),
            controls={u: {n: v[k] for n, v in x.items()} for u, x in self.controls.items()},
            unit_p_kw={u: v[k] for u, v in self.p_kw.items()},
            energy_kwh={u: v[k] for u, v in self.energy_kwh.items()},
            command_kw={u: v[k] for u, v in self.command_kw.items()},
            up_kw=self.totals.get("up_kw", zero)[k],
            down_kw=self.totals.get("down_kw", zero)[k],
            shiftable_kw=self.totals.get("shiftable_kw", zero)[k],
        )
