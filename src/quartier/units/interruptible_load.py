"""Interruptible load: a part of it may be left unserved for an incentive (M10; seed 002, eq. 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat

from quartier.quantities import Array
from quartier.units.base import (
    ELECTRICITY,
    Control,
    Flow,
    Limits,
    Quantity,
    SeriesRequest,
    Shown,
    Source,
    UnitData,
    UnitKind,
    UnitParameters,
    Values,
    is_measured,
)


class InterruptibleLoadParameters(UnitParameters):
    """An electric load of which a part may be interrupted."""

    kind: Literal["interruptible_load"]
    energy_kwh_per_year: NonNegativeFloat | None = None
    """Electric energy in kWh a year, which a profile without a unit is scaled to; a measured series
    (kW, MW, ...) needs none and is taken as it is."""
    profile: Source
    """A BDEW load profile (`bdew:H0`), or a CSV column: active power, or with unit `1` a shape."""
    share: float = Field(0.05, ge=0, le=1)
    """Most of the load that may be interrupted at a time."""
    incentive_eur_per_kwh: NonNegativeFloat
    """What its customers get for a kWh that is not served."""
    retail_eur_per_kwh: NonNegativeFloat = 0.0
    """What its customers would have paid for that kWh: lost with it."""


class InterruptibleLoad(UnitKind):
    """Draws its load less what is interrupted; that is not made up for later."""

    Parameters = InterruptibleLoadParameters
    shown = Shown("Interruptible load", "grey", "/", "dash", "circle", 7)
    controls = (Control("interrupted_kw"),)
    command = ELECTRICITY

    def problems(self, u: InterruptibleLoadParameters) -> list[str]:
        """A shape needs an energy."""
        if u.energy_kwh_per_year is None and not is_measured(u.profile):
            return ["energy_kwh_per_year is missing: the energy in kWh that a year has"]
        return []

    def requests(self, u: InterruptibleLoadParameters) -> Mapping[str, SeriesRequest]:
        """Load with nothing interrupted."""
        return {"load_kw": SeriesRequest(u.profile, "kW", annual_kwh=u.energy_kwh_per_year)}

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """What is left is drawn; incentive and the sale that is lost are paid for the rest."""
        eur_per_kwh = u.incentive_eur_per_kwh + u.retail_eur_per_kwh
        return Flow(
            {ELECTRICITY: x["interrupted_kw"] - s["load_kw"]},
            cost_eur=eur_per_kwh * x["interrupted_kw"] * dt_h,
        )

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and its share of the load."""
        return {"interrupted_kw": (0.0, u.share * s["load_kw"])}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Interrupt what the (negative) set point leaves out of the load."""
        left_out_kw = s["load_kw"] + set_point_kw
        return {"interrupted_kw": np.clip(left_out_kw, 0.0, u.share * s["load_kw"])}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Serve all of it."""
        return np.asarray(-s["load_kw"], dtype=float)

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """Interrupt the rest of its share, or nothing any more."""
        most = self.bounds(u, s)["interrupted_kw"][1]
        return (most - x["interrupted_kw"],), (x["interrupted_kw"],)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """As limited."""
        (up,), (down,) = self.limits(unit.parameters, x, unit.series, 0.0, 0.0)
        return up, down
