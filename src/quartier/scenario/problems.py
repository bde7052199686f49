"""Validation errors as sentences with the path in the YAML file, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic_core import ErrorDetails

from quartier.scenario.models import NAME_PATTERN
from quartier.scenario.node_settings import TIME_PATTERN
from quartier.scenario.schema import keys_at

Path: TypeAlias = tuple[str | int, ...]
"""Keys and positions from the top of the file."""

_TYPE_ERRORS = ("_type", "_parsing", "_from_float")
"""Endings of error types that say only: of the wrong type for this branch of a union."""
_TYPES = {
    "string_type": "a text",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
_LONGEST_VALUE = 60


def described(errors: Iterable[ErrorDetails], data: Mapping[str, Any]) -> list[str]:
    """Turn pydantic's errors into one sentence each.

    Parameters
    ----------
    data
        What was validated.
    """
    by_path: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(document_path(error["loc"], data), []).append(error)
    deeper = {path[:k] for path in by_path for k in range(len(path))}
    sentences = []
    for path, here in by_path.items():
        meant = [e for e in here if not _is_type_error(e)]
        if not meant and path in deeper:
            continue  # other branches of a union; the one that was meant has errors further down
        chosen = meant or here
        text = _joined(list(dict.fromkeys(_text(e, path, data) for e in chosen)))
        sentences.append(f"{show(path)}: {text}{_got(chosen[0])}")
    return sentences


def show(path: Path) -> str:
    """Write a path as ``neighbourhoods.fliegerhorst.bus``."""
    return ".".join(str(part) for part in path) or "the file"


def document_path(loc: Sequence[str | int], data: Any) -> Path:
    """Return an error's place in the file: pydantic's names of union branches left out."""
    path: list[str | int] = []
    whole, is_new = data, False
    for k, part in enumerate(loc):
        if is_new and isinstance(data, Mapping) and data.get("kind") == part:
            is_new = False  # the branch, by its kind, also where that is a key: problem.bundles
            continue
        inside = isinstance(data, Mapping) and part in data
        inside |= isinstance(data, list) and isinstance(part, int) and part < len(data)
        if inside:
            data, is_new = data[part], True
            path.append(part)
        elif isinstance(data, Mapping) and k == len(loc) - 1 and _is_key(part, path, whole):
            path.append(part)  # a key that is missing
    return tuple(path)


def _is_key(part: str | int, path: Sequence[str | int], data: Any) -> bool:
    return isinstance(part, str) and part in keys_at(path, data)


def suggestion(word: str, known: Iterable[str], most: int = 20) -> str:
    """Say which name was probably meant, or which names there are.

    Parameters
    ----------
    most
        Of more names than these, none is listed.
    """
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(word), names, n=2)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= most else ""


def _is_type_error(error: ErrorDetails) -> bool:
    return error["type"].endswith(_TYPE_ERRORS)


def _text(error: ErrorDetails, path: Path, data: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{suggestion(str(path[-1]), keys_at(path[:-1], data))}"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_invalid":
        known = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        return f"unknown kind {context['tag']!r}{suggestion(str(context['tag']), known)}"
    if kind == "union_tag_not_found":
        return "the key 'kind' is missing"
    if kind == "string_pattern_mismatch" and context["pattern"] == NAME_PATTERN:
        return "is no name: use a letter, then letters, digits, _ and -"
    if kind == "string_pattern_mismatch" and context["pattern"] == TIME_PATTERN:
        return "should be a time of day, HH:MM"
    if kind == "too_short":
        return f"needs at least {context['min_length']} of them"
    if kind in _TYPES:
        return f"should be {_TYPES[kind]}"
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "should be")


def _joined(texts: Sequence[str]) -> str:
    """Join what several branches of a union ask for."""
    first, *others = texts
    return " or ".join([first, *(text.removeprefix("should be ") for text in others)])


def _got(error: ErrorDetails) -> str:
    value = error["input"]
    if error["type"] in {"extra_forbidden", "missing", "value_error", "union_tag_invalid"}:
        return ""
    if isinstance(value, Mapping | list):
        return ""
    text = repr(value)
    return f" (got {text})" if len(text) <= _LONGEST_VALUE else ""
