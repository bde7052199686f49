"""A schedule: what the units of one agent do over a horizon, and what it costs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quartier.quantities import Array


@dataclass(frozen=True)
class Schedule:
    """A feasible schedule of the units that one agent plans for.

    ``p_kw`` has renewable units at their full available power: what a cap or a price curtails
    of ``curtailable_kw`` is decided at the connection point (M3, L0), after everything else.
    """

    p_kw: Array
    """Sum over the units, shape ``(T,)``."""
    curtailable_kw: Array
    """Renewable power contained in ``p_kw``, shape ``(T,)``."""
    cost_eur: float
    """Fuel, wear, starts, what nodes buy and sell, and the penalty on what they do not serve."""
    co2_kg: float
    """Emissions of all fuel burnt, and of what nodes buy."""
    unserved_kwh: float
    """What nodes did not serve."""
    controls: Mapping[str, Mapping[str, Array]]
    """Controls by unit and name, shape ``(T,)`` each."""
    unit_p_kw: Mapping[str, Array]
    """Electric power by unit, shape ``(T,)``."""
    energy_kwh: Mapping[str, Array]
    """Energy by store at the boundaries of the steps, shape ``(T+1,)``."""
    command_kw: Mapping[str, Array]
    """Set point by unit, in what its kind takes as a command, shape ``(T,)``."""
    up_kw: Array
    """Power by which each single step could be raised, the others kept, shape ``(T,)``."""
    down_kw: Array
    """Power by which each single step could be lowered, curtailment apart, shape ``(T,)``."""
    shiftable_kw: Array
    """Both of them together for the loads that can be moved in time, shape ``(T,)``."""
