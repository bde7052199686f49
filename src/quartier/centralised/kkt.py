"""A neighbourhood's optimality as rows and binaries (M7).

A cap needs no variable of its own. Where a response exceeds its cap, or its dual μ is zero, the
cap P_set = p has the same response and the same dual; so let the leader always set P_set = p where
μ is positive, and leave the step free elsewhere. A feed-in cap (P_set >= 0) then is a charge
``0 <= μ <= πΔ`` on what is exported, a consumption cap one on what is imported: beyond the
penalty πΔ the cap is broken rather than kept. Their complementarity holds by construction.

What remains is complementarity in the units: per side ``g <= S (1 - z)``, ``multiplier <= M z``
(Fortuny-Amat, McCarl 1981, J. Oper. Res. Soc. 32(9)) with S from bounds of the columns and M as
proven in :mod:`quartier.centralised.duals`. Multipliers of columns' bounds are eliminated:
they are what stationarity leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from quartier.centralised.duals import DualBounds, dual_bounds
from quartier.centralised.member import Member
from quartier.program import Arrays, Block, Flags, Indices, stacked
from quartier.program.arrays import activity
from quartier.quantities import Array

NEGLIGIBLE = 1e-9
"""Multipliers and slacks that never exceed this are zero."""
GUESS = 1e4
"""Bound of duals that no rule bounds; results then are ``optimal-for-M`` at best."""


@dataclass(frozen=True)
class Point:
    """A member's primal and dual values.

    Attributes
    ----------
    y
        Its columns.
    row_dual
        Multipliers of its rows.
    charge
        μ of the caps on exports and on imports, shape ``(2 T,)``.
    """

    y: Array
    row_dual: Array
    charge: Array


class Conditions:
    """Optimality conditions of a member, over ``[y | row duals | charges | binaries]``.

    Parameters
    ----------
    member
        The neighbourhood, convex.
    capped
        Whether the leader may cap it.
    """

    def __init__(self, member: Member, capped: bool = True) -> None:
        self.member, self.capped, form = member, capped, member.form
        self.bounds: DualBounds = dual_bounds(member, GUESS)
        self.rows, self.columns = form.row_lower.size, form.size
        self.steps = member.exported.size
        self.low = np.concatenate([form.row_lower, form.lower])
        self.high = np.concatenate([form.row_upper, form.upper])
        self.equal = self.low == self.high
        least, greatest = activity(form.matrix, *member.reach)
        self.room_low = np.maximum(np.concatenate([greatest, member.reach[1]]) - self.low, 0.0)
        self.room_high = np.maximum(self.high - np.concatenate([least, member.reach[0]]), 0.0)
        self.most = np.where(self.equal, self.bounds.upper, np.maximum(self.bounds.upper, 0.0))
        self.least = np.where(self.equal, self.bounds.lower, np.minimum(self.bounds.lower, 0.0))
        free = ~self.equal
        self.low_sides = self._sides(free & np.isfinite(self.low), self.most, self.room_low)
        self.high_sides = self._sides(free & np.isfinite(self.high), -self.least, self.room_high)

    @staticmethod
    def _sides(finite: Flags, most: Array, room: Array) -> Indices:
        return np.flatnonzero(finite & (most > NEGLIGIBLE) & (room > NEGLIGIBLE))

    @property
    def charge_limit(self) -> Array:
        """Greatest charge, shape ``(2 T,)``."""
        terms = self.member.problem.terms
        return np.full(2 * self.steps, self.capped * terms.penalty_eur_per_kwh * terms.dt_h)

    @cached_property
    def charged(self) -> sparse.csr_array:
        """Which column each charge is on, shape ``(columns, 2 T)``."""
        where = np.concatenate([self.member.exported, self.member.imported])
        entries = (np.ones(where.size), (where, np.arange(where.size)))
        return sparse.csr_array(entries, shape=(self.columns, where.size))

    @cached_property
    def multipliers(self) -> tuple[sparse.csr_array, Array]:
        """Multipliers of rows and columns' bounds, affine in ``[row duals | charges]``."""
        form = self.member.form
        of_rows = [sparse.eye_array(self.rows), sparse.csr_array((self.rows, 2 * self.steps))]
        of_columns = [-form.matrix.T, self.charged]
        matrix = sparse.vstack([sparse.hstack(of_rows), sparse.hstack(of_columns)])
        return sparse.csr_array(matrix), np.concatenate([np.zeros(self.rows), form.cost])

    @property
    def switches(self) -> int:
        """Number of binaries."""
        return self.low_sides.size + self.high_sides.size

    @property
    def switch_steps(self) -> Indices:
        """Step that each binary belongs to; that of a row is its columns' last."""
        form, step = self.member.form, self.member.step
        last = np.zeros(self.rows, dtype=np.int64)
        np.maximum.at(last, form.matrix.tocoo().coords[0], step[form.matrix.tocoo().coords[1]])
        both = np.concatenate([self.low_sides, self.high_sides])
        found: Indices = np.concatenate([last, step])[both]
        return found

    @property
    def extra(self) -> int:
        """Number of columns besides the member's own."""
        return self.rows + 2 * self.steps + self.switches

    def bounds_of_extra(self) -> tuple[Array, Array]:
        """Bounds of the columns besides the member's own."""
        nothing, ones = np.zeros(self.switches), np.ones(self.switches)
        return (
            np.concatenate([self.least[: self.rows], np.zeros(2 * self.steps), nothing]),
            np.concatenate([self.most[: self.rows], self.charge_limit, ones]),
        )

    def blocks(self) -> list[Block]:
        """Rows of dual feasibility and complementarity."""
        return [*self._dual_rows(), *self._slack_rows(), self._one_side()]

    def _dual_rows(self) -> list[Block]:
        """Multipliers within ``[least z_high, most z_low]``; those without a binary within both."""
        matrix, constant = self.multipliers
        size, n_low = constant.size, self.low_sides.size
        wanted = ~self.equal | (np.arange(size) >= self.rows)
        found = []
        for sides, first, limit, sign in (
            (self.low_sides, 0, self.most, 1.0),
            (self.high_sides, n_low, -self.least, -1.0),
        ):
            switched = np.zeros(size, dtype=bool)
            switched[sides] = True
            entries = (-limit[sides], (sides, first + np.arange(sides.size)))
            switch = sparse.csr_array(entries, shape=(size, self.switches))
            own = sparse.csr_array((size, self.columns))
            body = sparse.csr_array(sparse.hstack([own, sign * matrix, switch]))
            most = np.where(switched, 0.0, limit) - sign * constant
            found.append((body[wanted], np.full(int(wanted.sum()), -np.inf), most[wanted]))
        return found

    def _slack_rows(self) -> list[Block]:
        form = self.member.form
        body = sparse.csr_array(sparse.vstack([form.matrix, sparse.eye_array(self.columns)]))
        found = []
        for sides, first, limit, room, sign in (
            (self.low_sides, 0, self.low, self.room_low, 1.0),
            (self.high_sides, self.low_sides.size, -self.high, self.room_high, -1.0),
        ):
            count = sides.size
            entries = (room[sides], (np.arange(count), first + np.arange(count)))
            switch = sparse.csr_array(entries, shape=(count, self.switches))
            between = sparse.csr_array((count, self.rows + 2 * self.steps))
            rows = sparse.csr_array(sparse.hstack([sign * body[sides], between, switch]))
            found.append((rows, np.full(count, -np.inf), limit[sides] + room[sides]))
        return found

    def _one_side(self) -> Block:
        """Not both sides of a row or column at once."""
        both, low, high = np.intersect1d(self.low_sides, self.high_sides, return_indices=True)
        first = self.columns + self.rows + 2 * self.steps
        columns = first + np.concatenate([low, self.low_sides.size + high])
        entries = (np.ones(columns.size), (np.tile(np.arange(both.size), 2), columns))
        matrix = sparse.csr_array(entries, shape=(both.size, self.columns + self.extra))
        return matrix, np.full(both.size, -np.inf), np.ones(both.size)

    def columns_at(self, point: Point) -> Array:
        """Columns besides the member's own at a point.

        A binary is 1 where, in shares of their bounds, the multiplier exceeds the slack.
        """
        matrix, constant = self.multipliers
        duals = np.concatenate([point.row_dual, point.charge])
        multiplier = matrix @ duals + constant
        body = np.concatenate([self.member.form.matrix @ point.y, point.y])
        active = []
        for sides, side, room, sign in (
            (self.low_sides, self.low, self.room_low, 1.0),
            (self.high_sides, self.high, self.room_high, -1.0),
        ):
            limit = (self.most if sign > 0 else -self.least)[sides]
            slack = sign * (body[sides] - side[sides]) / room[sides]
            share = sign * multiplier[sides] / limit
            active.append((share > NEGLIGIBLE) & (share >= slack))
        return np.concatenate([duals, *active])


def orders(relaxation: Arrays, ordered: Indices) -> Indices:
    """Columns of load that may be ordered off, shape ``(C,)``, among ``ordered``, ``(T, N)``."""
    columns = ordered.ravel()
    return columns[relaxation.upper[columns] > 0]


def with_conditions(
    relaxation: Arrays, members: Sequence[slice], parts: Sequence[Conditions], ordered: Indices
) -> Arrays:
    """Add the members' optimality conditions to the leader's program; their columns come last.

    Load is ordered off (a binary) wherever there is a charge on imports.

    Parameters
    ----------
    members
        Columns of the neighbourhoods.
    ordered
        Columns of the load ordered off, shape ``(T, N)``.
    """
    size = relaxation.size
    total = size + sum(part.extra for part in parts)
    wide = sparse.csr_array((relaxation.matrix.shape[0], total - size))
    first = sparse.csr_array(sparse.hstack([relaxation.matrix, wide]))
    blocks = [(first, relaxation.row_lower, relaxation.row_upper)]
    lower, upper, integer, at = [relaxation.lower], [relaxation.upper], [relaxation.integer], size
    integer[0] = integer[0].copy()
    integer[0][orders(relaxation, ordered)] = True
    for k, (where, part) in enumerate(zip(members, parts, strict=True)):
        blocks.append(_order_rows(relaxation, part, ordered[:, k], at, total))
        columns = np.concatenate([np.arange(where.start, where.stop), at + np.arange(part.extra)])
        entries = (np.ones(columns.size), (np.arange(columns.size), columns))
        spread = sparse.csr_array(entries, shape=(columns.size, total))
        blocks += [(matrix @ spread, low, high) for matrix, low, high in part.blocks()]
        bounds = part.bounds_of_extra()
        lower.append(bounds[0])
        upper.append(bounds[1])
        integer.append(np.arange(part.extra) >= part.extra - part.switches)
        at += part.extra
    return Arrays(
        np.concatenate([relaxation.cost, np.zeros(total - size)]),
        np.concatenate(lower),
        np.concatenate(upper),
        np.concatenate(integer),
        *stacked(blocks),
        relaxation.offset,
    )


def _order_rows(
    relaxation: Arrays, part: Conditions, ordered: Indices, first: int, total: int
) -> Block:
    """``charge <= limit · ordered`` where p_off draws power; the part's columns begin at first."""
    steps = np.flatnonzero(relaxation.upper[ordered] > 0)
    rows, limit = np.arange(steps.size), part.charge_limit[part.steps + steps]
    charge = first + part.rows + part.steps + steps
    data = np.concatenate([np.ones(steps.size), -limit])
    entries = (data, (np.tile(rows, 2), np.concatenate([charge, ordered[steps]])))
    matrix = sparse.csr_array(entries, shape=(steps.size, total))
    return matrix, np.full(steps.size, -np.inf), np.zeros(steps.size)
