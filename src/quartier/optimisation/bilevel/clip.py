"""Rule 2 for multipliers: clipping a chain of duals keeps them optimal.

Let F be a connected group of unbounded row multipliers ν, all other multipliers being bounded.
Suppose that after a change of scale and origin, ν_i = s_i (ν'_i + o_i), each own column that
touches F is one of

* a *link*: `r = -a (ν'_p - ν'_q)` (the level of a store, also a lossy one, at a known price),
* a *threshold*: `r = k - a ν'_i` with k in a known interval (charging at a bounded price).

Replacing ν' by `min(max(ν', lo), hi)` moves no link's r across zero, and no threshold's either as
long as `[lo, hi]` contains every k / a. Signs, hence feasibility and complementarity, are kept; all
other multipliers stay. So some optimal dual lies in the box. (For stores: the value of stored
energy can be chosen between the least and the greatest price at which it can change.)
"""

from __future__ import annotations

from math import inf

import numpy as np
from scipy.sparse.csgraph import connected_components

from quartier.optimisation.bilevel.multipliers import Box, DualSystem, propagated
from quartier.optimisation.bilevel.system import stationarity

RELATIVE = 1e-9

Touching = tuple[dict[int, float], tuple[float, float]]
"""A column's entries in the group by row, and the interval of what else its dual row holds."""


def clipped(dual: DualSystem, box: Box, rounds: int = 5) -> Box:
    """Box tightened by clipping and propagation in turn, as long as that helps."""
    for _ in range(rounds):
        changed = False
        for group in _groups(dual, box):
            changed |= _clip(dual, box, group)
        if not changed:
            break
        box = propagated(dual, box)
    return box


def _groups(dual: DualSystem, box: Box) -> list[set[int]]:
    """Unbounded rows, connected by the own columns that they share."""
    rows = dual.form.row_lower.size
    free = np.flatnonzero(np.isinf(box.lower[:rows]) | np.isinf(box.upper[:rows]))
    if not free.size:
        return []
    part = abs(dual.form.own[free])
    count, group = connected_components(part @ part.T, directed=False)
    return [set(free[group == number].tolist()) for number in range(count)]


def _clip(dual: DualSystem, box: Box, group: set[int]) -> bool:
    """Clip one group in place; False if the rule does not apply."""
    touching: list[Touching] = []
    for place, (entries, gradient) in enumerate(stationarity(dual.form)):
        mine = {i: a for i, a in entries.items() if i in group}
        if mine and not dual.fixed[place]:
            if len(mine) > 2:
                return False
            touching.append((mine, _rest(dual, box, place, entries, gradient, group)))
    links = [(mine, rest) for mine, rest in touching if len(mine) == 2]
    if any(least != greatest for _, (least, greatest) in links):
        return False
    scales = _scales(group, [(mine, least) for mine, (least, _) in links])
    if scales is None:
        return False
    thresholds: list[float] = []
    for mine, rest in touching:
        if len(mine) == 1:
            ((i, a),) = mine.items()
            s, o = scales[i]
            thresholds += [k / (a * s) - o for k in rest]
    return _apply(dual, box, group, scales, thresholds)


def _rest(
    dual: DualSystem,
    box: Box,
    place: int,
    entries: dict[int, float],
    gradient: dict[int, float],
    group: set[int],
) -> tuple[float, float]:
    """Interval of `k = c_j + gradient - Σ_{i not in F} a_ij ν_i`."""
    least = greatest = float(dual.form.cost[place])
    terms = [(c, dual.lower[k], dual.upper[k]) for k, c in gradient.items()]
    terms += [(-a, box.lower[i], box.upper[i]) for i, a in entries.items() if i not in group]
    for c, low, high in terms:
        ends = (c * low, c * high)
        least += min(ends)
        greatest += max(ends)
    return float(least), float(greatest)


def _scales(
    group: set[int], links: list[tuple[dict[int, float], float]]
) -> dict[int, tuple[float, float]] | None:
    """Scale s and origin o per row that turn every link into a multiple of `ν'_p - ν'_q`.

    None if there are none: a loop of links that does not close.
    """
    found: dict[int, tuple[float, float]] = {}
    for start in sorted(group):
        if start in found:
            continue
        found[start], todo = (1.0, 0.0), [start]
        while todo:
            p = todo.pop()
            for link, k in links:
                if p not in link:
                    continue
                (q,) = set(link) - {p}
                s, o = found[p]
                fresh = (-link[p] * s / link[q], o - k / (link[p] * s))
                if q not in found:
                    found[q] = fresh
                    todo.append(q)
                elif any(not _equal(a, b) for a, b in zip(found[q], fresh, strict=True)):
                    return None
    return found


def _equal(a: float, b: float) -> bool:
    return abs(a - b) <= RELATIVE * max(1.0, abs(a), abs(b))


def _apply(
    dual: DualSystem,
    box: Box,
    group: set[int],
    scales: dict[int, tuple[float, float]],
    thresholds: list[float],
) -> bool:
    for i in group:
        if dual.form.row_lower[i] != dual.form.row_upper[i]:
            # An inequality's multiplier must not change its sign: zero stays inside.
            thresholds = [*thresholds, -scales[i][1]]
    thresholds = thresholds or [0.0]
    low, high = min(thresholds), max(thresholds)
    if not (-inf < low and high < inf):
        return False
    for i in group:
        s, o = scales[i]
        ends = (s * (low + o), s * (high + o))
        room = RELATIVE * max(1.0, abs(ends[0]), abs(ends[1]))
        box.lower[i] = max(box.lower[i], min(ends) - room)
        box.upper[i] = min(box.upper[i], max(ends) + room)
        box.how[i] = "clipping"
    return True
