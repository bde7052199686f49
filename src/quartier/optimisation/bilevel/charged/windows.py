"""Better points, window by window: all decisions but those of a few hours stay, in turn.

Fix-and-optimise (after Pochet, Wolsey 2006, Production Planning by Mixed Integer Programming,
section 3.6.4): the leader's mixed-integer program with the binaries of all other steps held at a
known point is small, and what it finds is bi-level feasible as it is.
"""

from __future__ import annotations

import numpy as np

from quartier.program import Arrays, Highs, Indices
from quartier.quantities import Array

SIZES = ((3.0, 1.5), (6.0, 4.0))
"""Length of the windows and distance of their starts in hours, one pair a pass."""
NODES = 10
"""Most nodes of the search in a window."""
GAP = 1e-4
"""Relative gap at which a window is solved well enough."""


def improve(
    program: Arrays, start: Array, steps: Indices, dt_h: float, enough: float = -np.inf
) -> Array:
    """Improve a feasible point window by window.

    Parameters
    ----------
    start
        The point, all columns.
    steps
        Step that each binary column belongs to, in their order.
    enough
        Cost at which a point is good enough.

    Returns
    -------
    Array
        A point that costs no more.
    """
    options = {"mip_rel_gap": GAP, "mip_max_nodes": NODES, "mip_allow_restart": False}
    solver = Highs("a window of the bi-level program", program, options)
    binaries = np.flatnonzero(program.integer)
    lowest, highest = program.lower[binaries], program.upper[binaries]
    best, cost = start, float(program.cost @ start) + program.offset
    if cost <= enough:
        return best
    for size_h, apart_h in SIZES:
        size, apart = (max(1, round(hours / dt_h)) for hours in (size_h, apart_h))
        before = cost
        for first in range(0, int(steps.max(initial=-1)) + 1, apart):
            held = np.round(best[binaries])
            free = (steps >= first) & (steps < first + size)
            low, high = np.where(free, lowest, held), np.where(free, highest, held)
            solver.set_bounds(binaries, low, high)
            solver.start_from(best)
            answer = solver.solve()  # rounding may make the rest infeasible; other windows may do
            if answer.objective < cost:
                best, cost = answer.values, answer.objective
            if cost <= enough:
                return best
        if cost >= before:
            break  # where short windows find nothing, longer ones seldom do, and take longer
    return best
