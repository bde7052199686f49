"""A bi-level point written out in all columns of the reformulated program, if its bounds allow.

The test that catches a wrongly proven M, and the start of the big solve. Any optimal dual is
complementary to any optimal point of a follower, so the duals of the follower solved alone serve
first; only if they exceed an M are others looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from quartier.optimisation.bilevel.kkt import Conditions
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.program import activity
from quartier.optimisation.bilevel.reformulate import SingleLevel
from quartier.optimisation.bilevel.response import Response
from quartier.optimisation.bilevel.sides import Side
from quartier.quantities import Array

TOLERANCES = (1e-7, 1e-6, 1e-9)
"""Feasibility tolerances to try: with almost all columns fixed, HiGHS's presolve can stumble."""
ROOM = 1e-6
"""Relative excess of a dual over its M that is rounding."""
ACTIVE = 1e-6
"""Slack, relative to its bound, up to which a side counts as active."""

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
    known = _known(single, point, answers)
    for bounds in [*([{**fixed, **known}] if known is not None else []), fixed]:
        for tolerance in TOLERANCES:
            lp = Lp(single.program, relax=False, tolerance=tolerance)
            lp.bound(bounds)
            found = lp.minimise({})
            if found.point is not None:
                return found.point
    return None


def multiplier(found: Response, side: Side) -> float:
    """Multiplier μ of a side in the follower solved alone; signed for an equality."""
    if side.row is not None:
        nu = float(found.row_dual[side.row])
    else:
        assert side.column is not None
        nu = float(found.column_dual[found.form.columns.index(side.column)])
    return nu if side.equality else max(0.0, side.sign * nu)


def _known(single: SingleLevel, point: Array, answers: Sequence[Response]) -> Bounds | None:
    """Multipliers of the followers solved alone, and the switches that go with them."""
    bounds: Bounds = {}
    for found, condition in zip(answers, single.conditions, strict=True):
        if not _fill(bounds, condition, found, point):
            return None
    return bounds


def _fill(bounds: Bounds, condition: Conditions, found: Response, point: Array) -> bool:
    for s, bounded in enumerate(condition.bounds.sides):
        mu = multiplier(found, bounded.side)
        low, high = bounded.dual
        clipped = min(max(mu, low), high)
        if abs(mu - clipped) > ROOM * max(1.0, abs(clipped)):
            return False
        if s in condition.switches:
            slack = activity(bounded.side, point) - bounded.side.rhs
            is_active = slack <= ACTIVE * max(1.0, bounded.slack)
            bounds[condition.switches[s]] = (float(is_active), float(is_active))
            clipped = clipped if is_active else 0.0
        bounds[condition.multipliers[s]] = (clipped, clipped)
    return True
