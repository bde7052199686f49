"""The reference of the scenario file, from its JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from citations import markdown, table

from quartier.scenario.schema import scenario_schema
from quartier.units import KINDS

Schema = Mapping[str, Any]


def generated() -> str:
    """Return the generated part as Markdown."""
    schema = scenario_schema()
    parts = [_section("The whole file", schema, schema)]
    parts += [_section(_title(name, schema), body, schema) for name, body in _models(schema)]
    return "\n".join(parts)


def _models(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Models in the order in which the file reaches them: settings first, units last."""
    found = [name for name in _reached(schema, schema) if not name.endswith("Override")]
    units = [f"{type(kind).__name__}Parameters" for kind in KINDS.values()]
    for name in [*(n for n in found if n not in units), *units]:
        body = schema["$defs"][name]
        if "properties" in body:
            yield name, body


def _reached(schema: Schema, whole: Schema) -> Iterator[str]:
    seen: dict[str, None] = {}
    todo: list[Any] = [{k: v for k, v in schema["properties"].items() if k != "variants"}]
    while todo:
        for name in _references(todo.pop(0)):
            if name not in seen:
                seen[name] = None
                todo.append(whole["$defs"][name])
    return iter(seen)


def _references(body: Any) -> Iterator[str]:
    if isinstance(body, Mapping):
        if "$ref" in body:
            yield body["$ref"].rpartition("/")[2]
        for key, value in body.items():
            if key != "discriminator":
                yield from _references(value)
    elif isinstance(body, list):
        for item in body:
            yield from _references(item)


def _title(name: str, whole: Schema) -> str:
    """Name a model by the kind of unit or of problem, or by the key that it stands under."""
    for kind, unit in KINDS.items():
        if name == f"{type(unit).__name__}Parameters":
            return f"Unit of kind `{kind}`"
    asked = whole["$defs"][name].get("properties", {}).get("kind", {}).get("const")
    if asked is not None:
        return f"Problem `{asked}`"
    for key, field in whole["properties"].items():
        if key != "variants" and name in _references(field) and "anyOf" not in field:
            return f"`{key}`"
    words = name.removesuffix("Settings")
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in words).strip().capitalize()
    return spaced.replace("Csv", "CSV")


def _anchor(name: str) -> str:
    return name.lower()


def _section(title: str, body: Schema, whole: Schema) -> str:
    name = body.get("title", title)
    anchor = f" {{ #{_anchor(name)} }}" if body is not whole else ""
    required = body.get("required", [])
    rows = [
        [f"`{key}`", _type(field, whole), _default(key, field, required), _meaning(field, whole)]
        for key, field in body["properties"].items()
        if key != "kind" or "const" not in field
    ]
    text = "" if body is whole else markdown(body.get("description", "")) + "\n"
    keys = table(["key", "value", "default", "meaning"], rows) if rows else "No keys but `kind`."
    return f"## {title}{anchor}\n\n{text}\n{keys}\n"


def _meaning(field: Schema, whole: Schema) -> str:
    text = field.get("description", "")
    if not text and "$ref" in field:
        text = whole["$defs"][field["$ref"].rpartition("/")[2]].get("description", "")
    return markdown(text)


def _default(key: str, field: Schema, required: list[str]) -> str:
    if key in required:
        return "**required**"
    value = field.get("default")
    if value is None or isinstance(value, Mapping):
        return "" if value is None else "see there"
    return f"`{json.dumps(value)}`"


def _type(field: Schema, whole: Schema) -> str:
    """Say in words what a value may be."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        if name.endswith("Override"):
            return "any of these keys"
        return f"[{_title(name, whole)}](#{_anchor(name)})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    options = [*field.get("anyOf", []), *field.get("oneOf", [])]
    if len(options) > len(KINDS):
        return "a unit, by its `kind`: see below; or `module:Class` of your own"
    if options:
        named = [_type(option, whole) for option in options if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(named))
    return _plain(field, whole)


def _plain(field: Schema, whole: Schema) -> str:
    kind = field.get("type")
    if kind == "object":
        inside = [field.get("additionalProperties"), *field.get("patternProperties", {}).values()]
        named = [_type(item, whole) for item in inside if isinstance(item, Mapping)]
        return f"by name: {named[0]}" if named else "a mapping"
    if kind == "array":
        return f"list of {_type(field.get('items', {}), whole)}"
    words = {"number": "number", "integer": "whole number", "boolean": "true or false"}
    return words.get(str(kind), "text") + _range(field)


def _range(field: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {field[key]:g}" for key, sign in signs.items() if key in field)
