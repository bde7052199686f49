"""Battery: a store with `p = d - c` and wear (M1).

Seed 001 (Ramirez Acosta et al. 2023) eq. 19 writes ``t·F`` where ``Δ·F`` is meant and knows no
efficiency; its eq. 20 is the balance of :mod:`quartier.units.store` with η = 1. Wear cost: seed
000, per kWh discharged.
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat

from quartier.units.base import ELECTRICITY, Flow, Shown, Values
from quartier.units.store import StoreKind, StoreParameters


class BatteryParameters(StoreParameters):
    """A battery behind the neighbourhood's connection point."""

    kind: Literal["battery"]
    wear_eur_per_kwh: NonNegativeFloat = 0.02
    """Wear cost per kWh discharged, C_inv / (E_bat · LCN) (seed 000)."""


class Battery(StoreKind):
    """Charges from and discharges into the neighbourhood."""

    Parameters = BatteryParameters
    shown = Shown("Battery", "green", "x", "solid", "diamond", 4)
    command = ELECTRICITY
    order = 9

    def flow(self, u: BatteryParameters, x: Values, s: Values, dt_h: float) -> Flow:
        """Net power, and wear per kWh discharged."""
        return Flow(
            {ELECTRICITY: x["discharge_kw"] - x["charge_kw"]},
            cost_eur=u.wear_eur_per_kwh * x["discharge_kw"] * dt_h,
        )
