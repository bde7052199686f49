"""Objects that a file of pandapower's JSON asks for, and that no grid needs.

pandapower imports any module that such a file names, and reads any table from another file that it
names. So what a file asks for is looked at before pandapower reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_OWN = re.compile(r"pandapower(\.(?!test)\w+)*")
_KNOWN = {
    "pandas": {"DataFrame", "Series", "Index", "RangeIndex", "MultiIndex"},
    "numpy": {"array", "bool", "bool_", "int64", "int32", "uint32", "float64", "float32"},
    "builtins": {"complex", "tuple", "set", "frozenset"},
    "networkx": {"MultiGraph"},
    "geopandas": {"GeoDataFrame"},
    "shapely": {"Point", "LineString", "Polygon", "MultiLineString", "MultiPolygon"},
}
"""Classes beside pandapower's own that it writes, by package."""
_TABLES = {"DataFrame", "Series"}


def foreign(text: str) -> list[str]:
    """Return what a file asks for that has no place in a grid, a sentence each.

    Raises
    ------
    ValueError
        If the text is no JSON.
    RecursionError
        If it is nested too deeply.
    """
    return list(dict.fromkeys(_foreign(json.loads(text))))


def _foreign(data: Any) -> Iterator[str]:
    if isinstance(data, list):
        for value in data:
            yield from _foreign(value)
    elif isinstance(data, dict):
        if "_module" in data and "_class" in data:
            yield from _asked(str(data["_module"]), str(data["_class"]), data.get("_object"))
        for value in data.values():
            yield from _foreign(value)
    elif isinstance(data, str) and data.lstrip()[:1] in {"{", "["}:
        try:
            inside = json.loads(data)
        except ValueError:  # a text; tables are looked at where they are asked for
            return
        yield from _foreign(inside)


def _asked(module: str, name: str, content: Any) -> Iterator[str]:
    package = module.partition(".")[0]
    if not _OWN.fullmatch(module) and name not in _KNOWN.get(package, set()):
        yield (
            f"asks for {name!r} of the module {module!r}, which no grid needs and which is not"
            " imported; write the grid without it"
        )
    elif name in _TABLES and not _is_json(content):
        yield f"holds a {name} that is no JSON; write it with pp.to_json(net, path)"


def _is_json(content: Any) -> bool:
    try:
        return isinstance(content, str) and isinstance(json.loads(content), dict | list)
    except ValueError:
        return False
