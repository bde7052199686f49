"""Gas boiler: `fuel = heat / η`; makes up what its hub lacks (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.quantities import Array
from quartier.units.base import (
    GAS,
    HEAT,
    Control,
    Flow,
    HeatParameters,
    Quantity,
    Shown,
    UnitKind,
    Values,
)


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


class Boiler(UnitKind):
    """Balances its hub: gives the heat planned, and its part in what the hub lacks besides.

    What is planned is what the hub lacks, as long as forecasts hold; where they do not, it serves
    the demand all the same.
    """

    Parameters = BoilerParameters
    gives = (HEAT,)
    takes = (GAS,)
    priced: ClassVar[Mapping[str, tuple[str, str]]] = {
        GAS: ("fuel_eur_per_kwh", "fuel_co2_kg_per_kwh")
    }
    shown = Shown("Boiler", "orange", "\\", "longdash", "cross", 11)
    controls = (Control("heat_kw"),)
    command = HEAT
    balances = True
    order = 7

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Heat, and the fuel burnt for it."""
        fuel_kw = x["heat_kw"] / u.efficiency
        return Flow(
            {HEAT: x["heat_kw"], GAS: -fuel_kw},
            co2_kg=u.fuel_co2_kg_per_kwh * fuel_kw * dt_h,
            cost_eur=u.fuel_eur_per_kwh * fuel_kw * dt_h,
        )

    def bounds(self, u: BoilerParameters, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and the greatest heat."""
        return {"heat_kw": (0.0, u.heat_max_kw)}

    def execute(
        self, u: BoilerParameters, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Heat as set, up to the greatest."""
        return {"heat_kw": np.clip(set_point_kw, 0.0, u.heat_max_kw)}

    def rule(self, u: BoilerParameters, state: Values, s: Values, dt_h: float) -> Array:
        """What the hub lacks after all others."""
        return np.asarray(s["heat_missing_kw"], dtype=float)
