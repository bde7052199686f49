"""The one mosaik simulator of all units: it only forwards to the fleet of a kind.

Physics stands in :mod:`quartier.units`, one file a kind; every kind can be started under its own
name (``quartier.simulators:Battery``). A model named after the kind makes single units from plain
JSON; the model ``Fleet`` takes units that Quartier made ready, and talks in arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from quartier.errors import RunFailed
from quartier.own_code import told
from quartier.quantities import Array
from quartier.simulators.inputs import AtBoundary, Inputs, Outputs, only, scalar, total
from quartier.simulators.time_based import Snapshot, TimeBased
from quartier.simulators.topology import Positions, Topology
from quartier.simulators.unit_maker import UnitMaker
from quartier.units import KINDS
from quartier.units.balance import dead_energy_kwh
from quartier.units.base import UnitData
from quartier.units.kinds import is_own
from quartier.units.step import Fleet, StepResult, signals_of

OUTPUTS = (
    "p_kw",
    "q_kvar",
    "heat_kw",
    "fuel_kw",
    "co2_kg",
    "cost_eur",
    "available_kw",
    "energy_kwh",
)
"""What a unit hands out; NaN where it does not apply."""

MEASURED = ("measured_kw", "measured_kwh")
"""Power of a unit, and energy in its store at the step's end, as another simulator has them: they
are taken for what the unit did."""

FLEET_INPUTS = (
    "set_point_kw",
    "planned_kw",
    "flows_of_others",
    "stored_of_others",
    "power_of_others",
)
FLEET_OUTPUTS = ("state", "power", "flows", "stored", "units", "unit_cost")


def models(kind: str) -> dict[str, dict[str, Any]]:
    """Describe the models of a kind to mosaik."""
    fields = [f for f in KINDS[kind].Parameters.model_fields if f not in {"kind", "agents"}]
    return {
        model_name(kind): {
            "public": True,
            "params": [*fields, "series", "sessions"],
            "attrs": [*OUTPUTS, "set_point_kw", *MEASURED, *signals_of(KINDS[kind])],
        },
        "Fleet": {
            "public": True,
            "params": ["units", "topology"],
            "attrs": [*FLEET_INPUTS, *FLEET_OUTPUTS],
        },
    }


def model_name(kind: str) -> str:
    """Name of a kind's model: that of its class."""
    return type(KINDS[kind]).__name__


class UnitSimulator(TimeBased):
    """Steps all units of one kind.

    Units from plain JSON need ``steps``, the number of steps of the run, which the end-of-horizon
    rule of stores refers to, and ``start``, a time such as ``2016-07-25T00:00``, if their
    parameters name profiles.

    A unit takes ``set_point_kw`` (without it, it follows its own rule) and what its rule looks
    at: ``p_others_kw``, and of each of its carriers ``heat_missing_kw``, ``heat_energy_kwh``,
    ``heat_capacity_kwh``.
    """

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(models(self.kind))
        self._units: list[UnitData] = []
        self._topology = Topology()
        self._fleet: Fleet | None = None

    def configure_run(self, sim_params: dict[str, Any]) -> None:
        """Take what units from plain parameters need to know of the run."""
        steps, start = sim_params.pop("steps", None), sim_params.pop("start", None)
        self._maker = UnitMaker(self.kind, self.dt_h, steps, start)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make units from their parameters, or one fleet of units that are ready."""
        if model == "Fleet":
            units: Sequence[UnitData] = model_params["units"]
            self._units += units
            self._topology = model_params.get("topology") or Topology()
            children = [{"eid": u.name, "type": model_name(self.kind)} for u in units]
            return [{"eid": "Fleet", "type": "Fleet", "children": children}]
        made = self._maker.make(num, model_params, len(self._units))
        self._units += made
        return [{"eid": unit.name, "type": model} for unit in made]

    def prepare(self) -> None:
        """Put the units together."""
        if not self._units:
            return
        units = self._units
        self._fleet = Fleet(self.kind, units)
        self._index = {unit.name: k for k, unit in enumerate(units)}
        self._measured = np.full((len(MEASURED), len(units)), np.nan)
        kind = KINDS[self.kind]
        self._points = self._topology.point_of(units)
        self._at = {c: self._topology.node_of(units, c) for c in kind.carriers}
        self._n_points = len(self._topology.points) + 1
        self._n_nodes = len(self._topology.nodes) + 1
        self._names = np.array([u.name for u in units], dtype=object)
        self._neighbourhoods = np.array([u.neighbourhood for u in units], dtype=object)
        self._dead_kwh = np.array([dead_energy_kwh(u) for u in units])

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Execute a step."""
        if self._fleet is not None:
            nothing = np.full(len(self._units), np.nan)
            set_point = only(inputs, "Fleet", "set_point_kw")
            set_point = nothing if set_point is None else set_point
            if (
                np.shape(set_point) != nothing.shape
                or np.asarray(set_point).dtype.kind not in "iuf"
            ):
                raise AtBoundary(f"Fleet.set_point_kw is {set_point!r}, not {len(nothing)} numbers")
            signals = self._signals(self._number(time), inputs)
            if len(inputs) > ("Fleet" in inputs):
                set_point = self._single(inputs, set_point, signals)
                self._measure(inputs)
            set_point = np.where(np.isnan(self._measured[0]), set_point, self._measured[0])
            planned = only(inputs, "Fleet", "planned_kw")
            self._planned = nothing if planned is None else planned
            with self._own_mistakes(self._number(time)):
                self._result = self._fleet.step(self._number(time), set_point, signals)
            if not np.isnan(self._measured).all():
                self._result = self._fleet.measured(self._result, *self._measured)
            self._check_result()
        return time + self.step_size

    @contextmanager
    def _own_mistakes(self, step: int) -> Iterator[None]:
        """Say in which line a kind of the user's own fails."""
        try:
            yield
        except Exception as error:
            if not is_own(self.kind):
                raise
            what = told(error, KINDS[self.kind])
            raise RunFailed(f"kind {self.kind!r} failed at step {step}: {what}") from error

    def _check_result(self) -> None:
        """Refuse to hand out what is no number: power, and the state that the next step is from."""
        assert self._fleet is not None
        made = {"p_kw": self._result.p_kw, "q_kvar": self._result.q_kvar, **self._fleet.state}
        for name, values in made.items():
            if not math.isfinite(values.sum()) and not np.isfinite(values).all():
                k = int(np.argmin(np.isfinite(values)))
                raise AtBoundary(f"{self._names[k]}.{name} is {values[k]}")

    def _number(self, time: int) -> int:
        """Number of the step at a time."""
        step, steps = self.step_number(time), self._units[0].horizon.steps
        if step >= steps:
            raise ValueError(
                f"{self.kind}: the run goes on after {steps} steps; start the simulator with "
                "steps=<steps of the run>"
            )
        return step

    # -- from step to step ------------------------------------------------------------------------
    def snapshot(self) -> Snapshot:
        """State of all units at the end of the last step."""
        if self._fleet is None:
            return {}
        return {"units": list(self._names), "state": dict(self._fleet.state)}

    def restore(self, snapshot: Snapshot) -> None:
        """Take the state of units that are called the same."""
        if self._fleet is None:
            return
        if snapshot["units"] != list(self._names):
            raise ValueError(f"{self.kind}: the snapshot is of other units")
        self._fleet.restore(snapshot["state"])

    # -- what own rules look at ------------------------------------------------------------------
    def _signals(self, step: int, inputs: Inputs) -> dict[str, Array]:
        """Sums over the fleets before this one in the step, by unit."""
        signals: dict[str, Array] = {}
        if KINDS[self.kind].order == 0:
            return signals
        if self._at:
            shape, topology = (self._n_nodes,), self._topology
            missing_kw = -total(inputs, "Fleet", "flows_of_others", shape)
            if topology.demand_kw is not None:
                missing_kw = topology.demand_kw[step] + missing_kw
            stored_kwh = total(inputs, "Fleet", "stored_of_others", shape) + self._own_energy_kwh()
            for carrier, at in self._at.items():
                signals[f"{carrier}_missing_kw"] = missing_kw[at]
                signals[f"{carrier}_energy_kwh"] = stored_kwh[at]
                signals[f"{carrier}_capacity_kwh"] = topology.capacity_kwh[at]
        power = total(inputs, "Fleet", "power_of_others", (2, self._n_points))
        signals["p_others_kw"] = power[0, self._points]
        return signals

    def _own_energy_kwh(self) -> Array:
        """Usable energy by node in the stores of this kind, which nobody tells it."""
        assert self._fleet is not None
        holds = KINDS[self.kind].holds
        if holds not in self._at:
            return np.zeros(self._n_nodes)
        usable_kwh = self._fleet.state["energy_kwh"] - self._dead_kwh
        return _by_position(self._at[holds], usable_kwh, self._n_nodes)

    def _single(self, inputs: Inputs, set_point: Array, signals: dict[str, Array]) -> Array:
        """Take what single units are told over what the fleet is told."""
        set_point = set_point.copy()
        for eid in inputs:
            k = self._index.get(eid)
            for name in ("set_point_kw", *signals) if k is not None else ():
                value = scalar(inputs, eid, name)
                if value is not None:
                    values = set_point if name == "set_point_kw" else signals[name]
                    values[k] = value
        return set_point

    def _measure(self, inputs: Inputs) -> None:
        """Note what others measured; it holds until they measure anew."""
        for eid, attributes in inputs.items():
            for row, name in enumerate(MEASURED if eid in self._index else ()):
                for source, value in attributes.get(name, {}).items():
                    if value is None:
                        continue
                    if not isinstance(value, int | float) or not math.isfinite(value):
                        who = source.partition(".")[0].removeprefix("own-")
                        raise RunFailed(
                            f"simulator {who!r} gives {value!r} for {eid}; give a finite number,"
                            f" {'power in kW, positive when fed in' if row == 0 else 'in kWh'}"
                        )
                    self._measured[row, self._index[eid]] = value

    # -- what is handed out ------------------------------------------------------------------------
    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out what the last step did."""
        return {
            eid: {name: self._value(eid, name) for name in names} for eid, names in outputs.items()
        }

    def _value(self, eid: str, name: str) -> Any:
        if eid == "Fleet":
            return getattr(self, f"_out_{name}")(self._result)
        return float(getattr(self._result, name)[self._index[eid]])

    def _out_state(self, result: StepResult) -> dict[str, Array]:
        assert self._fleet is not None
        return dict(self._fleet.state)

    def _out_power(self, result: StepResult) -> Array:
        """Active and reactive power by connection point, shape ``(2, points)``."""
        columns = (result.p_kw, result.q_kvar)
        return np.array([_by_position(self._points, c, self._n_points) for c in columns])

    def _out_flows(self, result: StepResult) -> Array:
        """Flows by node."""
        sums = [_by_position(at, result.power_kw[c], self._n_nodes) for c, at in self._at.items()]
        return np.asarray(np.sum(sums, axis=0), dtype=float)

    def _out_stored(self, result: StepResult) -> Array:
        """Usable energy in stores by node."""
        at = self._at[KINDS[self.kind].holds or ""]
        return _by_position(at, result.energy_kwh - self._dead_kwh, self._n_nodes)

    @staticmethod
    def stored_kwh(units: Sequence[UnitData], topology: Topology, snapshot: Snapshot) -> Array:
        """Usable energy by node in a snapshot of stores, as the step before it handed it out."""
        kind = KINDS[units[0].kind]
        at = topology.node_of(units, kind.holds or "")
        dead_kwh = np.array([dead_energy_kwh(unit) for unit in units])
        usable_kwh = snapshot["state"]["energy_kwh"] - dead_kwh
        return _by_position(at, usable_kwh, len(topology.nodes) + 1)

    def _out_unit_cost(self, result: StepResult) -> Array:
        """Cost of the step by connection point in EUR."""
        return _by_position(self._points, result.cost_eur, self._n_points)

    def _out_units(self, result: StepResult) -> dict[str, Any]:
        """Rows of the table ``units``."""
        return {
            "neighbourhood": self._neighbourhoods,
            "unit": self._names,
            "kind": self.kind,
            "p_kw": result.p_kw,
            "q_kvar": result.q_kvar,
            "available_kw": result.available_kw,
            "planned_kw": self._planned,
            "energy_kwh": result.energy_kwh,
            "driving_kw": result.driving_kw,
            "heat_kw": result.heat_kw,
            "fuel_kw": result.fuel_kw,
            "co2_kg": result.co2_kg,
        }


def _by_position(at: Positions, values: Array, size: int) -> Array:
    """Sums of the units' values by place."""
    return np.bincount(at, values, size).astype(float, copy=False)


def _simulator(kind: str) -> type[UnitSimulator]:
    doc = f"All units of kind ``{kind}``: see :class:`UnitSimulator`."
    return type(model_name(kind), (UnitSimulator,), {"kind": kind, "__doc__": doc})


SIMULATORS: dict[str, type[UnitSimulator]] = {kind: _simulator(kind) for kind in KINDS}
"""Simulator by kind of unit that Quartier ships."""


def simulator_of(kind: str) -> type[UnitSimulator]:
    """Return the simulator of a kind, also of the user's own."""
    return SIMULATORS[kind] if kind in SIMULATORS else _simulator(kind)
