"""A bi-level problem in numbers, with the leader's variables still symbolic in the followers.

Each follower solves, for given leader's variables x,

    min_y  c·y + Σ C[k, j] x_k y_j + Σ H[i, j] y_i y_j
    s.t.   l <= A y + D x <= u,    L <= y <= U.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from quartier.optimisation.bilevel.program import Program, Row
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
    """A follower in minimisation form; columns are indices into the system's program."""

    name: str
    columns: tuple[int, ...]
    """The follower's own variables y."""
    rows: tuple[Row, ...]
    cost: Mapping[int, float]
    """c, by own column."""
    prices: Products
    """C, by (leader's column, own column)."""
    hessian: Products
    """H, by (own column, own column) with i <= j, as the products stand in the objective."""
    row_hints: Mapping[int, Hint]
    """User hints by position in `rows`."""
    column_hints: Mapping[int, Hint]
    """User hints by own column, for the dual of its bounds."""

    @property
    def unit(self) -> float:
        """What a difference of its objective is measured by where that is nearly zero."""
        return unit_of(self.cost, self.prices, self.hessian)

    @property
    def is_linear(self) -> bool:
        """Whether the follower is an LP, else a convex QP."""
        return not self.hessian

    def leader_columns(self) -> set[int]:
        """Leader's columns that the follower sees."""
        own = set(self.columns)
        seen = {k for row in self.rows for k in row.coefs if k not in own}
        return seen | {k for k, _ in self.prices}


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
        return linear + products + unit_of(self.leader.cost, self.products)

    def linking(self) -> list[int]:
        """Leader's columns that some follower sees."""
        return sorted(set().union(*(f.leader_columns() for f in self.followers)))

    def own(self) -> set[int]:
        """Columns that belong to a follower."""
        return {k for f in self.followers for k in f.columns}

    def needs_bounds(self) -> set[int]:
        """Columns that a condition of optimality or a product needs bounds of."""
        inside = {k for f in self.followers for row in f.rows for k in row.coefs}
        return inside | self.own() | {*self.linking()} | {k for pair in self.products for k in pair}

    def high_point(self) -> Program:
        """Everything under one operator: the relaxation without the followers' optimality.

        Its objective holds the linear part only; with products in the leader's objective it
        is no bound.
        """
        program = self.leader.copy()
        for follower in self.followers:
            program.rows.extend(follower.rows)
        return program


def stationarity(form: FollowerForm) -> Iterator[tuple[int, dict[int, float], dict[int, float]]]:
    """Per own column j: its index, `A[:, j]` by row position, and the variable gradient terms.

    Dual feasibility reads `Σ_i A[i, j] ν_i + r_j - Σ_k gradient[k] v_k = c_j`.
    """
    by_column: dict[int, dict[int, float]] = {j: {} for j in form.columns}
    for i, row in enumerate(form.rows):
        for k, a in row.coefs.items():
            if k in by_column:
                by_column[k][i] = a
    gradients: dict[int, dict[int, float]] = {j: {} for j in form.columns}
    for (k, j), c in form.prices.items():
        gradients[j][k] = gradients[j].get(k, 0.0) + c
    for (i, j), h in form.hessian.items():
        gradients[i][j] = gradients[i].get(j, 0.0) + h
        gradients[j][i] = gradients[j].get(i, 0.0) + h
    for j in form.columns:
        yield j, by_column[j], gradients[j]


def unit_of(*coefs: Mapping[Any, float]) -> float:
    """The greatest coefficient of an objective, at most 1."""
    return min(1.0, max((abs(c) for group in coefs for c in group.values()), default=1.0))


def is_finite(value: float) -> bool:
    """Whether a bound is a number."""
    return -inf < value < inf
