"""Leaders that set prices: their variables multiply the follower's in its objective, or in both.

The bounds on tolls are ours: a toll above the dearest toll-free route carries no flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

from .catalogue import Built, Case


def bard_1991_ex1() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(2, 4))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=(0, None))
    m.cost = pyo.Objective(expr=m.x + m.low.y[2])
    m.low.cost = pyo.Objective(expr=2 * m.low.y[1] + m.x * m.low.y[2])
    m.low.row = pyo.Constraint(expr=m.low.y[1] + m.low.y[2] >= m.x + 4)
    # The follower never takes more than it must, at most 4 + 4 in all.
    m.low.y[1].setub(10)
    m.low.y[2].setub(10)
    return Built(m, [Follower(m.low)])


def yezza_1996() -> Built:
    """`min -(4x - 3) y + 2x + 1`, follower `min -(1 - 4x) y - 2x - 2`."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 1))
    m.cost = pyo.Objective(expr=-(4 * m.x - 3) * m.low.y + 2 * m.x + 1)
    m.low.cost = pyo.Objective(expr=-(1 - 4 * m.x) * m.low.y - 2 * m.x - 2)
    return Built(m, [Follower(m.low)])


def dempe_2012() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 1))
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 1))
    m.cost = pyo.Objective(expr=m.x)
    m.low.cost = pyo.Objective(expr=m.x * m.low.y)
    return Built(m, [Follower(m.low)])


def dempe_franke_2014() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=lambda _, i: (-1, 1) if i == 1 else (-1, -0.75))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2], bounds=lambda _, j: (None, 2) if j == 1 else (0, 2))
    x, y = m.x, m.low.y
    m.cost = pyo.Objective(expr=2 * x[1] + x[2] + 2 * y[1] - y[2])
    m.low.cost = pyo.Objective(expr=x[1] * y[1] + x[2] * y[2])
    m.low.row = pyo.Constraint(expr=2 * y[1] - y[2] >= 0)
    return Built(m, [Follower(m.low)])


def lucchetti_1987() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 1))
    m.cost = pyo.Objective(expr=(1 - m.x) / 2 + m.x * m.low.y)
    m.low.cost = pyo.Objective(expr=(m.x - 1) * m.low.y)
    return Built(m, [Follower(m.low)])


def toll_1() -> Built:
    """Five nodes, eight arcs, three of them with a toll; one user from node 1 to node 5."""
    arcs = {1: (1, 2), 2: (1, 3), 3: (1, 5), 4: (2, 3), 5: (2, 4), 6: (3, 4), 7: (3, 5), 8: (4, 5)}
    costs = {1: 2, 2: 6, 3: 5, 4: 0, 5: 4, 6: 2, 7: 6, 8: 0}
    return _tolls(arcs, costs, tolled=(3, 4, 8), top=12)


def _tolls(
    arcs: Mapping[int, tuple[int, int]],
    costs: Mapping[int, float],
    tolled: Sequence[int],
    top: float,
) -> Built:
    m = pyo.ConcreteModel()
    m.toll = pyo.Var(tolled, bounds=(0, top))
    m.low = pyo.Block()
    m.low.flow = pyo.Var(arcs, bounds=(0, 1))
    flow = m.low.flow
    revenue = sum(m.toll[a] * flow[a] for a in tolled)
    m.gain = pyo.Objective(expr=revenue, sense=pyo.maximize)
    m.low.cost = pyo.Objective(expr=sum(c * flow[a] for a, c in costs.items()) + revenue)

    def balance(_, n):
        out = sum(flow[a] for a, (i, _) in arcs.items() if i == n)
        into = sum(flow[a] for a, (_, j) in arcs.items() if j == n)
        return out - into == {1: 1, 5: -1}.get(n, 0)

    m.low.node = pyo.Constraint(range(1, 6), rule=balance)
    return Built(m, [Follower(m.low)])


def toll_4() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(-10, 10))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2, 3, 4], bounds=(0, 1))
    x, y = m.x, m.low.y
    m.gain = pyo.Objective(expr=x[1] * (y[2] + y[3]) + x[2] * y[3], sense=pyo.maximize)
    m.low.cost = pyo.Objective(
        expr=8 * y[1] + (3 + 2 * x[1]) * y[2] + (3 + 2 * x[1] + 2 * x[2]) * y[3] + 6 * y[4]
    )
    m.low.first = pyo.Constraint(expr=y[1] + y[2] == 1)
    m.low.second = pyo.Constraint(expr=y[3] + y[4] == 1)
    return Built(m, [Follower(m.low)])


def toll_5() -> Built:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-10, 10))
    m.low = pyo.Block()
    m.low.y = pyo.Var([1, 2, 3, 4], bounds=(0, 1))
    x, y = m.x, m.low.y
    m.gain = pyo.Objective(expr=x * (y[2] + y[3]), sense=pyo.maximize)
    m.low.cost = pyo.Objective(expr=8 * y[1] + (3 + 2 * x) * y[2] + (4 + 2 * x) * y[3] + 6 * y[4])
    m.low.first = pyo.Constraint(expr=y[1] + y[2] == 1)
    m.low.second = pyo.Constraint(expr=y[3] + y[4] == 1)
    return Built(m, [Follower(m.low)])


def fruits(p_max: float) -> Built:
    m = pyo.ConcreteModel()
    m.p = pyo.Var(bounds=(0, p_max))
    m.low = pyo.Block()
    for name in ("new", "plus", "minus"):
        m.low.add_component(name, pyo.Var([1, 2], bounds=(0, 10)))
    new, plus, minus = m.low.new, m.low.plus, m.low.minus
    m.even = pyo.Constraint(expr=sum(plus[i] - minus[i] for i in (1, 2)) == 0)
    m.gain = pyo.Objective(
        expr=sum(0.01 * minus[i] + 0.003 * plus[i] for i in (1, 2)), sense=pyo.maximize
    )
    m.low.balance = pyo.Constraint(
        [1, 2], rule=lambda b, i: -b.new[i] + b.plus[i] - b.minus[i] == -3 * i
    )
    m.low.gain = pyo.Objective(
        expr=sum(-0.1 * new[i] - (m.p + 0.01) * minus[i] + (m.p - 0.003) * plus[i] for i in (1, 2)),
        sense=pyo.maximize,
    )
    return Built(m, [Follower(m.low)])


EVERY_WITHOUT_STRONG_DUALITY = ("kkt", "kkt+cut", "primal-dual")

PRICING = [
    Case(
        "bard-1991-2.1",
        "Bard, J. Optim. Theory Appl. 68(2) 1991, ex. 2.1, p. 373; HTP 9.3.10, p. 230",
        bard_1991_ex1,
        2,
        [{"x": 2, "low.y[1]": 6, "low.y[2]": 0}],
        EVERY_WITHOUT_STRONG_DUALITY,
        pessimistic=8,
    ),
    Case(
        "yezza-1996",
        "Yezza, J. Optim. Theory Appl. 89(1) 1996, ex. 3.1; HTP 9.3.9, p. 229",
        yezza_1996,
        1.5,
        [{"x": 0.25, "low.y": 0}],
        EVERY_WITHOUT_STRONG_DUALITY,
        pessimistic=3.5,
    ),
    Case(
        "dempe-2012",
        "Dempe, Mordukhovich, Zemkoho, SIAM J. Optim. 22(4) 2012; BOLIB DempeEtal2012",
        dempe_2012,
        -1,
        [{"x": -1, "low.y": 1}],
        EVERY_WITHOUT_STRONG_DUALITY,
    ),
    Case(
        "dempe-franke-2014",
        "Dempe, Franke, Comput. Oper. Res. 41 2014, ex. 3.8; BOLIB DempeFranke2014Ex38",
        dempe_franke_2014,
        -1,
        [{"x[1]": -1, "x[2]": -1, "low.y[1]": 2, "low.y[2]": 2}, {"x[1]": 0, "low.y[1]": 1}],
    ),
    Case(
        "lucchetti-1987",
        "Lucchetti, Mignanego, Pieri, Optimization 18(6) 1987, ex. 4.1; BASBLib lmp_1987_01",
        lucchetti_1987,
        0,
        [{"x": 1, "low.y": 0}],
        pessimistic=1,
    ),
    Case(
        "toll-1",
        "BOLIB 2, TollSettingP1 (best known 7)",
        toll_1,
        7,
    ),
    Case("toll-4", "BOLIB 2, TollSettingP4 (best known 4)", toll_4, 4),
    Case("toll-5", "BOLIB 2, TollSettingP5 (best known 2.5)", toll_5, 2.5),
    Case(
        "bileveljump-82",
        "BilevelJuMP.jl, issue 82, jump_fruits with p_max = 0.1",
        lambda: fruits(0.1),
        0,
        [{"low.new[1]": 3, "low.new[2]": 6, "low.plus[1]": 0, "low.minus[1]": 0}],
    ),
]
