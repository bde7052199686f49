"""Collects columnar blocks from the other simulators and hands them to the run's writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.problem.allocation import RULES
from quartier.problem.market import Market
from quartier.problem.sharing import Sharing, shared_kw
from quartier.quantities import ELECTRICITY, Array
from quartier.results.tables import TABLES
from quartier.simulators.execution import Execution
from quartier.simulators.inputs import AtBoundary, Inputs, Outputs, check_columns, checked, only
from quartier.simulators.sessions import SessionLog
from quartier.simulators.time_based import Snapshot, TimeBased
from quartier.simulators.zones import executed
from quartier.units import KINDS

MODELS = {
    "Recorder": {
        "public": True,
        "params": ["execution"],
        "attrs": ["written"],
        "any_inputs": True,
    }
}

BLOCKS = ("units", "nodes", "prices", "buses", "lines", "transformers", "steps")
"""Tables that arrive as blocks of columns without ``time``, from one simulator or several."""


NEVER_NAN: Mapping[str, Sequence[str]] = {
    "units": ("p_kw", "q_kvar"),
    "connection_points": ("p_kw", "q_kvar"),
    "offers": (),
    "nodes": (),
    "prices": (),
    "buses": ("bus",),
    "lines": ("index",),
    "transformers": ("index",),
    "steps": ("converged",),
}
"""Columns that are always there, and no NaN; others are NaN where they do not apply."""


class Recorder(TimeBased):
    """Writes what happened in each step, a block of them at once.

    Blocks of columns go to the table that their attribute is named after. Besides:
    ``connection_points`` (power, from the grid) and ``offers`` (from the planner) make one
    table; ``records`` are rows or columns by table, from the planner; ``signals`` are single
    values by name; ``unit_cost`` is an array over the connection points.
    """

    def __init__(self) -> None:
        super().__init__(MODELS)

    def create(self, num: int, model: str, **model_params: Any) -> Any:
        """Make the one recorder."""
        execution: Execution = model_params["execution"]
        self._writer, self._progress = execution.writer, execution.progress
        self._journal, self._points = execution.journal, execution.points
        self._times = execution.instance.horizon.times
        self._sessions = {
            kind: SessionLog(units, self._times)
            for kind, units in execution.fleets.items()
            if KINDS[kind].sessions
        }
        self._neighbourhoods = list(execution.instance.buses)
        self._instance = execution.instance
        kind = self._instance.scenario.problem.kind
        self._sharing = kind == Sharing.kind
        self._has_market = kind == Market.kind
        return [{"eid": "Recorder", "type": "Recorder"}]

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int:
        """Write the block's rows."""
        first, steps = self.step_number(time), self.pace.steps
        self._now = self._times[first : first + steps]
        sources = inputs["Recorder"]
        self._check(inputs)
        for records in sources.get("records", {}).values():  # of a gate, with which blocks begin
            self._records(records)
        for table in [t for t in BLOCKS if t != "prices"] if self._has_market else BLOCKS:
            self._add(table, *sources.get(table, {}).values())
        power = only(inputs, "Recorder", "connection_points") or {}
        offers = only(inputs, "Recorder", "offers") or {}
        self._add("connection_points", {**self._points, **power, **offers})
        for row in range(steps if self._sharing or self._has_market else 0):
            p_kw = np.asarray(power["p_kw"][row], dtype=float)
            planned = _prices(sources, row)
            if self._sharing:
                allocation = only(inputs, "Recorder", "allocation")
                self._shares(first + row, p_kw, allocation, planned)
            if self._has_market:
                self._supply(first + row, p_kw, planned)
        self._signals(sources)
        self._sessions_of(first, sources)
        self._journal.steps += steps
        self._writer.tick(steps)
        self._progress.advance(steps)
        return self.after(time)

    def _check(self, inputs: Inputs) -> None:
        """Refuse what is no columns, no numbers, or too few (AtBoundary)."""
        sources, steps = inputs["Recorder"], len(self._now)
        for table, given in sources.items():
            for source, values in given.items():
                if table in NEVER_NAN:
                    types = TABLES["connection_points" if table == "offers" else table]
                    check_columns("Recorder", table, source, values, types, NEVER_NAN[table])
                elif table == "records" and not isinstance(values, Mapping):
                    raise AtBoundary(f"Recorder.records from {source} is {values!r}, not tables")
                elif table == "allocation" and values not in (None, *RULES):
                    raise AtBoundary(f"Recorder.allocation from {source} is {values!r}, no rule")
        checked(inputs, "Recorder", "unit_cost", (steps, len(self._points["name"]) + 1))
        checked(inputs, "Recorder", "slack_p_mw", (steps,), gaps=True)

    def _add(self, table: str, *blocks: Mapping[str, Any]) -> None:
        """Write blocks of columns side by side, the rows of each step together.

        Columns have the shape ``(steps, n)``, or ``(n,)`` where they are the same in every step.
        """
        steps = len(self._now)
        sized = [(block, _width(block)) for block in blocks]
        sized = [(block, width) for block, width in sized if width]
        if not sized:
            return
        columns: dict[str, Any] = {"time": self._now.repeat(sum(width for _, width in sized))}
        for name in dict.fromkeys(name for block, _ in sized for name in block):
            parts = [
                np.broadcast_to(_values(block.get(name, np.nan)), (steps, width))
                for block, width in sized
            ]
            columns[name] = np.concatenate(parts, axis=1).ravel()
        self._writer.add(table, columns)

    def snapshot(self) -> Snapshot:
        """What vehicles got so far."""
        return {kind: log.snapshot() for kind, log in self._sessions.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on counting."""
        for kind, log in self._sessions.items():
            log.restore(snapshot[kind])

    def _shares(
        self, step: int, p_kw: Array, allocation: str | None, planned: Mapping[str, float]
    ) -> None:
        """What the neighbourhoods gave each other: at the plan's price, or by a rule of its own."""
        names = self._neighbourhoods
        p_kw, price = p_kw[: len(names)], self._planned_prices(planned)
        cost = np.full(len(names), np.nan)
        free = np.isnan(price) if allocation else np.zeros(len(names), dtype=bool)
        if free.any():
            pool = self._instance.sharing(slice(step, step + 1))
            cost[free] = RULES[allocation or ""](pool, p_kw[None, free])[0]
            moved = -p_kw * pool.dt_h
            np.divide(cost, moved, out=price, where=free & (moved != 0))
        columns = {
            "neighbourhood": names,
            "shared_kw": shared_kw(p_kw),
            "price_eur_per_kwh": price,
            "cost_eur": cost,
        }
        self._writer.add("shares", {"time": self._times[step], **columns})

    def _planned_prices(self, planned: Mapping[str, float]) -> Array:
        """Price of electricity that the plan sets for each neighbourhood, NaN without one."""
        return np.array([planned.get(name, np.nan) for name in self._neighbourhoods], dtype=float)

    def _supply(self, step: int, p_kw: Array, planned: Mapping[str, float]) -> None:
        """Let the suppliers serve what was drawn; without a price, that of the last block is paid.

        Suppliers are paid the mean of what the neighbourhoods pay. With zones each has a price, and
        lines carry what costs least.
        """
        names, now = self._neighbourhoods, self._times[step]
        market, p_kw = self._instance.market(slice(step, step + 1)), p_kw[: len(names)]
        if market.zones is not None:
            for table, columns in executed(market, names, p_kw, planned).items():
                self._writer.add(table, {"time": now, **columns})
            return
        needed = -p_kw.sum(keepdims=True)
        price = self._planned_prices(planned)
        price = np.where(np.isnan(price), market.blocks.marginal_eur_per_kwh(needed), price)
        who = {"neighbourhood": names, "carrier": [ELECTRICITY] * len(names)}
        self._writer.add("prices", {"time": now, **who, "price_eur_per_kwh": price})
        served = market.by_supplier(needed)
        columns = {
            "supplier": list(served),
            "p_kw": np.array([power[0] for power, _ in served.values()]),
            "price_eur_per_kwh": np.full(len(served), price.mean()),
            "cost_eur": np.array([cost[0] for _, cost in served.values()]),
        }
        self._writer.add("supply", {"time": now, **columns})

    def _signals(self, sources: Mapping[str, Mapping[str, Any]]) -> None:
        names, steps = self._neighbourhoods, len(self._now)
        every = [*sources.get("unit_cost", {}).values()]
        costs = np.sum(every, axis=0) if every else np.zeros((steps, len(names)))  # no units
        told = [(f"unit_cost[{name}]", costs[:, k], "EUR") for k, name in enumerate(names)]
        slack = sources.get("slack_p_mw", {})
        told += [("slack_p_mw", values, "MW") for values in slack.values()]
        columns = {
            "name": np.array([name for name, _, _ in told], dtype=object),
            "value": np.array([values for _, values, _ in told]).reshape(len(told), steps).T,
            "unit": np.array([unit for _, _, unit in told], dtype=object),
        }
        self._add("signals", columns)

    def _sessions_of(self, first: int, sources: Mapping[str, Mapping[str, Any]]) -> None:
        stays = [
            row
            for block in sources.get("units", {}).values()
            if block["kind"] in self._sessions
            for row in self._sessions[block["kind"]].record(first, block["p_kw"])
        ]
        self._writer.rows("ev_sessions", sorted(stays, key=lambda row: row["departure"]))

    def _records(self, records: Mapping[str, Any]) -> None:
        for table, content in records.items():
            if isinstance(content, Mapping):
                self._writer.add(table, content)
            else:
                self._writer.rows(table, content)

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Say that the step is written."""
        return {eid: dict.fromkeys(names, True) for eid, names in outputs.items()}


def _values(column: Any) -> NDArray[Any]:
    """A column as an array, texts as objects."""
    return np.asarray(column, dtype=object if isinstance(column, str) else None)


def _width(block: Mapping[str, Any]) -> int:
    """Number of rows that a block of columns has in each step."""
    shapes = (np.shape(values) for values in block.values())
    return next((shape[-1] for shape in shapes if shape), 1)


def _prices(sources: Mapping[str, Mapping[str, Any]], row: int) -> dict[str, float]:
    """Price of electricity that the plan sets in a step, by neighbourhood or zone."""
    prices: Mapping[str, Any] = next(iter(sources.get("prices", {}).values()), {})
    if not prices:
        return {}
    now = prices["price_eur_per_kwh"][row] if len(prices["carrier"]) else ()
    rows = zip(prices["carrier"], prices["neighbourhood"], now, strict=True)
    return {name: price for carrier, name, price in rows if carrier == ELECTRICITY}
