"""What heat pump and electric heater share: `heat = COP · p_el`, heat-led when nobody plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from quartier.quantities import Array
from quartier.units.base import (
    ELECTRICITY,
    HEAT,
    Control,
    Flow,
    Limits,
    Quantity,
    UnitData,
    UnitKind,
    Values,
)


class PowerToHeatKind(UnitKind):
    """Draws power and turns it into heat."""

    controls = (Control("draw_kw"),)
    gives = (HEAT,)
    command = ELECTRICITY
    shiftable = True
    shared_by = "power_kw"

    def heat_per_kw(self, u: Any, s: Values) -> Quantity:
        """Heat per electric power drawn."""
        raise NotImplementedError

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Power drawn is negative, heat delivered is positive."""
        heat_kw = self.heat_per_kw(u, s) * x["draw_kw"]
        return Flow({ELECTRICITY: -x["draw_kw"], HEAT: heat_kw})

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and the rated power."""
        return {"draw_kw": (0.0, u.power_kw)}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Draw what the (negative) set point says, up to the rated power."""
        return {"draw_kw": np.clip(-set_point_kw, 0.0, u.power_kw)}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Heat-led: make what the hub lacks after CHP and storage."""
        lacking_kw: Array = np.maximum(s["heat_missing_kw"], 0.0)
        draw_kw: Array = lacking_kw / self.heat_per_kw(u, s)
        return -draw_kw

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """From rest to the rated power."""
        return (x["draw_kw"],), (self.bounds(u, s)["draw_kw"][1] - x["draw_kw"],)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Stop drawing, or draw the rated power; what the hub can bear is looked at there."""
        (up,), (down,) = self.limits(unit.parameters, x, unit.series, 0.0, 0.0)
        return up, down
