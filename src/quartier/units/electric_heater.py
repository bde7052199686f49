"""Electric heater: `heat = η · p_el` (M1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from quartier.units.base import HEAT, HeatParameters, Quantity, Shown, Values
from quartier.units.converter import ConverterKind


class ElectricHeaterParameters(HeatParameters):
    """An electric heater or immersion heater that feeds a heat hub."""

    kind: Literal["electric_heater"]
    power_kw: PositiveFloat
    """Rated electric power in kW."""
    efficiency: float = Field(0.99, gt=0, le=1)
    """Heat per electric power."""


class ElectricHeater(ConverterKind):
    """Draws power and delivers nearly as much heat."""

    Parameters = ElectricHeaterParameters
    gives = (HEAT,)
    shown = Shown("Electric heater", "orange", "|", "dashdot", "x", 9)
    order = 6

    def out_per_kw(self, u: ElectricHeaterParameters, s: Values) -> Quantity:
        """Efficiency."""
        return u.efficiency
