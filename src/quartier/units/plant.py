"""Any other renewable plant that can be redispatched: biomass, hydro (M1, M4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import PositiveFloat

from quartier.units.base import SeriesRequest, Shown, Source, UnitParameters
from quartier.units.curtailable import CurtailableKind


class PlantParameters(UnitParameters):
    """A renewable plant whose power follows a profile and can be lowered."""

    kind: Literal["plant"]
    power_kw: PositiveFloat
    """Rated power in kW."""
    profile: Source
    """Available power as a share of the rated power: a SimBench profile, or a CSV column."""


class Plant(CurtailableKind):
    """Feeds in what its profile makes available, or less."""

    Parameters = PlantParameters
    shown = Shown("Plant", "black", ".", "dashdot", "square", 2)

    def requests(self, u: PlantParameters) -> Mapping[str, SeriesRequest]:
        """Available power."""
        request = SeriesRequest(u.profile, "kW", factor=u.power_kw, rated_kw=u.power_kw)
        return {"available_kw": request}
