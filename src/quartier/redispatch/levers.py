"""Levers: what the optimisation may pull, each moving one asset or several pro rata.

Pulled fully, a lever moves its assets from their offers as far as P_set can demand. Assets that
share pro rata hang on one lever. Discrete steps make several levers of one, of which at most
one may be pulled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.redispatch.assets import LEAST_PRICE, Assets

SAME_PRICE = 1e-9
"""EUR/MWh by which equal prices may differ."""


@dataclass(frozen=True)
class Levers:
    """Levers of some steps, ``L`` in every step.

    Attributes
    ----------
    move_mw
        Change of every asset's power by a lever pulled fully, shape ``(steps, L, A)``.
    cost_eur
        Its cost in the step, shape ``(steps, L)``.
    choice
        Number of the choice that a lever belongs to, of whose levers at most one may be pulled,
        and that fully; -1 for a lever that may be pulled by any share. Shape ``(L,)``.
    """

    move_mw: Array
    cost_eur: Array
    choice: NDArray[np.int64]

    def take(self, steps: NDArray[np.bool_] | NDArray[np.int64]) -> Levers:
        """Return the levers of some of the steps."""
        return Levers(self.move_mw[steps], self.cost_eur[steps], self.choice)


def make_levers(
    assets: Assets,
    steps: NDArray[np.int64],
    groups: NDArray[np.int64],
    shares: Sequence[float] | None = None,
    rated_mw: Mapping[str, float] | None = None,
) -> Levers:
    """Make the levers of some steps.

    Parameters
    ----------
    groups
        Which lever an asset hangs on, a number below ``A``, shape ``(steps, A)``.
    shares
        Discrete steps that feed-in can be reduced to, as shares of the rated power.
    rated_mw
        Rated power by asset; without it the greatest power offered over the window.
    """
    offered, low, high = (x[steps] for x in (assets.offered_mw, assets.least_mw, assets.most_mw))
    raised, raise_cost = _gather(assets, groups, high - offered)
    if shares is None:
        targets = [low]
    else:
        rated = rated_power(assets, rated_mw)
        # Offers above a step's level come down to it; the end of the band is always a step.
        targets = [np.clip(share * rated, low, offered) for share in sorted({*shares, 0.0})]
    lowered = [_gather(assets, groups, target - offered) for target in targets]
    count = assets.shape[1]
    choice = np.full(count * (len(targets) + 1), -1)
    if shares is not None:
        choice[: count * len(targets)] = np.tile(np.arange(count), len(targets))
    return Levers(
        move_mw=np.concatenate([*(move for move, _ in lowered), raised], axis=1),
        cost_eur=np.concatenate([*(cost for _, cost in lowered), raise_cost], axis=1),
        choice=choice,
    )


def rated_power(assets: Assets, rated_mw: Mapping[str, float] | None) -> Array:
    """Rated power in MW: as given, or the greatest power offered, shape ``(A,)``."""
    known = rated_mw or {}
    greatest = assets.offered_mw.max(axis=0, initial=0.0)
    return np.array([known.get(name, greatest[k]) for k, name in enumerate(assets.names)])


def alone(assets: Assets, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups in which every asset has a lever of its own."""
    count = assets.shape[1]
    return np.broadcast_to(np.arange(count), (steps.size, count))


def share_pro_rata(
    slopes: Array, driving: NDArray[np.int64], room: Array, prices: Array, tolerance: float
) -> NDArray[np.int64]:
    """Group the assets of one step that share pro rata.

    Of equal price, driven by the same element, and acting on it by no less than ``1 -
    tolerance`` of the strongest in the group.

    Parameters
    ----------
    slopes
        Effect of every asset on the element that drives it, shape ``(A,)``.
    driving
        Number of that element, shape ``(A,)``.
    room
        What the asset could be moved by, shape ``(A,)``; without room it stays alone.
    prices
        Shape ``(A,)``.

    Returns
    -------
    Array of int, shape ``(A,)``: number of the asset whose lever each hangs on.
    """
    groups = np.arange(slopes.size)
    effect = np.where(room > 0, np.abs(slopes), 0.0)
    free = effect > 0
    for first in np.argsort(-effect, kind="stable"):
        if not free[first]:
            continue
        same = free & (driving == driving[first]) & (slopes * slopes[first] > 0)
        same &= np.abs(prices - prices[first]) <= SAME_PRICE
        same &= effect >= (1 - tolerance) * effect[first]
        groups[same] = first
        free &= ~same
    return groups


def _gather(assets: Assets, groups: NDArray[np.int64], moves: Array) -> tuple[Array, Array]:
    """Hang moves ``(steps, A)`` on levers: moves ``(steps, A, A)`` and costs ``(steps, A)``."""
    steps, count = moves.shape
    levers = np.zeros((steps, count, count))
    rows, columns = np.indices(moves.shape)
    levers[rows, groups, columns] = moves
    prices = np.where(moves < 0, assets.lower_price, assets.raise_price)
    each = np.abs(moves) * np.maximum(prices, LEAST_PRICE) * assets.dt_h
    cost = np.zeros((steps, count))
    np.add.at(cost, (rows, groups), each)
    return levers, cost
