"""Heat pump: `heat = COP_t · p_el` with the COP from the temperature of its source (M1).

`COP = ζ · T_sink / (T_sink - T_source)` in kelvin: Carnot's COP times a quality grade ζ, as in
oemof.thermal, "Compression heat pumps and chillers" (ζ about 0.4 for air, 0.55 for brine as the
source; from test-bench data).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat

from quartier.quantities import Array
from quartier.units.base import (
    HEAT,
    HeatParameters,
    Quantity,
    SeriesRequest,
    Shown,
    Source,
    UnitData,
    Values,
)
from quartier.units.converter import ConverterKind

ZERO_CELSIUS_K = 273.15
MIN_LIFT_K = 15.0
"""Least temperature lift that the formula is used for; smaller ones would promise too much."""


class HeatPumpParameters(HeatParameters):
    """An electric heat pump that feeds a heat hub."""

    kind: Literal["heat_pump"]
    power_kw: PositiveFloat
    """Rated electric power in kW."""
    cop: PositiveFloat | None = None
    """Constant COP; without it, the COP follows from the temperature of the source."""
    temperature: Source = "signal:temperature"
    """Temperature of the heat source: the scenario's signal, or a CSV column."""
    sink_degc: float = Field(45.0, ge=20, le=90)
    """Flow temperature in °C."""
    quality_grade: float = Field(0.4, gt=0, le=1)
    """COP as a share of Carnot's, ζ (0.4: air, 0.55: brine; oemof.thermal)."""


def cop_from_temperature(source_degc: Array, sink_degc: float, quality_grade: float) -> Array:
    """COP of a compression heat pump.

    Parameters
    ----------
    source_degc, sink_degc
        Temperature in °C of the heat source, any shape, and of the flow.
    quality_grade
        Share ζ of Carnot's COP.

    Returns
    -------
    Array
        ``ζ · T_sink / (T_sink - T_source)``, the lift being at least ``MIN_LIFT_K``.
    """
    lift_k = np.maximum(sink_degc - source_degc, MIN_LIFT_K)
    return np.asarray(quality_grade * (sink_degc + ZERO_CELSIUS_K) / lift_k, dtype=float)


class HeatPump(ConverterKind):
    """Draws power and delivers COP times as much heat."""

    Parameters = HeatPumpParameters
    gives = (HEAT,)
    shown = Shown("Heat pump", "blue", "-", "dot", "triangle-down", 8)
    order = 5

    def requests(self, u: HeatPumpParameters) -> Mapping[str, SeriesRequest]:
        """Temperature of the source, unless the COP is constant."""
        return {} if u.cop else {"temperature_degc": SeriesRequest(u.temperature, "degC")}

    def problems(self, u: HeatPumpParameters) -> Iterable[str]:
        """Check that a constant COP is not given together with what it replaces."""
        if u.cop and {"sink_degc", "quality_grade", "temperature"} & u.model_fields_set:
            yield "give either cop, or sink_degc, quality_grade and temperature"

    def bounded(self, unit: UnitData) -> UnitData:
        """Add the series ``cop``."""
        u = unit.parameters
        assert isinstance(u, HeatPumpParameters)
        if u.cop:
            cop = np.full(unit.horizon.steps, u.cop)
        else:
            cop = cop_from_temperature(
                unit.series["temperature_degc"], u.sink_degc, u.quality_grade
            )
        return replace(unit, series={**unit.series, "cop": cop})

    def out_per_kw(self, u: HeatPumpParameters, s: Values) -> Quantity:
        """COP of the step."""
        return s["cop"]
