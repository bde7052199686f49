"""All limits of a network in one row: lines, transformers, upper and lower voltage bands.

Limits are those that the grid operator plans with: less the margin that it keeps free.

The **excess** of an element is how far it is beyond its limit, in units of the tolerance that
counts as a violation: above 1 it is violated, at 0 it is at its limit. So loadings and voltages
compare, and every limit reads ``excess <= 0``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quartier.grid.network import Network
from quartier.grid.power_flow import GridState
from quartier.grid.sensitivities import Chosen, Rates, Sensitivities
from quartier.quantities import KW_PER_MW, Array
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
        Tolerances, and the margin.

    Attributes
    ----------
    count
        Number of limits ``E``: one per line and transformer, two per bus.
    loading_limit_percent
        Limits of all lines, then of all transformers.
    vm_min_pu, vm_max_pu
        Voltage bands of the buses.
    """

    def __init__(self, network: Network, settings: RedispatchSettings) -> None:
        self._network = network
        self._sizes = (network.lines.size, network.transformers.size, network.buses.size)
        loading = max(settings.loading_tolerance_percent, LEAST_LOADING_TOLERANCE)
        voltage = max(settings.voltage_tolerance_pu, LEAST_VOLTAGE_TOLERANCE)
        branches, buses = self._sizes[0] + self._sizes[1], self._sizes[2]
        self._unit = np.repeat([loading, voltage, -voltage], [branches, buses, buses])
        self._free = free = settings.margin
        self._rated_mva = np.concatenate([network.line_mva, network.transformer_mva])
        loadings = np.concatenate([network.line_limit_percent, network.transformer_limit_percent])
        kept_pu = free / 2 * (network.vm_max_pu - network.vm_min_pu)
        self.loading_limit_percent = (1 - free) * loadings
        self.vm_min_pu, self.vm_max_pu = network.vm_min_pu + kept_pu, network.vm_max_pu - kept_pu
        self._limit = np.concatenate([self.loading_limit_percent, self.vm_max_pu, self.vm_min_pu])
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

    def chosen(self, columns: NDArray[np.int64]) -> Chosen:
        """What has to be differentiated for the slopes of some elements, numbers rising."""
        lines, transformers, buses = self._split(columns)
        return Chosen(buses, lines, transformers)

    def slopes(self, sensitivities: Sensitivities, columns: NDArray[np.int64]) -> Array:
        """Derivative of the excess of elements that were :meth:`chosen`, numbers rising.

        Shape ``(steps, columns, assets)``.
        """
        s = sensitivities
        parts = (s.line_percent_per_mw, s.transformer_percent_per_mw, s.vm_pu_per_mw)
        slopes = np.nan_to_num(np.concatenate(parts, axis=2) / self._unit[columns])
        return np.asarray(slopes.transpose(0, 2, 1), dtype=float)

    def rates(self, found: Rates) -> Array:
        """How fast the excess of every element may change, shape ``(buses, E)``."""
        parts = (found.line_percent_per_mw, found.transformer_percent_per_mw, found.vm_pu_per_mw)
        rates = np.concatenate([*parts, found.vm_pu_per_mw], axis=1)
        return np.asarray(np.nan_to_num(rates) / np.abs(self._unit))

    def _split(self, columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Positions of elements among lines, transformers and buses."""
        lines, transformers, buses = self._sizes
        ends = np.searchsorted(columns, [lines, lines + transformers])
        line, transformer, band = np.split(columns, ends)
        return [line, transformer - lines, (band - lines - transformers) % buses]

    def physical(self, element: int, slope: float) -> float:
        """Turn a slope of the excess into %/MW or pu/MW."""
        return float(slope * self._unit[element])

    def further(self, element: int) -> tuple[float, float, str]:
        """Limit of an element, and by how much one further unit of it lowers its excess.

        Returns
        -------
        float, float, str
            Limit and relief in the unit: kVA of a line or transformer, 0.001 pu at a bus.
        """
        unit = abs(self._unit[element])
        if element >= self._rated_mva.size:
            milli = 1000.0
            return milli * float(self._limit[element]), (1 - self._free / 2) / milli / unit, "mpu"
        percent = 100.0 / (KW_PER_MW * float(self._rated_mva[element]))  # of 1 kVA
        own = float(self._limit[element]) / (1 - self._free) / percent
        return own, (1 - self._free) * percent / unit, "kVA"

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
