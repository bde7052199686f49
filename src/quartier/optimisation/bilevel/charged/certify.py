"""Checks a point against the followers themselves, each solved alone under caps for its charges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quartier.optimisation.bilevel.charged.follower import ChargedFollower
from quartier.optimisation.bilevel.charged.search import NO_CHARGE
from quartier.optimisation.bilevel.charged.single import Point
from quartier.program import Arrays, Highs


def suboptimality(followers: Sequence[ChargedFollower], points: Sequence[Point]) -> float:
    """How much more the followers pay at their points than at their optima, the worst of them.

    Relative to the optimum, of which at least 1 counts.

    Raises
    ------
    SolveFailed
        If a follower alone is not solved.
    """
    worst = 0.0
    for follower, point in zip(followers, points, strict=True):
        paid = follower.arrays.value(point.y)
        capped = Highs(f"{follower.name} under its caps", under_caps(follower, point))
        least = capped.needed().objective
        worst = max(worst, (paid - least) / max(1.0, abs(least)))
    return worst


def under_caps(follower: ChargedFollower, point: Point) -> Arrays:
    """The follower without charges, but what is charged held below the point: a cap each."""
    upper = follower.arrays.upper.copy()
    held = follower.charged[point.charge > NO_CHARGE]
    upper[held] = np.minimum(upper[held], np.maximum(point.y[held], 0.0))
    return replace(follower.arrays, upper=upper)
