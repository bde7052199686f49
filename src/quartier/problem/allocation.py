"""Who pays how much of what a pool costs, after the fact: rules on executed powers (M8).

A rule hands out :meth:`Sharing.outer_eur`, step by step and to the last cent. It knows powers and
tariffs only, so what a coalition of neighbourhoods would cost is stated as: what the powers of its
members come to, traded with the outer grid as one. What they might have done otherwise is not in
it, so a rule may leave somebody worse off than alone; `bilevel` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import factorial

import numpy as np

from quartier.problem.sharing import Sharing, shared_kw
from quartier.quantities import Array
from quartier.scenario.asked import MOST_PLAYERS


def retrospective(sharing: Sharing, p_kw: Array) -> Array:
    """Hand out energy from inside at its own price, the rest at the tariffs (eq. 3-5).

    ``p_buy = φ_I p_es + (1 - φ_I)(p_b + fees)`` and ``p_sell = (1 - φ_E) p_es + φ_E p_s``, with
    ``P_Gen = Σ P_n⁺`` in both shares: with total generation, as printed, money would be created.

    Parameters
    ----------
    p_kw
        Powers, shape ``(..., N)``.

    Returns
    -------
    Array
        What each pays in EUR, shape ``(..., N)``; negative: what it gets.
    """
    inside = shared_kw(p_kw)
    got, price = np.maximum(inside, 0.0), np.expand_dims(sharing.shared_eur_per_kwh, -1)
    fee = np.expand_dims(sharing.inside_fee_eur_per_kwh, -1)
    return np.asarray(
        sharing.alone_eur(p_kw + inside) + (inside * price + got * fee) * sharing.dt_h
    )


def equal(sharing: Sharing, p_kw: Array) -> Array:
    """Split what sharing saves equally; parameters and result as of :func:`retrospective`."""
    alone, saved = _saved(sharing, p_kw)
    return np.asarray(alone - saved / p_kw.shape[-1])


def proportional(sharing: Sharing, p_kw: Array) -> Array:
    """Split what sharing saves in proportion to what each gives or gets.

    Parameters and result as of :func:`retrospective`.
    """
    alone, saved = _saved(sharing, p_kw)
    moved = np.abs(shared_kw(p_kw))
    total = moved.sum(axis=-1, keepdims=True)
    part = np.divide(moved, total, out=np.zeros_like(moved), where=total > 0)
    return np.asarray(alone - saved * part)


def shapley(sharing: Sharing, p_kw: Array) -> Array:
    """Let each pay its mean marginal cost over all orders in which they could join (Shapley, 1953).

    Parameters and result as of :func:`retrospective`.
    """
    players = p_kw.shape[-1]
    costs = coalitions(sharing, p_kw)
    paid = np.zeros_like(p_kw)
    for k in range(players):
        for members, cost in costs.items():
            if k not in members:
                joined = costs[tuple(sorted((*members, k)))]
                size = len(members)
                weight = factorial(size) * factorial(players - size - 1) / factorial(players)
                paid[..., k] += weight * (joined - cost)
    return paid


def coalitions(sharing: Sharing, p_kw: Array) -> dict[tuple[int, ...], Array]:
    """What every coalition costs in EUR by its members' places, shape ``(...)`` each.

    Raises
    ------
    ValueError
        If there are more than :data:`MOST_PLAYERS`.
    """
    players = p_kw.shape[-1]
    if players > MOST_PLAYERS:
        raise ValueError(
            f"{players} neighbourhoods have too many coalitions ({MOST_PLAYERS} at most)"
        )
    every = [m for size in range(players + 1) for m in combinations(range(players), size)]
    return {members: sharing.outer_eur(p_kw[..., list(members)]) for members in every}


def _saved(sharing: Sharing, p_kw: Array) -> tuple[Array, Array]:
    """What each pays alone, and what sharing saves all, shapes ``(..., N)`` and ``(..., 1)``."""
    alone = sharing.alone_eur(p_kw)
    return alone, alone.sum(axis=-1, keepdims=True) - sharing.outer_eur(p_kw)[..., None]


Rule = Callable[[Sharing, Array], Array]
RULES: Mapping[str, Rule] = {
    "retrospective": retrospective,
    "equal": equal,
    "proportional": proportional,
    "shapley": shapley,
}
"""Rules by name: powers of shape ``(..., N)`` to EUR of the same shape."""
