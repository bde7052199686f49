"""Electrolyser: `hydrogen = η · p_el`, in kW of the lower heating value (33.3 kWh/kg)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from quartier.units.base import HYDROGEN, Quantity, Shown, UnitParameters, Values
from quartier.units.converter import ConverterKind


class ElectrolyserParameters(UnitParameters):
    """An electrolyser that feeds a node of hydrogen."""

    kind: Literal["electrolyser"]
    power_kw: PositiveFloat
    """Rated electric power in kW."""
    efficiency: float = Field(0.66, gt=0, le=1)
    """Hydrogen (lower heating value) per electric power."""


class Electrolyser(ConverterKind):
    """Draws power and makes hydrogen."""

    Parameters = ElectrolyserParameters
    gives = (HYDROGEN,)
    shown = Shown("Electrolyser", "sky", "-", "dashdot", "x", 13)

    def out_per_kw(self, u: ElectrolyserParameters, s: Values) -> Quantity:
        """Efficiency."""
        return u.efficiency
