"""The leader's problem as one mixed-integer program, its followers' optimality written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.charged.kkt import Conditions, Point
from quartier.program import Arrays, Block, Indices, stacked
from quartier.quantities import Array


class Upper(Protocol):
    """The leader's program with all followers inside; their columns come first."""

    @property
    def members(self) -> tuple[slice, ...]:
        """Columns of the followers."""

    @property
    def ties(self) -> tuple[Indices, ...]:
        """By follower and charge, the leader's column that is 1 wherever there is one; else -1."""

    def form(self) -> Arrays:
        """The high-point relaxation: one operator, the leader's cost."""

    def lower_cost(self) -> Array:
        """What the followers pay by column."""


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

    def points(self, leader: Upper, parts: Sequence[Conditions]) -> list[Point]:
        """The point by follower."""
        return [
            Point(self.values[where], duals[: part.rows], duals[part.rows :])
            for where, part, duals in zip(leader.members, parts, self.duals, strict=True)
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

    def __init__(self, leader: Upper, parts: Sequence[Conditions]) -> None:
        self.leader, self.parts = leader, tuple(parts)
        relaxation = leader.form()
        self.size = relaxation.size
        total = self.size + sum(part.extra for part in parts)
        wide = sparse.csr_array((relaxation.matrix.shape[0], total - self.size))
        first = sparse.csr_array(sparse.hstack([relaxation.matrix, wide]))
        blocks = [(first, relaxation.row_lower, relaxation.row_upper)]
        lower, upper, at = [relaxation.lower], [relaxation.upper], self.size
        integer, steps = np.zeros(total, dtype=bool), np.zeros(total, dtype=np.int64)
        integer[: self.size] = relaxation.integer
        for where, part, ties in zip(leader.members, parts, leader.ties, strict=True):
            charges = tied(relaxation, ties)
            integer[ties[charges]] = True
            steps[ties[charges]] = part.follower.step[part.follower.charged[charges]]
            blocks.append(_tie_rows(part, charges, ties[charges], at, total))
            columns = np.concatenate(
                [np.arange(where.start, where.stop), at + np.arange(part.extra)]
            )
            entries = (np.ones(columns.size), (np.arange(columns.size), columns))
            spread = sparse.csr_array(entries, shape=(columns.size, total))
            blocks += [(matrix @ spread, low, high) for matrix, low, high in part.blocks()]
            bounds = part.bounds_of_extra()
            lower.append(bounds[0])
            upper.append(bounds[1])
            switches = slice(at + part.extra - part.switches, at + part.extra)
            integer[switches], steps[switches] = True, part.switch_steps
            at += part.extra
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
        points = found.points(self.leader, self.parts)
        own = [part.columns_at(point) for part, point in zip(self.parts, points, strict=True)]
        return np.concatenate([found.values, *own])

    def found(self, value: float, values: Array) -> Found:
        """A solution of this program as a point that was found."""
        duals, at = [], self.size
        for part in self.parts:
            duals.append(values[at : at + part.rows + part.charges])
            at += part.extra
        return Found(value, values[: self.size], tuple(duals))


def _tie_rows(part: Conditions, charges: Indices, ties: Indices, first: int, total: int) -> Block:
    """``charge <= limit · tied column``; the part's columns begin at first."""
    rows, limit = np.arange(charges.size), part.charge_limit[charges]
    columns = np.concatenate([first + part.rows + charges, ties])
    entries = (np.concatenate([np.ones(charges.size), -limit]), (np.tile(rows, 2), columns))
    matrix = sparse.csr_array(entries, shape=(charges.size, total))
    return matrix, np.full(charges.size, -np.inf), np.zeros(charges.size)
