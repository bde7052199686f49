"""A follower's conditions one by one: `g(v) = a·v - b >= 0` (or `= 0`), each with a multiplier.

Lagrangian `L = f(y) - Σ μ_s g_s`; stationarity `∂f/∂y_j = Σ_s a_sj μ_s`; `μ_s >= 0` unless `g = 0`.
A row or a variable with two different finite limits gives two sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.system import FollowerForm, is_finite


@dataclass(frozen=True)
class Side:
    """One inequality or equality of a follower.

    Parameters
    ----------
    name
        `constraint (lower side)`, `bound of y (upper side)`...
    coefs, rhs
        a over all columns, and b.
    equality
        Whether `g = 0`; the multiplier is then free.
    row, column
        Where it comes from: position of the row, or own column whose bound it is.
    sign
        1 for a lower limit or an equality, -1 for an upper one (`a` and `b` are negated).
    """

    name: str
    coefs: Mapping[int, float]
    rhs: float
    equality: bool
    row: int | None
    column: int | None
    sign: int


def sides(form: FollowerForm, program: Program) -> list[Side]:
    """All sides of a follower: of its rows, then of its variables' bounds."""
    found: list[Side] = []
    for i, row in enumerate(form.rows):
        found += _split(row.name, row.coefs, row.lower, row.upper, i, None)
    for k in form.columns:
        name = f"bound of {program.names[k]}"
        found += _split(name, {k: 1.0}, program.lower[k], program.upper[k], None, k)
    return found


def _split(
    name: str,
    coefs: Mapping[int, float],
    lower: float,
    upper: float,
    row: int | None,
    column: int | None,
) -> list[Side]:
    if lower == upper:
        return [Side(name, coefs, lower, True, row, column, 1)]
    found = []
    if is_finite(lower):
        found.append(Side(f"{name} (lower side)", coefs, lower, False, row, column, 1))
    if is_finite(upper):
        turned = {k: -a for k, a in coefs.items()}
        found.append(Side(f"{name} (upper side)", turned, -upper, False, row, column, -1))
    return found


def signs(lower: float, upper: float) -> tuple[float, float]:
    """Range of the multiplier `ν = μ_lower - μ_upper` that the kind of limit alone allows."""
    if lower == upper:
        return -inf, inf
    return (-inf if is_finite(upper) else 0.0), (inf if is_finite(lower) else 0.0)
