"""A bi-level point written out in all columns of the reformulated program, if its bounds allow.

The test that catches a wrongly proven M, and the start of the big solve. Any optimal dual is
complementary to any optimal point of a follower, so the duals of the follower solved alone say
which sides are active first; only if these exceed an M are others looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.placed import Placed
from quartier.optimisation.bilevel.reformulate import SingleLevel
from quartier.optimisation.bilevel.response import Response
from quartier.quantities import Array

TOLERANCES = (1e-7, 1e-6, 1e-9)
"""Feasibility tolerances to try: with almost all columns fixed, HiGHS's presolve can stumble."""
ROOM = 1e-6
"""Relative excess of a dual over its M that is rounding."""

Bounds = dict[int, tuple[float, float]]


def completed(single: SingleLevel, point: Array, answers: Sequence[Response]) -> Array | None:
    """All columns of the program at a bi-level point, or None if no multipliers fit their bounds.

    Parameters
    ----------
    single
        The reformulated problem.
    point
        Its first columns, the system's.
    answers
        The followers solved alone at the point's decision.
    """
    fixed: Bounds = {k: (float(v), float(v)) for k, v in enumerate(point)}
    known = fixed.copy()
    fit = [_fill(known, *pair, point) for pair in zip(single.placed, answers, strict=True)]
    for bounds in (known, fixed) if all(fit) else (fixed,):
        for tolerance in TOLERANCES:
            lp = Lp(single.program, relax=False, tolerance=tolerance)
            lp.bound(bounds)
            found = lp.minimise({})
            if found.point is not None:
                return found.point
    return None


def _fill(known: Bounds, placed: Placed, found: Response, point: Array) -> bool:
    """Hold row duals and binaries at those of a follower solved alone; False if they do not fit."""
    conditions = placed.conditions
    bounds, rows, size = conditions.bounds, conditions.rows, conditions.size
    clipped = np.clip(found.duals, bounds.least, bounds.most)
    fits = np.abs(found.duals - clipped) <= ROOM * np.maximum(1.0, np.abs(clipped))
    duals, switches = clipped[:rows], conditions.switches_at(point[:size], clipped[:rows])
    held = zip(placed.columns[size:].tolist(), np.append(duals, switches).tolist(), strict=True)
    known.update({k: (value, value) for k, value in held})
    return bool(fits.all())
