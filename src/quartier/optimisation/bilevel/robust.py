"""A leader that sets prices so that no follower is indifferent (M10).

The bi-level optimum is optimistic: of a follower's answers of the same cost it counts the one that
suits the leader, and at worst another one is given (`pessimistic`). Prices moved by a hair against
what followers would rather do make the wanted answer the only one. The moves are a heuristic: what
they keep is certain, that nothing keeps more is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from quartier.optimisation.bilevel.pessimistic import worst_response
from quartier.optimisation.bilevel.response import Response, answer
from quartier.optimisation.bilevel.system import System
from quartier.quantities import Array

MOVES = 24
"""Most moves of the prices."""
NEAR = 1e-6
"""Differences of answers that do not matter, relative to the greatest."""


def robust_value(
    system: System, point: Array, answers: Sequence[Response], epsilon: float, shift: float
) -> tuple[float, Array] | None:
    """Least (minimised) objective that holds for every answer to prices near those of a point.

    Parameters
    ----------
    system
        The problem; it is price setting, so leader's columns multiply followers' in their
        objectives.
    point, answers
        A certified point, and the followers solved alone at its decision.
    epsilon
        ε of the answers.
    shift
        By how much a price moves at a time.

    Returns
    -------
    tuple or None
        The objective, and the point with the prices moved; None if at all of them some answer
        breaks a constraint of the leader, or its own variables react to the answers.
    """
    best: tuple[float, Array] | None = None
    moved, known = point.copy(), tuple(answers)
    for _ in range(MOVES):
        value, worst = worst_response(system, moved, known, epsilon)
        if value < (inf if best is None else best[0]):
            best = value, moved
        if worst is None:
            break
        following = _against(system, moved, worst - point, shift)
        if following is None:
            break
        moved = following
        known = tuple(answer(system, form, moved) for form in system.followers)
        if any(found.status != "optimal" for found in known):
            break
    return best


def _against(system: System, point: Array, strayed: Array, shift: float) -> Array | None:
    """The point with prices raised where followers take more than wanted; None if none is."""
    found, leader = point.copy(), system.leader
    for form in system.followers:
        asked: dict[int, float] = {}
        for j, k, factor in form.priced():
            asked[k] = asked.get(k, 0.0) + factor * float(strayed[j])
        least = NEAR * max(map(abs, asked.values()), default=0.0)
        for k, more in asked.items():
            if abs(more) > max(least, NEAR) and not leader.integer[k]:
                low, high = leader.lower[k], leader.upper[k]
                found[k] = min(max(float(found[k] + shift * np.sign(more)), low), high)
    return None if np.array_equal(found, point) else found
