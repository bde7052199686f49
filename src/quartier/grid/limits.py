"""Violations of limits: how many there are and how much energy is beyond them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quartier.grid.network import Network
from quartier.grid.power_flow import GridState
from quartier.quantities import Array


@dataclass(frozen=True)
class Violations:
    """Violations per step, shape ``(steps,)`` each; NaN where the power flow did not converge.

    Attributes
    ----------
    overloads
        Number of lines and transformers above their own limit.
    overload_mwh
        Energy beyond the limits: sum over overloaded elements of
        ``(loading - limit) / 100 · rated MVA · dt``.
    voltages
        Number of buses outside their own band.
    """

    overloads: Array
    overload_mwh: Array
    voltages: Array


def violations(
    network: Network,
    state: GridState,
    dt_h: float,
    loading_tolerance_percent: float = 0.0,
    voltage_tolerance_pu: float = 0.0,
) -> Violations:
    """Count the violations of a state; what is within a tolerance is none."""
    lines = overload(
        state.line_loading_percent, network.line_limit_percent, loading_tolerance_percent
    )
    transformers = overload(
        state.transformer_loading_percent,
        network.transformer_limit_percent,
        loading_tolerance_percent,
    )
    beyond_mva = (lines @ network.line_mva + transformers @ network.transformer_mva) / 100
    low = state.vm_pu < network.vm_min_pu - voltage_tolerance_pu
    high = state.vm_pu > network.vm_max_pu + voltage_tolerance_pu
    unknown = np.where(state.converged, 0.0, np.nan)
    return Violations(
        overloads=unknown + (lines > 0).sum(axis=1) + (transformers > 0).sum(axis=1),
        overload_mwh=unknown + beyond_mva * dt_h,
        voltages=unknown + (low | high).sum(axis=1),
    )


def overload(loading_percent: Array, limit_percent: Array, tolerance_percent: float) -> Array:
    """Percent beyond the limit, 0 where it is within the tolerance or NaN; any shape."""
    beyond = np.nan_to_num(loading_percent - limit_percent)
    return np.where(beyond > tolerance_percent, beyond, 0.0)
