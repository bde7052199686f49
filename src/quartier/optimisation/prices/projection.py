"""The level projection: the price nearest to the best one that promises enough (M9).

Lemaréchal, Nemirovskii, Nesterov (1995). All answers together promise at most
``Σ_i min_k [C_ik - λ·p_ik]``, and what the others are worth, at a price λ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from quartier.optimisation.prices.response import Response
from quartier.problem import Supply
from quartier.program import Arrays
from quartier.program.convex import Convex
from quartier.quantities import Array


def nearest(
    supply: Supply, answers: Sequence[Sequence[Response]], best: Array, level_eur: float
) -> Array:
    """Price nearest to ``best`` at which answers promise ``level_eur``, shape ``(T,)``.

    Parameters
    ----------
    answers
        Of each neighbourhood.

    Raises
    ------
    SolveFailed
        If no price promises that much.
    """
    steps, every = best.size, [response for own in answers for response in own]
    energy = supply.dt_h * np.array([response.p_kw for response in every])
    unit = max(float(np.linalg.norm(energy, axis=1).max()), 1e-9)  # of money, so that rows are like
    owner = np.repeat(np.arange(len(answers)), [len(own) for own in answers])
    own = sparse.csr_array((np.ones(owner.size), (np.arange(owner.size), owner)))
    price, ends = _with_an_end(supply)
    worth = sparse.eye_array(price.size)
    rows: list[list[Any]] = [[sparse.csr_array(energy / unit), own, None]]
    upper = [np.array([response.cost_eur for response in every]) / unit]
    for kw in ends:
        at = np.tile(np.arange(steps), price.size // steps)
        slope = (supply.dt_h * kw / unit, (np.arange(price.size), at))
        rows.append([sparse.csr_array(slope, shape=(price.size, steps)), None, worth])
        upper.append(supply.dt_h * kw * price / unit)
    others = -np.ones((1, price.size)) if price.size else None
    rows.append([sparse.csr_array((1, steps)), -np.ones((1, len(answers))), others])
    upper.append(np.array([-level_eur / unit]))
    if not price.size:
        rows = [row[:2] for row in rows]
    matrix, limit = sparse.csr_array(sparse.block_array(rows)), np.concatenate(upper)
    free = np.full(len(answers) + price.size, np.inf)
    arrays = Arrays(
        cost=np.concatenate([-best, np.zeros(free.size)]),
        lower=np.concatenate([supply.lowest_eur_per_kwh, -free]),
        upper=np.concatenate([supply.highest_eur_per_kwh, free]),
        integer=np.zeros(steps + free.size, dtype=bool),
        matrix=matrix,
        row_lower=np.full(limit.size, -np.inf),
        row_upper=limit,
        quadratic={(t, t): 0.5 for t in range(steps)},
    )
    return Convex("market, level projection", arrays).needed().values[:steps]


def _with_an_end(supply: Supply) -> tuple[Array, list[Array]]:
    """Prices, and least and most power, of blocks that have an end: shape ``(B·T,)`` each.

    The others are worth nothing wherever the price is allowed.
    """
    ends = np.isfinite(supply.least_kw).all(axis=1) & np.isfinite(supply.most_kw).all(axis=1)
    limits = [kw[ends].ravel() for kw in (supply.least_kw, supply.most_kw)]
    return supply.price_eur_per_kwh[ends].ravel(), limits if ends.any() else []
