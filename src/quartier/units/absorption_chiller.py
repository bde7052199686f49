"""Absorption chiller: cold made of heat, `cooling = COP · heat` (M11)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from quartier.units.base import COOLING, HEAT, HeatParameters, Quantity, Shown, Values
from quartier.units.converter import ConverterKind


class AbsorptionChillerParameters(HeatParameters):
    """A chiller that draws heat from its hub and serves a node of cooling."""

    kind: Literal["absorption_chiller"]
    power_kw: PositiveFloat
    """Greatest heat that it takes in kW."""
    cop: float = Field(0.7, gt=0, le=2)
    """Cold per heat; 0.7 is that of single-effect machines."""


class AbsorptionChiller(ConverterKind):
    """Draws heat and makes cold."""

    Parameters = AbsorptionChillerParameters
    gives = (COOLING,)
    takes = (HEAT,)
    draws = command = HEAT
    shiftable = False
    order = 0.5
    shown = Shown("Absorption chiller", "blue", "|", "dashdot", "x", 15)

    def out_per_kw(self, u: AbsorptionChillerParameters, s: Values) -> Quantity:
        """Coefficient of performance."""
        return u.cop
