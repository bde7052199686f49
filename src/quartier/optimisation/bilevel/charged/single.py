"""The leader's problem as one mixed-integer program, its followers' optimality written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.charged.follower import ChargedConditions
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.optimisation.bilevel.kkt import spread
from quartier.program import Arrays, Block, Indices, stacked
from quartier.quantities import Array


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


@dataclass(frozen=True)
class Found:
    """A bi-level feasible point.

    Attributes
    ----------
    value
        The leader's cost.
    values
        Columns of the leader's program.
    duals
        Row duals and charges of every follower that make its part optimal.
    """

    value: float
    values: Array
    duals: tuple[Array, ...]

    def points(self, members: Sequence[slice], kkts: Sequence[ChargedConditions]) -> list[Point]:
        """The point by follower; ``members`` are the columns of each."""
        return [
            Point(self.values[where], duals[: kkt.rows], duals[kkt.rows :])
            for where, kkt, duals in zip(members, kkts, self.duals, strict=True)
        ]


def tied(relaxation: Arrays, ties: Indices) -> Indices:
    """Charges whose column may be 1."""
    held = np.flatnonzero(ties >= 0)
    return held[relaxation.upper[ties[held]] > 0]


class SingleLevel:
    """The leader's program with the followers' optimality conditions; their columns come last.

    A column tied to a charge is binary, and 1 wherever there is a charge.

    Attributes
    ----------
    arrays
        The program.
    binaries
        Its integer columns.
    steps
        Step that each of them belongs to.
    """

    def __init__(self, leader: MatrixLeader, kkts: Sequence[ChargedConditions]) -> None:
        self.leader, self.kkts = leader, tuple(kkts)
        relaxation = leader.high_point()
        self.size = relaxation.size
        total = self.size + sum(kkt.charges + kkt.extra for kkt in kkts)
        wide = sparse.csr_array((relaxation.matrix.shape[0], total - self.size))
        first = sparse.csr_array(sparse.hstack([relaxation.matrix, wide]))
        blocks = [(first, relaxation.row_lower, relaxation.row_upper)]
        lower, upper, at = [relaxation.lower], [relaxation.upper], self.size
        integer, steps = np.zeros(total, dtype=bool), np.zeros(total, dtype=np.int64)
        integer[: self.size] = relaxation.integer
        for where, kkt, ties in zip(leader.members, kkts, leader.ties, strict=True):
            charges = tied(relaxation, ties)
            integer[ties[charges]] = True
            steps[ties[charges]] = kkt.follower.step[kkt.follower.charged[charges]]
            blocks.append(_tie_rows(kkt, charges, ties[charges], at, total))
            # A part's columns come as [row duals | charges | binaries].
            rows, charged = at + np.arange(kkt.rows), at + kkt.rows + np.arange(kkt.charges)
            at += kkt.rows + kkt.charges
            switches = at + np.arange(kkt.switches)
            own = [np.arange(where.start, where.stop), charged, rows, switches]
            blocks += [spread(block, np.concatenate(own), total) for block in kkt.blocks()]
            low, high = (np.split(end, [kkt.rows]) for end in kkt.bounds_of_extra())
            lower += [low[0], np.zeros(kkt.charges), low[1]]
            upper += [high[0], kkt.charge_limit, high[1]]
            integer[switches], steps[switches] = True, kkt.switch_steps
            at += kkt.switches
        self.arrays = Arrays(
            np.concatenate([relaxation.cost, np.zeros(total - self.size)]),
            np.concatenate(lower),
            np.concatenate(upper),
            integer,
            *stacked(blocks),
            relaxation.offset,
        )
        self.binaries: Indices = np.flatnonzero(integer)
        self.steps: Indices = steps[self.binaries]

    def start(self, found: Found) -> Array:
        """A point in the columns of this program."""
        points = found.points(self.leader.members, self.kkts)
        own = []
        for kkt, point in zip(self.kkts, points, strict=True):
            switches = kkt.switches_at(np.append(point.y, point.charge), point.row_dual)
            own += [point.row_dual, point.charge, switches]
        return np.concatenate([found.values, *own])

    def found(self, value: float, values: Array) -> Found:
        """A solution of this program as a point that was found."""
        duals, at = [], self.size
        for kkt in self.kkts:
            duals.append(values[at : at + kkt.rows + kkt.charges])
            at += kkt.charges + kkt.extra
        return Found(value, values[: self.size], tuple(duals))


def _tie_rows(
    kkt: ChargedConditions, charges: Indices, ties: Indices, first: int, total: int
) -> Block:
    """``charge <= limit · tied column``; the part's columns begin at first."""
    rows, limit = np.arange(charges.size), kkt.charge_limit[charges]
    columns = np.concatenate([first + kkt.rows + charges, ties])
    entries = (np.concatenate([np.ones(charges.size), -limit]), (np.tile(rows, 2), columns))
    matrix = sparse.csr_array(entries, shape=(charges.size, total))
    return matrix, np.full(charges.size, -np.inf), np.zeros(charges.size)
