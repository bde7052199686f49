"""EV fleet: the batteries of many vehicles as one store, which is away in part and is driven (M9).

`E' = (1 - σΔ) E + Δ (η_c c - d / η_d - drive_t)`, with `c <= P a_t`, `d <= V a_t`: only vehicles
that are plugged in (share `a_t`) charge, and feed in (vehicle-to-grid). One store for all, as in
Brown et al. (2018): the energy of those that are away counts as if it could be had by those that
are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.quantities import LOCAL, Array, Horizon
from quartier.units.base import (
    ELECTRICITY,
    Flow,
    Limits,
    Quantity,
    Shown,
    UnitData,
    Values,
)
from quartier.units.store import (
    StoreKind,
    StoreParameters,
    bounded_store,
    fullest,
)

PER_DAY = 365.25
"""Days of a year."""
ROUNDING = 1e-6
"""Share of a fleet's energy that counts as none."""


class EvFleetParameters(StoreParameters):
    """Many vehicles, and the points that they charge at."""

    kind: Literal["ev_fleet"]
    v2g_kw: NonNegativeFloat = 0.0
    """Greatest power in kW that all together feed in (vehicle-to-grid)."""
    driving_kwh_per_year: PositiveFloat
    """Energy in kWh that they drive away in a year: as much every day."""
    away_share: float = Field(0.6, ge=0, le=1)
    """Share of the vehicles that leave in the course of a day."""
    leave_h_mean: float = Field(7.5, ge=0, lt=24)
    """Mean time of leaving in h of the local day."""
    return_h_mean: float = Field(17.0, gt=0, le=24)
    """Mean time of coming back in h of the local day."""
    spread_h: PositiveFloat = 1.5
    """Standard deviation of the times of leaving and of coming back in h."""
    wear_eur_per_kwh: NonNegativeFloat = 0.02
    """Wear cost per kWh fed in."""
    min_soc: float = Field(0.2, ge=0, lt=1)
    """Least state of charge α of all together."""
    max_soc: float = Field(1.0, gt=0, le=1)
    """Greatest state of charge β."""
    start_soc: float = Field(0.9, ge=0, le=1)
    """State of charge at the start, and at least at the end, of the run: at night most are full."""


def away(u: EvFleetParameters, hour: Array) -> Array:
    """Share of the vehicles that is away at an hour of the local day, any shape."""
    from scipy.special import ndtr  # many studies need nothing of SciPy

    left, back = ((hour - mean) / u.spread_h for mean in (u.leave_h_mean, u.return_h_mean))
    return np.asarray(u.away_share * (ndtr(left) - ndtr(back)), dtype=float)


def hours_of(horizon: Horizon) -> Array:
    """Hour of the local day in the middle of each step, shape ``(T,)``."""
    times = horizon.times.tz_convert(LOCAL)
    begin = np.asarray(times.hour + times.minute / 60, dtype=float)
    return begin + horizon.dt_h / 2


class EvFleet(StoreKind):
    """Charges, drives, and feeds in where it may."""

    Parameters = EvFleetParameters
    shared_by = None
    shiftable = True
    shown = Shown("EV fleet", "purple", "x", "dash", "square", 7)

    def problems(self, u: EvFleetParameters) -> Iterable[str]:
        """Check the states of charge, and that who leaves comes back the same day."""
        yield from super().problems(u)
        if u.return_h_mean <= u.leave_h_mean:
            yield "return_h_mean is not after leave_h_mean; vehicles come back the same day"

    def shortfalls(self, unit: UnitData) -> Iterable[str]:
        """Check that what is driven can be charged: as fast as can be, with all that are there."""
        u, s, horizon = unit.parameters, unit.series, unit.horizon
        assert isinstance(u, EvFleetParameters)
        gain_kw = u.charge_efficiency * s["charge_max_kw"] - s["driving_kw"]
        kept, low_kwh = 1 - u.standing_loss_per_h * horizon.dt_h, u.min_soc * u.energy_kwh
        reach = fullest(
            unit.state["energy_kwh"], horizon.dt_h * gain_kw, kept, u.max_soc * u.energy_kwh
        )
        short_kwh = low_kwh - reach[1:]
        steps = np.flatnonzero(short_kwh > ROUNDING * u.energy_kwh)
        if steps.size:
            worst = int(np.argmax(short_kwh))
            first_at, worst_at = (f"{horizon.times[t]:%Y-%m-%d %H:%M}" for t in (steps[0], worst))
            yield (
                "more is driven than can be charged: even charging as fast as can be, min_soc"
                f" {u.min_soc:g} ({low_kwh:.4g} kWh) is undercut in {steps.size} of"
                f" {horizon.steps} steps, first by {short_kwh[steps[0]]:.4g} kWh in that of"
                f" {first_at} UTC, at worst by {short_kwh[worst]:.4g} kWh in that of {worst_at}"
                " UTC; lower driving_kwh_per_year, or raise power_kw or energy_kwh"
            )

    def bounded(self, unit: UnitData) -> UnitData:
        """Add who is there, what is driven, and the bounds of the store."""
        u = unit.parameters
        assert isinstance(u, EvFleetParameters)
        away_now = away(u, hours_of(unit.horizon))
        whole_day = away(u, (np.arange(96) + 0.5) / 4).mean()
        there = 1 - away_now
        daily_kw = u.driving_kwh_per_year / PER_DAY / 24
        driving_kw = daily_kw * (away_now / whole_day if whole_day > 0 else np.ones_like(there))
        added = {
            "charge_max_kw": u.power_kw * there,
            "discharge_max_kw": u.v2g_kw * there,
            "driving_kw": driving_kw,
        }
        return bounded_store(
            replace(unit, series={**unit.series, **added}),
            u.min_soc * u.energy_kwh,
            u.max_soc * u.energy_kwh,
            u.charge_efficiency * added["charge_max_kw"],
            u.standing_loss_per_h,
            driving_kw,
        )

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Net power, and wear per kWh fed in."""
        return Flow(
            {ELECTRICITY: x["discharge_kw"] - x["charge_kw"]},
            cost_eur=u.wear_eur_per_kwh * x["discharge_kw"] * dt_h,
        )

    def next_energy(
        self, u: Any, energy_kwh: Quantity, x: Values, s: Values, dt_h: float
    ) -> Quantity:
        """As any store, less what is driven."""
        return super().next_energy(u, energy_kwh, x, s, dt_h) - dt_h * s["driving_kw"]

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Of those that are there."""
        return {
            "charge_kw": (0.0, s["charge_max_kw"]),
            "discharge_kw": (0.0, s["discharge_max_kw"]),
        }

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """As any store that lost what is driven, by those that are there.

        There is enough to drive on in any case: :meth:`shortfalls` refuses other fleets, and the
        lower bound of the energy asks for what comes later in time.
        """
        driven_kwh = dt_h * s["driving_kw"] / (1 - u.standing_loss_per_h * dt_h)
        before = {"energy_kwh": state["energy_kwh"] - driven_kwh}
        x = super().execute(u, before, s, set_point_kw, dt_h)
        x = {name: np.minimum(x[name], most) for name, (_, most) in self.bounds(u, s).items()}
        left_kwh = self.next_energy(u, state["energy_kwh"], x, s, dt_h)
        assert np.all(left_kwh >= -ROUNDING * u.energy_kwh), "driven on energy that is not there"
        return x

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Charge on arrival, as fast as can be."""
        return -np.asarray(s["charge_max_kw"], dtype=float)

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """As any store, by the powers of those that are there."""
        (energy_up, empty, _), (energy_down, _) = super().limits(u, x, s, out_kw, in_kw)
        net_kw = x["discharge_kw"] - x["charge_kw"]
        most = self.bounds(u, s)
        up = (energy_up, empty, most["discharge_kw"][1] - net_kw)
        return up, (energy_down, most["charge_kw"][1] + net_kw)
