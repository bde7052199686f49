"""The level projection: the price nearest to the best one that promises enough (M9).

Lemaréchal, Nemirovskii, Nesterov (1995). All answers together promise at most
``Σ_i min_k [C_ik - λ·p_ik]``, and what the others are worth, at a price λ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from quartier.optimisation.prices.response import Response
from quartier.problem import Supply
from quartier.program import Arrays
from quartier.program.convex import Convex
from quartier.quantities import Array


def nearest(
    supply: Supply, answers: Mapping[str, Sequence[Response]], best: Array, level_eur: float
) -> Array:
    """Price nearest to ``best`` at which answers promise ``level_eur``, of every balance.

    Parameters
    ----------
    answers
        Of each neighbourhood by name.

    Raises
    ------
    SolveFailed
        If no price promises that much.
    """
    size, every = best.size, [response for own in answers.values() for response in own]
    placed = [supply.placed_kw(name, r.p_kw) for name, own in answers.items() for r in own]
    energy = supply.dt_h * np.array(placed)
    unit = max(float(np.linalg.norm(energy, axis=1).max()), 1e-9)  # of money, so that rows are like
    owner = np.repeat(np.arange(len(answers)), [len(own) for own in answers.values()])
    own = sparse.csr_array((np.ones(owner.size), (np.arange(owner.size), owner)))
    parts = [part for part in supply.parts if np.isfinite([part.least_kw, part.most_kw]).all()]
    price = np.concatenate([np.zeros(0), *(part.price_eur_per_kwh for part in parts)])
    worth = sparse.eye_array(price.size)
    rows: list[list[Any]] = [[sparse.csr_array(energy / unit), own, None]]
    upper = [np.array([response.cost_eur for response in every]) / unit]
    if parts:
        seen = sparse.csr_array(sparse.hstack([part.matrix(size) for part in parts]).T)
        for side in ("least_kw", "most_kw"):
            kw = np.concatenate([getattr(part, side) for part in parts])
            slope = sparse.diags_array(supply.dt_h * kw / unit) @ seen
            rows.append([sparse.csr_array(slope), None, worth])
            upper.append(supply.dt_h * kw * price / unit)
    others = -np.ones((1, price.size)) if price.size else None
    rows.append([sparse.csr_array((1, size)), -np.ones((1, len(answers))), others])
    upper.append(np.array([-level_eur / unit]))
    if not price.size:
        rows = [row[:2] for row in rows]
    matrix, limit = sparse.csr_array(sparse.block_array(rows)), np.concatenate(upper)
    free = np.full(len(answers) + price.size, np.inf)
    arrays = Arrays(
        cost=np.concatenate([-best, np.zeros(free.size)]),
        lower=np.concatenate([supply.lowest_eur_per_kwh, -free]),
        upper=np.concatenate([supply.highest_eur_per_kwh, free]),
        integer=np.zeros(size + free.size, dtype=bool),
        matrix=matrix,
        row_lower=np.full(limit.size, -np.inf),
        row_upper=limit,
        quadratic={(t, t): 0.5 for t in range(size)},
    )
    return Convex("market, level projection", arrays).needed().values[:size]
