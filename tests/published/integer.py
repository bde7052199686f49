"""Followers with integer variables under leaders whose decision in their rows is integer, too."""

from __future__ import annotations

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

from .catalogue import Built, Case, Inequality, point


def whole(
    leader: tuple[float, float],
    follower: float,
    rows: list[Inequality],
    coupling: list[Inequality],
    upper: tuple[float | None, float | None] = (None, None),
) -> Built:
    """`min leader·(x, y)` over coupling rows; y solves `min follower·y` over rows; all integer."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1], bounds=(0, upper[0]), domain=pyo.Integers)
    m.low = pyo.Block()
    m.low.y = pyo.Var([1], bounds=(0, upper[1]), domain=pyo.Integers)
    x, y = m.x[1], m.low.y[1]
    m.cost = pyo.Objective(expr=leader[0] * x + leader[1] * y)
    m.low.cost = pyo.Objective(expr=follower * y)
    for block, found in ((m.low, rows), (m, coupling)):
        block.rows = pyo.ConstraintList()
        for (a,), (b,), c in found:
            block.rows.add(a * x + b * y <= c)
    return Built(m, [Follower(m.low)])


MOORE_BARD = [((-25,), (20,), 30), ((1,), (2,), 10), ((2,), (-1,), 15), ((-2,), (-10,), -15)]
MIBS_FOLLOWER = [((2,), (-1,), 7), ((-2,), (4,), 16)]
MIBS_LEADER = [((-3,), (2,), 12), ((1,), (2,), 20)]


INTEGER = [
    Case(
        "moore-bard-1990",
        "Moore, Bard, Operations Research 38(5) 1990, p. 913, ex. 1",
        lambda: whole((-1, -10), 1, MOORE_BARD, []),
        -22,
        [point([2], [2])],
        ["kkt"],
    ),
    Case(
        "mibs-1",
        "BilevelJuMP.jl, docs/src/examples/MibS_example1.jl",
        lambda: whole((-3, -7), 1, MIBS_FOLLOWER, MIBS_LEADER, (10, 5)),
        -53,
        [point([6], [5])],
        ["kkt"],
    ),
]
