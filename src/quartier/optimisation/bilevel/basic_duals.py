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

from quartier.optimisation.bilevel.multipliers import Box, DualSystem
from quartier.program import Indices
from quartier.program.arrays import activity
from quartier.quantities import Array

LARGEST = 20_000
"""Most bases to enumerate for a part."""
BATCH = 2_000
SINGULAR = 1e-9


def basic_bounds(dual: DualSystem, box: Box, part: Indices) -> Box | None:
    """Box whose entries of `part` bound the basic duals; None if the part is too large.

    `box` must hold facts that are true for all complementary multipliers (propagation only).
    """
    entries = part[(box.lower[part] < 0.0) | (box.upper[part] > 0.0)]
    full, least, greatest = _system(dual, part, entries)
    size = full.shape[0]
    if comb(entries.size, size) > LARGEST or not np.isfinite(least + greatest).all():
        return None
    if np.linalg.matrix_rank(full) < size:
        return None
    low, high = _extremes(full, least, greatest, box, entries)
    found = box.copy()
    found.lower[entries] = np.maximum(box.lower[entries], low)
    found.upper[entries] = np.minimum(box.upper[entries], high)
    for e in entries.tolist():
        found.how[e] = "basic duals"
    return found


def _system(dual: DualSystem, part: Indices, entries: Indices) -> tuple[Array, Array, Array]:
    """`[Aᵀ I]` restricted to the part, and the interval of the gradient q."""
    form, primal = dual.form, dual.primal
    rows = form.row_lower.size
    places = part[part >= rows] - rows
    least, greatest = activity(form.pull[places], dual.lower[:primal], dual.upper[:primal])
    full = dual.matrix[places][:, primal + entries].toarray()
    return full, form.cost[places] + least, form.cost[places] + greatest


def _extremes(
    full: Array, least: Array, greatest: Array, box: Box, entries: Indices
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
