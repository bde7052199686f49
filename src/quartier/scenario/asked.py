"""What a scenario asks: one model a problem, told apart by ``kind``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from quartier.units.base import Frozen


class RedispatchAsked(Frozen):
    """The grid operator removes congestion by taps and caps; its settings stand in `redispatch`."""

    kind: Literal["redispatch"] = "redispatch"
    """The problem."""


def _in_full(data: Any) -> Any:
    """Take a word for the kind of a problem without settings of its own."""
    return {"kind": data} if isinstance(data, str) else data


class _OrItsWord:
    """Lets editors know that the kind alone will do."""

    @staticmethod
    def __get_pydantic_json_schema__(
        schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        body = handler(schema)
        options = body.get("oneOf", [body])
        kinds = [handler.resolve_ref_schema(o)["properties"]["kind"] for o in options]
        words = [kind.get("const") for kind in kinds]
        return {"anyOf": [{"type": "string", "enum": words}, *options]}


Asked: TypeAlias = Annotated[RedispatchAsked, BeforeValidator(_in_full), _OrItsWord]
"""A problem: its kind as a word, or a mapping with `kind` and its settings."""
