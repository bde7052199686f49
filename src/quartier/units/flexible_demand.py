"""Flexible demand: a load that may run ahead of its profile, and behind it, by some energy (M9).

What was drawn more than the profile says since the start of the run is the unit's store. It lies
within a band, so the load can be moved in time but not left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

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
)
from quartier.units.store import shifted_band


class FlexibleDemandParameters(UnitParameters):
    """A load that can be moved in time."""

    kind: Literal["flexible_demand"]
    power_kw: PositiveFloat
    """Greatest power in kW; where its profile asks for more, that is drawn."""
    band_kwh: NonNegativeFloat
    """Energy in kWh by which it may be ahead of its profile, and behind it."""
    energy_kwh_per_year: PositiveFloat
    """Energy in kWh a year, which a profile without a unit is scaled to; a measured series is
    taken as it is."""
    profile: Source = "bdew:G3"
    """What it draws if nobody plans: a BDEW load profile, or a CSV column."""


class FlexibleDemand(UnitKind):
    """Draws its energy sooner or later, and all of it by the end of the horizon."""

    Parameters = FlexibleDemandParameters
    controls = (Control("draw_kw"),)
    command = ELECTRICITY
    stores = True
    shiftable = True
    shown = Shown("Flexible demand", "purple", "-", "dot", "triangle-down", 7)

    def requests(self, u: FlexibleDemandParameters) -> Mapping[str, SeriesRequest]:
        """What it draws if nobody plans."""
        return {"load_kw": SeriesRequest(u.profile, "kW", annual_kwh=u.energy_kwh_per_year)}

    def initial(self, u: FlexibleDemandParameters) -> Mapping[str, float]:
        """Neither ahead nor behind."""
        return {"energy_kwh": 0.0}

    def bounded(self, unit: UnitData) -> UnitData:
        """Add the greatest power, and the band, tightened so that nothing is owed at the end."""
        u = unit.parameters
        assert isinstance(u, FlexibleDemandParameters)
        load_kw, dt_h, steps = unit.series["load_kw"], unit.horizon.dt_h, unit.horizon.steps
        most_kw = np.maximum(u.power_kw, load_kw)
        now_kwh = unit.state["energy_kwh"]
        ahead_kwh = dt_h * (most_kw - load_kw)
        low, high = np.full(steps + 1, -u.band_kwh), np.full(steps + 1, u.band_kwh)
        low[-1] = min(unit.start_energy_kwh, u.band_kwh)
        for t in range(steps - 1, 0, -1):
            low[t] = max(low[t], low[t + 1] - ahead_kwh[t])
        # Whoever is outside comes back as fast as can be; nothing is infeasible.
        reach = now_kwh + np.concatenate(([0.0], np.cumsum(ahead_kwh)))
        fall = now_kwh - np.concatenate(([0.0], np.cumsum(dt_h * load_kw)))
        low, high = np.minimum(low, reach), np.maximum(high, fall)
        low[0] = high[0] = now_kwh
        added = {"most_kw": most_kw, "energy_min_kwh": low, "energy_max_kwh": high}
        return replace(unit, series={**unit.series, **added})

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Power drawn is negative."""
        return Flow({ELECTRICITY: -x["draw_kw"]})

    def next_energy(
        self, u: Any, energy_kwh: Quantity, x: Values, s: Values, dt_h: float
    ) -> Quantity:
        """What it is ahead of its profile."""
        return energy_kwh + dt_h * (x["draw_kw"] - s["load_kw"])

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Between nothing and the greatest power."""
        return {"draw_kw": (0.0, s["most_kw"])}

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Draw as set, but stay within the band."""
        low_kw = (s["energy_min_kwh"] - state["energy_kwh"]) / dt_h + s["load_kw"]
        high_kw = (s["energy_max_kwh"] - state["energy_kwh"]) / dt_h + s["load_kw"]
        draw_kw = np.minimum(np.maximum(-set_point_kw, low_kw), high_kw)
        return {"draw_kw": np.minimum(np.maximum(draw_kw, 0.0), s["most_kw"])}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Follow the profile."""
        return -np.asarray(s["load_kw"], dtype=float)

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """Draw later, or sooner."""
        return (x["draw_kw"], out_kw), (s["most_kw"] - x["draw_kw"], in_kw)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Draw later what is not owed yet, or sooner what there is room for."""
        return shifted_band(self, unit, x, energy_kwh)
