"""The one mosaik simulator of all units: it only forwards to the fleets of its kinds.

Physics stands in :mod:`quartier.units`, one file a kind; every kind can be started under its own
name (``quartier.simulators:Battery``). A model named after the kind makes single units from plain
JSON; the model ``Fleet`` takes units that Quartier made ready, and talks in arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from quartier.quantities import Array
from quartier.simulators.inputs import Inputs, Outputs, number, scalar
from quartier.simulators.member import Lockstep, Member
from quartier.simulators.time_based import Snapshot, TimeBased
from quartier.simulators.topology import Topology
from quartier.simulators.unit_maker import UnitMaker
from quartier.simulators.wiring import simulator_id
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.step import signals_of

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


def models(kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Describe the models of some kinds to mosaik."""
    found = {}
    for kind in kinds:
        fields = [f for f in KINDS[kind].Parameters.model_fields if f not in {"kind", "agents"}]
        found[model_name(kind)] = {
            "public": True,
            "params": [*fields, "series", "sessions"],
            "attrs": [*OUTPUTS, "set_point_kw", *MEASURED, *signals_of(KINDS[kind])],
        }
    fleet = {"params": ["units", "topology"], "attrs": [*FLEET_INPUTS, *FLEET_OUTPUTS]}
    return {**found, "Fleet": {"public": True, **fleet}}


def model_name(kind: str) -> str:
    """Name of a kind's model: that of its class."""
    return type(KINDS[kind]).__name__


class UnitSimulator(TimeBased):
    """Steps all units of one kind, or of some that hear of each other in every step.

    Units from plain JSON need ``steps``, the number of steps of the run, which the end-of-horizon
    rule of stores refers to, and ``start``, a time such as ``2016-07-25T00:00``, if their
    parameters name profiles.

    A unit takes ``set_point_kw`` (without it, it follows its own rule) and what its rule looks
    at: ``p_others_kw``, and of each of its carriers ``heat_missing_kw``, ``heat_energy_kwh``,
    ``heat_capacity_kwh``.
    """

    kinds: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        super().__init__(models(self.kinds))
        self._units: list[UnitData] = []
        self._fleets: dict[str, Member] = {}
        self._places: dict[str, tuple[Member, int]] = {}
        self._measured: dict[str, Array] = {}

    def configure_run(self, sim_params: dict[str, Any]) -> None:
        """Take what units from plain parameters need to know of the run."""
        steps, start = sim_params.pop("steps", None), sim_params.pop("start", None)
        self._maker = UnitMaker(self.kinds[0], self.dt_h, steps, start)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make units from their parameters, or a fleet of units that are ready."""
        if model == "Fleet":
            units: Sequence[UnitData] = model_params["units"]
            kind = units[0].kind
            eid = fleet_of(self.kinds, kind)
            self._fleets[eid] = Member(kind, units, model_params.get("topology") or Topology())
            children = [{"eid": u.name, "type": model_name(kind)} for u in units]
            return [{"eid": eid, "type": "Fleet", "children": children}]
        made = self._maker.make(num, model_params, len(self._units))
        self._units += made
        return [{"eid": unit.name, "type": model} for unit in made]

    def prepare(self) -> None:
        """Put the units together."""
        if self._units:
            self._fleets["Fleet"] = Member(self.kinds[0], self._units, Topology())
        for eid, member in self._fleets.items():
            self._places |= {str(name): (member, k) for k, name in enumerate(member.names)}
            self._measured[eid] = np.full((len(MEASURED), len(member.names)), np.nan)
        members = list(self._fleets.values())
        alone = all(m.stands_alone for m in members) and len(members) == 1
        self._lockstep = None if alone else Lockstep(members)

    @property
    def row(self) -> int:
        """Row of the block that it is at."""
        return max((m.row for m in self._fleets.values()), default=0)

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Execute a step, or a block of steps."""
        for eid, member in self._fleets.items():
            self._begin(self._number(time, member), eid, inputs)
        if len(inputs) > sum(eid in inputs for eid in self._fleets):
            self._tell(inputs)
        measured = {e: values for e, values in self._measured.items() if not np.isnan(values).all()}
        for eid, (p_kw, _) in measured.items():
            asked_kw = self._fleets[eid].set_point_kw
            self._fleets[eid].set_point_kw = np.where(np.isnan(p_kw), asked_kw, p_kw)
        if self._lockstep is None:
            for member in self._fleets.values():
                member.run()
        else:
            self._lockstep.run(self.pace.steps)
        for eid, member in self._fleets.items():
            if eid in measured:
                member.result = member.fleet.measured(member.result, *measured[eid])
            member.check()
        return self.after(time)

    def _number(self, time: int, member: Member) -> int:
        """Number of the step at a time."""
        step, steps = self.step_number(time), member.horizon_steps
        if step >= steps:
            raise ValueError(
                f"{member.name}: the run goes on after {steps} steps; start the simulator with "
                "steps=<steps of the run>"
            )
        return step

    # -- from step to step ------------------------------------------------------------------------
    def snapshot(self) -> Snapshot:
        """State of all units at the end of the last step, by kind."""
        return {member.name: member.snapshot() for member in self._fleets.values()}

    def restore(self, snapshot: Snapshot) -> None:
        """Take the state of units that are called the same."""
        for member in self._fleets.values():
            member.restore(snapshot[member.name])

    # -- what comes in ----------------------------------------------------------------------------
    def _begin(self, first: int, eid: str, inputs: Inputs) -> None:
        """Take what a fleet is told and hears."""
        member = self._fleets[eid]
        units, nothing = (len(member.names),), np.full((self.pace.steps, len(member.names)), np.nan)
        orders = (self.asked(inputs, eid, name, units) for name in ("set_point_kw", "planned_kw"))
        set_point, planned = (nothing if order is None else order for order in orders)
        nodes, points = (member.n_nodes,), (2, member.n_points)
        heard = {
            "flows": self.total(inputs, eid, "flows_of_others", nodes),
            "stored": self.total(inputs, eid, "stored_of_others", nodes),
            "power": self.total(inputs, eid, "power_of_others", points),
        }
        member.begin(first, set_point, planned, heard)

    def _tell(self, inputs: Inputs) -> None:
        """Take what single units are told over what the fleet is told."""
        for eid in (e for e in inputs if e in self._places):
            member, k = self._places[eid]
            for name in ("set_point_kw", *signals_of(member.kind)):
                value = scalar(inputs, eid, name)
                if value is not None:
                    member.tell(k, name, value)
            self._measure(eid, inputs[eid])

    def _measure(self, unit: str, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what others measured; it holds until they measure anew."""
        member, k = self._places[unit]
        measured = next(self._measured[e] for e, m in self._fleets.items() if m is member)
        for row, name in enumerate(MEASURED):
            for source, value in attributes.get(name, {}).items():
                measured[row, k] = number(unit, name, source, value)

    # -- what is handed out ------------------------------------------------------------------------
    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out what the last step, or block, did."""
        return {
            eid: {name: self._value(eid, name) for name in names} for eid, names in outputs.items()
        }

    def _value(self, eid: str, name: str) -> Any:
        if eid in self._fleets:
            member = self._fleets[eid]
            made = getattr(member, f"out_{name}")()
            return made if name == "state" else self.given(made)
        member, k = self._places[eid]
        return float(getattr(member.result, name)[-1, k])


def fleet_of(kinds: Sequence[str], kind: str) -> str:
    """Name of a kind's fleet in a simulator of some kinds."""
    return "Fleet" if len(kinds) == 1 else simulator_id(kind)


def _simulator(*kinds: str) -> type[UnitSimulator]:
    doc = f"All units of kind ``{', '.join(kinds)}``: see :class:`UnitSimulator`."
    name = "".join(map(model_name, kinds))
    return type(name, (UnitSimulator,), {"kinds": kinds, "__doc__": doc})


SIMULATORS: dict[str, type[UnitSimulator]] = {kind: _simulator(kind) for kind in KINDS}
"""Simulator by kind of unit that Quartier ships."""


def simulator_of(*kinds: str) -> type[UnitSimulator]:
    """Return the simulator of some kinds, also of the user's own."""
    known = SIMULATORS.get(kinds[0]) if len(kinds) == 1 else None
    return known or _simulator(*kinds)
