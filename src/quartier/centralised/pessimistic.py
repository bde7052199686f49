"""The pessimistic value: what the leader pays if the neighbourhoods answer at its worst (M7).

The caps that the leader decided stay; plants, losses and imports answer the neighbourhoods, which
may choose any response within ε of their optimum. So what is sought is ``max_y min_w F``: a convex
function of the neighbourhoods' power (see :mod:`quartier.centralised.leader`) and of what they
curtail is maximised; the load ordered off is what the caps say. Its
chords over the range of powers that the responses reach give a linear program, whose value is a
bound (the concave envelope of a convex function over a box, Horst, Tuy 1996, Global Optimization,
section 4.3); tangents lead uphill from its solution to a response that is bad indeed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from quartier.centralised.certificate import capped
from quartier.centralised.leader import Leader
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED
from quartier.coordination import Cap
from quartier.problem.upper_cost import reduced_kw
from quartier.program import Arrays, Highs, relative_gap
from quartier.program.arrays import side_by_side
from quartier.quantities import KW_PER_MW, Array

EPSILON = 1e-4
"""Cost, as a share of its optimum's magnitude, that a response may lie above it: the gap to which
neighbourhoods solve their own programs."""
LEAST_EUR = 1.0
"""Magnitude of an optimum below which ε is taken of this."""
CLIMBS = 20
"""Most linear programs on the way uphill."""
MOST_CORNERS = 16
"""Corners of the range of powers up to which the bound is computed."""
CLOSE_EUR = 1e-3
"""Cost by which a worse response is worse."""
PRIMAL = 4
"""Simplex method of HiGHS for one program with one cost after the other."""


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
    """The ε-optimal responses of all neighbourhoods to caps, over their columns side by side.

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
        self.forms = [self._near(m, cap, epsilon) for m, cap in zip(members, caps, strict=True)]

    def _near(self, member: Member, cap: Cap, epsilon: float) -> Arrays:
        """A member's program, its cost held near its optimum; the cost is the last row."""
        form = capped(member, cap)
        form = replace(form, lower=np.maximum(form.lower, member.reach[0]))
        form = replace(form, upper=np.minimum(form.upper, member.reach[1]), offset=0.0)
        least = Highs(f"{member.problem.name} under P_set", form).needed().objective
        room = epsilon * max(LEAST_EUR, abs(least + member.form.offset))
        self.epsilon_eur += room
        paid = sparse.csr_array(form.cost[None, :])
        return form.with_rows(paid, np.array([-np.inf]), np.array([least + room]))

    def ranges(self) -> tuple[Array, Array]:
        """Least and greatest power of every neighbourhood in every step, shape ``(T, N)``."""
        found = [self._range(k) for k in range(len(self.members))]
        low, high = zip(*found, strict=True)
        return np.column_stack(low), np.column_stack(high)

    def _range(self, k: int) -> tuple[Array, Array]:
        member, form = self.members[k], self.forms[k]
        solver = Highs(f"powers of {member.problem.name}", form)
        solver.set_option("simplex_strategy", PRIMAL)
        ends = np.zeros((2, member.exported.size))
        for side, sign in enumerate((1.0, -1.0)):
            for t, (out, into) in enumerate(zip(member.exported, member.imported, strict=True)):
                cost = np.zeros(form.size)
                cost[out], cost[into] = sign, -sign
                solver.set_cost(cost)
                ends[side, t] = sign * solver.needed().objective
        return ends[0], ends[1]


class Nature:
    """Whoever chooses the responses, at the leader's worst.

    Parameters
    ----------
    leader
        The leader's costs; its plants react.
    responses
        What may be chosen.
    """

    def __init__(self, leader: Leader, responses: Responses) -> None:
        self.leader, self.responses = leader, responses
        self.size = leader.members[-1].stop
        layout, cost = leader.joint.layout, leader.own_cost()
        self._price, self._raise_price = cost[layout.lost], cost[layout.reduced]
        self._p_off_kw = KW_PER_MW * leader.joint.grid.assets.offered_mw[:, : leader.count]
        forms = responses.forms
        self._form = Arrays(
            np.zeros(self.size),
            np.concatenate([f.lower for f in forms]),
            np.concatenate([f.upper for f in forms]),
            np.zeros(self.size, dtype=bool),
            *side_by_side(forms),
        )

    def value(self, values: Array) -> float:
        """What a response costs the leader; infinite if limits of the grid cannot be kept."""
        p_kw = self.leader.power_kw(values)
        if self.leader.broken(self.leader.solve(p_kw)) > SOLVED:
            return np.inf
        return self.leader.value(values, reduced_kw(p_kw, self._p_off_kw, self.responses.p_min_kw))

    def _on_curtailed(self, eur_per_kw: Array) -> Array:
        """Cost by column of what is curtailed, from prices of shape ``(T, N)``."""
        cost = np.zeros(self.size)
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
        low, high = self.responses.ranges()
        sides = itertools.product((False, True), repeat=low.shape[1])
        corners = [np.where(side, high, low) for side in sides]
        costs = [self.leader.cost_eur(corner)[0] for corner in corners]
        solver = Highs("the worst response", self._with_corners(corners, costs))
        answer = solver.needed()
        widest = np.full_like(self._p_off_kw, np.inf)
        most = reduced_kw(widest, self._p_off_kw, self.responses.p_min_kw)
        ordered = float((self._raise_price * most).sum())
        return ordered - answer.objective, answer.values[: self.size]

    def _with_corners(self, corners: Sequence[Array], costs: Sequence[Array]) -> Arrays:
        """The responses, their power a mixture of the corners of its range, step by step."""
        form, steps, count = self._form, self.leader.steps, len(corners)
        eye = sparse.csr_array(sparse.eye_array(steps))
        rows = [sparse.hstack([sparse.csr_array((steps, form.size)), *[eye] * count])]
        for k in range(corners[0].shape[1]):
            mixed = [sparse.csr_array(sparse.diags_array(-corner[:, k])) for corner in corners]
            rows.append(sparse.hstack([self._power(k), *mixed]))
        right = np.concatenate([np.ones(steps), np.zeros(steps * corners[0].shape[1])])
        shares = np.concatenate([-cost for cost in costs])
        wide = replace(form, cost=-self._chords()).with_columns(
            shares, np.zeros(shares.size), np.full(shares.size, np.inf)
        )
        return wide.with_rows(sparse.csr_array(sparse.vstack(rows)), right, right)

    def _power(self, k: int) -> sparse.csr_array:
        """Rows that give the power of a neighbourhood, shape ``(T, columns)``."""
        member, where = self.leader.joint.members[k], self.leader.members[k]
        steps = np.arange(self.leader.steps)
        entries = (
            np.repeat([1.0, -1.0], steps.size),
            (np.tile(steps, 2), where.start + np.append(member.exported, member.imported)),
        )
        return sparse.csr_array(entries, shape=(steps.size, self._form.size))

    def climb(self, values: Array) -> tuple[float, Array]:
        """Go uphill from a response along tangents, which a convex function lies above."""
        solver, worst = Highs("a worse response", self._form), self.value(values)
        for _ in range(CLIMBS):
            if np.isinf(worst):
                break
            _, slope = self.leader.cost_eur(self.leader.power_kw(values))
            cost = -self._on_curtailed(self._price * (self.leader.lost_kw(values) > 0))
            for k in range(slope.shape[1]):
                cost = cost - self._power(k).T @ slope[:, k]
            solver.set_cost(cost)
            other = solver.needed().values
            value = self.value(other)
            if value <= worst + CLOSE_EUR:
                break
            worst, values = value, other
        return worst, values


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
    starts, bound = [found[: nature.size]], np.inf
    if 2 ** len(members) <= MOST_CORNERS:
        bound, start = nature.bound()
        starts.append(start)
    value, values = max((nature.climb(start) for start in starts), key=lambda pair: pair[0])
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
