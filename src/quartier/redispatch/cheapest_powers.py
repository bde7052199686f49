"""The cheapest powers that relieve some steps of congestion, in a linearised grid.

One linear programme over all steps, which are independent of each other::

    min  Σ cost · x + penalty · slack    0 <= x <= 1,  slack >= 0
    s.t. excess + slope · (p - p_now) <= target + slack     for every element that matters
         p = offered + Σ x · move

With discrete steps every step is a small mixed-integer programme. Slack says what cannot be
relieved; its penalty dominates every cost, so the rest is relieved as far as possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.program import Answer, Arrays, Highs
from quartier.quantities import Array
from quartier.redispatch.levers import Levers

TARGET = -0.05
"""Excess that relief aims at: just inside the limit, in tolerances."""
PENALTY = 10.0
"""Penalty on slack, in multiples of the dearest relief."""


@dataclass(frozen=True)
class Congestion:
    """Some steps to relieve; ``K`` elements, not all of which matter in every step.

    Attributes
    ----------
    matters
        Whether an element is to be kept within its limit, shape ``(steps, K)``.
    excess
        Present excess at power ``now_mw``, shape ``(steps, K)``.
    slopes
        Change of the excess per MW, shape ``(steps, K, A)``.
    now_mw, offered_mw
        Present and offered power, shape ``(steps, A)``.
    """

    matters: NDArray[np.bool_]
    excess: Array
    slopes: Array
    now_mw: Array
    offered_mw: Array

    def rows(self, levers: Levers) -> tuple[Array, Array]:
        """Coefficients of the levers ``(steps, K, L)`` and right-hand sides ``(steps, K)``."""
        effect = np.matmul(self.slopes, levers.move_mw.transpose(0, 2, 1))
        back = np.matmul(self.slopes, (self.offered_mw - self.now_mw)[..., None])[..., 0]
        return effect, TARGET - self.excess - back


@dataclass(frozen=True)
class CheapestPowers:
    """The powers that relieve some steps most cheaply.

    Attributes
    ----------
    p_mw
        Power to set, shape ``(steps, A)``.
    value
        What a unit of relief of an element is worth in EUR (its dual), shape ``(steps, K)``; 0
        where it does not bind, NaN in mixed-integer programmes.
    """

    p_mw: Array
    value: Array


def cheapest_powers(congestion: Congestion, levers: Levers) -> CheapestPowers:
    """Find the cheapest powers that relieve some steps.

    Slack lets every program have an optimum. If the solver does not find it all the same, the
    power stays as it is, which leaves the steps unsolved.
    """
    discrete = bool((levers.choice >= 0).any())
    try:
        pulled, value = (
            _discrete(congestion, levers) if discrete else _continuous(congestion, levers)
        )
    except SolveFailed as failure:
        note_kept(failure, "the DSO keeps what it has set")
        return CheapestPowers(congestion.now_mw, np.zeros(congestion.matters.shape))
    moved = np.matmul(pulled[:, None, :], levers.move_mw)[:, 0]
    return CheapestPowers(congestion.offered_mw + moved, value)


def _continuous(congestion: Congestion, levers: Levers) -> tuple[Array, Array]:
    effect, right = congestion.rows(levers)
    steps, count = levers.cost_eur.shape
    rows = _matrix(effect, congestion.matters)
    slack = -sparse.eye_array(rows.shape[0], format="csr")
    cost = np.concatenate(
        [levers.cost_eur.ravel(), np.full(rows.shape[0], _penalty(effect, levers))]
    )
    upper = np.concatenate([np.ones(steps * count), np.full(rows.shape[0], np.inf)])
    matrix = sparse.csr_array(sparse.hstack([rows, slack]))
    found = _solved("cheapest caps", cost, upper, matrix, right[congestion.matters])
    value = np.zeros(congestion.matters.shape)
    value[congestion.matters] = -found.row_dual
    return found.values[: steps * count].reshape(steps, count), value


def _solved(
    name: str,
    cost: Array,
    upper: Array,
    matrix: sparse.csr_array,
    row_upper: Array,
    integer: NDArray[np.bool_] | None = None,
) -> Answer:
    """Solve ``min cost x`` over ``A x <= row_upper``, ``0 <= x <= upper``."""
    whole = np.zeros(cost.size, dtype=bool) if integer is None else integer
    least = np.full(row_upper.size, -np.inf)
    arrays = Arrays(cost, np.zeros(cost.size), upper, whole, matrix, least, row_upper)
    return Highs(name, arrays).needed()


def _matrix(effect: Array, matters: NDArray[np.bool_]) -> sparse.csr_array:
    """Rows of all elements that matter; each touches the levers of its own step only."""
    steps, _, count = effect.shape
    step, _ = np.nonzero(matters)
    columns = step[:, None] * count + np.arange(count)
    rows = np.broadcast_to(np.arange(step.size)[:, None], columns.shape)
    values = effect[matters]
    kept = values != 0
    shape = (step.size, steps * count)
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=shape)


def _penalty(effect: Array, levers: Levers) -> float:
    """Penalty per unit of excess that exceeds the cost of any relief."""
    cost = np.broadcast_to(levers.cost_eur[:, None, :], effect.shape)
    ratios = np.divide(cost, np.abs(effect), out=np.zeros(effect.shape), where=effect != 0)
    return PENALTY * max(float(ratios.max(initial=0.0)), 1.0)


def _discrete(congestion: Congestion, levers: Levers) -> tuple[Array, Array]:
    effect, right = congestion.rows(levers)
    penalty = _penalty(effect, levers)
    pulled = np.zeros(levers.cost_eur.shape)
    for step, matters in enumerate(congestion.matters):
        pulled[step] = _choose(
            levers.cost_eur[step], effect[step][matters], right[step][matters], levers, penalty
        )
    return pulled, np.full(congestion.matters.shape, np.nan)


def _choose(cost_eur: Array, effect: Array, right: Array, levers: Levers, penalty: float) -> Array:
    """Solve one step with discrete choices."""
    elements, count = effect.shape
    choices = (levers.choice == np.unique(levers.choice[levers.choice >= 0])[:, None]).astype(float)
    once = np.hstack([choices, np.zeros((len(choices), elements))])
    found = _solved(
        "cheapest discrete caps",
        np.concatenate([cost_eur, np.full(elements, penalty)]),
        np.concatenate([np.ones(count), np.full(elements, np.inf)]),
        sparse.csr_array(np.vstack([np.hstack([effect, -np.eye(elements)]), once])),
        np.concatenate([right, np.ones(len(choices))]),
        np.concatenate([levers.choice >= 0, np.zeros(elements, dtype=bool)]),
    )
    solution: Array = found.values[:count]
    return np.where(levers.choice >= 0, np.round(solution), solution)
