"""YAML as scenario files use it: numbers of YAML 1.2, no sexagesimal times, no double keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from quartier.errors import InputError

MOST_BYTES, MOST_VALUES = 20_000_000, 1_000_000
"""Size of a file, and of what its anchors unfold to, beyond which it is no scenario."""

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's plain scalars: ``16:00`` and dates stay text, ``1e-4`` counts."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == _MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, list | dict):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a name or a number", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is there twice", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return {
        loader.construct_object(k, deep=True): loader.construct_object(v, deep=True)
        for k, v in node.value
    }


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = str(node.value).lower()
    return float(text.replace(".", "") if text.lstrip("+-") in {".inf", ".nan"} else text)


_PLAIN = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    (_MERGE, r"<<", "<"),
)
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def parse(text: str) -> Any:
    """Parse YAML text.

    Raises
    ------
    yaml.YAMLError
        If it is no YAML.
    """
    return yaml.load(text, Loader=_Loader)


def read(path: Path) -> dict[str, Any]:
    """Read a file that holds one mapping.

    Raises
    ------
    InputError
        If it cannot be read, is no YAML, or is no mapping.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError([f"is larger than {MOST_BYTES // 10**6} MB"], str(path))
        data = parse(path.read_text(encoding="utf-8"))
        if _values(data) > MOST_VALUES:
            raise InputError([f"unfolds to more than {MOST_VALUES} values"], str(path))
    except RecursionError as error:
        raise InputError(["is nested too deeply, or contains itself"], str(path)) from error
    except ValueError as error:  # a number with thousands of digits; a byte that is no text
        raise InputError([f"cannot be read: {error}"], str(path)) from error
    except OSError as error:
        raise InputError([f"cannot be read: {error}"], str(path)) from error
    except yaml.YAMLError as error:
        raise InputError([f"is no YAML: {_where(error)}"], str(path)) from error
    if not isinstance(data, dict):
        raise InputError(["is empty or no mapping of keys to values"], str(path))
    return data


def _values(data: Any, known: dict[int, int] | None = None) -> int:
    """Number of values in nested data, what stands in it several times counted as often."""
    known = {} if known is None else known
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in known:
        known[id(data)] = MOST_VALUES + 1  # if it contains itself
        inside = data.values() if isinstance(data, dict) else data
        known[id(data)] = 1 + sum(_values(value, known) for value in inside)
    return known[id(data)]


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if mark is None:
        return str(problem)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
