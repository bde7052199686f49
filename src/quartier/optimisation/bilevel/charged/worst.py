"""The worst of near-optimal responses, for a leader whose cost is convex in what followers do.

What the leader does in reaction is inside its cost: ``max_y min_w F``. A convex function of a few
*readings* of a response is maximised. Its chords over the range that the readings reach give a
linear program, whose value is a bound (the concave envelope of a convex function over a box, Horst,
Tuy 1996, Global Optimization, section 4.3); tangents lead uphill from its solution to a response
that is bad indeed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from scipy import sparse

from quartier.program import Arrays, Highs
from quartier.program.arrays import side_by_side
from quartier.quantities import Array

LEAST = 1.0
"""Magnitude of an optimum below which ε is taken of this."""
CLIMBS = 20
"""Most linear programs on the way uphill."""
MOST_CORNERS = 16
"""Corners of the range of readings up to which the bound is computed."""
CLOSE = 1e-3
"""Cost by which a worse response is worse."""
PRIMAL = 4
"""Simplex method of HiGHS for one program with one cost after the other."""


class ConvexCost(Protocol):
    """A leader's cost as a convex function of its followers' columns."""

    def value(self, values: Array) -> float:
        """Cost of a response; infinite if nothing that the leader can do then is feasible."""

    def slope(self, values: Array) -> Array:
        """A subgradient there, by column."""


def near_optimal(name: str, arrays: Arrays, epsilon: float) -> tuple[Arrays, float]:
    """Hold a follower's cost near its optimum.

    Parameters
    ----------
    epsilon
        How far above, as a share of the optimum's magnitude, of which :data:`LEAST` counts.

    Returns
    -------
    Arrays, float
        The program with its cost as the last row, and what may be paid above the optimum.
    """
    least = Highs(name, replace(arrays, offset=0.0)).needed().objective
    room = epsilon * max(LEAST, abs(least + arrays.offset))
    paid = sparse.csr_array(arrays.cost[None, :])
    return arrays.with_rows(paid, np.array([-np.inf]), np.array([least + room])), room


def ranges(name: str, arrays: Arrays, readings: sparse.csr_array) -> tuple[Array, Array]:
    """Least and greatest value of each reading over a program, shape ``(readings,)``."""
    solver, ends = Highs(name, arrays), np.zeros((2, readings.shape[0]))
    solver.set_option("simplex_strategy", PRIMAL)
    for side, sign in enumerate((1.0, -1.0)):
        for row, reading in enumerate(readings.toarray()):
            solver.set_cost(sign * reading)
            ends[side, row] = sign * solver.needed().objective
    return ends[0], ends[1]


def together(programs: Sequence[Arrays]) -> Arrays:
    """Programs side by side, at no cost."""
    size = sum(arrays.size for arrays in programs)
    return Arrays(
        np.zeros(size),
        np.concatenate([arrays.lower for arrays in programs]),
        np.concatenate([arrays.upper for arrays in programs]),
        np.zeros(size, dtype=bool),
        *side_by_side(programs),
    )


def by_chords(
    arrays: Arrays,
    linear: Array,
    readings: Sequence[sparse.csr_array],
    reach: tuple[Array, Array],
    cost: Callable[[Array], Array],
) -> tuple[float, Array]:
    """Bound a cost from above over a program.

    Parameters
    ----------
    linear
        Cost by column of what is linear in it.
    readings
        The N readings of each of T convex functions, which make up the rest: shape ``(T, columns)``
        each.
    reach
        Least and greatest readings, shape ``(T, N)``.
    cost
        The T functions at readings of shape ``(T, N)``.

    Returns
    -------
    float, Array
        The bound, and the values of the columns that attain the chords.
    """
    sides = itertools.product((False, True), repeat=len(readings))
    corners = [np.where(side, reach[1], reach[0]) for side in sides]
    shares = np.concatenate([-cost(corner) for corner in corners])
    steps, count = reach[0].shape[0], len(corners)
    eye = sparse.csr_array(sparse.eye_array(steps))
    rows = [sparse.hstack([sparse.csr_array((steps, arrays.size)), *[eye] * count])]
    for k, reading in enumerate(readings):
        mixed = [sparse.csr_array(sparse.diags_array(-corner[:, k])) for corner in corners]
        rows.append(sparse.hstack([reading, *mixed]))
    right = np.append(np.ones(steps), np.zeros(steps * len(readings)))
    wide = replace(arrays, cost=-linear).with_columns(
        shares, np.zeros(shares.size), np.full(shares.size, np.inf)
    )
    wide = wide.with_rows(sparse.csr_array(sparse.vstack(rows)), right, right)
    answer = Highs("the worst response", wide).needed()
    return -answer.objective, answer.values[: arrays.size]


def climb(arrays: Arrays, cost: ConvexCost, values: Array) -> tuple[float, Array]:
    """Go uphill from a response along tangents, which a convex function lies above."""
    solver, worst = Highs("a worse response", arrays), cost.value(values)
    for _ in range(CLIMBS):
        if np.isinf(worst):
            break
        solver.set_cost(-cost.slope(values))
        other = solver.needed().values
        value = cost.value(other)
        if value <= worst + CLOSE:
            break
        worst, values = value, other
    return worst, values
