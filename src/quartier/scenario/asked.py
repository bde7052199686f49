"""What a scenario asks: one model a problem, told apart by ``kind``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from quartier.units.base import Frozen


class RedispatchAsked(Frozen):
    """The grid operator removes congestion by taps and caps; its settings stand in `redispatch`."""

    needs_grid: ClassVar[bool] = True

    kind: Literal["redispatch"] = "redispatch"
    """The problem."""


class SharingAsked(Frozen):
    """The neighbourhoods share a pool with an outer grid.

    It sells at the import price and buys at the export price of `signals`; grid fees are part of
    the import price.
    """

    needs_grid: ClassVar[bool] = False

    kind: Literal["sharing"] = "sharing"
    """The problem."""


def _in_full(data: Any) -> Any:
    """Take a word for the kind of a problem, and nothing for the default."""
    if isinstance(data, str):
        return {"kind": data}
    return {"kind": "redispatch"} if data == {} else data


class _OrItsWord:
    """Lets editors know that the kind alone will do."""

    @staticmethod
    def __get_pydantic_json_schema__(
        schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        union = handler(schema)
        words = {"type": "string", "enum": list(union["discriminator"]["mapping"])}
        return {**union, "oneOf": [*union["oneOf"], words]}


Asked: TypeAlias = Annotated[
    Annotated[RedispatchAsked | SharingAsked, Field(discriminator="kind")],
    BeforeValidator(_in_full),
    _OrItsWord,
]
"""A problem: its kind as a word, or a mapping with `kind` and its settings."""
