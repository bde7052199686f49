"""PV plant: available power is a profile times the rated power (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import PositiveFloat

from quartier.units.base import SeriesRequest, Shown, Source, UnitParameters
from quartier.units.curtailable import CurtailableKind


class PvParameters(UnitParameters):
    """A PV plant behind the neighbourhood's connection point."""

    kind: Literal["pv"]
    power_kw: PositiveFloat
    """Rated power in kW."""
    profile: Source = "PV3"
    """Available power as a share of the rated power: a SimBench profile, one from weather
    (`pv:3:30:180`: region of the test reference year, tilt, azimuth), or a CSV column."""


class Pv(CurtailableKind):
    """Feeds in what the sun makes available, or less."""

    Parameters = PvParameters
    shown = Shown("PV", "yellow", "", "dash", "star", 0)

    def requests(self, u: PvParameters) -> Mapping[str, SeriesRequest]:
        """Available power."""
        request = SeriesRequest(u.profile, "kW", factor=u.power_kw, rated_kw=u.power_kw)
        return {"available_kw": request}
