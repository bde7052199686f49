"""Convex quadratic leaders, from the collection BASBLib (Paulavičius, Adjiman 2019)."""

from __future__ import annotations

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

from .catalogue import WITH_BIG_M, Built, Case, point


def clark_westerberg_1990() -> Built:
    m = _one_each(8)
    x, y = m.x[1], m.low.y[1]
    m.cost = pyo.Objective(expr=(x - 3) ** 2 + (y - 2) ** 2)
    m.low.cost = pyo.Objective(expr=(y - 5) ** 2)
    _rows(m, y <= 2 * x + 1, x + 2 <= 2 * y, x + 2 * y <= 14)
    return Built(m, [Follower(m.low)])


def bard_1988() -> Built:
    m = _one_each(10)
    x, y = m.x[1], m.low.y[1]
    m.cost = pyo.Objective(expr=(x - 5) ** 2 + (2 * y + 1) ** 2)
    m.low.cost = pyo.Objective(expr=(y - 1) ** 2 - 1.5 * x * y)
    _rows(m, 3 * x - y >= 3, x - 0.5 * y <= 4, x + y <= 7)
    return Built(m, [Follower(m.low)])


def shimizu_aiyoshi_1981_1() -> Built:
    m = _one_each(15, 20)
    x, y = m.x[1], m.low.y[1]
    m.cost = pyo.Objective(expr=x**2 + (y - 10) ** 2)
    m.order = pyo.Constraint(expr=y <= x)
    m.low.cost = pyo.Objective(expr=(x + 2 * y - 30) ** 2)
    _rows(m, x + y <= 20)
    return Built(m, [Follower(m.low)])


def shimizu_aiyoshi_1981_2() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=lambda _, i: (0, (25, 15)[i - 1]))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(0, 10))
    x, y = m.x, m.low.y
    m.cost = pyo.Objective(expr=(x[1] - 30) ** 2 + (x[2] - 20) ** 2 - 20 * y[1] + 20 * y[2])
    m.least = pyo.Constraint(expr=x[1] + 2 * x[2] >= 30)
    m.most = pyo.Constraint(expr=x[1] + x[2] <= 25)
    m.low.cost = pyo.Objective(expr=(x[1] - y[1]) ** 2 + (x[2] - y[2]) ** 2)
    return Built(m, [Follower(m.low)])


def bard_1998() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0, 1))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1], bounds=(0, 1))
    x, y = m.x, m.low.y[1]
    m.cost = pyo.Objective(
        expr=0.5 * (x[1] - 1) ** 2 + 0.5 * (x[2] - 0.4) ** 2 + 0.5 * (y - 0.8) ** 2
    )
    m.low.cost = pyo.Objective(expr=0.5 * y**2 - y - x[1] * y + 3 * x[2] * y)
    return Built(m, [Follower(m.low)])


def _one_each(x_max: float, y_max: float | None = None) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1], bounds=(0, x_max))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1], bounds=(0, x_max if y_max is None else y_max))
    return m


def _rows(m: pyo.ConcreteModel, *rows: object) -> None:
    m.low.rows = pyo.ConstraintList()
    for row in rows:
        m.low.rows.add(row)


QUADRATIC_LEADERS = [
    Case(
        "clark-westerberg-1990-quadratic",
        "Clark, Westerberg, Comput. Chem. Eng. 14(1) 1990, sect. 3.2; BASBLib cw_1990_02",
        clark_westerberg_1990,
        5,
        [point([1], [3])],
    ),
    Case(
        "bard-1988-quadratic",
        "Bard, Mathematical Programming 40 1988, ex. 1; BASBLib b_1988_01",
        bard_1988,
        17,
        [point([1], [0])],
    ),
    Case(
        "shimizu-aiyoshi-1981-1",
        "Shimizu, Aiyoshi, IEEE Trans. Autom. Control 26(2) 1981, ex. 1; BASBLib sa_1981_01",
        shimizu_aiyoshi_1981_1,
        100,
        [point([10], [10])],
    ),
    Case(
        "shimizu-aiyoshi-1981-2",
        "Shimizu, Aiyoshi, IEEE Trans. Autom. Control 26(2) 1981, ex. 2; BASBLib sa_1981_02",
        shimizu_aiyoshi_1981_2,
        225,
        [point([20, 5], [10, 5])],
    ),
    Case(
        "bard-1998-quadratic",
        "Bard, Practical Bilevel Optimization 1998, ex. 7.2.2; BASBLib b_1998_03",
        bard_1998,
        0,
        [point([1, 0.4], [0.8])],
        WITH_BIG_M,
    ),
]
