"""Steam reformer: natural gas to hydrogen, `fuel = hydrogen / η` (M9)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.units.base import HYDROGEN, Control, Shown, UnitParameters
from quartier.units.burner import BurnerKind


class ReformerParameters(UnitParameters):
    """A steam reformer that feeds a node of hydrogen."""

    kind: Literal["reformer"]
    hydrogen_max_kw: PositiveFloat
    """Greatest hydrogen in kW (lower heating value)."""
    efficiency: float = Field(0.76, gt=0, le=1)
    """Hydrogen per natural gas, both by lower heating value (IEA 2019, The Future of Hydrogen)."""
    fuel_eur_per_kwh: NonNegativeFloat | None = None
    """Fuel price in EUR/kWh; without it, fuel is drawn from a node of gas at its price."""
    fuel_co2_kg_per_kwh: NonNegativeFloat = 0.201
    """Emissions of the fuel in kg/kWh (natural gas 55.9 t/TJ, German Environment Agency)."""


class Reformer(BurnerKind):
    """Makes the hydrogen that its node lacks from natural gas."""

    Parameters = ReformerParameters
    gives = (HYDROGEN,)
    command = HYDROGEN
    controls = (Control("hydrogen_kw"),)
    order = 8  # a boiler may burn hydrogen
    shown = Shown("Steam reformer", "sky", "\\", "longdash", "cross", 15)
