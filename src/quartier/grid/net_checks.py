"""What is wrong with a pandapower network: each finding names table, row, column and remedy.

A rule holds for a column of numbers. Rows out of service may hold what they like, but for
transformers and buses, whose numbers pandapower computes with all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quartier.grid.tables import Indices, Net, column, label
from quartier.quantities import Array

DEFAULT_BAND_PU = (0.9, 1.1)
"""Voltage band of buses whose data give none (EN 50160)."""
MOST_RATIO = 1.5
"""Nominal voltages that belong together differ by no more than this factor."""


@dataclass(frozen=True)
class Rule:
    """What a number must be."""

    holds: Callable[[Array], NDArray[np.bool_]]
    remedy: str
    may_lack: bool = False
    """Whether there may be none: no column, None or NaN."""


def _rule(holds: Callable[[Array], Any], remedy: str) -> tuple[Rule, Rule]:
    """Return the rule for a number that must be there, and for one that may be."""

    def finite(values: Array) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(values) & holds(values))

    return Rule(finite, remedy), Rule(finite, remedy, may_lack=True)


POSITIVE, MAYBE_POSITIVE = _rule(lambda x: x > 0, "write a number above 0")
NONZERO, _ = _rule(lambda x: x != 0, "write a number that is not 0")
FINITE, MAYBE_FINITE = _rule(np.isfinite, "write a number")

RULES: dict[str, dict[str, Rule]] = {
    "bus": {"vn_kv": POSITIVE, "min_vm_pu": MAYBE_FINITE, "max_vm_pu": MAYBE_POSITIVE},
    "line": {
        "length_km": POSITIVE,
        "r_ohm_per_km": FINITE,
        "x_ohm_per_km": NONZERO,
        "c_nf_per_km": FINITE,
        "g_us_per_km": FINITE,
        "max_i_ka": POSITIVE,
        "df": MAYBE_POSITIVE,
        "parallel": POSITIVE,
        "max_loading_percent": MAYBE_POSITIVE,
    },
    "trafo": {
        "sn_mva": POSITIVE,
        "vn_hv_kv": POSITIVE,
        "vn_lv_kv": POSITIVE,
        "vk_percent": NONZERO,
        "vkr_percent": FINITE,
        "pfe_kw": FINITE,
        "i0_percent": FINITE,
        "shift_degree": FINITE,
        "df": MAYBE_POSITIVE,
        "parallel": POSITIVE,
        "max_loading_percent": MAYBE_POSITIVE,
        **{f"tap_{name}": MAYBE_FINITE for name in ("pos", "neutral", "min", "max")},
        **{f"tap_step_{name}": MAYBE_FINITE for name in ("percent", "degree")},
    },
    "load": {"p_mw": FINITE, "q_mvar": FINITE, "scaling": FINITE},
    "sgen": {"p_mw": FINITE, "q_mvar": FINITE, "scaling": FINITE},
    "gen": {"p_mw": FINITE, "vm_pu": POSITIVE, "scaling": FINITE},
    "ext_grid": {"vm_pu": POSITIVE, "va_degree": FINITE},
    "shunt": {"p_mw": FINITE, "q_mvar": FINITE, "vn_kv": POSITIVE, "step": FINITE},
    "impedance": {
        **dict.fromkeys(("rft_pu", "rtf_pu"), FINITE),
        **dict.fromkeys(("xft_pu", "xtf_pu"), NONZERO),
        "sn_mva": POSITIVE,
    },
    "switch": {"z_ohm": MAYBE_FINITE},
}
"""Rules by table and column."""

BUSES: dict[str, tuple[str, ...]] = {
    "line": ("from_bus", "to_bus"),
    "trafo": ("hv_bus", "lv_bus"),
    "impedance": ("from_bus", "to_bus"),
    **dict.fromkeys(("load", "sgen", "gen", "storage", "ext_grid", "shunt"), ("bus",)),
    "switch": ("bus",),
}
"""Columns that name buses, by table."""

SWITCHED = {"l": "line", "t": "trafo", "b": "bus"}
"""Tables of the elements that switches act on, by the switch's ``et``."""

YES_OR_NO: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("bus", *BUSES), ("in_service",)),
    "gen": ("in_service", "slack"),
    "switch": ("closed",),
}
"""Columns that are true or false."""


ACTS_ON = {"switch": ("et", "element")}
"""Columns that name what an element acts on."""

TABLES = tuple(dict.fromkeys([*RULES, *BUSES, *YES_OR_NO]))
"""All tables that are read."""


def net_problems(net: Net) -> list[str]:
    """Say what in a network's data keeps it from being computed, a sentence each."""
    missing = [
        f"the table {kind} is {why}; write the network with pp.to_json"
        for kind in TABLES
        if (why := _no_table(net, kind))
    ]
    if missing or net.bus.empty:
        return missing or ["there is no bus; add some"]
    problems = [p for kind in RULES for p in _of_table(net, kind)]
    if not pd.api.types.is_integer_dtype(net.bus.index):
        return problems  # nobody can be at a bus
    lost = [p for kind, columns in BUSES.items() for p in _lost(net, kind, columns)]
    if problems or lost:
        return [*problems, *lost]  # what follows reads these columns
    return [*_transformers(net), *_levels(net), *_switches(net), *_bands(net)]


def _no_table(net: Net, kind: str) -> str:
    """Why there is no table to read; nothing if there is one."""
    if kind not in net:
        return "missing"
    table = net[kind]
    if not isinstance(table, pd.DataFrame):
        return "no table"
    names = list(table.columns)
    if not all(isinstance(name, str) for name in names):
        return "one with columns without a name"
    twice = [name for name in names if names.count(name) > 1]
    return f"one with several columns {twice[0]!r}" if twice else ""


def fill(net: Net) -> None:
    """Give tables the columns that may lack: names, and any of a table without rows."""
    for kind in TABLES:
        if _no_table(net, kind):
            continue
        table = net[kind]
        if "name" not in table:
            table["name"] = None
        needed = [name for name, rule in RULES.get(kind, {}).items() if not rule.may_lack]
        needed += [*BUSES.get(kind, ()), *YES_OR_NO.get(kind, ()), *ACTS_ON.get(kind, ())]
        for name in needed if not len(table) else ():
            if name not in table:
                table[name] = pd.Series(dtype=float)


def tidy(net: Net) -> None:
    """Make columns of a network without problems hold numbers and truth values only."""
    fill(net)
    for kind in TABLES:
        table = net[kind]
        for name in YES_OR_NO.get(kind, ()):
            table[name] = table[name].astype(bool)
        for name in BUSES.get(kind, ()):
            table[name] = _indices(table[name])
        for name in RULES.get(kind, {}):
            if name in table and table[name].dtype == object:
                table[name] = numbers(table[name])
    net.switch["element"] = _indices(net.switch["element"])


def _of_table(net: Net, kind: str) -> Iterator[str]:
    table: pd.DataFrame = net[kind]
    if table.empty:
        return
    if not table.index.is_unique or not pd.api.types.is_integer_dtype(table.index):
        yield f"{kind}: the index must be whole numbers, each once"
        return
    for name in ACTS_ON.get(kind, ()):
        if name not in table:
            yield f"{kind}: the column {name} is missing; write it in each row"
    for name in YES_OR_NO.get(kind, ()):
        yield from _found(kind, table, name, ~_is_flag(table, name), "write true or false")
    used = np.ones(len(table), dtype=bool)
    if kind not in {"trafo", "bus", "switch"}:
        used = _is_flag(table, "in_service", (True,))
    for name, rule in RULES[kind].items():
        yield from _column(kind, table, name, rule, used)


def _is_flag(
    table: pd.DataFrame, name: str, answers: tuple[bool, ...] = (True, False)
) -> NDArray[np.bool_]:
    values = table[name] if name in table else [None] * len(table)
    return np.array(
        [isinstance(v, bool | np.bool_ | int | float) and v in answers for v in values], dtype=bool
    )


def _column(
    kind: str, table: pd.DataFrame, name: str, rule: Rule, used: NDArray[np.bool_]
) -> Iterator[str]:
    if name not in table:
        if not rule.may_lack and used.any():
            yield f"{kind}: the column {name} is missing; {rule.remedy} in each row"
        return
    values = numbers(table[name])
    wrong = used & ~rule.holds(values)
    if rule.may_lack:
        wrong &= ~table[name].isna().to_numpy(dtype=bool)
    yield from _found(kind, table, name, wrong, rule.remedy)


def numbers(values: pd.Series[Any]) -> Array:
    """Return a column as floats; NaN where there is no number (true and false are none)."""
    if values.dtype == object:
        flags = np.array([isinstance(value, bool | np.bool_) for value in values], dtype=bool)
        values = values.mask(flags, np.nan)
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _indices(values: pd.Series[Any]) -> Indices:
    """Return a column, known to be right, as indices."""
    return numbers(values).astype(np.int64)


def _found(
    kind: str, table: pd.DataFrame, name: str, wrong: NDArray[np.bool_], remedy: str
) -> Iterator[str]:
    """Name the first row where a column is wrong, and how many more there are."""
    rows = np.flatnonzero(wrong)
    if not rows.size:
        return
    value = table[name].iloc[rows[0]] if name in table else "missing"
    shown = f"{value:g}" if isinstance(value, float | np.number) else repr(value)
    yield f"{label(kind, table, int(rows[0]))}: {name} is {shown}{_more(rows)}; {remedy}"


def _more(rows: NDArray[np.int64]) -> str:
    return f" ({rows.size - 1} more such rows)" if rows.size > 1 else ""


def _lost(net: Net, kind: str, columns: tuple[str, ...]) -> Iterator[str]:
    """Elements at buses that are not there."""
    table = net[kind]
    for name in columns if len(table) else ():
        if name not in table:
            yield f"{kind}: the column {name} is missing; name a bus in each row"
            continue
        there = np.isin(numbers(table[name]), net.bus.index.to_numpy(dtype=float))
        known = f"name one of the buses {net.bus.index.min()} .. {net.bus.index.max()}"
        yield from _found(kind, table, name, ~there, known)


def _transformers(net: Net) -> Iterator[str]:
    """Short-circuit voltages and taps that contradict each other."""
    trafo = net.trafo
    whole, real = (numbers(trafo[name]) for name in ("vk_percent", "vkr_percent"))
    remedy = "it is a part of vk_percent, so write no more than that"
    yield from _found("trafo", trafo, "vkr_percent", np.abs(real) > np.abs(whole), remedy)
    if {"tap_pos", "tap_min", "tap_max"} <= set(trafo):
        position, low, high = (numbers(trafo[f"tap_{end}"]) for end in ("pos", "min", "max"))
        outside = (position < low) | (position > high)
        remedy = "write one from tap_min to tap_max"
        yield from _found("trafo", trafo, "tap_pos", outside, remedy)


def _levels(net: Net) -> Iterator[str]:
    """Branches whose ends are at buses of another nominal voltage."""
    kv = pd.Series(numbers(net.bus["vn_kv"]), index=net.bus.index)

    def far(first: Array, second: Array) -> NDArray[np.bool_]:
        return np.asarray(np.maximum(first / second, second / first) > MOST_RATIO)

    line, trafo = net.line, net.trafo
    start, end = (_at(kv, line[f"{side}_bus"]) for side in ("from", "to"))
    used = line["in_service"].to_numpy(dtype=bool)
    remedy = "a line connects buses of one vn_kv; put a transformer between them"
    yield from _found("line", line, "to_bus", used & far(start, end), remedy)
    loop = used & (numbers(line["from_bus"]) == numbers(line["to_bus"]))
    yield from _found("line", line, "to_bus", loop, "it is from_bus, too; name another bus")
    used = trafo["in_service"].to_numpy(dtype=bool)
    for side in ("hv", "lv"):
        rated = numbers(trafo[f"vn_{side}_kv"])
        wrong = used & far(rated, _at(kv, trafo[f"{side}_bus"]))
        remedy = f"the {side}_bus has another vn_kv; are hv_bus and lv_bus swapped?"
        yield from _found("trafo", trafo, f"vn_{side}_kv", wrong, remedy)


def _at(kv: pd.Series[float], buses: pd.Series[Any]) -> Array:
    return np.asarray(kv.reindex(_indices(buses)), dtype=float)


def _switches(net: Net) -> Iterator[str]:
    """Switches that act on nothing, or whose bus is at no end of their element."""
    switch = net.switch
    known = [*SWITCHED, "t3"]
    yield from _found(
        "switch", switch, "et", ~switch["et"].isin(known).to_numpy(), f"write one of {known}"
    )
    for et, kind in SWITCHED.items():
        own = (switch["et"] == et).to_numpy(dtype=bool)
        there = np.isin(numbers(switch["element"]), net[kind].index.to_numpy(dtype=float))
        yield from _found("switch", switch, "element", own & ~there, f"name an index of {kind}")
        if et == "b":
            continue
        rows = switch[own & there]
        ends = net[kind].loc[_indices(rows["element"]), list(BUSES[kind])].to_numpy(dtype=float)
        apart = np.zeros(len(switch), dtype=bool)
        apart[own & there] = (ends != numbers(rows["bus"])[:, None]).all(axis=1)
        yield from _found("switch", switch, "bus", apart, f"name a bus at an end of its {kind}")


def _bands(net: Net) -> Iterator[str]:
    """Voltage bands that are empty; one point is enough where the voltage is held."""
    bus = net.bus
    low, high = (
        column(bus, name, default)
        for name, default in zip(("min_vm_pu", "max_vm_pu"), DEFAULT_BAND_PU, strict=True)
    )
    held = bus.index.isin([*_indices(net.ext_grid["bus"]), *_indices(net.gen["bus"])])
    rows = np.flatnonzero((low > high) | ((low == high) & ~held))
    if rows.size:
        k = int(rows[0])
        yield (
            f"{label('bus', bus, k)}: min_vm_pu {low[k]:g} is not below max_vm_pu {high[k]:g}"
            f"{_more(rows)}; widen the band (a point will do where a gen or ext_grid holds it)"
        )
