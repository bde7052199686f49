"""JSON schema of the scenario file, for editors; ships as ``scenarios/scenario.schema.json``."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from quartier.errors import InputError
from quartier.units.kinds import is_own, own_kind

_NAME = "scenario.schema.json"
_OVERRIDE = "Override"


def scenario_schema() -> dict[str, Any]:
    """Return the schema of a scenario file: the scenario, and variants that override it."""
    schema = copy.deepcopy(_base())
    definitions = schema["$defs"]
    partial = {f"{name}{_OVERRIDE}": _partial(body) for name, body in definitions.items()}
    partial[f"Scenario{_OVERRIDE}"] = _partial({k: v for k, v in schema.items() if k != "$defs"})
    definitions.update(partial)
    schema["properties"]["variants"] = {
        "type": "object",
        "description": "Named overrides, merged into the scenario; null removes a key.",
        "additionalProperties": {"$ref": f"#/$defs/Scenario{_OVERRIDE}"},
    }
    schema["properties"]["default_variant"] = {
        "type": "string",
        "description": "Variant that runs when none is named; without it, the first.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Quartier scenario",
        **{k: v for k, v in schema.items() if k != "title"},
    }


def schema_text() -> str:
    """Return the schema as the shipped file has it."""
    return json.dumps(scenario_schema(), indent=1, ensure_ascii=False) + "\n"


def keys_at(path: Sequence[str | int], data: Mapping[str, Any] | None = None) -> list[str]:
    """Return the keys that a scenario may have at a path.

    Parameters
    ----------
    data
        The scenario's data, which tells a unit's kind; without it, keys of all kinds.
    """
    nodes, value = [_base()], data
    for part in path:
        value = _inside(value, part)
        nodes = [child for node in nodes for child in _children(node, part)]
        nodes = [branch for node in nodes for branch in _branches(node, value)]
    return sorted({key for node in nodes for key in node.get("properties", {})})


@functools.cache
def _base() -> dict[str, Any]:
    from quartier.scenario.models import Scenario

    return Scenario.model_json_schema(by_alias=True)


def _inside(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _children(node: Mapping[str, Any], part: str | int) -> list[dict[str, Any]]:
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    found = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    if isinstance(part, int):
        found.append(node.get("items"))
    return [child for child in found if isinstance(child, dict)]


def _branches(node: Mapping[str, Any], value: Any) -> list[dict[str, Any]]:
    """Resolve references and unions; a unit's union by its kind."""
    if "$ref" in node:
        return _branches(_base()["$defs"][node["$ref"].rpartition("/")[2]], value)
    mapping = node.get("discriminator", {}).get("mapping", {})
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if mapping and isinstance(kind, str) and is_own(kind):
        return _own(kind)
    if isinstance(kind, str) and kind in mapping:
        return _branches({"$ref": mapping[kind]}, value)
    options = [*node.get("anyOf", []), *node.get("oneOf", [])]
    if options:
        return [branch for option in options for branch in _branches(option, value)]
    return [dict(node)]


def _own(kind: str) -> list[dict[str, Any]]:
    """Schema of the parameters of a kind of the user's own, if there is one."""
    try:
        return [own_kind(kind).Parameters.model_json_schema(by_alias=True)]
    except InputError:  # reported where the parameters are checked
        return []


def _partial(body: Any) -> Any:
    """Rewrite a schema for overrides: nothing is required, and null removes a key."""
    if isinstance(body, list):
        return [_partial(item) for item in body]
    if not isinstance(body, dict):
        return body
    if "$ref" in body:
        return {**body, "$ref": f"{body['$ref']}{_OVERRIDE}"}
    rewritten = {
        "anyOf" if key == "oneOf" else key: _partial(value)
        for key, value in body.items()
        if key not in {"required", "discriminator", "default", "minProperties"}
    }
    if isinstance(body.get("properties"), dict):
        rewritten["properties"] = {k: _or_null(_partial(v)) for k, v in body["properties"].items()}
    for pattern, inner in body.get("patternProperties", {}).items():
        rewritten["patternProperties"][pattern] = _or_null(_partial(inner))
    if isinstance(body.get("additionalProperties"), dict):
        rewritten["additionalProperties"] = _or_null(rewritten["additionalProperties"])
    return rewritten


def _or_null(body: Any) -> Any:
    return {"anyOf": [body, {"type": "null"}]}


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_text())
