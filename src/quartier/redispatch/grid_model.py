"""The grid as the DSO sees it: AC power flow of the assets' powers, and its linearisation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from quartier.grid.network import Network
from quartier.grid.power_flow import BatchPowerFlow, GridState
from quartier.quantities import Array
from quartier.redispatch.assets import Assets
from quartier.redispatch.elements import Elements
from quartier.scenario.settings import RedispatchSettings

CHUNK = 4_000_000
"""Entries of a matrix of derivatives that are computed at a time."""
LEAST_EFFECT = 1e-3
"""Change of an excess, in tolerances, that an asset must cause by all it can ever be moved: an
effect below is noise of its own computation and no lever."""
LEAST_SHARE = 1e-4
"""Share of the strongest effect on an element below which an effect is always left out."""


class GridModel:
    """AC power flow of some assets on a network.

    Parameters
    ----------
    network
        The grid.
    assets
        The assets, and what else is injected.
    settings
        Tolerances and thresholds.
    rated_mw
        Rated power by asset, for discrete steps.
    """

    def __init__(
        self,
        network: Network,
        assets: Assets,
        settings: RedispatchSettings,
        rated_mw: Mapping[str, float] | None = None,
    ) -> None:
        self.assets = assets
        self.settings = settings
        self.rated_mw = rated_mw
        self.elements = Elements(network, settings)
        self._flow = BatchPowerFlow.of(network)

    def solve(
        self,
        p_mw: Array,
        tap_pos: int,
        steps: NDArray[np.int64] | None = None,
        start: GridState | None = None,
    ) -> GridState:
        """Solve all or some steps with the assets at ``p_mw``, shape ``(steps, A)``."""
        q_mvar = self.assets.other_q_mvar
        q_mvar = q_mvar if steps is None else q_mvar[steps]
        return self._flow.solve(self.assets.p_mw(p_mw, steps), q_mvar, tap_pos, start)

    def excess(self, state: GridState) -> Array:
        """How far beyond its limit every element is, in tolerances, shape ``(steps, E)``."""
        return self.elements.excess(state)

    def slopes(
        self,
        state: GridState,
        p_mw: Array,
        steps: NDArray[np.int64],
        columns: NDArray[np.int64],
        weak: bool = False,
    ) -> Array:
        """Change of the excess of some elements per MW of every asset.

        Parameters
        ----------
        state
            Solution of ``steps`` with the assets at ``p_mw``.
        columns
            Numbers of the elements, rising.
        weak
            Whether to keep effects below the sensitivity threshold.

        Returns
        -------
        Array
            Shape ``(steps, columns, A)``.
        """
        assets = self.assets
        own, place = np.unique(np.array(assets.buses, dtype=np.int64), return_inverse=True)
        parts = [np.zeros((0, columns.size, assets.shape[1]))]
        chosen = self.elements.chosen(columns)
        width = max(own.size * (self.elements.count + state.voltage.shape[1]), 1)
        for part in np.array_split(np.arange(steps.size), max(1, steps.size * width // CHUNK)):
            found = self._flow.sensitivities(
                state.take(part),
                assets.p_mw(p_mw[part], steps[part]),
                assets.other_q_mvar[steps[part]],
                [int(bus) for bus in own],
                chosen,
            )
            parts.append(self.elements.slopes(found, columns)[..., place])
        slopes = np.concatenate(parts)
        return slopes if weak else self._without_weak(slopes)

    def rates(self, state: GridState, p_mw: Array, step: int) -> Array:
        """How fast the excess of every element may change per MW of every asset, ``(A, E)``.

        Parameters
        ----------
        state
            Solution with the assets at ``p_mw``.
        step
            Step of it that is taken for all.
        """
        assets, one = self.assets, np.array([step])
        own, place = np.unique(np.array(assets.buses, dtype=np.int64), return_inverse=True)
        found = self._flow.rates(
            state.take(one),
            assets.p_mw(p_mw[one], one),
            assets.other_q_mvar[one],
            [int(bus) for bus in own],
        )
        return self.elements.rates(found)[place]

    def _without_weak(self, slopes: Array) -> Array:
        """Leave out assets that hardly act on an element, at all or against the strongest."""
        assets = self.assets
        lowest, highest = np.fmin(assets.low_mw, 0.0), np.fmax(assets.high_mw, 0.0)
        reach = highest.max(axis=0, initial=0.0) - lowest.min(axis=0, initial=0.0)
        slopes = np.where(np.abs(slopes) * reach >= LEAST_EFFECT, slopes, 0.0)
        strongest = np.abs(slopes).max(axis=2, keepdims=True, initial=0.0)
        share = max(self.settings.sensitivity_threshold, LEAST_SHARE)
        return np.where(np.abs(slopes) >= share * strongest, slopes, 0.0)
