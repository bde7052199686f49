"""EV charging station: one charging point, whose sessions are a corridor of energy (M1).

The energy delivered since the start of the run is the store of the unit. It lies between charging
as late and as early as can be, so every vehicle has what it is due exactly when it departs: a
hard requirement. Flexibility is the shift against charging on arrival; over a session it sums to
zero (seed 001 eq. 18).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.quantities import Array
from quartier.units.base import (
    ELECTRICITY,
    Control,
    Flow,
    Limits,
    Quantity,
    Shown,
    UnitData,
    UnitKind,
    UnitParameters,
    Values,
)
from quartier.units.stays import corridor, plugged_kw
from quartier.units.store import shifted_band


class EvStationParameters(UnitParameters):
    """A charging point; its sessions are read from a file or drawn from distributions.

    Defaults of the distributions: vehicles of households come home in the late afternoon and stay
    overnight. A car does 14,700 km a year (Mobilität in Deutschland 2017, BMVI 2018); at 0.2
    kWh/km that is 8.1 kWh a day. Owners charge 4.4 times a week at home (survey ELAN, Institute
    of Transport Economics TØI), so 0.63 times a day and 12.8 kWh each time. The spreads are
    assumptions.
    """

    kind: Literal["ev_station"]
    power_kw: PositiveFloat
    """Greatest charging power in kW."""
    sessions_csv: str | None = None
    """CSV file of sessions, relative to the scenario's folder, with the columns `station`,
    `arrival`, `departure` (local time), `due_kwh`, `max_kw`, in any dialect that series are read
    in; without it, they are drawn."""
    sessions_per_day: float = Field(0.63, ge=0, le=1_000)
    """Mean number of sessions a day; several are spread over it, and a vehicle leaves at the latest
    when the next one comes."""
    arrival_h_mean: float = Field(17.5, ge=0, lt=24)
    """Mean time of arrival in h of the local day."""
    arrival_h_std: NonNegativeFloat = 3.0
    """Standard deviation of the time of arrival in h."""
    stay_h_mean: PositiveFloat = 12.0
    """Mean stay in h."""
    stay_h_std: NonNegativeFloat = 3.0
    """Standard deviation of the stay in h."""
    energy_kwh_mean: PositiveFloat = 12.8
    """Mean energy due per session in kWh."""
    energy_kwh_std: NonNegativeFloat = 6.0
    """Standard deviation of the energy due in kWh."""


class EvStation(UnitKind):
    """Charges the vehicle that is there."""

    Parameters = EvStationParameters
    sessions = True
    envelope = ("plug_kw", "energy_min_kwh", "energy_max_kwh")
    shown = Shown("Charging stations", "purple", "+", "dash", "square", 7)
    controls = (Control("charge_kw"),)
    stores = True
    command = ELECTRICITY
    shiftable = True

    def problems(self, u: EvStationParameters) -> Iterable[str]:
        """Check that sessions come from one source."""
        drawn = {name for name in u.model_fields_set if name.endswith(("_mean", "_std", "_day"))}
        if u.sessions_csv and drawn:
            yield f"sessions are read from {u.sessions_csv}; remove {', '.join(sorted(drawn))}"

    def initial(self, u: EvStationParameters) -> Mapping[str, float]:
        """Nothing delivered yet."""
        return {"energy_kwh": 0.0}

    def bounded(self, unit: UnitData) -> UnitData:
        """Add the power of the vehicle that is there, and the corridor of energy delivered."""
        u = unit.parameters
        assert isinstance(u, EvStationParameters)
        plug_kw = plugged_kw(unit.sessions, unit.horizon.steps, u.power_kw)
        least, most = corridor(unit.sessions, unit.horizon.steps, u.power_kw, unit.horizon.dt_h)
        now_kwh = unit.state["energy_kwh"]
        # What is behind (a state loaded from elsewhere) is caught up as fast as can be.
        reach = now_kwh + unit.horizon.dt_h * np.concatenate(([0.0], np.cumsum(plug_kw)))
        least = np.clip(least, now_kwh, reach)
        most = np.maximum(most, least)
        least[0] = most[0] = now_kwh
        added = {"plug_kw": plug_kw, "energy_min_kwh": least, "energy_max_kwh": most}
        return replace(unit, series={**unit.series, **added})

    def flow(self, u: EvStationParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Charging draws power."""
        return Flow({ELECTRICITY: -x["charge_kw"]})

    def next_energy(
        self, u: EvStationParameters, energy_kwh: Quantity, x: Values, s: Values, dt_h: float
    ) -> Quantity:
        """Energy delivered, measured where it is due: at the charging point."""
        return energy_kwh + dt_h * x["charge_kw"]

    def bounds(self, u: EvStationParameters, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Nothing unless a vehicle is there."""
        return {"charge_kw": (0.0, s["plug_kw"])}

    def execute(
        self, u: EvStationParameters, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Charge as set, but what is due by departure in any case, and no more."""
        low_kw = (s["energy_min_kwh"] - state["energy_kwh"]) / dt_h
        high_kw = (s["energy_max_kwh"] - state["energy_kwh"]) / dt_h
        charge_kw = np.minimum(np.maximum(-set_point_kw, low_kw), high_kw)
        return {"charge_kw": np.minimum(np.maximum(charge_kw, 0.0), s["plug_kw"])}

    def rule(self, u: EvStationParameters, state: Values, s: Values, dt_h: float) -> Array:
        """Charge on arrival, as fast as can be."""
        return -np.asarray(s["plug_kw"], dtype=float)

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """Charge later, or sooner."""
        return (x["charge_kw"], out_kw), (s["plug_kw"] - x["charge_kw"], in_kw)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Charge later what can still be had before departure, or sooner what is due anyway."""
        return shifted_band(self, unit, x, energy_kwh)
