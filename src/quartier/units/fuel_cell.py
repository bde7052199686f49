"""Fuel cell: hydrogen to power, and heat if it has a use for it (M11).

`hydrogen = p / η_el`, `heat = p η_th / η_el`; it runs at any power from nothing to the greatest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from quartier.quantities import Array
from quartier.units.base import (
    ELECTRICITY,
    HEAT,
    HYDROGEN,
    Carrier,
    Control,
    Flow,
    HeatParameters,
    Limits,
    Quantity,
    Shown,
    UnitData,
    UnitKind,
    Values,
)


class FuelCellParameters(HeatParameters):
    """A fuel cell at a node of hydrogen, and at a heat hub if it gives heat."""

    kind: Literal["fuel_cell"]
    power_kw: PositiveFloat
    """Greatest electric power in kW."""
    electric_efficiency: float = Field(0.50, gt=0, le=1)
    """Electric power per hydrogen η_el (lower heating value)."""
    thermal_efficiency: float = Field(0.35, ge=0, le=1)
    """Heat per hydrogen η_th (lower heating value); with 0 it is at no heat hub."""


class FuelCell(UnitKind):
    """Gives power and heat for hydrogen."""

    Parameters = FuelCellParameters
    gives = (HEAT,)
    takes = (HYDROGEN,)
    controls = (Control("p_kw"),)
    command = ELECTRICITY
    order = 3
    shared_by = "power_kw"
    shown = Shown("Fuel cell", "sky", "|", "longdashdot", "star", 5)

    def served(self, u: Any) -> tuple[Carrier, ...]:
        """Without heat, hydrogen only."""
        return self.carriers if u.thermal_efficiency > 0 else self.takes

    def problems(self, u: FuelCellParameters) -> Iterable[str]:
        """No more comes out than goes in."""
        if u.electric_efficiency + u.thermal_efficiency > 1.1:
            yield "electric_efficiency + thermal_efficiency exceeds 1.1 (lower heating value)"

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Power, heat and hydrogen in fixed proportion."""
        hydrogen_kw = x["p_kw"] / u.electric_efficiency
        return Flow(
            {
                ELECTRICITY: x["p_kw"],
                HEAT: u.thermal_efficiency * hydrogen_kw,
                HYDROGEN: -hydrogen_kw,
            }
        )

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """From rest to the greatest power."""
        return {"p_kw": (0.0, u.power_kw)}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """As set, up to the greatest power."""
        return {"p_kw": np.clip(set_point_kw, 0.0, u.power_kw)}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Heat-led: make the heat that its hub lacks; rest without one."""
        per_heat = np.divide(
            u.electric_efficiency,
            u.thermal_efficiency,
            out=np.zeros_like(u.thermal_efficiency),
            where=u.thermal_efficiency > 0,
        )
        return np.asarray(np.maximum(s["heat_missing_kw"], 0.0) * per_heat)

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """From rest to the greatest power."""
        return (u.power_kw - x["p_kw"],), (x["p_kw"],)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Rest, or run in full; what its nodes can bear is looked at there."""
        (up,), (down,) = self.limits(unit.parameters, x, unit.series, 0.0, 0.0)
        return up, down
