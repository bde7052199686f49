"""Electric heater: `heat = η · p_el` (M1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from quartier.units.base import HeatParameters, Quantity, Shown, Values
from quartier.units.power_to_heat import PowerToHeatKind


class ElectricHeaterParameters(HeatParameters):
    """An electric heater or immersion heater that feeds a heat hub."""

    kind: Literal["electric_heater"]
    power_kw: PositiveFloat
    """Rated electric power in kW."""
    efficiency: float = Field(0.99, gt=0, le=1)
    """Heat per electric power."""


class ElectricHeater(PowerToHeatKind):
    """Draws power and delivers nearly as much heat."""

    Parameters = ElectricHeaterParameters
    shown = Shown("Electric heater", "orange", "|", "dashdot", "x", 9)
    order = 6

    def heat_per_kw(self, u: ElectricHeaterParameters, s: Values) -> Quantity:
        """Efficiency."""
        return u.efficiency
