"""Pumped hydro: the store of a battery with two basins, without wear (M9)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quartier.units.base import ELECTRICITY, Shown
from quartier.units.store import StoreKind, StoreParameters


class PumpedHydroParameters(StoreParameters):
    """A pumped-storage plant; nothing flows into its basins but what it pumps."""

    kind: Literal["pumped_hydro"]
    charge_efficiency: float = Field(0.87, gt=0, le=1)
    """Efficiency of pumping η_c; with that of the turbine, 76 % there and back."""
    discharge_efficiency: float = Field(0.87, gt=0, le=1)
    """Efficiency of the turbine η_d."""
    min_soc: float = Field(0.0, ge=0, lt=1)
    """Least level of the upper basin α."""
    max_soc: float = Field(1.0, gt=0, le=1)
    """Greatest level of the upper basin β."""


class PumpedHydro(StoreKind):
    """Pumps and generates, as a battery does."""

    Parameters = PumpedHydroParameters
    command = ELECTRICITY
    order = 9
    shown = Shown("Pumped hydro", "blue", "x", "solid", "diamond", 4)
