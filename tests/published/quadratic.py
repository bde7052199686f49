"""Convex quadratic followers under a linear leader: KKT only."""

from __future__ import annotations

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

from .catalogue import Built, Case

QUIET = {"x[1]": 0, "x[2]": 0, "low.y[1]": -10, "low.y[2]": -10}
BUSY = {"x[1]": 0, "x[2]": 30, "low.y[1]": -10, "low.y[2]": 10}


def aiyoshi_shimizu_1984(shift: float = 20.0, *, coupled: bool = True) -> Built:
    """`coupled`: the budget row is the leader's, else the follower's."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0, 50))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(-10, 20))
    x, y = m.x, m.low.y
    m.cost = pyo.Objective(expr=2 * x[1] + 2 * x[2] - 3 * y[1] - 3 * y[2] - 60)
    m.low.cost = pyo.Objective(expr=(y[1] - x[1] + shift) ** 2 + (y[2] - x[2] + 20) ** 2)
    m.low.row = pyo.Constraint([1, 2], rule=lambda b, i: 2 * b.y[i] - m.x[i] <= -10)
    budget = pyo.Constraint(expr=x[1] + x[2] + y[1] - 2 * y[2] <= 40)
    (m if coupled else m.low).add_component("budget", budget)
    return Built(m, [Follower(m.low)])


def hatz_2013() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-100, 100))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(0, None))
    m.cost = pyo.Objective(expr=-m.x + 2 * m.low.y[1] + m.low.y[2])
    m.low.cost = pyo.Objective(expr=(m.x - m.low.y[1]) ** 2 + m.low.y[2] ** 2)
    return Built(m, [Follower(m.low)])


def outrata_cervinka_2009() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=lambda _, i: (-10, 0) if i == 1 else (-10, 10))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2])
    x, y = m.x, m.low.y
    m.cost = pyo.Objective(expr=-2 * x[1] - 0.5 * x[2] - y[2])
    m.low.cost = pyo.Objective(
        expr=y[1] - y[2] + x[1] * y[1] + x[2] * y[2] + y[1] ** 2 / 2 + y[2] ** 2 / 2
    )
    m.low.top = pyo.Constraint(expr=y[2] <= 0)
    m.low.left = pyo.Constraint(expr=y[2] - y[1] <= 0)
    m.low.right = pyo.Constraint(expr=y[1] + y[2] <= 0)
    return Built(m, [Follower(m.low)])


QUADRATIC = [
    Case(
        "aiyoshi-shimizu-1984",
        "Aiyoshi, Shimizu, IEEE Trans. Autom. Control 29(12) 1984, p. 1114, ex. 2",
        aiyoshi_shimizu_1984,
        0,
        [QUIET, BUSY],
    ),
    Case(
        "htp-9.3.4",
        "HTP 9.3.4, p. 223, with the 40 of the GAMS file (the book prints 20)",
        lambda: aiyoshi_shimizu_1984(40),
        0,
        [QUIET, BUSY],
    ),
    Case(
        "floudas-2013",
        "Floudas et al. 2013; BOLIB FloudasEtal2013: the budget with the follower",
        lambda: aiyoshi_shimizu_1984(coupled=False),
        0,
        [QUIET, BUSY],
    ),
    Case(
        "hatz-2013",
        "Hatz, Leyffer, Schlöder, Bock 2013; BOLIB HatzEtal2013",
        hatz_2013,
        0,
        [{"x": 0, "low.y[1]": 0, "low.y[2]": 0}],
    ),
    Case(
        "outrata-cervinka-2009",
        "Outrata, Červinka, Control Cybern. 38(4B) 2009; BOLIB OutrataCervinka2009, bounded by us",
        outrata_cervinka_2009,
        0,
    ),
]
