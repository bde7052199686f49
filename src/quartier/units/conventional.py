"""Conventional plant on the grid: it follows a profile, and burns fossil fuel (M1, M4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat

from quartier.units.base import Flow, SeriesRequest, Shown, Source, UnitParameters, Values
from quartier.units.curtailable import CurtailableKind


class ConventionalParameters(UnitParameters):
    """A plant whose power follows a profile; lowering it loses no renewable energy."""

    kind: Literal["conventional"]
    power_kw: PositiveFloat
    """Rated power in kW."""
    profile: Source
    """Power offered as a share of the rated power: a SimBench profile, or a CSV column."""
    co2_kg_per_kwh: NonNegativeFloat = 0.5
    """Emissions in kg per kWh fed in: natural gas (0.201 kg/kWh) at an efficiency of 40 %."""
    chp: bool = False
    """Whether it makes heat, too: then redispatch's minimum factor is that of CHP plants."""


class Conventional(CurtailableKind):
    """Feeds in what it offers, or less; its reduction loses no renewable energy, but costs."""

    Parameters = ConventionalParameters
    renewable = False
    shown = Shown("Conventional plant", "vermilion", "|", "longdashdot", "triangle-down", 3)

    def requests(self, u: ConventionalParameters) -> Mapping[str, SeriesRequest]:
        """Power offered."""
        request = SeriesRequest(u.profile, "kW", factor=u.power_kw, rated_kw=u.power_kw)
        return {"available_kw": request}

    def flow(self, u: ConventionalParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Power as controlled, and what it emits."""
        emitted_kg = u.co2_kg_per_kwh * x["p_kw"] * dt_h
        return replace(super().flow(u, x, s, dt_h), co2_kg=emitted_kg)
