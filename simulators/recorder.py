"""Collects columnar blocks from the other simulators and hands them to the run's writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from quartier.problem.allocation import RULES
from quartier.problem.market import Market
from quartier.problem.sharing import Sharing, shared_kw
from quartier.quantities import ELECTRICITY, Array
from quartier.simulators.execution import Execution
from quartier.simulators.inputs import Inputs, Outputs, only
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


class Recorder(TimeBased):
    """Writes what happened in each step.

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
        """Write the step's rows."""
        step = self.step_number(time)
        now = self._times[step]
        sources = inputs["Recorder"]
        for table in [t for t in BLOCKS if t != "prices"] if self._has_market else BLOCKS:
            for block in sources.get(table, {}).values():
                if table != "nodes" or len(block["node"]):
                    self._writer.add(table, {"time": now, **block})
        power = only(inputs, "Recorder", "connection_points") or {}
        offers = only(inputs, "Recorder", "offers") or {}
        self._writer.add("connection_points", {"time": now, **self._points, **power, **offers})
        if self._sharing:
            allocation = only(inputs, "Recorder", "allocation")
            self._shares(step, np.asarray(power["p_kw"], dtype=float), allocation, sources)
        if self._has_market:
            self._supply(step, np.asarray(power["p_kw"], dtype=float), sources)
        self._signals(now, sources)
        self._sessions_of(step, sources)
        for records in sources.get("records", {}).values():
            self._records(records)
        self._journal.steps += 1
        self._writer.tick()
        self._progress.advance()
        return time + self.step_size

    def snapshot(self) -> Snapshot:
        """What vehicles got so far."""
        return {kind: log.snapshot() for kind, log in self._sessions.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on counting."""
        for kind, log in self._sessions.items():
            log.restore(snapshot[kind])

    def _shares(
        self,
        step: int,
        p_kw: Array,
        allocation: str | None,
        sources: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """What the neighbourhoods gave each other: at the plan's price, or by a rule of its own."""
        names = self._neighbourhoods
        p_kw, price = p_kw[: len(names)], self._planned_prices(sources)
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

    def _planned_prices(self, sources: Mapping[str, Mapping[str, Any]]) -> Array:
        """Price of electricity that the plan sets for each neighbourhood, NaN without one."""
        known = _prices(sources)
        return np.array([known.get(name, np.nan) for name in self._neighbourhoods], dtype=float)

    def _supply(
        self,
        step: int,
        p_kw: Array,
        sources: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Let the suppliers serve what was drawn; without a price, that of the last block is paid.

        Suppliers are paid the mean of what the neighbourhoods pay.
        """
        names, now = self._neighbourhoods, self._times[step]
        market = self._instance.market(slice(step, step + 1))
        if market.zones is not None:
            self._serve_zones(now, market, p_kw, sources)
            return
        needed = -p_kw[: len(names)].sum(keepdims=True)
        price = self._planned_prices(sources)
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

    def _serve_zones(
        self,
        now: pd.Timestamp,
        market: Market,
        p_kw: Array,
        sources: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """The same zone by zone: each has a price, and lines carry what costs least."""
        for table, columns in executed(
            market, self._neighbourhoods, p_kw[: len(self._neighbourhoods)], _prices(sources)
        ).items():
            self._writer.add(table, {"time": now, **columns})

    def _signals(self, now: pd.Timestamp, sources: Mapping[str, Mapping[str, Any]]) -> None:
        names = [f"unit_cost[{name}]" for name in self._neighbourhoods]
        every = [*sources.get("unit_cost", {}).values()]
        costs = np.sum(every, axis=0) if every else np.zeros(len(names))  # there are no units
        values = [*costs[: len(names)]]
        units = ["EUR"] * len(names)
        for slack_p_mw in sources.get("slack_p_mw", {}).values():
            names, values, units = [*names, "slack_p_mw"], [*values, slack_p_mw], [*units, "MW"]
        self._writer.add("signals", {"time": now, "name": names, "value": values, "unit": units})

    def _sessions_of(self, step: int, sources: Mapping[str, Mapping[str, Any]]) -> None:
        for block in sources.get("units", {}).values():
            if block["kind"] in self._sessions:
                stays = self._sessions[block["kind"]].record(step, block["p_kw"])
                self._writer.rows("ev_sessions", stays)

    def _records(self, records: Mapping[str, Any]) -> None:
        for table, content in records.items():
            if isinstance(content, Mapping):
                self._writer.add(table, content)
            else:
                self._writer.rows(table, content)

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Outputs:
        """Say that the step is written."""
        return {eid: dict.fromkeys(names, True) for eid, names in outputs.items()}


def _prices(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Price of electricity that the plan sets in this step, by neighbourhood or zone."""
    prices: Mapping[str, Any] = next(iter(sources.get("prices", {}).values()), {})
    keys = ("carrier", "neighbourhood", "price_eur_per_kwh")
    rows = zip(*(prices.get(key, ()) for key in keys), strict=True)
    return {name: price for carrier, name, price in rows if carrier == ELECTRICITY}
