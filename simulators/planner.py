"""Hosts whoever plans: asks at the gates, hands out set points in every step."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from quartier.coordination import Plan, UnitPlan
from quartier.errors import RunFailed, SolveFailed, place
from quartier.hiccups import rows as rows_of
from quartier.hiccups import take as take_hiccups
from quartier.hiccups import troubles
from quartier.instance import Instance
from quartier.problem import COUPLINGS, Coupling, State
from quartier.problem.allocation import RULES
from quartier.quantities import ELECTRICITY, Array
from quartier.results.tables import TABLES, columns_of
from quartier.simulators.checkpoints import Checkpoints, told_by
from quartier.simulators.execution import Execution
from quartier.simulators.inputs import Inputs, Outputs, only
from quartier.simulators.plan_tail import table as table_of
from quartier.simulators.plan_tail import tail
from quartier.simulators.time_based import Snapshot, TimeBased
from quartier.simulators.wiring import simulator_id
from quartier.units.balance import by_node
from quartier.units.base import UnitData

logger = logging.getLogger(__name__)

MODELS = {
    "Planner": {
        "public": True,
        "params": ["execution", "checkpoints"],
        "attrs": [
            "written",
            "state",
            "tap_pos",
            "offers",
            "prices",
            "sales",
            "allocation",
            "records",
        ],
    },
    "Orders": {
        "public": False,
        "params": [],
        "attrs": ["set_point_kw", "planned_kw"],
    },
    "Order": {
        "public": False,
        "params": [],
        "attrs": ["set_point_kw", "planned_kw"],
    },
}

OFFER_COLUMNS = (
    "offer_kw",
    "offer_curtailed_kw",
    "flex_up_kw",
    "flex_down_kw",
    "p_set_min_kw",
    "p_set_max_kw",
)


class Planner(TimeBased):
    """Asks the coordination mechanism at every gate, and hands out its plan step by step.

    The entity ``Planner`` gives the tap position and what the recorder wants to know; a child
    entity ``Orders`` for each fleet, named after its kind, gives the set points. An ``Order`` gives
    that of one unit to the user's own simulator that acts for it.
    """

    def __init__(self) -> None:
        super().__init__(MODELS)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make the one planner."""
        execution: Execution = model_params["execution"]
        self._execution, self._instance = execution, execution.instance
        self._checkpoints: Checkpoints | None = model_params.get("checkpoints")
        self._points: Sequence[str] = execution.points["name"]
        self._fleets = {simulator_id(k): units for k, units in execution.fleets.items()}
        self._gates = self._instance.gates()
        self._gate = self._first = self._steps = 0
        self._tap_pos: int | None = None
        self._orders: dict[str, tuple[Array, Array]] = {}
        self._offers = np.empty((0, len(OFFER_COLUMNS), len(self._points)))
        self._prices: dict[tuple[str, str], Array] = {}
        units = [unit for fleet in execution.fleets.values() for unit in fleet]
        self._nodes = [node.name for node, _ in by_node(units)]  # in the order of the topology
        self._sales = np.empty((0, len(self._nodes)))
        self._allocation: str | None = None
        self._single = {own.unit: None for own in self._instance.scenario.simulators.values()}
        self._ends_here = False
        children = [{"eid": kind, "type": "Orders"} for kind in execution.fleets]
        children += [{"eid": unit, "type": "Order"} for unit in self._single]
        return [{"eid": "Planner", "type": "Planner", "children": children}]

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Plan if this is a gate, and look up what the plan says until the end of the block."""
        if time:
            self.pace.end()
        if time and self._checkpoints is not None:
            self._checkpoints.after_step()  # everybody has done the last step, nobody this one
        self._step = self.step_number(time)
        self._records: Mapping[str, Any] = {}
        if self._step in self._gates or self._ends_here:
            self._ends_here = False
            began = perf_counter()
            self._plan(inputs)
            self._tell_forecasts()
            self._gate += 1
            self._execution.journal.planning_s += perf_counter() - began
        self.pace.begin(self._end() - self._step)
        return self.after(time)

    def _end(self) -> int:
        """Step that the next block ends before, at the latest.

        Blocks end at gates, where plans end, at checkpoints, and where rows must be written.
        """
        steps, writer = self._instance.horizon.steps, self._execution.writer
        ends = [steps, self._step + writer.room, self._first + self._steps]
        ends += [next((gate for gate in self._gates if gate > self._step), steps)]
        if self._checkpoints is not None:
            ends.append(self._checkpoints.next_after(self._step))
        return min(end for end in ends if end > self._step)

    def _plan(self, inputs: Inputs) -> None:
        """Ask the mechanism and take its answer; what goes wrong names it, the gate, the step."""
        name, first = self._execution.name, self._step
        when = f"gate {self._gate} (step {first}, {self._instance.horizon.times[first]})"
        logger.info("%s plans at %s", name, when)
        try:
            self._take(self._asked(self._state(inputs)))
        except (Exception, SystemExit) as error:  # sys.exit would leave mosaik's world half closed
            where = place(error, _file_of(self._execution.coordination))
            raise RunFailed(
                f"coordination {name!r} failed at {when}: {type(error).__name__}: {error}{where}"
            ) from error

    def _tell_forecasts(self) -> None:
        """Record what was expected of the steps up to the next gate, where forecasts may err."""
        every = self._instance.scenario.gates.every or self._instance.horizon.steps
        found = self._instance.forecasts(self._step, every)
        if found is not None:
            self._records = {**self._records, "forecasts": {"gate": self._gate, **found}}

    # -- from step to step ------------------------------------------------------------------
    def snapshot(self) -> Snapshot:
        """What is left of the plan after the last step."""
        row = self._step + self.pace.steps - self._first
        return {
            "gate": self._gate,
            "steps": max(self._steps - row, 0),
            "tap_pos": self._tap_pos,
            "orders": {k: [tail(t, row) for t in tables] for k, tables in self._orders.items()},
            "offers": tail(self._offers, row),
            "prices": [[*key, tail(values, row)] for key, values in self._prices.items()],
            "sales": tail(self._sales, row),
            "allocation": self._allocation,
            "last": self._step + self.pace.steps == self._instance.horizon.steps,
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with the plan; a run that had ended there, and now goes on, plans at once."""
        self._gate, self._first = int(snapshot["gate"]), self.first_step
        self._steps, self._tap_pos = int(snapshot["steps"]), snapshot["tap_pos"]
        self._orders = {
            kind: (table_of(set_points), table_of(planned))
            for kind, (set_points, planned) in snapshot["orders"].items()
        }
        self._offers, self._sales = table_of(snapshot["offers"]), table_of(snapshot["sales"])
        self._prices = {(n, c): table_of(values) for n, c, values in snapshot["prices"]}
        self._allocation = snapshot["allocation"]
        self._ends_here = bool(snapshot["last"])

    # -- asking -----------------------------------------------------------------------------
    def _state(self, inputs: Inputs) -> State:
        """State of everything at the end of the last step, or as the instance starts."""
        state = self._instance.initial_state()
        states = dict(state.units)
        for source, columns in inputs.get("Planner", {}).get("state", {}).items():
            simulator, _, eid = source.partition(".")
            units = self._fleets[eid if eid in self._fleets else simulator]
            for k, unit in enumerate(units if columns else ()):
                states[unit.name] = {name: float(values[k]) for name, values in columns.items()}
        tap_pos = only(inputs, "Planner", "tap_pos")
        return State(states, state.tap_pos if tap_pos is None else tap_pos)

    def _asked(self, state: State) -> Plan:
        """The mechanism's plan; without a solution, units follow their own rules until the next."""
        try:
            return self._ask(state)
        except SolveFailed as failure:
            logger.exception("no plan at gate %d", self._gate)
            row = {"problem": failure.problem, "status": failure.status}
            row |= {"conflict": failure.conflict} if failure.conflict else {}
            instead = f"no plan: {failure} Units follow their own rules until the next gate."
            return Plan(records={"solves": [row]}, degraded=(instead,))

    def _ask(self, state: State) -> Plan:
        tap_is_fixed, stage = self._tap_pos is not None, self._execution.stage
        problem = self._instance.problem(self._gate, self._step, state, tap_is_fixed=tap_is_fixed)
        if stage is not None:
            rng, memory = self._execution.rng, told_by(self._execution.coordination)
            stage.open(
                *(self._gate, self._step, state), tap_is_fixed=tap_is_fixed, rng=rng, memory=memory
            )
            problem = replace(problem, stage=stage)
        self._steps, self._coupling = problem.horizon.steps, problem.coupling
        self._neighbourhoods = problem.neighbourhoods
        take_hiccups()  # of others, before
        return self._execution.coordination.plan(problem, state, self._execution.rng)

    # -- taking the answer --------------------------------------------------------------------
    def _take(self, plan: Plan) -> None:
        if not isinstance(plan, Plan):
            raise TypeError(f"plan() returned {type(plan).__name__} instead of a Plan")
        units = [unit.name for fleet in self._execution.fleets.values() for unit in fleet]
        _check_names("units", plan.units, units)
        _check_names("connection points", {**plan.offers, **plan.caps}, self._points)
        _check_parts(plan, self._coupling)
        self._first = self._step
        if plan.tap_pos is not None:
            self._tap_pos = plan.tap_pos
        self._orders = {
            kind: _orders(units, plan.units, self._steps)
            for kind, units in self._execution.fleets.items()
        }
        self._offers = _offers(self._points, plan, self._steps)
        self._prices = _prices(plan, _priceable(self._instance), self._steps)
        _check_names("nodes", plan.sales, self._nodes)
        self._sales = np.full((self._steps, len(self._nodes)), np.nan)
        for name, values in plan.sales.items():
            sold = _fitting(values, self._steps, f"the sale of {name}")
            self._sales[:, self._nodes.index(name)] = sold
        self._allocation = plan.allocation
        hiccups = take_hiccups()
        own = self._execution.writer.own_tables
        _check_names("tables", plan.records, [*_tables_of(self._coupling), *own])
        self._records = {
            table: _with_gate(columns_of(table, own), rows, self._gate)
            for table, rows in _with_hiccups(self._with_bands(plan), list(rows_of(hiccups))).items()
        }
        for trouble in (*plan.degraded, *troubles(hiccups)):
            logger.warning("gate %d: %s", self._gate, trouble)
            self._execution.journal.trouble.append(f"gate {self._gate}: {trouble}")

    def _with_bands(self, plan: Plan) -> Mapping[str, Any]:
        """Add the bands around the neighbourhoods' plans to the signals, where they have a worth.

        Of gates whose windows overlap, the last one's holds.
        """
        known = plan.records.get("signals", ())
        if isinstance(known, Mapping):  # a mechanism's own columns stay as they are
            return plan.records
        times = self._instance.horizon.times[self._step : self._step + self._steps]
        rows = []
        for problem in self._neighbourhoods:
            if problem.terms.band_eur_per_kwh is None:
                continue
            plans = [plan.units[unit.name] for unit in problem.units if unit.name in plan.units]
            for side in ("up", "down"):
                total = np.zeros(len(times)) + sum(getattr(p, f"{side}_kw") for p in plans)
                what = f"flexibility_{side}[{problem.name}]"
                rows += [
                    {"time": time, "name": what, "value": float(value), "unit": "kW"}
                    for time, value in zip(times, total, strict=True)
                ]
        return {**plan.records, "signals": [*known, *rows]} if rows else plan.records

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Hand out the set points of the block; NaN where nothing is planned."""
        return {
            eid: {name: self._value(eid, name) for name in names} for eid, names in outputs.items()
        }

    def _value(self, eid: str, name: str) -> Any:
        if eid in self._single:
            return self._order_of(eid, name)
        if eid != "Planner":
            set_points, planned = self._orders.get(eid, _nothing(len(self._execution.fleets[eid])))
            table = set_points if name == "set_point_kw" else planned
            found = self._rows(table)
            return np.full((self.pace.steps, table.shape[1]), np.nan) if found is None else found
        if name == "offers":
            offers = self._rows(self._offers)
            columns = () if offers is None else offers.swapaxes(0, 1)
            return dict(zip(OFFER_COLUMNS, columns, strict=False))
        if name == "prices":
            return self._prices_now()
        if name == "sales":
            return self._rows(self._sales)
        if name == "allocation":
            return self._allocation if self._step - self._first < self._steps else None
        return self._tap_pos if name == "tap_pos" else self._records

    def _rows(self, table: Array) -> Array | None:
        """Rows of the present block, which begin where blocks do; None beyond the plan."""
        row = self._step - self._first
        return table[row : row + self.pace.steps] if row < len(table) else None

    def _order_of(self, unit: str, name: str) -> float | None:
        """What one unit shall do, as other programs read it: None where nothing is asked."""
        for kind, units in self._execution.fleets.items():
            for k, one in enumerate(units):
                if one.name == unit:
                    value = float(self._value(kind, name)[0, k])
                    return value if math.isfinite(value) else None
        raise KeyError(unit)

    def _prices_now(self) -> dict[str, Any]:
        """Prices of the block, as columns."""
        here = {k: found for k, v in self._prices.items() if (found := self._rows(v)) is not None}
        prices = np.array(list(here.values()), dtype=float).reshape(len(here), self.pace.steps)
        return {
            "neighbourhood": [neighbourhood for _, neighbourhood in here],
            "carrier": [carrier for carrier, _ in here],
            "price_eur_per_kwh": prices.T,
        }


def _nothing(units: int) -> tuple[Array, Array]:
    empty = np.empty((0, units))
    return empty, empty


def _orders(
    units: Sequence[UnitData], plans: Mapping[str, UnitPlan], steps: int
) -> tuple[Array, Array]:
    """Set points and planned powers of a fleet, shape ``(steps, N)`` each."""
    set_points, planned = np.full((2, steps, len(units)), np.nan)
    for k, unit in enumerate(units):
        plan = plans.get(unit.name)
        if plan is not None:
            set_points[:, k] = _fitting(plan.command_kw, steps, f"command_kw of {unit.name}")
            planned[:, k] = _fitting(plan.p_kw, steps, f"p_kw of {unit.name}")
    return set_points, planned


def _fitting(values: Array, steps: int, what: str) -> Array:
    """Return the values if there is one for every step, or one for all."""
    if np.shape(values) not in {(), (1,), (steps,)}:
        raise ValueError(f"{what} has the shape {np.shape(values)}, not ({steps},)")
    return values


def _file_of(coordination: object) -> str:
    """File with the class of a mechanism, or a path that nothing lies in."""
    return getattr(sys.modules[type(coordination).__module__], "__file__", None) or "/dev/null"


def _offers(points: Sequence[str], plan: Plan, steps: int) -> Array:
    """Offers and caps, shape ``(steps, columns, points)``; NaN where there are none."""
    table = np.full((steps, len(OFFER_COLUMNS), len(points)), np.nan)
    for k, name in enumerate(points):
        offer, cap = plan.offers.get(name), plan.caps.get(name)
        if offer is not None:
            table[:, 0, k], table[:, 1, k] = offer.p_kw, offer.curtailed_kw
            table[:, 2, k], table[:, 3, k] = offer.up_kw, offer.down_kw
        if cap is not None:
            table[:, 4, k], table[:, 5, k] = cap.p_min_kw, cap.p_max_kw
    table[np.isinf(table)] = np.nan
    return table


def _priceable(instance: Instance) -> list[tuple[str, str]]:
    """Carriers and neighbourhoods that energy can be settled of: what is metered at a border."""
    traded = {
        (node.carrier, unit.neighbourhood): None
        for unit in instance.units
        for node in unit.nodes.values()
        if unit.neighbourhood is not None and (node.buy or node.sell)
    }
    zones = () if instance.zones is None else instance.zones.names
    return [*((ELECTRICITY, name) for name in (*instance.buses, *zones)), *traded]


def _prices(
    plan: Plan, known: Sequence[tuple[str, str]], steps: int
) -> dict[tuple[str, str], Array]:
    """Prices by carrier and neighbourhood, shape ``(steps,)`` each."""
    unknown = [key for key in plan.prices if key not in known]
    if unknown:
        raise ValueError(
            f"the plan prices {', '.join(map(repr, unknown))}, of which no energy can be settled;"
            f" there are: {', '.join(map(repr, known))}"
        )
    prices = {}
    for key, values in plan.prices.items():
        price = np.array(_fitting(values, steps, f"the price of {key!r}"), dtype=float)
        if np.isinf(price).any():
            raise ValueError(f"the price of {key!r} is infinite")
        prices[key] = np.broadcast_to(price, (steps,))
    return prices


def _check_names(what: str, planned: Iterable[str], known: Sequence[str]) -> None:
    """Refuse a plan for somebody who is not there."""
    unknown = sorted(set(planned) - set(known))
    if unknown:
        raise ValueError(f"the plan names unknown {what}: {', '.join(unknown)}")


def _check_parts(plan: Plan, coupling: Coupling) -> None:
    """Refuse what means nothing in the problem that was asked."""
    parts = {
        "offers": plan.offers,
        "caps": plan.caps,
        "tap_pos": plan.tap_pos is not None,
        "allocation": plan.allocation,
    }
    useful = {name for part in coupling.parts for name in part.answers}
    idle = [name for name, given in parts.items() if given and name not in useful]
    if idle:
        raise ValueError(f"the problem {coupling.kind!r} has no use for {', '.join(idle)}")
    if plan.allocation is not None and plan.allocation not in RULES:
        raise ValueError(f"no rule of allocation {plan.allocation!r}; known: {', '.join(RULES)}")


def _tables_of(coupling: Coupling) -> list[str]:
    """Our tables, without those that other problems only have."""
    others = {table for other in COUPLINGS.values() for table in other.tables}
    own = {table for part in coupling.parts for table in part.tables}
    return [name for name in TABLES if name not in others or name in own]


def _with_hiccups(
    records: Mapping[str, Any], tried_again: list[dict[str, Any]]
) -> Mapping[str, Any]:
    """Add what solvers had to try again to the rows of ``solves``."""
    solves = records.get("solves", ())
    if not tried_again or isinstance(solves, Mapping):  # a mechanism's own columns stay as they are
        return records
    return {**records, "solves": [*solves, *tried_again]}


def _with_gate(columns: Container[str], content: Any, gate: int) -> Any:
    """Add the column ``gate`` to columns or rows of a table that has it."""
    if "gate" not in columns:
        return content
    if isinstance(content, Mapping):
        return {"gate": gate, **content}
    return [{"gate": gate, **row} for row in content]
