"""Convex quadratic leaders by outer approximation: HiGHS has no mixed-integer quadratic programs.

The quadratic part is a sum of squares, `vᵀQv = Σ λ_r u_r²` with `u_r = e_r·v` and `λ_r > 0` the
eigenvalues of Q. Each square is a column `t_r >= 2 û u_r - û²` for points û (tangents): a
relaxation with a linear leader, whose bound holds. Tangents are added where its solutions lie until
the true objective there meets the bound (Duran, Grossmann, Mathematical Programming 36, 1986; the
squares apart, as in Hijazi, Bonami, Ouorou, INFORMS Journal on Computing 26(1), 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite
from time import perf_counter

import numpy as np

from quartier.errors import InputError
from quartier.optimisation.bilevel.certify import gap
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.result import BilevelResult, Status
from quartier.optimisation.bilevel.settings import Settings
from quartier.optimisation.bilevel.system import Products, System, is_finite
from quartier.quantities import Array

MOST = 100
"""Most rounds of solving and adding tangents."""
FIRST = 9
"""Tangents to begin with, spread over a bounded range."""
WIDE = (0.0, 1.0, -1.0, 10.0, -10.0, 1e2, -1e2, 1e3, -1e3, 1e4, -1e4)
"""Tangents to begin with where there is no bounded range."""
NO_SQUARE = 1e-12
"""Eigenvalues below this, relative to the greatest, are rounding."""

Solve = Callable[[System, Settings], BilevelResult]


@dataclass(frozen=True)
class Square:
    """`factor · u²`: the column of u, and that of what stands for the square."""

    factor: float
    u: int
    t: int


def solve(system: System, settings: Settings, inner: Solve) -> BilevelResult:
    """Solve a problem whose leader's objective is convex and quadratic.

    Parameters
    ----------
    inner
        Solves problems with a linear leader.
    """
    if settings.epsilon is not None or settings.shift is not None:
        raise InputError(
            ["pessimistic and robust value of a quadratic leader are not supported"],
            "solve(pessimistic=True)",
        )
    linear, squares = approximated(system)
    settings = replace(settings, start=None)  # its columns are not those of the approximation
    best = BilevelResult(Status.FAILED, settings.reformulation)
    bound, least = -inf, inf
    rounds: tuple[tuple[float, float], ...] = ()
    for _ in range(MOST):
        found = inner(linear, settings)
        if found.bound is not None:
            bound = max(bound, system.sign * found.bound)
        if not found.has_solution:
            return _stopped(best, found)
        point = np.array([found.values[name] for name in linear.leader.names])
        value = true_value(system, point)
        if value < least:
            best, least = _of(system, found, value), value
        reached = gap(least, bound, system.size_at(point))
        best = replace(
            best,
            bound=_signed(system, bound),
            gap=reached if isfinite(reached) else None,
            trace=(*rounds, (system.sign * bound, system.sign * least)),
        )
        rounds = best.trace
        if reached <= 2.0 * settings.gap:
            return replace(best, status=Status.OPTIMAL, reason="")
        late = perf_counter() > settings.deadline
        if late or not add_tangents(linear, squares, point):
            return replace(best, status=_no_better(found.status), reason=found.reason)
    return replace(best, status=Status.FEASIBLE, reason=f"stopped after {MOST} rounds of tangents")


def true_value(system: System, point: Array) -> float:
    """Leader's objective at a point, to be minimised."""
    products = sum(c * float(point[i] * point[j]) for (i, j), c in system.products.items())
    return system.leader.value(point) + products


def approximated(system: System) -> tuple[System, list[Square]]:
    """The problem with a linear leader and first tangents."""
    leader = system.leader.copy()
    squares: list[Square] = []
    for factor, direction in squares_of(system.products):
        number = len(squares) + 1
        if len(direction) == 1:
            (u,) = direction
        else:
            u = leader.column(f"direction {number} of the leader's objective")
            leader.row(f"direction {number}", {**direction, u: -1.0}, 0.0, 0.0)
        t = leader.column(f"square {number} of the leader's objective", 0.0)
        leader.cost[t] = factor
        squares.append(Square(factor, u, t))
    followers = tuple(form.widened(len(leader)) for form in system.followers)
    linear = System(leader, {}, followers, system.sign, system.variables)
    region = Region(linear)
    for square in squares:
        for at in _first(float(region.lower[square.u]), float(region.upper[square.u])):
            _add_tangent(linear, square, at)
    return linear, squares


def squares_of(products: Products) -> Iterator[tuple[float, Mapping[int, float]]]:
    """Factor and direction of every square of a convex form; single columns stay by themselves."""
    coupled = sorted({k for i, j in products if i != j for k in (i, j)})
    for (i, j), c in products.items():
        if i == j and i not in coupled:
            yield c, {i: 1.0}
    place = {k: n for n, k in enumerate(coupled)}
    dense = np.zeros((len(coupled), len(coupled)))
    for (i, j), c in products.items():
        if i in place:
            dense[place[i], place[j]] += c / 2
            dense[place[j], place[i]] += c / 2
    if coupled:
        values, vectors = np.linalg.eigh(dense)
        for value, vector in zip(values, vectors.T, strict=True):
            if value > NO_SQUARE * values[-1]:
                direction = zip(coupled, vector.tolist(), strict=True)
                yield float(value), {k: v for k, v in direction if v}


def _first(low: float, high: float) -> Array:
    if is_finite(low) and is_finite(high):
        return np.unique(np.linspace(low, high, FIRST))
    return np.clip(WIDE, low, high)


def add_tangents(linear: System, squares: list[Square], point: Array) -> bool:
    """Add a tangent to every square at a point; False if there is nothing to gain."""
    wanting = [s for s in squares if point[s.u] ** 2 > point[s.t]]
    for square in wanting:
        _add_tangent(linear, square, float(point[square.u]))
    return bool(wanting)


def _add_tangent(linear: System, square: Square, at: float) -> None:
    if at == 0.0:
        return  # the bound of t
    name = f"{linear.leader.names[square.t]}, tangent at {at:.12g}"
    linear.leader.row(name, {square.t: 1.0, square.u: -2.0 * at}, lower=-(at**2))


def _of(system: System, found: BilevelResult, value: float) -> BilevelResult:
    """What was found, in the user's variables and with the true objective."""
    values = {name: found.values[name] for name in system.leader.names}
    return replace(found, objective=system.sign * value, values=values)


def _no_better(status: Status) -> Status:
    return Status.FEASIBLE if status == Status.OPTIMAL else status


def _stopped(best: BilevelResult, found: BilevelResult) -> BilevelResult:
    """What is left to say if the approximation gives no point."""
    if best.has_solution:
        return replace(best, status=Status.FEASIBLE, reason=found.reason or found.status.value)
    if found.status != Status.UNBOUNDED:
        return found
    reason = (
        "the leader's quadratic objective is approximated by tangents, and those have no limit: "
        "bound the leader's variables"
    )
    return replace(found, status=Status.FAILED, reason=reason)


def _signed(system: System, bound: float) -> float | None:
    return system.sign * bound if isfinite(bound) else None
