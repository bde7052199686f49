"""Gas boiler: `fuel = heat / η`; makes up what its hub lacks (M1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.units.base import HEAT, Control, HeatParameters, Shown
from quartier.units.burner import BurnerKind


class BoilerParameters(HeatParameters):
    """A boiler that feeds a heat hub."""

    kind: Literal["boiler"]
    heat_max_kw: PositiveFloat
    """Greatest heat in kW."""
    efficiency: float = Field(0.9, gt=0, le=1.1)
    """Heat per fuel (lower heating value)."""
    fuel_eur_per_kwh: NonNegativeFloat | None = None
    """Fuel price in EUR/kWh; without it, fuel is drawn from a node of gas at its price."""
    fuel_co2_kg_per_kwh: NonNegativeFloat = 0.201
    """Emissions of the fuel in kg/kWh (natural gas 55.9 t/TJ, German Environment Agency)."""


class Boiler(BurnerKind):
    """Burns gas for the heat that its hub lacks."""

    Parameters = BoilerParameters
    gives = (HEAT,)
    command = HEAT
    controls = (Control("heat_kw"),)
    shown = Shown("Boiler", "orange", "\\", "longdash", "cross", 11)
