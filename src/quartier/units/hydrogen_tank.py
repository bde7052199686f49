"""Hydrogen tank: a store of hydrogen that loses nothing, in kWh of the lower heating value."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quartier.units.base import HYDROGEN, Shown
from quartier.units.store import StoreKind, StoreParameters


class HydrogenTankParameters(StoreParameters):
    """A tank or cavern at a node of hydrogen."""

    kind: Literal["hydrogen_tank"]
    charge_efficiency: float = Field(1.0, gt=0, le=1)
    """Efficiency of charging η_c; the power of compressors is not modelled."""
    discharge_efficiency: float = Field(1.0, gt=0, le=1)
    """Efficiency of discharging η_d."""
    min_soc: float = Field(0.0, ge=0, lt=1)
    """Least state of charge α."""
    max_soc: float = Field(1.0, gt=0, le=1)
    """Greatest state of charge β."""


class HydrogenTank(StoreKind):
    """Takes hydrogen from its node and gives it back."""

    Parameters = HydrogenTankParameters
    holds = HYDROGEN
    command = HYDROGEN
    order = 4
    shown = Shown("Hydrogen tank", "sky", "x", "dash", "diamond", 14)
