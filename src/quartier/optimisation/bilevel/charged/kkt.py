"""A follower's optimality as rows and binaries, the leader's charges on it free.

Complementarity per side: ``g <= S (1 - z)``, ``multiplier <= M z`` (Fortuny-Amat, McCarl 1981,
J. Oper. Res. Soc. 32(9)) with S from bounds of the columns and M as proven in
:func:`~quartier.optimisation.bilevel.charged.follower.dual_bounds`. Multipliers of columns' bounds
are eliminated: they are what stationarity leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.charged.follower import (
    ChargedFollower,
    DualBounds,
    dual_bounds,
)
from quartier.program import Block, Flags, Indices
from quartier.program.arrays import activity
from quartier.quantities import Array

NEGLIGIBLE = 1e-9
"""Multipliers and slacks that never exceed this are zero."""


@dataclass(frozen=True)
class Point:
    """A follower's primal and dual values.

    Attributes
    ----------
    y
        Its columns.
    row_dual
        Multipliers of its rows.
    charge
        What the leader charges, shape ``(C,)``.
    """

    y: Array
    row_dual: Array
    charge: Array


class Conditions:
    """Optimality conditions of a follower, over ``[y | row duals | charges | binaries]``.

    Parameters
    ----------
    follower
        The follower.
    allowed
        Whether the leader may charge it, or each of what it could charge, shape ``(C,)``.
    """

    def __init__(self, follower: ChargedFollower, allowed: bool | Flags = True) -> None:
        self.follower, self.allowed, form = follower, allowed, follower.form
        self.bounds: DualBounds = dual_bounds(follower)
        self.rows, self.columns, self.charges = form.row_lower.size, form.size, follower.limit.size
        self.low = np.concatenate([form.row_lower, form.lower])
        self.high = np.concatenate([form.row_upper, form.upper])
        self.equal = self.low == self.high
        least, greatest = activity(form.matrix, *follower.reach)
        self.room_low = np.maximum(np.concatenate([greatest, follower.reach[1]]) - self.low, 0.0)
        self.room_high = np.maximum(self.high - np.concatenate([least, follower.reach[0]]), 0.0)
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
        """Greatest charge, shape ``(C,)``."""
        return self.allowed * self.follower.limit

    @cached_property
    def charged(self) -> sparse.csr_array:
        """Which column each charge is on, shape ``(columns, C)``."""
        where = self.follower.charged
        entries = (np.ones(where.size), (where, np.arange(where.size)))
        return sparse.csr_array(entries, shape=(self.columns, where.size))

    def cost_under(self, charges: Array) -> Array:
        """The follower's cost by column under charges of shape ``(C,)``."""
        found: Array = self.follower.form.cost + self.charged @ charges
        return found

    @cached_property
    def multipliers(self) -> tuple[sparse.csr_array, Array]:
        """Multipliers of rows and columns' bounds, affine in ``[row duals | charges]``."""
        form = self.follower.form
        of_rows = [sparse.eye_array(self.rows), sparse.csr_array((self.rows, self.charges))]
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
        form, step = self.follower.form, self.follower.step
        last = np.zeros(self.rows, dtype=np.int64)
        np.maximum.at(last, form.matrix.tocoo().coords[0], step[form.matrix.tocoo().coords[1]])
        both = np.concatenate([self.low_sides, self.high_sides])
        found: Indices = np.concatenate([last, step])[both]
        return found

    @property
    def extra(self) -> int:
        """Number of columns besides the follower's own."""
        return self.rows + self.charges + self.switches

    def bounds_of_extra(self) -> tuple[Array, Array]:
        """Bounds of the columns besides the follower's own."""
        nothing, ones = np.zeros(self.switches), np.ones(self.switches)
        return (
            np.concatenate([self.least[: self.rows], np.zeros(self.charges), nothing]),
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
        form = self.follower.form
        body = sparse.csr_array(sparse.vstack([form.matrix, sparse.eye_array(self.columns)]))
        found = []
        for sides, first, limit, room, sign in (
            (self.low_sides, 0, self.low, self.room_low, 1.0),
            (self.high_sides, self.low_sides.size, -self.high, self.room_high, -1.0),
        ):
            count = sides.size
            entries = (room[sides], (np.arange(count), first + np.arange(count)))
            switch = sparse.csr_array(entries, shape=(count, self.switches))
            between = sparse.csr_array((count, self.rows + self.charges))
            rows = sparse.csr_array(sparse.hstack([sign * body[sides], between, switch]))
            found.append((rows, np.full(count, -np.inf), limit[sides] + room[sides]))
        return found

    def _one_side(self) -> Block:
        """Not both sides of a row or column at once."""
        both, low, high = np.intersect1d(self.low_sides, self.high_sides, return_indices=True)
        first = self.columns + self.rows + self.charges
        columns = first + np.concatenate([low, self.low_sides.size + high])
        entries = (np.ones(columns.size), (np.tile(np.arange(both.size), 2), columns))
        matrix = sparse.csr_array(entries, shape=(both.size, self.columns + self.extra))
        return matrix, np.full(both.size, -np.inf), np.ones(both.size)

    def columns_at(self, point: Point) -> Array:
        """Columns besides the follower's own at a point.

        A binary is 1 where, in shares of their bounds, the multiplier exceeds the slack.
        """
        matrix, constant = self.multipliers
        duals = np.concatenate([point.row_dual, point.charge])
        multiplier = matrix @ duals + constant
        body = np.concatenate([self.follower.form.matrix @ point.y, point.y])
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
