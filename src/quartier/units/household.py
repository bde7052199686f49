"""Household: `p = -load`, inflexible (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, PositiveFloat

from quartier.units.base import (
    ELECTRICITY,
    Flow,
    SeriesRequest,
    Shown,
    Source,
    UnitKind,
    UnitParameters,
    Values,
)


class HouseholdParameters(UnitParameters):
    """A household's electric load, without heating and vehicles."""

    kind: Literal["household"]
    energy_kwh_per_year: PositiveFloat = 2900.0
    """Electric energy in kWh a year, which a profile without a unit is scaled to; a measured
    series (kW, kWh, ...) is taken as it is."""
    profile: Source = "H0-A"
    """SimBench load profile without its ending (`H0-A`, `H0-B`, `H0-C`, `H0-G`, `H0-L`; active
    power `_pload`, reactive power `_qload`), a BDEW load profile (`bdew:H0`; no reactive power), or
    a CSV column: active power, or with unit `1` a shape."""
    q_per_p: float = Field(0.3952, ge=0, le=1)
    """Rated reactive over rated active power, for SimBench profiles. SimBench (Meinecke et al.
    2020, Energies 13(12) 3290) rates its loads at tan φ = 0.395, i.e. cos φ = 0.93."""


class Household(UnitKind):
    """Draws its load, whatever anybody plans."""

    Parameters = HouseholdParameters
    shown = Shown("Households", "grey", "", "solid", "circle", 6)

    def requests(self, u: HouseholdParameters) -> Mapping[str, SeriesRequest]:
        """Active load, and the reactive power that SimBench has to it, drawn: negative."""
        energy = u.energy_kwh_per_year
        if not isinstance(u.profile, str) or ":" in u.profile:
            return {"load_kw": SeriesRequest(u.profile, "kW", annual_kwh=energy)}
        active, reactive = f"{u.profile}_pload", f"{u.profile}_qload"
        return {
            "load_kw": SeriesRequest(active, "kW", annual_kwh=energy),
            "q_kvar": SeriesRequest(
                reactive, "kvar", factor=-u.q_per_p, annual_kwh=energy, annual_source=active
            ),
        }

    def flow(self, u: HouseholdParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """All power is drawn; reactive power is a series with its sign."""
        return Flow({ELECTRICITY: -s["load_kw"]}, q_kvar=s.get("q_kvar", 0.0))
