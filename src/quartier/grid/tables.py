"""Reading pandapower's tables: columns, elements by index or name, what is not supported."""

from __future__ import annotations

import copy
import difflib
import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quartier.errors import InputError
from quartier.grid.foreign import foreign
from quartier.quantities import Array

if TYPE_CHECKING:
    from pandapower import pandapowerNet

    Net: TypeAlias = pandapowerNet
else:
    Net = Any

Indices: TypeAlias = NDArray[np.int64]

UNSUPPORTED = (
    "motor",
    "ward",
    "xward",
    "asymmetric_load",
    "asymmetric_sgen",
    "dcline",
    "trafo3w",
    "svc",
    "ssc",
    "tcsc",
    "vsc",
    "b2b_vsc",
    "line_dc",
)
"""Elements that are not simulated."""


class Tables(dict[str, Any]):
    """What a pandapower network holds, read as one (``tables.bus``) without pandapower."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def network_of(net: Tables | Net) -> Net:
    """Return a copy that pandapower works on."""
    if isinstance(net, Tables):
        from pandapower import pandapowerNet

        found = pandapowerNet({})
        found.update(copy.deepcopy(net))
        return found
    return copy.deepcopy(net)


def net_of(path: Path) -> Net:
    """Return what a file of pandapower's JSON holds; a text is parsed once (half a second each).

    Raises
    ------
    InputError
        If it asks for objects that no grid needs.
    """
    text = path.read_text(encoding="utf-8")
    if problems := foreign(text):
        raise InputError(problems)
    return copy.deepcopy(parsed(text))


@functools.lru_cache(maxsize=8)
def parsed(text: str) -> Net:
    """Return what a text of pandapower's JSON holds; nobody may change it."""
    from pandapower import from_json

    return from_json(io.StringIO(text))


def find_element(table: pd.DataFrame, key: int | str) -> int | None:
    """Return the index of an element given by index or by name, None if there is none."""
    if isinstance(key, str):
        names = table.index[table["name"] == key]
        if len(names):
            return int(names[0]) if len(names) == 1 else None
        key = int(key) if key.isdecimal() else -1
    return int(key) if key in table.index else None


def unsupported(net: Net) -> list[str]:
    """Say what in a network cannot be simulated, a sentence each."""
    return [
        f"{len(net[kind])} {kind} in the grid: not supported; replace them by lines, "
        "transformers, loads and sgens, or remove them"
        for kind in UNSUPPORTED
        if kind in net and isinstance(net[kind], pd.DataFrame) and len(net[kind])
    ]


def unsolvable(net: Net) -> list[str]:
    """Say what keeps a network without other problems from being solved."""
    problems = []
    if not (net.ext_grid["in_service"].any() or _slack_generators(net)):
        problems.append("no external grid in service; add an ext_grid where the grid is fed")
    shares = [column for column in net.load if column.startswith(("const_z", "const_i"))]
    if shares and (net.load.loc[net.load["in_service"], shares].fillna(0.0) != 0).any(axis=None):
        problems.append("loads depend on the voltage (const_z, const_i): set these shares to 0")
    return problems


def _slack_generators(net: Net) -> bool:
    return bool((net.gen["slack"].astype(bool) & net.gen["in_service"]).any())


def unknown(kind: str, key: int | str, table: pd.DataFrame) -> str:
    """Say that there is no such element, or several, and what is close to it."""
    names = [str(name) for name in table["name"]]
    double = names.count(str(key)) > 1
    if double:
        return f"several elements are named {key!r}; name the {kind} by its index"
    close = difflib.get_close_matches(str(key), names, n=3)
    hint = f"; did you mean {', '.join(map(repr, close))}?" if close else ""
    return f"no {kind} {key!r} in the grid{hint}"


def label(kind: str, table: pd.DataFrame, position: int) -> str:
    """``<kind> <index> <name>`` of the element at a position."""
    name = table["name"].iloc[position] if "name" in table else None
    return f"{kind} {table.index[position]}" + (f" {name}" if name else "")


def indices(table: pd.DataFrame) -> Indices:
    """Index of a table."""
    return table.index.to_numpy(dtype=np.int64)


def column(table: pd.DataFrame, name: str, default: float) -> Array:
    """Numbers of a column (a copy), ``default`` where there are none."""
    if name not in table:
        return np.full(len(table), default)
    values = pd.to_numeric(table[name], errors="coerce").fillna(default)
    return values.to_numpy(dtype=float, copy=True)


def product(table: pd.DataFrame, *names: str) -> Array:
    """Product of columns; ``df`` and ``parallel`` are 1 where they are not given."""
    result = np.ones(len(table))
    for name in names:
        result *= column(table, name, 1.0 if name in {"df", "parallel"} else 0.0)
    return result
