"""What a published bi-level case is, and a short notation for linear ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

Interval = tuple[float | None, float | None]
Inequality = tuple[Sequence[float], Sequence[float], float]
"""(a, b, c) means `a·x + b·y <= c`."""

POSITIVE: Interval = (0, None)
FREE: Interval = (None, None)
WITH_BIG_M = ("kkt", "kkt+cut")
EVERY_EXACT = ("kkt", "kkt+cut", "strong-duality")
EVERY = ("kkt", "kkt+cut", "strong-duality", "primal-dual")


@dataclass(frozen=True)
class Built:
    """A model and its followers."""

    model: pyo.ConcreteModel
    followers: Sequence[Follower]


@dataclass(frozen=True)
class Case:
    """A published problem with its known optimum.

    `points` lists known optimal points by variable name (part of the variables is enough); none
    where the source names none. `pessimistic` is the leader's worst value at its decision.
    """

    name: str
    source: str
    build: Callable[[], Built]
    optimum: float
    points: Sequence[Mapping[str, float]] = ()
    reformulations: Sequence[str] = WITH_BIG_M
    pessimistic: float | None = None


def linear(
    *,
    x: Sequence[Interval],
    y: Sequence[Interval],
    leader: tuple[Sequence[float], Sequence[float]],
    follower: Sequence[float],
    rows: Sequence[Inequality],
    coupling: Sequence[Inequality] = (),
    integer: bool = False,
) -> Built:
    """`min leader·(x, y)` over coupling rows; y solves `min follower·y` over rows and bounds."""
    m = pyo.ConcreteModel()
    domain = pyo.Integers if integer else pyo.Reals
    m.x = pyo.Var(range(1, len(x) + 1), bounds=lambda _, i: x[i - 1], domain=domain)
    m.low = pyo.Block()
    m.low.y = pyo.Var(range(1, len(y) + 1), bounds=lambda _, j: y[j - 1])
    xs, ys = list(m.x.values()), list(m.low.y.values())
    m.cost = pyo.Objective(expr=_dot(leader[0], xs) + _dot(leader[1], ys))
    m.low.cost = pyo.Objective(expr=_dot(follower, ys))
    m.low.rows = pyo.ConstraintList()
    for a, b, c in rows:
        m.low.rows.add(_dot(a, xs) + _dot(b, ys) <= c)
    m.coupling = pyo.ConstraintList()
    for a, b, c in coupling:
        m.coupling.add(_dot(a, xs) + _dot(b, ys) <= c)
    return Built(m, [Follower(m.low)])


def _dot(coefs: Sequence[float], variables: Sequence[pyo.Var]) -> object:
    return sum(c * v for c, v in zip(coefs, variables, strict=True) if c)


def point(x: Sequence[float] = (), y: Sequence[float] = ()) -> dict[str, float]:
    """Names of `linear` with their values."""
    named = {f"x[{i}]": v for i, v in enumerate(x, 1)}
    return named | {f"low.y[{j}]": v for j, v in enumerate(y, 1)}
