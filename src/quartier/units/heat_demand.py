"""Heat demand of a hub: takes heat, inflexible (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import PositiveFloat

from quartier.units.base import Flow, HeatParameters, SeriesRequest, Source, UnitKind, Values


class HeatDemandParameters(HeatParameters):
    """The heat that a hub has to serve."""

    kind: Literal["heat_demand"]
    energy_kwh_per_year: PositiveFloat
    """Heat in kWh a year."""
    profile: Source = "bdew:MFH"
    """A BDEW heat profile (`bdew:EFH`, `bdew:MFH`, ...), or a CSV column."""


class HeatDemand(UnitKind):
    """Takes its demand from the hub; what the hub cannot give is unserved and reported."""

    Parameters = HeatDemandParameters

    def requests(self, u: HeatDemandParameters) -> Mapping[str, SeriesRequest]:
        """Heat demand."""
        return {"demand_kw": SeriesRequest(u.profile, "kW", annual_kwh=u.energy_kwh_per_year)}

    def flow(self, u: HeatDemandParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Heat taken is negative."""
        return Flow(heat_kw=-s["demand_kw"])
