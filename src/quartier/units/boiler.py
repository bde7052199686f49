"""Gas boiler: `fuel = heat / η`; makes up what its hub lacks (M1)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.units.base import (
    GAS,
    HEAT,
    HYDROGEN,
    Carrier,
    Control,
    HeatParameters,
    Quantity,
    Shown,
)
from quartier.units.burner import BurnerKind, blend


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
    hydrogen_share: float = Field(0.0, ge=0, le=1)
    """Share of the fuel's energy that is hydrogen, always the same, from a node of hydrogen (0.07:
    20 % by volume). The rest is gas, to which fuel price and emissions apply."""


class Boiler(BurnerKind):
    """Burns gas for the heat that its hub lacks."""

    Parameters = BoilerParameters
    gives = (HEAT,)
    command = HEAT
    takes = (GAS, HYDROGEN)
    controls = (Control("heat_kw"),)
    shown = Shown("Boiler", "orange", "\\", "longdash", "cross", 11)

    def served(self, u: Any) -> tuple[Carrier, ...]:
        """Hydrogen only where it is blended in."""
        return self.carriers if u.hydrogen_share > 0 else (HEAT, GAS)

    def _burnt(self, u: Any, fuel_kw: Quantity) -> dict[Carrier, Quantity]:
        return blend(fuel_kw, u.hydrogen_share)
