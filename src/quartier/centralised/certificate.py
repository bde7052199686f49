"""What a neighbourhood, solved alone under the caps of a bi-level solution, says of it (M7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from quartier.centralised.member import Member
from quartier.coordination import Cap
from quartier.optimisation.bilevel.charged.kkt import Point
from quartier.optimisation.bilevel.charged.search import NO_CHARGE
from quartier.program import Answer, Arrays, Highs


@dataclass(frozen=True)
class Certificate:
    """What the neighbourhoods, each solved alone at the leader's decision, say of the solution.

    Attributes
    ----------
    suboptimality
        How much more they pay in the solution than at their optimum, relative, the worst of them.
    """

    suboptimality: float


def certify(members: Sequence[Member], points: Sequence[Point]) -> Certificate:
    """Compare what members pay at their points with their own optima under the caps there."""
    worst = 0.0
    for member, point in zip(members, points, strict=True):
        paid = float(member.form.cost @ point.y) + member.form.offset
        least = alone(member, binding(member, point)).objective
        worst = max(worst, (paid - least) / max(1.0, abs(least)))
    return Certificate(worst)


def binding(member: Member, point: Point) -> Cap:
    """P_set at a point where a charge makes it bind; infinite elsewhere."""
    up, down = np.split(point.charge > NO_CHARGE, 2)
    p_kw = member.power_kw(point.y)
    return Cap(
        np.where(up, np.maximum(p_kw, 0.0), np.inf),
        np.where(down, np.minimum(p_kw, 0.0), -np.inf),
    )


def capped(member: Member, cap: Cap) -> Arrays:
    """The member's program under caps."""
    upper = member.form.upper.copy()
    upper[member.exported] = np.minimum(upper[member.exported], cap.p_max_kw)
    upper[member.imported] = np.minimum(upper[member.imported], -cap.p_min_kw)
    return replace(member.form, upper=upper)


def alone(member: Member, cap: Cap) -> Answer:
    """The member's optimum under caps."""
    return Highs(f"{member.problem.name} under P_set", capped(member, cap)).needed()
