"""Tables of a run folder: their names, columns and types.

Long format, one row per time and element. A table that does not apply is absent; a number or a
text that does not apply is NaN (text: null).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

import pyarrow as pa


class ColumnType(Enum):
    """What a column holds."""

    TIME = "time"
    """UTC timestamp."""
    TEXT = "text"
    """Text, or null."""
    NUMBER = "number"
    """Float, or NaN."""
    COUNT = "count"
    """Whole number, always given."""
    FLAG = "flag"
    """True or false, always given."""

    @property
    def arrow(self) -> pa.DataType:
        """Type in Arrow and Parquet."""
        return _ARROW[self]

    @property
    def may_be_absent(self) -> bool:
        """Whether a block may leave the column out: it is then filled with NaN or null."""
        return self in {ColumnType.TEXT, ColumnType.NUMBER}


_ARROW = {
    ColumnType.TIME: pa.timestamp("ns", tz="UTC"),
    ColumnType.TEXT: pa.string(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.COUNT: pa.int64(),
    ColumnType.FLAG: pa.bool_(),
}

_TIMES = {"time", "arrival", "departure"}
_TEXTS = {
    "agent",
    "asset",
    "carrier",
    "end",
    "group",
    "kind",
    "line",
    "lost_to",
    "mechanism",
    "method",
    "name",
    "neighbourhood",
    "node",
    "parameter",
    "problem",
    "reason_element",
    "receiver",
    "sender",
    "slowest",
    "start",
    "status",
    "supplier",
    "unit",
    "zone",
}
_COUNTS = {
    "agents",
    "answers",
    "bus",
    "bytes",
    "gate",
    "index",
    "messages",
    "numbers",
    "point",
    "round",
    "session",
}
_FLAGS = {"agreed", "chosen", "converged", "delivered"}


def _column_type(name: str) -> ColumnType:
    if name in _TIMES:
        return ColumnType.TIME
    if name in _TEXTS:
        return ColumnType.TEXT
    if name in _COUNTS:
        return ColumnType.COUNT
    return ColumnType.FLAG if name in _FLAGS else ColumnType.NUMBER


def _columns(names: str, **types: ColumnType) -> dict[str, ColumnType]:
    return {name: types.get(name, _column_type(name)) for name in names.split()}


TABLES: dict[str, dict[str, ColumnType]] = {
    "units": _columns(
        "time neighbourhood unit kind p_kw q_kvar available_kw planned_kw energy_kwh"
        " driving_kw heat_kw fuel_kw co2_kg"
    ),
    "connection_points": _columns(
        "time name kind bus p_kw q_kvar offer_kw offer_curtailed_kw flex_up_kw flex_down_kw"
        " p_set_min_kw p_set_max_kw"
    ),
    "nodes": _columns(
        "time node carrier demand_kw unserved_kw rejected_kw bought_kw sold_kw price_eur_per_kwh"
        " cost_eur co2_kg"
    ),
    "ev_sessions": _columns("unit session arrival departure due_kwh delivered_kwh"),
    "buses": _columns("time bus vm_pu va_degree p_mw q_mvar"),
    "lines": _columns("time index name loading_percent i_ka p_from_mw loss_mw"),
    "transformers": _columns("time index name loading_percent tap_pos p_hv_mw loss_mw"),
    "steps": _columns("time converged iterations"),
    "signals": _columns("time name value unit"),
    "prices": _columns("time neighbourhood carrier price_eur_per_kwh"),
    "congestion": _columns(
        "time gate name baseline_kw planned_kw price_eur_per_kwh limits_eur_per_kwh"
    ),
    "redispatch": _columns(
        "time gate round asset kind offered_kw p_set_kw reason_element sensitivity cost_eur"
    ),
    "plans": _columns("gate round time unit p_kw"),
    "forecasts": _columns("gate time unit kind forecast_kw actual_kw"),
    "solves": _columns(
        "gate problem status objective bound gap follower_suboptimality wall_s tries"
        " loading_over_percent voltage_over_pu"
    ),
    "negotiations": _columns(
        "gate round neighbourhood mechanism agents messages bytes sim_time_s wall_s objective"
        " agreed"
    ),
    "sensitivities": _columns("gate name parameter value unit worth_eur"),
    "traces": _columns("gate round neighbourhood sim_time_s objective"),
    "rounds": _columns(
        "gate mechanism round bound objective gap residual imbalance_kwh price_eur_per_kwh answers"
        " messages numbers sim_time_s wall_s slowest"
    ),
    "bids": _columns("gate time agent price_eur_per_kwh p_kw accepted_kw block block_eur share"),
    "fronts": _columns(
        "gate neighbourhood method point objective value chosen", objective=ColumnType.TEXT
    ),
    "supply": _columns("time supplier p_kw price_eur_per_kwh cost_eur"),
    "zones": _columns("time zone price_eur_per_kwh drawn_kw supplied_kw imported_kw"),
    "flows": _columns("time line start end p_kw p_min_kw p_max_kw rent_eur"),
    "offers": _columns("group carrier supplier price_eur_per_kwh need_kwh"),
    "sizes": _columns("unit size annual_eur"),
    "shares": _columns("time neighbourhood shared_kw price_eur_per_kwh cost_eur"),
    "messages": _columns("sim_time_s gate sender receiver kind bytes delivered delay_s lost_to"),
}
"""Columns of every table with their types, in the order in which they are written.

Units are in the names; power is positive into the grid. ``redispatch.p_set_kw`` is the cap on
feed-in, or where ``reason_element`` ends with ``(consumption)`` the least power, the cap on
consumption; ``redispatch.cost_eur`` is what the reduction costs if nothing of it is stored.
``messages.delay_s`` is the time until a message arrives or would have; ``messages.lost_to`` says
why it was not delivered: loss, link is down, sender is down or receiver is down.
``iterations`` and ``tap_pos`` are numbers, NaN where there is nothing to count.
"""


Declared: TypeAlias = Mapping[str, Mapping[str, str]]
"""Tables of a mechanism's own: what each column holds, by table and column. ``time``, ``text``,
``count`` and ``flag`` are kinds; anything else is the unit of a number (``1``: it has none)."""


def columns_of(table: str, own: Declared | None = None) -> dict[str, ColumnType]:
    """Columns of a table, ours or of a mechanism's own.

    Raises
    ------
    KeyError
        If there is no such table; it lists those there are.
    """
    own = own or {}
    if table in TABLES:
        return TABLES[table]
    if table not in own:
        raise KeyError(f"no table {table!r}; tables: {', '.join([*TABLES, *own])}")
    kinds = {kind.value: kind for kind in ColumnType}
    return {name: kinds.get(word, ColumnType.NUMBER) for name, word in own[table].items()}


def schema(table: str, own: Declared | None = None) -> pa.Schema:
    """Arrow schema of a table; :class:`KeyError` lists the tables there are."""
    return pa.schema([pa.field(n, kind.arrow) for n, kind in columns_of(table, own).items()])
