"""The pessimistic value: what the leader pays if the neighbourhoods answer at its worst (M7).

The caps that the leader decided stay; plants, losses and imports answer the neighbourhoods, which
may choose any response within ε of their optimum
(:mod:`quartier.optimisation.bilevel.charged.worst`). The leader's cost is a convex function of the
neighbourhoods' power (see :mod:`quartier.centralised.leader`) and of what they curtail; the load
ordered off is what the caps say.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.centralised.leader import Leader
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED
from quartier.coordination import Cap
from quartier.optimisation.bilevel.charged.worst import (
    MOST_CORNERS,
    by_chords,
    climb,
    near_optimal,
    ranges,
    together,
)
from quartier.problem.upper_cost import reduced_kw
from quartier.program import Arrays, relative_gap
from quartier.quantities import KW_PER_MW, Array

EPSILON = 1e-4
"""Cost, as a share of its optimum's magnitude, that a response may lie above it: the gap to which
neighbourhoods solve their own programs."""


@dataclass(frozen=True)
class Worst:
    """The worst response found.

    Attributes
    ----------
    value
        What the leader pays; infinite if no plants keep the grid's limits under the response.
    bound
        Proven upper bound of what it may pay at worst; infinite if none was computed.
    p_kw
        Power of the neighbourhoods, shape ``(T, N)``.
    epsilon_eur
        Cost above their optima that the neighbourhoods may accept, in sum.
    """

    value: float
    bound: float
    p_kw: Array
    epsilon_eur: float


class Responses:
    """The ε-optimal responses of all neighbourhoods to caps.

    Parameters
    ----------
    members, caps
        The neighbourhoods and what they are held to.
    epsilon
        See :data:`EPSILON`.
    """

    def __init__(self, members: Sequence[Member], caps: Sequence[Cap], epsilon: float) -> None:
        self.members, self.epsilon_eur = tuple(members), 0.0
        self.p_min_kw = np.column_stack([cap.p_min_kw for cap in caps])
        self.arrays: list[Arrays] = []
        for member, cap in zip(members, caps, strict=True):
            arrays = member.capped(cap)
            lower = np.maximum(arrays.lower, member.reach[0])
            arrays = replace(arrays, lower=lower, upper=np.minimum(arrays.upper, member.reach[1]))
            near, room = near_optimal(f"{member.problem.name} under P_set", arrays, epsilon)
            self.arrays.append(near)
            self.epsilon_eur += room

    def ranges(self) -> tuple[Array, Array]:
        """Least and greatest power of every neighbourhood in every step, shape ``(T, N)``."""
        found = [
            ranges(f"powers of {member.problem.name}", arrays, member.power_rows(arrays.size))
            for member, arrays in zip(self.members, self.arrays, strict=True)
        ]
        low, high = zip(*found, strict=True)
        return np.column_stack(low), np.column_stack(high)


class Nature:
    """What the leader pays for responses, over the neighbourhoods' columns side by side.

    Parameters
    ----------
    leader
        The leader's costs; its plants react.
    responses
        What may be chosen.
    """

    def __init__(self, leader: Leader, responses: Responses) -> None:
        self.leader, self.responses = leader, responses
        layout, cost = leader.joint.layout, leader.own_cost()
        self._price, self._raise_price = cost[layout.lost], cost[layout.reduced]
        self._p_off_kw = KW_PER_MW * leader.joint.grid.assets.offered_mw[:, : leader.count]
        self.arrays = together(responses.arrays)
        members = zip(leader.joint.members, leader.members, strict=True)
        self._power = [m.power_rows(self.arrays.size, where.start) for m, where in members]

    def value(self, values: Array) -> float:
        """What a response costs the leader; infinite if limits of the grid cannot be kept."""
        p_kw = self.leader.power_kw(values)
        if self.leader.broken(self.leader.solve(p_kw)) > SOLVED:
            return np.inf
        return self.leader.value(values, reduced_kw(p_kw, self._p_off_kw, self.responses.p_min_kw))

    def slope(self, values: Array) -> Array:
        """What a response costs the leader by column, near the response."""
        _, slope = self.leader.cost_eur(self.leader.power_kw(values))
        cost = self._on_curtailed(self._price * (self.leader.lost_kw(values) > 0))
        for k, power in enumerate(self._power):
            cost = cost + power.T @ slope[:, k]
        return cost

    def _on_curtailed(self, eur_per_kw: Array) -> Array:
        """Cost by column of what is curtailed, from prices of shape ``(T, N)``."""
        cost = np.zeros(self.arrays.size)
        members = zip(self.leader.joint.members, self.leader.members, strict=True)
        for k, (member, where) in enumerate(members):
            cost[where.start + member.curtailed] = eur_per_kw[:, k]
        return cost

    def _chords(self) -> Array:
        """Cost by column that is no less than that of energy lost, and equal at the ends."""
        own = self.leader.joint.grid.own_curtailed_kw[:, : self.leader.count]
        most = np.column_stack([m.curtailable_kw for m in self.leader.joint.members])
        share = np.divide(most - own, most, out=np.zeros_like(most), where=most > own)
        return self._on_curtailed(self._price * share)

    def bound(self) -> tuple[float, Array]:
        """Upper bound of the worst cost from chords, and the response that attains the chords."""
        reach = self.responses.ranges()
        bound, values = by_chords(
            self.arrays,
            self._chords(),
            self._power,
            reach,
            lambda p_kw: self.leader.cost_eur(p_kw)[0],
        )
        widest = np.full_like(self._p_off_kw, np.inf)
        most = reduced_kw(widest, self._p_off_kw, self.responses.p_min_kw)
        return float((self._raise_price * most).sum()) + bound, values


def worst_response(
    leader: Leader, caps: Sequence[Cap], found: Array, epsilon: float = EPSILON
) -> Worst:
    """What the leader pays if the neighbourhoods answer its caps at its worst.

    Parameters
    ----------
    leader
        The leader's costs at its linearisation.
    caps
        Its decision, by neighbourhood.
    found
        The optimistic solution, in the leader's columns: a response like others.
    epsilon
        See :data:`EPSILON`.
    """
    members = leader.joint.members
    responses = Responses(members, caps, epsilon)
    nature = Nature(leader, responses)
    starts, bound = [found[: nature.arrays.size]], np.inf
    if 2 ** len(members) <= MOST_CORNERS:
        bound, start = nature.bound()
        starts.append(start)
    climbs = (climb(nature.arrays, nature, start) for start in starts)
    value, values = max(climbs, key=lambda pair: pair[0])
    return Worst(value, max(bound, value), leader.power_kw(values), responses.epsilon_eur)


def pessimistic_row(leader: Leader, caps: Sequence[Cap], found: Array) -> dict[str, Any]:
    """Row of the table ``solves``: value at the worst, and a bound that is no less.

    ``follower_suboptimality`` is the ε that the neighbourhoods are given.
    """
    began = time.perf_counter()
    worst = worst_response(leader, caps, found)
    known = np.isfinite(worst.bound)
    gap = relative_gap(worst.bound, worst.value) if known else np.nan
    status = "optimal" if known and gap <= EPSILON else "feasible"
    return {
        "problem": "bilevel-pessimistic",
        "status": "limits broken" if np.isinf(worst.value) else status,
        "objective": worst.value,
        "bound": worst.bound if known else np.nan,
        "gap": gap,
        "follower_suboptimality": EPSILON,
        "wall_s": time.perf_counter() - began,
    }
