"""A bi-level problem in numbers, with the leader's variables still symbolic in the followers.

Each follower solves, for given leader's variables x,

    min_y  c·y + Σ C[k, j] x_k y_j + Σ H[i, j] y_i y_j
    s.t.   l <= A y + D x <= u,    L <= y <= U.

Its *entries* are what has a limit, and so a multiplier: its rows first, then its own columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.program import Program, Row, matrix, rows_of
from quartier.program import Flags, Indices
from quartier.quantities import Array

Products = Mapping[tuple[int, int], float]


@dataclass(frozen=True)
class Hint:
    """What the user knows of a follower's constraint, or of the bounds of its variable.

    Parameters
    ----------
    dual
        Largest absolute value of the dual (of the reduced cost, for a variable's bounds), in
        the follower's objective per unit of the constraint.
    slack
        Largest distance of the constraint's body from a finite side.
    proof
        Why this holds, in a sentence; without one the number counts as a guess, and a result
        that rests on it is `optimal-for-M`.
    """

    dual: float | None = None
    slack: float | None = None
    proof: str | None = None


@dataclass(frozen=True)
class FollowerForm:
    """A follower in minimisation form, over the S columns of its system.

    Parameters
    ----------
    name
        For messages.
    columns
        Its own variables y, n of the S columns.
    matrix, row_lower, row_upper, row_names
        Its R rows, shape (R, S): A in its own columns, D in the leader's.
    cost
        c, shape (n,).
    pull
        What v adds to the gradient of its objective, `c + pull v`, shape (n, S): Cᵀ in the
        leader's columns, H + Hᵀ in its own.
    hints
        User hints by entry.
    """

    name: str
    columns: Indices
    matrix: sparse.csr_array
    row_lower: Array
    row_upper: Array
    row_names: Sequence[str]
    cost: Array
    pull: sparse.csr_array
    hints: Mapping[int, Hint] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        columns: Sequence[int],
        rows: Sequence[Row],
        cost: Mapping[int, float],
        products: Products,
        hints: Mapping[int, Hint],
        *,
        size: int,
    ) -> FollowerForm:
        """A follower from rows, costs by column, and products of two columns in its objective."""
        place = {k: p for p, k in enumerate(columns)}
        entries = [(place[j], k, c) for (k, j), c in products.items() if j in place]
        entries += [(place[k], j, c) for (k, j), c in products.items() if k in place]
        at, to, values = zip(*entries, strict=True) if entries else ((), (), ())
        return cls(
            name,
            np.array(columns, dtype=np.int64),
            matrix(rows, size),
            np.array([row.lower for row in rows], dtype=float),
            np.array([row.upper for row in rows], dtype=float),
            [row.name for row in rows],
            np.array([cost.get(k, 0.0) for k in columns], dtype=float),
            sparse.csr_array(
                sparse.coo_array((np.array(values, dtype=float), (at, to)), (len(columns), size))
            ),
            hints,
        )

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Its rows one by one."""
        return tuple(rows_of(self.row_names, self.matrix, self.row_lower, self.row_upper))

    @cached_property
    def own(self) -> sparse.csr_array:
        """A, shape (R, n)."""
        return sparse.csr_array(self.matrix[:, self.columns])

    @cached_property
    def transposed(self) -> sparse.csr_array:
        """Aᵀ, shape (n, R)."""
        return sparse.csr_array(self.own.T)

    @cached_property
    def is_own(self) -> Flags:
        """Which of the S columns are its own."""
        found = np.zeros(self.matrix.shape[1], dtype=bool)
        found[self.columns] = True
        return found

    @cached_property
    def hessian(self) -> sparse.csr_array:
        """H + Hᵀ, shape (n, n)."""
        return sparse.csr_array(self.pull[:, self.columns])

    @cached_property
    def prices(self) -> sparse.csr_array:
        """Cᵀ, shape (n, S), nothing in its own columns."""
        found = sparse.csr_array(self.pull @ sparse.diags_array(1.0 * ~self.is_own))
        found.eliminate_zeros()
        return found

    @cached_property
    def unit(self) -> float:
        """What a difference of its objective is measured by where that is nearly zero."""
        return unit_of(self.cost, self.prices.data, self.hessian.data)

    @property
    def is_linear(self) -> bool:
        """Whether the follower is an LP, else a convex QP."""
        return not self.hessian.nnz

    @cached_property
    def leader_columns_in_rows(self) -> set[int]:
        """Leader's columns in its rows."""
        return set(self.matrix.indices[~self.is_own[self.matrix.indices]].tolist())

    @cached_property
    def leader_columns(self) -> set[int]:
        """Leader's columns that the follower sees."""
        return self.leader_columns_in_rows | {k for _, k, _ in self.priced()}

    def priced(self) -> Iterator[tuple[int, int, float]]:
        """Products of an own and a leader's column in its objective: (own, leader's, factor)."""
        for place, j in enumerate(self.columns.tolist()):
            for k, c in entries_of(self.pull, place).items():
                if not self.is_own[k]:
                    yield j, k, c

    def cost_at(self, point: Array) -> Array:
        """`c + C x` at a leader's decision, shape (n,)."""
        found: Array = self.cost + self.prices @ point[: self.is_own.size]
        return found

    def value(self, point: Array) -> float:
        """Its objective at a point, without its leader-only terms."""
        y = point[self.columns]
        return float(self.cost_at(point) @ y + y @ (self.hessian @ y) / 2)

    def limits(self, lower: Sequence[float] | Array, upper: Sequence[float] | Array) -> Ends:
        """Limits of its entries; `lower` and `upper` are the columns' bounds, shape (S,)."""
        own = np.array(lower)[self.columns], np.array(upper)[self.columns]
        return np.append(self.row_lower, own[0]), np.append(self.row_upper, own[1])

    @cached_property
    def body(self) -> sparse.csr_array:
        """What the limits of its entries are on, shape (R + n, S)."""
        count, size = self.columns.size, self.matrix.shape[1]
        entries = (np.ones(count), (np.arange(count), self.columns))
        eye = sparse.csr_array(entries, shape=(count, size))
        return sparse.csr_array(sparse.vstack([self.matrix, eye]))

    def entry_names(self, names: Sequence[str]) -> list[str]:
        """What to call its entries; `names` are the system's columns'."""
        return [*self.row_names, *(f"bound of {names[k]}" for k in self.columns)]

    def widened(self, size: int) -> FollowerForm:
        """The same over more columns, of which it sees nothing."""
        wide = [
            sparse.csr_array((m.data, m.indices, m.indptr), shape=(m.shape[0], size))
            for m in (self.matrix, self.pull)
        ]
        return replace(self, matrix=wide[0], pull=wide[1])


Ends = tuple[Array, Array]


@dataclass(frozen=True)
class System:
    """Leader and followers in one column space.

    Parameters
    ----------
    leader
        Every column, the leader's rows and the linear part of its objective, to be minimised.
    products
        Products in the leader's objective, by (column, column) with i <= j.
    followers
        The followers; no two share a column.
    sign
        1 if the leader minimises, -1 if it maximises (its objective was negated).
    variables
        Pyomo's variable of each column; empty for a system that is not the user's.
    """

    leader: Program
    products: Products
    followers: tuple[FollowerForm, ...]
    sign: int = 1
    variables: Sequence[Any] = ()

    def size_at(self, point: Array) -> float:
        """Sum of the terms of the leader's objective at a point, whatever their signs."""
        linear = sum(abs(c * float(point[k])) for k, c in self.leader.cost.items())
        products = sum(abs(c * float(point[i] * point[j])) for (i, j), c in self.products.items())
        return linear + products + unit_of([*self.leader.cost.values(), *self.products.values()])

    def linking(self) -> list[int]:
        """Leader's columns that some follower sees."""
        return sorted(set().union(*(f.leader_columns for f in self.followers)))

    def own(self) -> set[int]:
        """Columns that belong to a follower."""
        return {k for f in self.followers for k in f.columns.tolist()}

    def needs_bounds(self) -> set[int]:
        """Columns that a condition of optimality or a product needs bounds of."""
        return self.own() | {*self.linking()} | {k for pair in self.products for k in pair}

    def high_point(self) -> Program:
        """Everything under one operator: the relaxation without the followers' optimality.

        Its objective holds the linear part only; with products in the leader's objective it
        is no bound.
        """
        program = self.leader.copy()
        for follower in self.followers:
            program.rows.extend(follower.rows)
        return program


def stationarity(form: FollowerForm) -> Iterator[tuple[dict[int, float], dict[int, float]]]:
    """Per own column j: `A[:, j]` by row position, and the variable gradient terms.

    Dual feasibility reads `Σ_i A[i, j] ν_i + r_j - Σ_k gradient[k] v_k = c_j`.
    """
    for place in range(form.columns.size):
        yield entries_of(form.transposed, place), entries_of(form.pull, place)


def entries_of(matrix: sparse.csr_array, row: int) -> dict[int, float]:
    """Coefficients of a row by column."""
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True))


def unit_of(*coefs: Sequence[float] | Array) -> float:
    """The greatest coefficient of an objective, at most 1."""
    return min(1.0, max((float(np.abs(c).max()) for c in coefs if len(c)), default=1.0))


def is_finite(value: float) -> bool:
    """Whether a bound is a number."""
    return -inf < value < inf
