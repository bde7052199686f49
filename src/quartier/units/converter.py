"""What turns one carrier into another: `out = COP · in`, led by what the other's node lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from quartier.quantities import Array
from quartier.units.base import (
    ELECTRICITY,
    Carrier,
    Control,
    Flow,
    Limits,
    Quantity,
    UnitData,
    UnitKind,
    Values,
)


class ConverterKind(UnitKind):
    """Draws power, or another carrier, and turns it into the first that it gives."""

    draws: ClassVar[Carrier] = ELECTRICITY
    """What it is driven by, and what a set point means; another carrier stands in ``takes`` and
    ``command``, too."""
    controls = (Control("draw_kw"),)
    command = ELECTRICITY
    shiftable = True
    order: ClassVar[float] = 5
    shared_by = "power_kw"

    def out_per_kw(self, u: Any, s: Values) -> Quantity:
        """What it makes per power drawn."""
        raise NotImplementedError

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Power drawn is negative, what is delivered is positive."""
        out_kw = self.out_per_kw(u, s) * x["draw_kw"]
        return Flow({self.draws: -x["draw_kw"], self.gives[0]: out_kw})

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and the rated power."""
        return {"draw_kw": (0.0, u.power_kw)}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Draw what the (negative) set point says, up to the rated power."""
        return {"draw_kw": np.clip(-set_point_kw, 0.0, u.power_kw)}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Make what the node lacks after lower places: of heat, after CHP and storage."""
        lacking_kw: Array = np.maximum(s[f"{self.gives[0]}_missing_kw"], 0.0)
        draw_kw: Array = lacking_kw / self.out_per_kw(u, s)
        return -draw_kw

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """From rest to the rated power, of electricity."""
        if self.draws != ELECTRICITY:
            return (0.0 * x["draw_kw"],), (0.0 * x["draw_kw"],)
        return (x["draw_kw"],), (self.bounds(u, s)["draw_kw"][1] - x["draw_kw"],)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Stop drawing, or draw the rated power; what the node can bear is looked at there."""
        (up,), (down,) = self.limits(unit.parameters, x, unit.series, 0.0, 0.0)
        return up, down
