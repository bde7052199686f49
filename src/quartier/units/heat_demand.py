"""Heat demand of a hub: takes heat, inflexible (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import PositiveFloat, model_validator

from quartier.units.base import (
    HEAT,
    Flow,
    HeatParameters,
    SeriesRequest,
    Shown,
    Source,
    UnitKind,
    Values,
    is_measured,
)


class HeatDemandParameters(HeatParameters):
    """The heat that a hub has to serve."""

    kind: Literal["heat_demand"]
    energy_kwh_per_year: PositiveFloat | None = None
    """Heat in kWh a year, which a profile without a unit is scaled to; a measured series (kW,
    kWh, ...) needs none and is taken as it is."""
    profile: Source = "bdew:MFH"
    """A BDEW heat profile (`bdew:EFH`, `bdew:MFH:3`, ...; without hot water `heating:EFH:3`), or a
    CSV column: heat, or with unit `1` a shape."""

    @model_validator(mode="after")
    def _a_shape_has_an_energy(self) -> HeatDemandParameters:
        if self.energy_kwh_per_year is None and not is_measured(self.profile):
            raise ValueError("energy_kwh_per_year is missing: the heat in kWh that a year has")
        return self


class HeatDemand(UnitKind):
    """Takes its demand from the hub; what the hub cannot give is unserved and reported."""

    Parameters = HeatDemandParameters
    takes = (HEAT,)
    shown = Shown("Heat demand", "grey", ".", "dot", "circle", 12)

    def requests(self, u: HeatDemandParameters) -> Mapping[str, SeriesRequest]:
        """Heat demand."""
        return {"demand_kw": SeriesRequest(u.profile, "kW", annual_kwh=u.energy_kwh_per_year)}

    def flow(self, u: HeatDemandParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Heat taken is negative."""
        return Flow({HEAT: -s["demand_kw"]})
