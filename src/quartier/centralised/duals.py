"""Proven bounds on a neighbourhood's duals, by the rules of the bi-level layer (M7).

The caps of the leader enter as prices (see :mod:`quartier.centralised.kkt`), each between 0 and
the penalty π·Δ: beyond that a neighbourhood breaks a cap rather than keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quartier.centralised.member import Member
from quartier.optimisation.bilevel.bounds import multiplier_box
from quartier.optimisation.bilevel.program import Program, Row
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.system import FollowerForm, System
from quartier.program import Arrays
from quartier.quantities import Array


@dataclass(frozen=True)
class DualBounds:
    """Bounds of the multipliers of rows and of columns' bounds, positive at a lower limit.

    ``lower`` and ``upper`` have shape ``(rows + columns,)``; ``unproven`` names what no rule
    bounds.
    """

    lower: Array
    upper: Array
    unproven: tuple[str, ...]


def dual_bounds(member: Member, guess: float) -> DualBounds:
    """Find bounds that hold for some optimal duals, whatever the caps.

    Parameters
    ----------
    guess
        Bound for what no rule bounds; the result then is not proven.
    """
    region, follower = _system(member)
    count = member.form.size
    region.lower[:count], region.upper[:count] = member.reach
    box, _ = multiplier_box(region, follower)
    lower, upper = box.lower.copy(), box.upper.copy()
    open_ends = np.flatnonzero(np.isinf(lower) | np.isinf(upper))
    rows = member.form.row_lower.size
    names = tuple(f"row {e}" if e < rows else f"column {e - rows}" for e in open_ends)
    return DualBounds(np.maximum(lower, -guess), np.minimum(upper, guess), names)


def _program(form: Arrays) -> Program:
    program = Program()
    for k in range(form.size):
        program.column(f"y{k}", float(form.lower[k]), float(form.upper[k]))
    return program


def _system(member: Member) -> tuple[Region, FollowerForm]:
    form, program = member.form, _program(member.form)
    terms = member.problem.terms
    most = terms.penalty_eur_per_kwh * terms.dt_h
    prices = {}
    for side in (member.exported, member.imported):
        for k in side:
            prices[program.column(f"charge{len(program)}", 0.0, most), int(k)] = 1.0
    follower = FollowerForm(
        name=member.problem.name,
        columns=tuple(range(form.size)),
        rows=tuple(_rows(form)),
        cost={k: float(c) for k, c in enumerate(form.cost) if c},
        prices=prices,
        hessian={},
        row_hints={},
        column_hints={},
    )
    return Region(System(program, {}, (follower,))), follower


def _rows(form: Arrays) -> Iterator[Row]:
    matrix = form.matrix
    for i in range(form.row_lower.size):
        part = slice(matrix.indptr[i], matrix.indptr[i + 1])
        coefs = dict(
            zip(map(int, matrix.indices[part]), map(float, matrix.data[part]), strict=True)
        )
        yield Row(f"row {i}", coefs, float(form.row_lower[i]), float(form.row_upper[i]))
