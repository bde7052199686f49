"""Units of one kind in a simulator, over a block of steps: what they hear, do and hand out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from quartier.errors import RunFailed
from quartier.own_code import told
from quartier.quantities import Array
from quartier.simulators.inputs import AtBoundary
from quartier.simulators.time_based import Snapshot
from quartier.simulators.topology import Topology, by_position
from quartier.simulators.wiring import wiring
from quartier.units import KINDS
from quartier.units.balance import dead_energy_kwh
from quartier.units.base import UnitData
from quartier.units.kinds import is_own
from quartier.units.step import Done, Fleet, StepResult

Rows = int | slice
"""A step of a block, or several."""


class Member:
    """A fleet and the places where it belongs.

    Parameters
    ----------
    kind
        Name of the kind.
    units
        All of that kind.
    topology
        Connection points and nodes.

    Attributes
    ----------
    set_point_kw, planned_kw
        What is asked of the units in the present block, shape ``(steps, N)``.
    flows, stored, power
        What others do in it, by node, ``(steps, nodes + 1)``, and by connection point,
        ``(steps, 2, points + 1)``: see :meth:`signals`.
    """

    def __init__(self, kind: str, units: Sequence[UnitData], topology: Topology) -> None:
        self.name, self.kind, self._topology = kind, KINDS[kind], topology
        self.fleet = Fleet(kind, units)
        self.horizon_steps = units[0].horizon.steps
        self.names = np.array([u.name for u in units], dtype=object)
        self._neighbourhoods = np.array([u.neighbourhood for u in units], dtype=object)
        self._points = topology.point_of(units)
        self._at = {c: topology.node_of(units, c) for c in self.kind.carriers}
        self.n_points, self.n_nodes = len(topology.points) + 1, len(topology.nodes) + 1
        self._dead_kwh = np.array([dead_energy_kwh(u) for u in units])
        self._first = 0
        self._told: dict[str, dict[int, float]] = {}
        self._done: list[Done] = []

    @property
    def stands_alone(self) -> bool:
        """Whether it need not look at its own stores in every step."""
        return self.kind.holds not in self._at

    # -- a block --------------------------------------------------------------------------------
    def begin(
        self, first: int, set_point_kw: Array, planned_kw: Array, heard: Mapping[str, Array]
    ) -> None:
        """Take what is asked and heard in a block that begins with step ``first``."""
        self._first, self.set_point_kw, self.planned_kw = first, set_point_kw, planned_kw
        self.flows, self.stored, self.power = (heard[n] for n in ("flows", "stored", "power"))
        self._start_kwh = np.array(self.fleet.state.get("energy_kwh", np.nan))
        self._done, self._told = [], {}

    def tell(self, k: int, name: str, value: float) -> None:
        """Tell a single unit its set point, or a signal."""
        if name == "set_point_kw":
            self.set_point_kw = self.set_point_kw.copy()
            self.set_point_kw[:, k] = value
        else:
            self._told.setdefault(name, {})[k] = value

    def run(self) -> None:
        """Execute the whole block."""
        with self._own_mistakes():
            signals = self.signals(slice(None))
            self.result = self.fleet.steps(self._first, self.set_point_kw, signals)

    def step(self, row: int) -> None:
        """Execute one step of the block."""
        with self._own_mistakes():
            signals, t = self.signals(row), self._first + row
            self.fleet.advance(t, self.set_point_kw[row], signals, self._done)

    def end(self) -> None:
        """Put the steps of the block together."""
        with self._own_mistakes():
            self.result = self.fleet.together(self._first, self._done)

    def last(self) -> StepResult:
        """What was done in the last step."""
        return self.fleet.result(self.fleet.now, *self._done[-1])

    @property
    def row(self) -> int:
        """Row of the block that it is at."""
        return max(self.fleet.now - self._first, 0)

    @contextmanager
    def _own_mistakes(self) -> Iterator[None]:
        """Say in which line a kind of the user's own fails."""
        try:
            yield
        except Exception as error:
            if not is_own(self.name):
                raise
            what = told(error, self.kind)
            step = self.fleet.now
            raise RunFailed(f"kind {self.name!r} failed at step {step}: {what}") from error

    def check(self) -> None:
        """Refuse to hand out what is no number: power, and the state that the next step is from."""
        made = {"p_kw": self.result.p_kw, "q_kvar": self.result.q_kvar}
        if self.kind.stores:
            made["energy_kwh"] = self.result.energy_kwh
        memory = {n: v[None] for n, v in self.fleet.state.items() if n != "energy_kwh"}
        wrong = []
        for name, values in (made | memory).items():
            if not math.isfinite(values.sum()) and not np.isfinite(values).all():
                row, k = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
                last = len(self.set_point_kw) - 1
                where = f"{self.names[k]}.{name} is {values[row, k]}"
                wrong.append((row if name in made else last, where))
        if wrong:
            row, where = min(wrong, key=lambda found: found[0])
            raise AtBoundary(where, row)

    # -- what own rules look at ------------------------------------------------------------------
    def signals(self, rows: Rows) -> dict[str, Array]:
        """Sums over the fleets before this one in the step, by unit, of some steps."""
        signals: dict[str, Array] = {}
        if self.kind.order == 0:
            return signals
        if self._at:
            topology = self._topology
            missing_kw = -self.flows[rows]
            if topology.demand_kw is not None:
                missing_kw = self._demand_kw(rows) + missing_kw
            stored_kwh = self.stored[rows]
            if not self.stands_alone:
                stored_kwh = stored_kwh + self.usable_kwh()
            for carrier, at in self._at.items():
                signals[f"{carrier}_missing_kw"] = missing_kw[..., at]
                signals[f"{carrier}_energy_kwh"] = stored_kwh[..., at]
                capacity_kwh = topology.capacity_kwh[at]
                shape = signals[f"{carrier}_energy_kwh"].shape
                signals[f"{carrier}_capacity_kwh"] = np.broadcast_to(capacity_kwh, shape)
        signals["p_others_kw"] = self.power[rows][..., 0, self._points]
        for name, values in self._told.items():
            signals[name] = signals[name].copy()
            for k, value in values.items():
                signals[name][..., k] = value
        return signals

    def _demand_kw(self, rows: Rows) -> Array:
        assert self._topology.demand_kw is not None
        block = self._topology.demand_kw[self._first : self._first + len(self.set_point_kw)]
        return np.asarray(block[rows])

    def usable_kwh(self) -> Array:
        """Usable energy by node in its stores at present, which nobody tells it."""
        energy_kwh = self.fleet.state["energy_kwh"] - self._dead_kwh
        return by_position(self._at[self.kind.holds or ""], energy_kwh, self.n_nodes)

    # -- what is handed out ------------------------------------------------------------------------
    def flows_of(self, result: StepResult) -> Array:
        """Flows by node, shape ``(..., nodes + 1)``."""
        sums = [by_position(at, result.power_kw[c], self.n_nodes) for c, at in self._at.items()]
        return np.asarray(np.sum(sums, axis=0), dtype=float)

    def power_of(self, result: StepResult) -> Array:
        """Active and reactive power by connection point, shape ``(..., 2, points + 1)``."""
        both = (by_position(self._points, c, self.n_points) for c in (result.p_kw, result.q_kvar))
        return np.stack(list(both), axis=-2)

    def out_state(self) -> dict[str, Array]:
        """State at the end of the block."""
        return dict(self.fleet.state)

    def out_power(self) -> Array:
        """Power by connection point."""
        return self.power_of(self.result)

    def out_flows(self) -> Array:
        """Flows by node."""
        return self.flows_of(self.result)

    def out_stored(self) -> Array:
        """Usable energy in stores by node, at the start of each step."""
        before = np.concatenate([self._start_kwh[None], self.result.energy_kwh[:-1]])
        return by_position(self._at[self.kind.holds or ""], before - self._dead_kwh, self.n_nodes)

    def out_unit_cost(self) -> Array:
        """Cost of each step by connection point in EUR."""
        return by_position(self._points, self.result.cost_eur, self.n_points)

    def out_units(self) -> dict[str, Any]:
        """Rows of the table ``units``."""
        result = self.result
        shape = result.p_kw.shape
        return {
            "neighbourhood": np.broadcast_to(self._neighbourhoods, shape),
            "unit": np.broadcast_to(self.names, shape),
            "kind": self.name,
            "p_kw": result.p_kw,
            "q_kvar": result.q_kvar,
            "available_kw": result.available_kw,
            "planned_kw": self.planned_kw,
            "energy_kwh": result.energy_kwh,
            "driving_kw": result.driving_kw,
            "heat_kw": result.heat_kw,
            "fuel_kw": result.fuel_kw,
            "co2_kg": result.co2_kg,
        }

    # -- from step to step ------------------------------------------------------------------------
    def snapshot(self) -> Snapshot:
        """State of all units at the end of the last step."""
        return {"units": list(self.names), "state": dict(self.fleet.state)}

    def restore(self, snapshot: Snapshot) -> None:
        """Take the state of units that are called the same."""
        if snapshot["units"] != list(self.names):
            raise ValueError(f"{self.name}: the snapshot is of other units")
        self.fleet.restore(snapshot["state"])


class Lockstep:
    """Members that hear of each other in every step, or of their own stores: step by step."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = sorted(members, key=lambda member: member.kind.order)
        by_kind = {member.name: member for member in members}
        wires = [wire for wire in wiring(list(by_kind)) if set(wire.kinds) <= set(by_kind)]

        def heard(attribute: str) -> dict[str, list[Member]]:
            """Whom each member hears of."""
            return {
                kind: [by_kind[w.kinds[0]] for w in wires if w.feeds(kind, attribute)]
                for kind in by_kind
            }

        self._flows, self._stored = heard("flows_of_others"), heard("stored_of_others")
        self._power = heard("power_of_others")
        leading = (*self._flows.values(), *self._power.values())
        self._leading = {member.name for members in leading for member in members}

    def run(self, steps: int) -> None:
        """Execute a block that all members have begun."""
        for row in range(steps):
            usable = {m.name: m.usable_kwh() for m in self._members if not m.stands_alone}
            done: dict[str, StepResult] = {}
            for member in self._members:
                for other in self._stored[member.name]:
                    member.stored[row] += usable[other.name]
                for other in self._flows[member.name]:
                    member.flows[row] += other.flows_of(done[other.name])
                for other in self._power[member.name]:
                    member.power[row] += other.power_of(done[other.name])
                member.step(row)
                if member.name in self._leading:
                    done[member.name] = member.last()
        for member in self._members:
            member.end()
