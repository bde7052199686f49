"""Tables as figures need them: one matrix an element, groups of units, steps left out."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd


def wide(table: pd.DataFrame, element: str, value: str) -> pd.DataFrame:
    """Return a table with a row a time and a column an element, in the order of the elements."""
    rows = table.drop_duplicates(["time", element], keep="last")
    return rows.pivot(index="time", columns=element, values=value)


def group_name(unit: str) -> str:
    """Name of what belongs together: ``nord.ev11-3`` and ``nord.ev11-4`` are ``nord.ev11``."""
    return re.sub(r"-\d+$", "", unit)


def label(kind: str, index: Any, name: Any) -> str:
    """Name of an element as the operator of the grid gives it: ``line 10 MV1.101 Line 11``."""
    return f"{kind} {index} {name}" if isinstance(name, str) and name else f"{kind} {index}"


def in_force(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Of rows with ``gate`` and ``round``, those of the last round of the last gate by ``keys``."""
    ordered = rows.sort_values(["gate", "round"], kind="stable")
    return ordered.drop_duplicates(keys, keep="last").sort_index()
