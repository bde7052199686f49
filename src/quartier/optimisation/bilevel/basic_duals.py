"""Rule 3 for multipliers: enumerate the basic dual solutions of a small part.

Whenever (x, y) is optimal for the follower, the complementary multipliers can be reduced
(Carathéodory) until the rows and bounds that carry them are linearly independent; they then solve
`B z = q(x, y)` for a nonsingular B taken from the columns of `[Aᵀ I]`, with q the gradient of the
follower's objective. The largest |z| over all B and all q in its interval is a proven bound.
"""

from __future__ import annotations

from itertools import combinations, islice
from math import comb

import numpy as np

from quartier.optimisation.bilevel.multipliers import Box, DualSystem, Part
from quartier.optimisation.bilevel.system import stationarity
from quartier.quantities import Array

LARGEST = 20_000
"""Most bases to enumerate for a part."""
BATCH = 2_000
SINGULAR = 1e-9


def basic_bounds(dual: DualSystem, box: Box, part: Part) -> Box | None:
    """Box whose entries of `part` bound the basic duals; None if the part is too large.

    `box` must hold facts that are true for all complementary multipliers (propagation only).
    """
    entries = [e for e in dual.entries(part) if box.lower[e] < 0.0 or box.upper[e] > 0.0]
    full, least, greatest = _system(dual, part, entries)
    size = full.shape[0]
    if comb(len(entries), size) > LARGEST or not np.isfinite(least + greatest).all():
        return None
    if np.linalg.matrix_rank(full) < size:
        return None
    low, high = _extremes(full, least, greatest, box, entries)
    found = box.copy()
    for place, e in enumerate(entries):
        found.lower[e] = max(box.lower[e], low[place])
        found.upper[e] = min(box.upper[e], high[place])
        found.how[e] = "basic duals"
    return found


def _system(dual: DualSystem, part: Part, entries: list[int]) -> tuple[Array, Array, Array]:
    """`[Aᵀ I]` restricted to the part, and the interval of the gradient q."""
    place = {k: p for p, k in enumerate(part.columns)}
    at = {e: n for n, e in enumerate(entries)}
    own = {k: p for p, k in enumerate(dual.form.columns)}
    full = np.zeros((len(part.columns), len(entries)))
    least, greatest = np.zeros(len(part.columns)), np.zeros(len(part.columns))
    for j, rows, gradient in stationarity(dual.form):
        if j not in place:
            continue
        p = place[j]
        for i, a in rows.items():
            if i in at:
                full[p, at[i]] = a
        bound = len(dual.form.rows) + own[j]
        if bound in at:
            full[p, at[bound]] = 1.0
        ends = [(c * dual.lower[k], c * dual.upper[k]) for k, c in gradient.items()]
        c_j = dual.form.cost.get(j, 0.0)
        least[p] = c_j + sum(min(e) for e in ends)
        greatest[p] = c_j + sum(max(e) for e in ends)
    return full, least, greatest


def _extremes(
    full: Array, least: Array, greatest: Array, box: Box, entries: list[int]
) -> tuple[Array, Array]:
    """Least and greatest value of each entry over all basic solutions (zero outside a basis)."""
    size, count = full.shape
    low, high = np.zeros(count), np.zeros(count)
    sign_low, sign_high = box.lower[entries], box.upper[entries]
    bases = combinations(range(count), size)
    while chosen := list(islice(bases, BATCH)):
        basis = np.array(chosen, dtype=np.int64).reshape(len(chosen), size)
        square = np.moveaxis(full[:, basis], 0, 1)
        singular_values = np.linalg.svd(square, compute_uv=False)
        regular = singular_values[:, -1] > SINGULAR * singular_values[:, 0]
        basis, inverse = basis[regular], np.linalg.inv(square[regular])
        a, b = inverse * least, inverse * greatest
        z_low, z_high = np.minimum(a, b).sum(axis=2), np.maximum(a, b).sum(axis=2)
        room = 1e-7 * (1.0 + np.abs(z_low) + np.abs(z_high))
        # A basis whose sign is wrong whatever q is cannot be dual feasible.
        able = ((z_high >= sign_low[basis] - room) & (z_low <= sign_high[basis] + room)).all(axis=1)
        np.minimum.at(low, basis[able], (z_low - room)[able])
        np.maximum.at(high, basis[able], (z_high + room)[able])
    return low, high
