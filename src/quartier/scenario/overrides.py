"""Variants of a scenario and single overrides: merged into its data before validation."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import yaml

from quartier.errors import InputError
from quartier.scenario import yaml_file
from quartier.scenario.problems import suggestion
from quartier.scenario.schema import keys_at

Overrides: TypeAlias = Sequence[str] | Mapping[str, Any]
"""Changes to a scenario: ``path.to.key=value`` each, or values by their path."""
_FILE_KEYS = ("variants", "default_variant")
_NAMED = {"neighbourhoods", "units"}
"""Keys whose mappings are keyed by names that the file chooses."""


def with_variant(
    data: Mapping[str, Any], wanted: str | None, source: str
) -> tuple[str | None, dict[str, Any]]:
    """Return the variant's name and the scenario's data with the variant merged in.

    Raises
    ------
    InputError
        If there is no such variant.
    """
    variants = data.get("variants") or {}
    base = {key: value for key, value in data.items() if key not in _FILE_KEYS}
    if not isinstance(variants, Mapping):
        raise InputError(["variants: is no mapping of names to overrides"], source)
    name = wanted or data.get("default_variant") or next(iter(variants), None)
    if name is None:
        return None, base
    if not isinstance(name, str | int) or name not in variants:
        raise InputError([f"there is no variant {name!r}{suggestion(str(name), variants)}"], source)
    over = variants[name] or {}
    if not isinstance(over, Mapping):
        raise InputError([f"variants.{name}: is no mapping of keys to values"], source)
    return str(name), merged(base, over)


def merged(base: Any, over: Any) -> Any:
    """Merge mappings key by key, the second one winning; null removes a key."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return copy.deepcopy(over)
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def as_texts(overrides: Overrides) -> tuple[str, ...]:
    """Return overrides as ``PATH=VALUE`` each, the value in YAML."""
    if isinstance(overrides, Mapping):
        return tuple(f"{path}={_flow(value)}" for path, value in overrides.items())
    return (overrides,) if isinstance(overrides, str) else tuple(overrides)


def _flow(value: Any) -> str:
    """Write a value as YAML in one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_flow(k)}: {_flow(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    return json.dumps(value.item() if isinstance(value, np.generic) else value, default=str)


def blamed(problems: Iterable[str], overrides: Iterable[str]) -> list[str]:
    """Name, in each problem at a path that an override changed, the override."""
    keys = [text.partition("=")[0] for text in overrides]
    return [_blamed(problem, keys) for problem in problems]


def _blamed(problem: str, keys: Iterable[str]) -> str:
    path = problem.partition(": ")[0] + "."
    by = [k for k in keys if path.startswith(f"{k}.") or f"{k}.".startswith(path)]
    return f"{problem} (changed by --set {', '.join(by)})" if by else problem


def override(data: dict[str, Any], text: str) -> str | None:
    """Set ``PATH=VALUE`` in the data; return what is wrong with it."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        return f"--set {text}: write PATH=VALUE, e.g. horizon.steps=96"
    try:
        parsed = yaml_file.parse(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return f"--set {text}: {value!r} is no YAML value"
    *parents, last = [int(p) if p.isdecimal() else p for p in path.split(".")]
    if parents[:1] == ["problem"] and isinstance(data.get("problem"), str):
        data["problem"] = {"kind": data["problem"]}  # a word for its kind
    here: Any = data
    for k, part in enumerate(parents):
        problem = _step_problem(data, here, part, parents[:k])
        if problem:
            return f"--set {text}: {problem}"
        here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
    problem = _step_problem(data, here, last, parents, creates=True)
    if problem:
        return f"--set {text}: {problem}"
    if parsed is None and isinstance(here, dict):
        here.pop(last, None)
    else:
        here[last] = parsed
    return None


def _step_problem(
    data: Mapping[str, Any],
    here: Any,
    part: str | int,
    before: Sequence[str | int],
    *,
    creates: bool = False,
) -> str | None:
    """What keeps a path from going on to ``part``."""
    where = ".".join(map(str, before)) or "the file"
    if isinstance(here, list):
        inside = isinstance(part, int) and part < len(here)
        return None if inside else f"{where} has {len(here)} entries, counted from 0"
    if not isinstance(here, Mapping):
        return f"{where} is a value, it has no {part!r}"
    if part in here or (creates and before and before[-1] in _NAMED):
        return None
    if before and before[-1] in _NAMED:
        return f"there is no {part!r} in {where}{suggestion(str(part), here)}"
    known = keys_at(before, data)
    if known and part not in known:
        return f"unknown key {part!r} in {where}{suggestion(str(part), known)}"
    return None
