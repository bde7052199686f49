"""Battery: `E' = (1 - σΔ) E + Δ (η_c c - d / η_d)`, `p = d - c` (M1).

Seed 001 (Ramirez Acosta et al. 2023) eq. 19 writes ``t·F`` where ``Δ·F`` is meant and knows no
efficiency; its eq. 20 is this balance with η = 1. Wear cost: seed 000, per kWh discharged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.quantities import Array
from quartier.units.base import Control, Flow, Quantity, UnitData, UnitKind, UnitParameters, Values
from quartier.units.store import bounded_store, shift_band


class BatteryParameters(UnitParameters):
    """A battery behind the neighbourhood's connection point."""

    kind: Literal["battery"]
    energy_kwh: PositiveFloat
    """Rated energy M in kWh."""
    power_kw: PositiveFloat
    """Limit of charging and of discharging in kW, at the terminals."""
    charge_efficiency: float = Field(0.95, gt=0, le=1)
    """Efficiency of charging η_c."""
    discharge_efficiency: float = Field(0.95, gt=0, le=1)
    """Efficiency of discharging η_d."""
    standing_loss_per_h: float = Field(0.0, ge=0, lt=1)
    """Share of the stored energy lost per hour σ."""
    min_soc: float = Field(0.1, ge=0, lt=1)
    """Least state of charge α."""
    max_soc: float = Field(0.9, gt=0, le=1)
    """Greatest state of charge β."""
    start_soc: float = Field(0.5, ge=0, le=1)
    """State of charge at the start, and at least at the end, of the run."""
    wear_eur_per_kwh: NonNegativeFloat = 0.02
    """Wear cost per kWh discharged, C_inv / (E_bat · LCN) (seed 000)."""


class Battery(UnitKind):
    """Charges and discharges; ends the horizon no emptier than it began."""

    Parameters = BatteryParameters
    controls = (Control("charge_kw"), Control("discharge_kw"))
    stores = True
    command = "p_kw"
    order = 9

    def problems(self, u: BatteryParameters) -> Iterable[str]:
        """Check that the states of charge are in order."""
        if not u.min_soc <= u.start_soc <= u.max_soc:
            yield (
                f"start_soc {u.start_soc} is outside min_soc {u.min_soc} .. max_soc {u.max_soc}; "
                "choose a start between them"
            )

    def initial(self, u: BatteryParameters) -> Mapping[str, float]:
        """Start at ``start_soc``."""
        return {"energy_kwh": u.start_soc * u.energy_kwh}

    def bounded(self, unit: UnitData) -> UnitData:
        """Bounds α·M and β·M, tightened by the end-of-horizon rule."""
        u = unit.parameters
        assert isinstance(u, BatteryParameters)
        most = u.charge_efficiency * u.power_kw
        return bounded_store(
            unit, u.min_soc * u.energy_kwh, u.max_soc * u.energy_kwh, most, u.standing_loss_per_h
        )

    def flow(self, u: BatteryParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Net power, and wear per kWh discharged."""
        return Flow(
            p_kw=x["discharge_kw"] - x["charge_kw"],
            cost_eur=u.wear_eur_per_kwh * x["discharge_kw"] * dt_h,
        )

    def next_energy(
        self, u: BatteryParameters, energy_kwh: Quantity, x: Values, dt_h: float
    ) -> Quantity:
        """`(1 - σΔ) E + Δ (η_c c - d / η_d)`."""
        kept = (1 - u.standing_loss_per_h * dt_h) * energy_kwh
        gained = u.charge_efficiency * x["charge_kw"] - x["discharge_kw"] / u.discharge_efficiency
        return kept + dt_h * gained

    def bounds(self, u: BatteryParameters, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Both powers lie between zero and the rated power."""
        return {"charge_kw": (0.0, u.power_kw), "discharge_kw": (0.0, u.power_kw)}

    def execute(
        self, u: BatteryParameters, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Net power nearest to the set point that keeps the store within its bounds."""
        idle = (1 - u.standing_loss_per_h * dt_h) * state["energy_kwh"]
        least = (idle - s["energy_max_kwh"]) / dt_h  # > 0: must discharge inside the store
        most = (idle - s["energy_min_kwh"]) / dt_h  # < 0: must charge inside the store
        low = np.where(least > 0, least * u.discharge_efficiency, least / u.charge_efficiency)
        high = np.where(most > 0, most * u.discharge_efficiency, most / u.charge_efficiency)
        p_kw = np.clip(np.clip(set_point_kw, low, high), -u.power_kw, u.power_kw)
        return {"charge_kw": np.maximum(-p_kw, 0.0), "discharge_kw": np.maximum(p_kw, 0.0)}

    def rule(self, u: BatteryParameters, state: Values, s: Values, dt_h: float) -> Array:
        """Greedy: take up what the neighbourhood has left over, supply what it lacks."""
        return np.asarray(-s["p_others_kw"], dtype=float)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Power limit, and the energy left above and below over the rest of the horizon."""
        u = unit.parameters
        assert isinstance(u, BatteryParameters) and energy_kwh is not None
        up_kwh, down_kwh = shift_band(unit, energy_kwh, u.standing_loss_per_h)
        p_kw = x["discharge_kw"] - x["charge_kw"]
        dt_h = unit.horizon.dt_h
        # Raising p first ends charging (η_c of a kWh leaves the store), then discharges (1/η_d).
        stopped = np.minimum(x["charge_kw"], up_kwh / dt_h / u.charge_efficiency)
        rest = up_kwh - stopped * dt_h * u.charge_efficiency
        up = stopped + np.maximum(rest, 0.0) / dt_h * u.discharge_efficiency
        held = np.minimum(x["discharge_kw"], down_kwh / dt_h * u.discharge_efficiency)
        room = down_kwh - held * dt_h / u.discharge_efficiency
        down = held + np.maximum(room, 0.0) / dt_h / u.charge_efficiency
        return np.minimum(up, u.power_kw - p_kw), np.minimum(down, u.power_kw + p_kw)
