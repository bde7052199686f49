"""Solar thermal collectors: heat up to what the sun makes available (M9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import PositiveFloat

from quartier.quantities import Array
from quartier.units.base import (
    HEAT,
    Control,
    Flow,
    HeatParameters,
    Quantity,
    SeriesRequest,
    Shown,
    Source,
    UnitKind,
    Values,
)


class SolarThermalParameters(HeatParameters):
    """Collectors that feed a heat hub."""

    kind: Literal["solar_thermal"]
    power_kw: PositiveFloat
    """Rated heat in kW (0.7 kW per m2 of collector by convention of the IEA SHC programme)."""
    profile: Source = "pv:3:45:180"
    """Available heat as a share of the rated heat: a CSV column, or the profile of PV with the
    same tilt and azimuth, which knows no losses of a hot collector."""


class SolarThermal(UnitKind):
    """Gives the heat that the sun makes available, or less."""

    Parameters = SolarThermalParameters
    gives = (HEAT,)
    controls = (Control("heat_kw"),)
    command = HEAT
    order = 1
    shared_by = "power_kw"
    shown = Shown("Solar thermal", "yellow", "x", "dot", "triangle-up", 7)

    def requests(self, u: SolarThermalParameters) -> Mapping[str, SeriesRequest]:
        """Available heat."""
        request = SeriesRequest(u.profile, "kW", factor=u.power_kw, rated_kw=u.power_kw)
        return {"available_kw": request}

    def flow(self, u: SolarThermalParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Heat for nothing."""
        return Flow({HEAT: x["heat_kw"]})

    def bounds(
        self, u: SolarThermalParameters, s: Values
    ) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and all that is available; the rest stays on the roof."""
        return {"heat_kw": (0.0, s["available_kw"])}

    def execute(
        self, u: SolarThermalParameters, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Keep to the set point as a ceiling."""
        return {"heat_kw": np.clip(set_point_kw, 0.0, s["available_kw"])}

    def rule(self, u: SolarThermalParameters, state: Values, s: Values, dt_h: float) -> Array:
        """Serve the hub and fill its stores."""
        room_kwh = np.maximum(s["heat_capacity_kwh"] - s["heat_energy_kwh"], 0.0)
        return np.asarray(s["heat_missing_kw"] + room_kwh / dt_h, dtype=float)
