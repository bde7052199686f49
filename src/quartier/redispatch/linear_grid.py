"""The DSO's linear network: rows for what can bind, tangents of losses, corrected in AC (M7)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from quartier.grid.power_flow import GridState
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.assets import Assets, read_assets
from quartier.redispatch.grid_model import CHUNK, GridModel
from quartier.redispatch.headroom import BINDS

NEAR = -30.0
"""Excess, in tolerances, from which on an element gets a row: 3 % or 0.003 pu below its limit."""
PROBE_MW = 0.01
"""Half width of the finite differences of losses."""


@dataclass(frozen=True)
class Rows:
    """Rows ``slopes · p[step] <= right``: power in MW, excess in tolerances.

    Shapes ``(R,)``, ``(R,)``, ``(R, A)``, ``(R,)``.
    """

    step: NDArray[np.int64]
    element: NDArray[np.int64]
    slopes: Array
    right: Array


@dataclass(frozen=True)
class Tangents:
    """Losses are at least ``constant + slopes · p`` (MW), shapes ``(T,)`` and ``(T, A)``."""

    constant: Array
    slopes: Array


class LinearGrid:
    """The network around points at which it was solved in AC, at one tap position.

    Parameters
    ----------
    problem
        Network, background and settings.
    offers
        p_off of all assets.
    tap_pos
        Tap position.
    """

    def __init__(self, problem: NetworkProblem, offers: Sequence[Offer], tap_pos: int) -> None:
        self.problem, self.tap_pos = problem, tap_pos
        self.assets: Assets = read_assets(problem, offers)
        own = [np.broadcast_to(offer.curtailed_kw, problem.horizon.steps) for offer in offers]
        self.own_curtailed_kw: Array = np.column_stack(own) if own else np.zeros((0, 0))
        self.model = GridModel(problem.network, self.assets, problem.settings)
        self.tangents: list[Tangents] = []
        self._wanted = np.zeros((self.assets.shape[0], self.model.elements.count), dtype=bool)
        self.rows = Rows(
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros((0, self.assets.shape[1])),
            np.zeros(0),
        )

    def solve(self, p_mw: Array) -> GridState:
        """AC power flow with the assets at ``p_mw``, shape ``(T, A)``."""
        return self.model.solve(p_mw, self.tap_pos)

    def worst(self, state: GridState) -> float:
        """Greatest excess of any limit in tolerances; infinite where a step did not converge.

        Steps that have no power flow whatever the assets do are beyond anybody's plan: they do
        not count, so that the others are planned all the same.
        """
        excess = np.nan_to_num(self.model.excess(state), nan=np.inf)
        if not state.converged.all():
            excess = excess[state.converged | ~self._lost]
        return float(excess.max(initial=-np.inf))

    @cached_property
    def _lost(self) -> NDArray[np.bool_]:
        """Steps without a power flow with what is offered, and with as little as can be."""
        assets = self.assets
        offered, least = self.solve(assets.offered_mw), self.solve(assets.nearest_to_nothing_mw)
        return np.asarray(~(offered.converged | least.converged))

    def note(self, p_mw: Array) -> None:
        """Give a row to all that comes near its limit with the assets at ``p_mw``."""
        self._wanted |= np.nan_to_num(self.model.excess(self.solve(p_mw)), nan=-np.inf) > NEAR

    def linearise(self, p_mw: Array) -> float:
        """Take the rows anew at a point, and add a tangent of the losses there.

        Returns
        -------
        float
            Greatest excess at the point.
        """
        state = self.solve(p_mw)
        excess = self.model.excess(state)
        self._wanted |= np.nan_to_num(excess, nan=-np.inf) > NEAR
        self._wanted[~state.converged] = False
        self.rows = self._rows(state, p_mw, excess)
        self.tangents.append(self._tangents(p_mw, state))
        return self.worst(state)

    def add_tangent(self, p_mw: Array) -> Array:
        """Add a tangent of the losses at a point; return the losses there, shape ``(T,)``."""
        state = self.solve(p_mw)
        self.tangents.append(self._tangents(p_mw, state))
        return np.nan_to_num(state.loss_mw)

    def touch(self, p_mw: Array) -> None:
        """Add a tangent of the losses at a point; the rows stay as they are."""
        self.tangents.append(self._tangents(p_mw, self.solve(p_mw)))

    def copy(self) -> LinearGrid:
        """Return a grid of its own that starts from this one's rows and tangents."""
        other = copy(self)
        other.tangents, other._wanted = list(self.tangents), self._wanted.copy()
        return other

    def _rows(self, state: GridState, p_mw: Array, excess: Array) -> Rows:
        columns = np.flatnonzero(self._wanted.any(axis=0))
        steps = np.arange(len(p_mw))
        slopes = self.model.slopes(state, p_mw, steps, columns, weak=True)
        step, place = np.nonzero(self._wanted[:, columns])
        own = slopes[step, place]
        right = np.einsum("ra,ra->r", own, p_mw[step]) - excess[step, columns[place]]
        return Rows(step, columns[place], own, right)

    def _tangents(self, p_mw: Array, state: GridState) -> Tangents:
        """Losses linearised by finite differences."""
        steps, count = p_mw.shape
        rows = np.repeat(np.arange(steps), count)
        probe = np.tile(PROBE_MW * np.eye(count), (steps, 1))
        up, down = (self._losses(p_mw[rows] + sign * probe, rows) for sign in (1, -1))
        slopes = np.nan_to_num((up - down).reshape(steps, count) / (2 * PROBE_MW))
        constant = np.nan_to_num(state.loss_mw) - np.einsum("ta,ta->t", slopes, p_mw)
        return Tangents(constant, slopes)

    def _losses(self, p_mw: Array, steps: NDArray[np.int64]) -> Array:
        """Losses in AC of some steps, part by part: of a large grid not all fit into memory."""
        count = max(1, steps.size * self.assets.other_p_mw.shape[1] // CHUNK)
        parts = np.array_split(np.arange(steps.size), count)
        solved = [self.model.solve(p_mw[k], self.tap_pos, steps[k]).loss_mw for k in parts]
        return np.concatenate(solved)

    def loss_mw(self, p_mw: Array) -> Array:
        """Losses as the linear network sees them, shape ``(T,)``."""
        cuts = [t.constant + np.einsum("ta,ta->t", t.slopes, p_mw) for t in self.tangents]
        found: Array = np.max(cuts, axis=0)
        return found

    def excess(self, p_mw: Array) -> float:
        """Greatest excess of a row in tolerances, as the linear network sees it."""
        if not self.rows.step.size:
            return -np.inf
        left = np.einsum("ra,ra->r", self.rows.slopes, p_mw[self.rows.step])
        return float((left - self.rows.right).max())

    def acting_on_tight(self, p_mw: Array) -> NDArray[np.bool_]:
        """Whether an asset drives what is at its limit towards it, by step and asset."""
        state = self.solve(p_mw)
        tight = np.nan_to_num(self.model.excess(state), nan=-np.inf) >= BINDS
        acting = np.zeros(p_mw.shape, dtype=bool)
        steps, columns = (np.flatnonzero(tight.any(axis=axis)) for axis in (1, 0))
        if steps.size:
            slopes = self.model.slopes(state.take(steps), p_mw[steps], steps, columns)
            towards = (slopes > 0) & tight[np.ix_(steps, columns)][..., None]
            acting[steps] = towards.any(axis=1)
        return acting

    @property
    def background_kw(self) -> Array:
        """Sum of all that is injected besides the assets, shape ``(T,)``."""
        return np.asarray(KW_PER_MW * self.assets.other_p_mw.sum(axis=1))
