"""Battery: a store with `p = d - c` and wear (M1).

Seed 001 (Ramirez Acosta et al. 2023) eq. 19 writes ``t·F`` where ``Δ·F`` is meant and knows no
efficiency; its eq. 20 is the balance of :mod:`quartier.units.store` with η = 1. Wear cost: seed
000, per kWh discharged.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import NonNegativeFloat

from quartier.quantities import Array
from quartier.units.base import ELECTRICITY, Flow, Shown, Values
from quartier.units.store import StoreKind, StoreParameters, net_power_to


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

    def rule(self, u: BatteryParameters, state: Values, s: Values, dt_h: float) -> Array:
        """Greedy: take up what the neighbourhood has left over, supply what it lacks."""
        high_kw = net_power_to(u, state["energy_kwh"], s["energy_rule_kwh"], dt_h)
        left_over_kw: Array = s["p_others_kw"]
        return np.minimum(-left_over_kw, high_kw)
