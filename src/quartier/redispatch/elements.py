"""All limits of a network in one row: lines, transformers, upper and lower voltage bands.

The **excess** of an element is how far it is beyond its limit, in units of the tolerance that
counts as a violation: above 1 it is violated, at 0 it is at its limit. So loadings and voltages
compare, and every limit reads ``excess <= 0``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quartier.grid.network import Network
from quartier.grid.power_flow import GridState, Sensitivities
from quartier.quantities import Array
from quartier.scenario.settings import RedispatchSettings

LEAST_LOADING_TOLERANCE = 1e-2
"""Percent; smaller tolerances of a scenario are not smaller in the computation."""
LEAST_VOLTAGE_TOLERANCE = 1e-5
"""Pu, likewise."""


class Elements:
    """The limits of a network.

    Parameters
    ----------
    network
        The grid.
    settings
        Tolerances.

    Attributes
    ----------
    count
        Number of limits ``E``: one per line and transformer, two per bus.
    """

    def __init__(self, network: Network, settings: RedispatchSettings) -> None:
        self._network = network
        self._sizes = (network.lines.size, network.transformers.size, network.buses.size)
        loading = max(settings.loading_tolerance_percent, LEAST_LOADING_TOLERANCE)
        voltage = max(settings.voltage_tolerance_pu, LEAST_VOLTAGE_TOLERANCE)
        branches, buses = self._sizes[0] + self._sizes[1], self._sizes[2]
        self._unit = np.repeat([loading, voltage, -voltage], [branches, buses, buses])
        limits = (network.line_limit_percent, network.transformer_limit_percent)
        self._limit = np.concatenate([*limits, network.vm_max_pu, network.vm_min_pu])
        self.count = self._unit.size

    def excess(self, state: GridState) -> Array:
        """How far beyond its limit every element is, shape ``(steps, E)``, in tolerances.

        ``-inf`` at buses that are not supplied, NaN throughout in steps not converged.
        """
        loadings = (state.line_loading_percent, state.transformer_loading_percent)
        values = np.concatenate([*loadings, state.vm_pu, state.vm_pu], axis=1)
        excess = (values - self._limit) / self._unit
        excess = np.where(np.isnan(excess), -np.inf, excess)
        excess[~state.converged] = np.nan
        return np.asarray(excess)

    def slopes(self, sensitivities: Sensitivities, columns: NDArray[np.int64]) -> Array:
        """Derivative of the excess of some elements, shape ``(steps, columns, assets)``."""
        s = sensitivities
        parts = (s.line_percent_per_mw, s.transformer_percent_per_mw, s.vm_pu_per_mw)
        values = np.concatenate([*parts, s.vm_pu_per_mw], axis=2)[..., columns]
        slopes = np.nan_to_num(values / self._unit[columns])
        return np.asarray(slopes.transpose(0, 2, 1), dtype=float)

    def physical(self, element: int, slope: float) -> float:
        """Turn a slope of the excess into %/MW or pu/MW."""
        return float(slope * self._unit[element])

    def label(self, element: int) -> str:
        """Name of an element: ``line 10 MV1.101 Line 11``, ``transformer 0 ...``, ``bus 46``."""
        lines, transformers, buses = self._sizes
        if element < lines:
            return self._network.line_name(element)
        if element < lines + transformers:
            return self._network.transformer_name(element - lines)
        return f"bus {self._network.buses[(element - lines - transformers) % buses]}"

    def limit_of(self, element: int) -> str:
        """An element and its limit, e.g. ``bus 46: at least 0.9650 pu``."""
        limit = self._limit[element]
        if element < self._sizes[0] + self._sizes[1]:
            return f"{self.label(element)}: at most {limit:.2f} %"
        side = "most" if self._unit[element] > 0 else "least"
        return f"{self.label(element)}: at {side} {limit:.4f} pu"

    def describe(self, element: int, excess: float) -> str:
        """Name, value and limit of an element, e.g. ``bus 46 at 0.9400 pu, limit 0.9650 pu``."""
        limit = self._limit[element]
        value = limit + excess * self._unit[element]
        if element < self._sizes[0] + self._sizes[1]:
            return f"{self.label(element)} at {value:.2f} %, limit {limit:.2f} %"
        return f"{self.label(element)} at {value:.4f} pu, limit {limit:.4f} pu"
