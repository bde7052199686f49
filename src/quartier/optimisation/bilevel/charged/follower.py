"""A follower in matrix form, and proven bounds on its duals by the rules of the bi-level layer.

The leader's charges enter as prices, each between 0 and its limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quartier.optimisation.bilevel.bounds import multiplier_box
from quartier.optimisation.bilevel.program import Program, Row
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.system import FollowerForm, System
from quartier.program import Arrays, Flags, Indices
from quartier.quantities import Array

GUESS = 1e4
"""Bound of duals that no rule bounds; results then are ``optimal-for-M`` at best."""


@dataclass(frozen=True)
class ChargedFollower:
    """A linear follower ``min cost y + Σ charge y_charged``, some columns charged by the leader.

    Parameters
    ----------
    name
        What to call it.
    form
        Its program without charges, no column integer.
    reach
        Bounds of all columns at any optimum, whatever the charges.
    charged
        Columns that may be charged, shape ``(C,)``.
    limit
        Greatest charges, shape ``(C,)``.
    spared
        Charges of which the search looks for less, never for more, shape ``(C,)``.
    step
        Step that every column belongs to; windows of steps are searched.
    """

    name: str
    form: Arrays
    reach: tuple[Array, Array]
    charged: Indices
    limit: Array
    spared: Flags
    step: Indices


@dataclass(frozen=True)
class DualBounds:
    """Bounds of the multipliers of rows and of columns' bounds, positive at a lower limit.

    ``lower`` and ``upper`` have shape ``(rows + columns,)``; ``unproven`` names what no rule
    bounds.
    """

    lower: Array
    upper: Array
    unproven: tuple[str, ...]


def dual_bounds(follower: ChargedFollower, guess: float = GUESS) -> DualBounds:
    """Find bounds that hold for some optimal duals, whatever the charges.

    Parameters
    ----------
    guess
        Bound for what no rule bounds; the result then is not proven.
    """
    region, form = _system(follower)
    count, rows = follower.form.size, follower.form.row_lower.size
    region.lower[:count], region.upper[:count] = follower.reach
    box, _ = multiplier_box(region, form)
    lower, upper = box.lower.copy(), box.upper.copy()
    open_ends = np.flatnonzero(np.isinf(lower) | np.isinf(upper))
    names = tuple(f"row {e}" if e < rows else f"column {e - rows}" for e in open_ends)
    return DualBounds(np.maximum(lower, -guess), np.minimum(upper, guess), names)


def _system(follower: ChargedFollower) -> tuple[Region, FollowerForm]:
    form, program = follower.form, Program()
    for k, (low, high) in enumerate(zip(form.lower, form.upper, strict=True)):
        program.column(f"y{k}", float(low), float(high))
    prices = {}
    for k, most in zip(follower.charged.tolist(), follower.limit.tolist(), strict=True):
        prices[program.column(f"charge{len(program)}", 0.0, most), k] = 1.0
    numbers = FollowerForm(
        name=follower.name,
        columns=tuple(range(form.size)),
        rows=tuple(_rows(form)),
        cost={k: float(c) for k, c in enumerate(form.cost) if c},
        prices=prices,
        hessian={},
        row_hints={},
        column_hints={},
    )
    return Region(System(program, {}, (numbers,))), numbers


def _rows(form: Arrays) -> Iterator[Row]:
    matrix = form.matrix
    for i in range(form.row_lower.size):
        part = slice(matrix.indptr[i], matrix.indptr[i + 1])
        coefs = dict(
            zip(map(int, matrix.indices[part]), map(float, matrix.data[part]), strict=True)
        )
        yield Row(f"row {i}", coefs, float(form.row_lower[i]), float(form.row_upper[i]))
