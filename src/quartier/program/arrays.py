"""Programs as arrays: linear, mixed-integer, or convex quadratic; put together, made smaller.

Grid, plants and optimality conditions are sparse blocks beside what is compiled from units, so that
building a program of thousands of rows takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.program.names import Names, Part, nameless, of_kept
from quartier.quantities import Array

Indices: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Block: TypeAlias = tuple[sparse.csr_array, Array, Array]
"""Rows ``low <= matrix @ x <= high``."""


CONTRADICTS = 1e-6
"""By how much a row without columns must leave out zero to contradict, and not by rounding."""


@dataclass(frozen=True)
class Arrays:
    """``min offset + cost x + Σ h x_i x_j`` over ``row_lower <= A x <= row_upper``.

    Within ``lower <= x <= upper``, and ``integer`` columns whole numbers.
    """

    cost: Array
    lower: Array
    upper: Array
    integer: Flags
    matrix: sparse.csr_array
    row_lower: Array
    row_upper: Array
    offset: float = 0.0
    quadratic: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """Products ``h`` in the objective by ``(i, j)``; convex, and then no column is integer."""
    names: Names | None = None
    """What rows and columns are called, to say why there is no solution."""

    @property
    def size(self) -> int:
        """Number of columns."""
        return self.cost.size

    @property
    def hessian(self) -> sparse.csr_array:
        """``Q`` of ``½ xᵀQx``, symmetric, shape ``(columns, columns)``."""
        pairs = np.array(list(self.quadratic), dtype=np.int64).reshape(-1, 2)
        values = np.array(list(self.quadratic.values()), dtype=float)
        half = sparse.csr_array((values, tuple(pairs.T)), shape=(self.size, self.size))
        return sparse.csr_array(half + half.T)

    @property
    def block(self) -> Block:
        """Its rows."""
        return self.matrix, self.row_lower, self.row_upper

    def value(self, values: Array) -> float:
        """Objective at a point of shape ``(columns,)``."""
        return self.offset + float(self.cost @ values + values @ (self.hessian @ values) / 2)

    def relaxed(self) -> Arrays:
        """Return the program without whole numbers."""
        return replace(self, integer=np.zeros(self.size, dtype=bool))

    def with_rows(self, matrix: sparse.csr_array, low: Array, high: Array) -> Arrays:
        """Return the program with further rows."""
        rows, row_lower, row_upper = stacked([self.block, (matrix, low, high)])
        return replace(self, matrix=rows, row_lower=row_lower, row_upper=row_upper)

    def with_columns(
        self, cost: Array, lower: Array, upper: Array, *, integer: bool = False
    ) -> Arrays:
        """Return the program with further columns, last, that stand in no row yet."""
        nothing = sparse.csr_array((self.matrix.shape[0], cost.size))
        return replace(
            self,
            cost=np.concatenate([self.cost, cost]),
            lower=np.concatenate([self.lower, lower]),
            upper=np.concatenate([self.upper, upper]),
            integer=np.concatenate([self.integer, np.full(cost.size, integer)]),
            matrix=sparse.csr_array(sparse.hstack([self.matrix, nothing])),
        )

    def select(self, columns: Flags, rows: Flags) -> Arrays:
        """Return the part of some columns and rows; what is left out must not matter."""
        return Arrays(
            self.cost[columns],
            self.lower[columns],
            self.upper[columns],
            self.integer[columns],
            self.matrix[rows][:, columns],
            self.row_lower[rows],
            self.row_upper[rows],
            self.offset,
            names=of_kept(self.names, columns, rows),
        )


def stacked(blocks: Sequence[Block]) -> Block:
    """Rows of blocks over the same columns, one below the other."""
    matrices, lows, highs = zip(*blocks, strict=True)
    return sparse.csr_array(sparse.vstack(matrices)), np.concatenate(lows), np.concatenate(highs)


def side_by_side(programs: Sequence[Arrays]) -> Block:
    """Rows of programs that have no column in common, over all their columns."""
    matrix = sparse.csr_array(sparse.block_diag([p.matrix for p in programs], format="csr"))
    low = np.concatenate([p.row_lower for p in programs])
    return matrix, low, np.concatenate([p.row_upper for p in programs])


def called(programs: Sequence[Arrays]) -> tuple[list[Part], list[Part]]:
    """What rows and columns of programs that have no column in common are called."""
    names = [(p, p.names) for p in programs]
    rows: list[Part] = [(p.row_lower.size, n.row if n else nameless) for p, n in names]
    return rows, [(p.size, n.column if n else nameless) for p, n in names]


def tidied(arrays: Arrays, needed: Flags) -> tuple[Arrays, Flags]:
    """Leave out fixed columns, and rows that then only bound a column or nothing at all.

    Rows that nothing is left of and that contradict (``0 = 5``) stay, for solvers to refuse.

    Parameters
    ----------
    needed
        Columns that stay even if they are fixed.

    Returns
    -------
    Arrays, Array of bool
        The smaller program, and which columns are kept.
    """
    kept = (arrays.lower < arrays.upper) | needed
    fixed = np.where(kept, 0.0, arrays.lower)
    shift = arrays.matrix @ fixed
    matrix = sparse.csr_array(arrays.matrix[:, kept])
    matrix.eliminate_zeros()
    row_lower, row_upper = arrays.row_lower - shift, arrays.row_upper - shift
    lower, upper = arrays.lower[kept].copy(), arrays.upper[kept].copy()
    entries = np.diff(matrix.indptr)
    for row in np.flatnonzero(entries == 1):
        place = matrix.indptr[row]
        column, factor = matrix.indices[place], matrix.data[place]
        ends = sorted((row_lower[row] / factor, row_upper[row] / factor))
        lower[column] = max(lower[column], ends[0])
        upper[column] = min(upper[column], ends[1])
    contradicts = (row_lower > CONTRADICTS) | (row_upper < -CONTRADICTS)
    rows = (entries > 1) | ((entries == 0) & contradicts)
    smaller = Arrays(
        arrays.cost[kept],
        lower,
        upper,
        arrays.integer[kept],
        sparse.csr_array(matrix[rows]),
        row_lower[rows],
        row_upper[rows],
        arrays.offset + float(arrays.cost @ fixed),
        names=of_kept(arrays.names, kept, rows),
    )
    return smaller, kept


def activity(matrix: sparse.csr_array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Least and greatest value of every row within bounds of the columns."""
    up, down = matrix.maximum(0), -((-matrix).maximum(0))
    with np.errstate(invalid="ignore"):
        least = _times(up, lower) + _times(down, upper)
        greatest = _times(up, upper) + _times(down, lower)
    return least, greatest


def rest_of(arrays: Arrays, plus: Indices, minus: Indices) -> tuple[Array, Array]:
    """Least and greatest value of ``plus - minus`` that the rest of each of their balances allows.

    Parameters
    ----------
    plus, minus
        Columns, pair by pair, that stand in equalities together, ``... - plus + minus = right``.
    """
    columns, low, high = sparse.csc_array(arrays.matrix), arrays.lower.copy(), arrays.upper.copy()
    row, pair = columns[:, plus].multiply(columns[:, minus]).tocoo().coords
    row, pair = np.stack([row, pair])[:, arrays.row_lower[row] == arrays.row_upper[row]]
    low[plus] = high[plus] = low[minus] = high[minus] = 0.0
    least, greatest = activity(arrays.matrix[row], low, high)
    found_least, found_greatest = np.full(plus.size, -np.inf), np.full(plus.size, np.inf)
    np.maximum.at(found_least, pair, least - arrays.row_lower[row])
    np.minimum.at(found_greatest, pair, greatest - arrays.row_lower[row])
    return found_least, found_greatest


def _times(matrix: sparse.csr_array, bound: Array) -> Array:
    """Product that reads infinite bounds as such only where they stand in a row."""
    finite = matrix @ np.where(np.isfinite(bound), bound, 0.0)
    sign = matrix @ np.where(np.isfinite(bound), 0.0, np.sign(bound))
    return np.where(sign == 0, finite, np.sign(sign) * np.inf)


def one_way(arrays: Arrays, charge: Indices, discharge: Indices) -> Arrays:
    """Add ``charge <= most (1 - z)``, ``discharge <= most z``, z binary, pair by pair."""
    pairs, size, blocks = charge.size, arrays.size, []
    rows, binary = np.arange(pairs), size + np.arange(pairs)
    for columns, sign in ((charge, 1.0), (discharge, -1.0)):
        most = arrays.upper[columns]
        data = np.concatenate([np.ones(pairs), sign * most])
        places = (np.tile(rows, 2), np.concatenate([columns, binary]))
        matrix = sparse.csr_array((data, places), shape=(pairs, size + pairs))
        blocks.append((matrix, np.full(pairs, -np.inf), most if sign > 0 else np.zeros(pairs)))
    none = np.zeros(pairs)
    return arrays.with_columns(none, none, np.ones(pairs), integer=True).with_rows(*stacked(blocks))
