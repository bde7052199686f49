"""A follower's optimality as rows and binaries.

Complementarity per side of an entry: `g <= S (1 - z)`, `multiplier <= M z`, z binary (Fortuny-Amat,
McCarl, J. Oper. Res. Soc. 32(9), 1981). Multipliers of columns' bounds are eliminated: they are
what stationarity leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.multipliers import signs
from quartier.optimisation.bilevel.system import Ends, FollowerForm
from quartier.program import Block, Flags, Indices
from quartier.quantities import Array

NEGLIGIBLE = 1e-9
"""Multipliers (in units of the objective) and slacks that never exceed this are zero."""


@dataclass(frozen=True)
class EntryBounds:
    """How far a follower's entries reach, shape (entries,) each.

    Parameters
    ----------
    low, high
        Their limits.
    least, most
        Interval of their multipliers, positive at a lower limit, negative at an upper one.
    room_low, room_high
        Greatest distance of their bodies from the limits; `inf` where none is known.
    doubts
        What rests on a guess, in phrases by entry.
    """

    low: Array
    high: Array
    least: Array
    most: Array
    room_low: Array
    room_high: Array
    doubts: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def unproven(self) -> tuple[str, ...]:
        """Phrases for what is not proven."""
        return tuple(phrase for phrases in self.doubts.values() for phrase in phrases)

    @property
    def equal(self) -> Flags:
        """Where both limits are the same number."""
        return np.asarray(self.low == self.high)

    def sides(self) -> Iterator[tuple[int, int]]:
        """Entry and sign of every side: 1 for a lower limit, -1 for an upper, 0 for both in one."""
        for e, (low, high) in enumerate(zip(self.low.tolist(), self.high.tolist(), strict=True)):
            if low == high:
                yield e, 0
                continue
            if np.isfinite(low):
                yield e, 1
            if np.isfinite(high):
                yield e, -1


def signs_only(form: FollowerForm, limits: Ends) -> EntryBounds:
    """Nothing known but the signs of multipliers; rows of the leader alone have none."""
    idle = np.append(np.diff(form.own.indptr) == 0, np.zeros(form.columns.size, dtype=bool))
    least, most = (np.where(idle, 0.0, end) for end in signs(*limits))
    unknown = np.full(idle.size, np.inf)
    return EntryBounds(*limits, least, most, unknown, unknown)


def side_name(name: str, sign: int) -> str:
    """What to call a side of an entry."""
    return name + ("", " (lower side)", " (upper side)")[sign]


class Conditions:
    """Optimality conditions of a follower, over `[v | ν | z]`: columns, row duals, binaries.

    Parameters
    ----------
    form, bounds
        The follower, and what bounds its entries.
    switched
        Whether there are binaries; without them, conditions are those of dual feasibility.
    """

    def __init__(self, form: FollowerForm, bounds: EntryBounds, switched: bool = True) -> None:
        self.form, self.bounds = form, bounds
        self.size, self.rows = form.is_own.size, form.row_lower.size
        free = ~bounds.equal & switched
        self.low_sides = self._sides(free & np.isfinite(bounds.low), bounds.most, bounds.room_low)
        self.high_sides = self._sides(
            free & np.isfinite(bounds.high), -bounds.least, bounds.room_high
        )

    def _sides(self, able: Flags, most: Array, room: Array) -> Indices:
        return np.flatnonzero(able & (most > NEGLIGIBLE * self.form.unit) & (room > NEGLIGIBLE))

    @property
    def switches(self) -> int:
        """Number of binaries."""
        return self.low_sides.size + self.high_sides.size

    @property
    def extra(self) -> int:
        """Number of columns besides v."""
        return self.rows + self.switches

    @cached_property
    def multipliers(self) -> tuple[sparse.csr_array, Array]:
        """Multipliers of all entries, affine in `[v | ν]`: matrix and constant."""
        form = self.form
        of_rows = [sparse.csr_array((self.rows, self.size)), sparse.eye_array(self.rows)]
        of_columns = [form.pull, -form.own.T]
        matrix = sparse.vstack([sparse.hstack(of_rows), sparse.hstack(of_columns)])
        return sparse.csr_array(matrix), np.append(np.zeros(self.rows), form.cost)

    def bounds_of_extra(self) -> Ends:
        """Bounds of the columns besides v."""
        rows, nothing = slice(self.rows), np.zeros(self.switches)
        return (
            np.append(self.bounds.least[rows], nothing),
            np.append(self.bounds.most[rows], nothing + 1.0),
        )

    def blocks(self) -> list[Block]:
        """Rows of dual feasibility (lower sides, then upper) and complementarity."""
        return [*self._dual_rows(), *self._slack_rows(), self._one_side()]

    def _dual_rows(self) -> list[Block]:
        """Multipliers within `[least z_high, most z_low]`; those without a binary within both."""
        bounds, (matrix, constant) = self.bounds, self.multipliers
        size, found = constant.size, []
        for sides, first, limit, sign in (
            (self.low_sides, 0, bounds.most, 1.0),
            (self.high_sides, self.low_sides.size, -bounds.least, -1.0),
        ):
            wanted = self._wanted(limit)
            switched = np.zeros(size, dtype=bool)
            switched[sides] = True
            entries = (-limit[sides], (sides, first + np.arange(sides.size)))
            switch = sparse.csr_array(entries, shape=(size, self.switches))
            body = sparse.csr_array(sparse.hstack([sign * matrix, switch]))
            most = np.where(switched, 0.0, limit) - sign * constant
            found.append((body[wanted], np.full(int(wanted.sum()), -np.inf), most[wanted]))
        return found

    def _wanted(self, limit: Array) -> Flags:
        """Entries whose multiplier gets a row; that of an equality is a free column."""
        columns = np.arange(limit.size) >= self.rows
        return np.asarray(np.isfinite(limit) & (~self.bounds.equal | columns))

    def _slack_rows(self) -> list[Block]:
        bounds, found = self.bounds, []
        for sides, first, limit, room, sign in (
            (self.low_sides, 0, bounds.low, bounds.room_low, 1.0),
            (self.high_sides, self.low_sides.size, -bounds.high, bounds.room_high, -1.0),
        ):
            count = sides.size
            entries = (room[sides], (np.arange(count), first + np.arange(count)))
            switch = sparse.csr_array(entries, shape=(count, self.switches))
            between = sparse.csr_array((count, self.rows))
            rows = sparse.hstack([sign * self.form.body[sides], between, switch])
            limits = limit[sides] + room[sides]
            found.append((sparse.csr_array(rows), np.full(count, -np.inf), limits))
        return found

    def _one_side(self) -> Block:
        """Not both sides of an entry at once."""
        both, low, high = np.intersect1d(self.low_sides, self.high_sides, return_indices=True)
        columns = self.size + self.rows + np.append(low, self.low_sides.size + high)
        entries = (np.ones(columns.size), (np.tile(np.arange(both.size), 2), columns))
        matrix = sparse.csr_array(entries, shape=(both.size, self.size + self.extra))
        return matrix, np.full(both.size, -np.inf), np.ones(both.size)

    def switches_at(self, point: Array, row_dual: Array) -> Array:
        """Binaries at a point v: 1 where, in shares of their bounds, multiplier exceeds slack."""
        bounds, (matrix, constant) = self.bounds, self.multipliers
        multiplier = matrix @ np.append(point, row_dual) + constant
        body, active = self.form.body @ point, []
        for sides, side, room, limit, sign in (
            (self.low_sides, bounds.low, bounds.room_low, bounds.most, 1.0),
            (self.high_sides, bounds.high, bounds.room_high, -bounds.least, -1.0),
        ):
            slack = sign * (body[sides] - side[sides]) / room[sides]
            share = sign * multiplier[sides] / limit[sides]
            active.append((share > NEGLIGIBLE) & (share >= slack))
        return np.concatenate(active).astype(float)

    # -- names, for a program that is looked at ---------------------------------------------------
    def names_of_extra(self, names: Sequence[str]) -> list[str]:
        """Names of the columns besides v; `names` are those of v."""
        return [
            *(f"dual of {row}" for row in self.form.row_names),
            *(f"active: {name}" for name in self._switched(names)),
        ]

    def names_of_rows(self, names: Sequence[str]) -> list[str]:
        """Names of the rows in :meth:`blocks`."""
        entries, found = self.form.entry_names(names), list[str]()
        said = [f"dual of {row}" for row in self.form.row_names]
        said += [f"stationarity of {names[k]}" for k in self.form.columns]
        for limit, end in ((self.bounds.most, ""), (self.bounds.least, ", from below")):
            found += [said[e] + end for e in np.flatnonzero(self._wanted(limit))]
        both = np.intersect1d(self.low_sides, self.high_sides)
        found += [f"active: {name}" for name in self._switched(names)]
        return [*found, *(f"one side of {entries[e]}" for e in both)]

    def _switched(self, names: Sequence[str]) -> list[str]:
        entries = self.form.entry_names(names)
        low = [side_name(entries[e], 1) for e in self.low_sides]
        return low + [side_name(entries[e], -1) for e in self.high_sides]


def spread(block: Block, columns: Indices, total: int) -> Block:
    """Rows over columns that stand at other places of a larger program."""
    body, low, high = block
    wide = (body.data, columns[body.indices], body.indptr)
    return sparse.csr_array(wide, shape=(low.size, total)), low, high
