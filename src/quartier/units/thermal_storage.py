"""Thermal storage: a store of heat with standing loss (M1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quartier.units.base import HEAT, HeatParameters, Shown
from quartier.units.store import StoreKind, StoreParameters


class ThermalStorageParameters(StoreParameters, HeatParameters):
    """A hot-water store in a heat hub."""

    kind: Literal["thermal_storage"]
    charge_efficiency: float = Field(1.0, gt=0, le=1)
    """Efficiency of charging η_c."""
    discharge_efficiency: float = Field(1.0, gt=0, le=1)
    """Efficiency of discharging η_d."""
    standing_loss_per_h: float = Field(0.002, ge=0, lt=0.5)
    """Share of the stored energy lost per hour σ; an insulated tank loses some percent a day."""
    min_soc: float = Field(0.0, ge=0, lt=1)
    """Least state of charge α."""
    max_soc: float = Field(1.0, gt=0, le=1)
    """Greatest state of charge β."""


class ThermalStorage(StoreKind):
    """Takes heat from its hub and gives it back."""

    Parameters = ThermalStorageParameters
    holds = HEAT
    shown = Shown("Heat storage", "vermilion", "x", "dash", "square", 10)
    command = HEAT
    order = 4
