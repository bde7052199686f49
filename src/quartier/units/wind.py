"""Wind turbine: available power is a profile times the rated power (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import PositiveFloat

from quartier.units.base import SeriesRequest, Shown, Source, UnitParameters
from quartier.units.curtailable import CurtailableKind


class WindParameters(UnitParameters):
    """A wind turbine behind the neighbourhood's connection point."""

    kind: Literal["wind"]
    power_kw: PositiveFloat
    """Rated power in kW."""
    profile: Source = "WP4"
    """Available power as a share of the rated power: a SimBench profile, one from weather
    (`wind:3:E-82/2300:108`: region of the test reference year, turbine, hub in m), or a CSV
    column."""


class Wind(CurtailableKind):
    """Feeds in what the wind makes available, or less."""

    Parameters = WindParameters
    shown = Shown("Wind", "sky", "/", "dot", "triangle-up", 1)

    def requests(self, u: WindParameters) -> Mapping[str, SeriesRequest]:
        """Available power."""
        request = SeriesRequest(u.profile, "kW", factor=u.power_kw, rated_kw=u.power_kw)
        return {"available_kw": request}
