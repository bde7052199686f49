"""Further linear problems: textbooks, tutorials, several followers, and ties of the follower.

Where a follower has several optima, the optimistic value needs the one that suits the leader.
"""

from __future__ import annotations

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

from .catalogue import EVERY_EXACT, FREE, POSITIVE, Built, Case, linear, point


def pineda_morales_2019() -> Built:
    """`max x + y`: the follower's dual needs M >= 100."""
    return linear(
        x=[(0, 2)], y=[POSITIVE], leader=([-1], [-1]), follower=[1], rows=[([1], [-0.01], 1)]
    )


def dempe_2002_p25() -> Built:
    rows = [([1], [1], 8), ([-1], [-4], -8), ([1], [2], 13), ([-7], [2], 0)]
    return linear(
        x=[(0, 8)], y=[FREE], leader=([1], [3]), follower=[-1], rows=rows, coupling=[([0], [1], 5)]
    )


def dempe_2002_p32() -> Built:
    rows = [([0], [100, -1], 1), ([-1], [0, 1], 0)]
    return linear(x=[(0, 3)], y=[POSITIVE] * 2, leader=([-1], [0, 2]), follower=[-1, 0], rows=rows)


def dempe_2002_p59_3sat() -> Built:
    clauses = [[1, 2, 3], [-1, -4, 3], [7, -6, 4], [5, 6, 7]]
    m = pyo.ConcreteModel()
    literals = range(1, 8)
    m.a = pyo.Var(literals, bounds=(0, 1))
    m.b = pyo.Var(literals, bounds=(0, 1))
    m.z = pyo.Var(bounds=(0, 1))
    m.low = pyo.Block()
    m.low.y = pyo.Var(literals, bounds=(0, None))
    m.cost = pyo.Objective(expr=sum(m.low.y.values()) - m.z)
    m.one = pyo.Constraint(literals, rule=lambda m, i: m.a[i] + m.b[i] == 1)
    m.met = pyo.Constraint(
        range(4),
        rule=lambda m, k: sum(m.a[i] if i > 0 else m.b[-i] for i in clauses[k]) >= m.z,
    )
    m.low.cost = pyo.Objective(expr=sum(m.low.y.values()), sense=pyo.maximize)
    m.low.true = pyo.Constraint(literals, rule=lambda b, i: b.y[i] <= m.a[i])
    m.low.false = pyo.Constraint(literals, rule=lambda b, i: b.y[i] <= m.b[i])
    return Built(m, [Follower(m.low)])


def dempe_2015_3_3(a: float) -> Built:
    rows = [([1], [1, 0], 1 + a), ([-1], [1, 0], 1)]
    return linear(x=[FREE], y=[FREE, (0, 1)], leader=([0.5], [-1, 3]), follower=[-1, -1], rows=rows)


def clark_westerberg_1990() -> Built:
    rows = [([-2], [1, 4], 16), ([8], [3, -2], 48), ([-2], [1, -3], -12)]
    return linear(x=[(0, 8)], y=[(0, 4)] * 2, leader=([-1], [-3, 2]), follower=[-1, 0], rows=rows)


def bard_1991_ex2(weight: float = 1.0) -> Built:
    rows = [([1], [1, 0], 1), ([1], [0, 1], 1), ([0], [1, 1], 1)]
    return linear(
        x=[POSITIVE], y=[POSITIVE] * 2, leader=([-1], [10, -weight]), follower=[-1, -1], rows=rows
    )


def lan_2007() -> Built:
    rows = [
        ([1], [-2], 4),
        ([2], [-1], 24),
        ([3], [4], 96),
        ([1], [7], 126),
        ([-4], [5], 65),
        ([-1], [-4], -8),
    ]
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([2], [-11]), follower=[3], rows=rows)


def wang_2005() -> Built:
    rows = [([1], [1, -1], 1), ([0], [1, 1], 1)]
    return linear(
        x=[(0, 1)], y=[POSITIVE] * 2, leader=([-100], [-1000, 0]), follower=[-1, -1], rows=rows
    )


def allende_still_2013() -> Built:
    return linear(
        x=[FREE], y=[FREE], leader=([-1], [-1]), follower=[1], rows=[([1], [-1], 0), ([0], [1], 0)]
    )


def pao_example_2() -> Built:
    """Two followers that share the leader's 10 units."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(2, 6))
    m.y = pyo.Var()
    m.share = pyo.Constraint(expr=m.x + m.y == 10)
    for name, given in (("first", m.x), ("second", m.y)):
        block = pyo.Block()
        m.add_component(name, block)
        block.z = pyo.Var(bounds=(0, None))
        block.cost = pyo.Objective(expr=block.z, sense=pyo.maximize)
        block.c1 = pyo.Constraint(expr=given + block.z <= 8)
        block.c2 = pyo.Constraint(expr=given + 4 * block.z >= 8)
        block.c3 = pyo.Constraint(expr=given + 2 * block.z <= 13)
    m.cost = pyo.Objective(expr=m.x + 3 * m.first.z + 3 * m.second.z)
    return Built(m, [Follower(m.first), Follower(m.second)])


def mitsos_barton_3_1() -> Built:
    """No leader's variable at all: the follower goes to 1."""
    return linear(x=[], y=[(-1, 1)], leader=([], [1]), follower=[-1], rows=[])


MODERN = [
    Case(
        "pineda-morales-2019",
        "Pineda, Morales, IEEE Trans. Power Syst. 34(3) 2019, counterexample; PAO's pineda",
        pineda_morales_2019,
        -102,
        [point([2], [100])],
    ),
    Case(
        "dempe-2002-p25",
        "Dempe, Foundations of Bilevel Programming 2002, sec. 3.2, p. 25 (x is our y)",
        dempe_2002_p25,
        3 * (3.5 * 8 / 15) + 8 / 15,
        [point([8 / 15], [3.5 * 8 / 15])],
    ),
    Case(
        "dempe-2002-p32",
        "Dempe, Foundations of Bilevel Programming 2002, sec. 3.4.1, p. 32",
        dempe_2002_p32,
        0,
    ),
    Case(
        "dempe-2002-p59",
        "Dempe, Foundations of Bilevel Programming 2002, sec. 3.7, p. 59: 3SAT, satisfiable iff -1",
        dempe_2002_p59_3sat,
        -1,
    ),
    Case(
        "dempe-2015-3.3",
        "Dempe et al., Bilevel Programming Problems 2015, ex. 3.3, p. 45, with a = 0.2",
        lambda: dempe_2015_3_3(0.2),
        0.05 - 1.1 + 3,
        [point([0.1], [1.1, 1])],
    ),
    Case(
        "clark-westerberg-1990",
        "Clark, Westerberg, Comput. Chem. Eng. 14(1) 1990, sec. 3.1; HTP 9.2.2",
        clark_westerberg_1990,
        -13,
        [point([5], [4, 2])],
    ),
    Case(
        "bard-1991-2.2",
        "Bard, J. Optim. Theory Appl. 68(2) 1991, ex. 2.2, p. 374; HTP 9.2.6",
        bard_1991_ex2,
        -1,
        [point([0], [0, 1]), point([1], [0, 0])],
    ),
    Case(
        "bard-1991-2.2-variant",
        "BASBLib b_1991_01v, BilevelJuMP.jl jump_09b: only optimism reaches this value",
        lambda: bard_1991_ex2(2.0),
        -2,
        [point([0], [0, 1])],
        pessimistic=10,
    ),
    Case(
        "lan-2007",
        "Lan, Wen, Shih, Lee, Appl. Math. Lett. 20(8) 2007; BOLIB 154 (best known -85.0855)",
        lan_2007,
        -85.0909090909,
        [point([17.4545454545], [10.9090909091])],
    ),
    Case(
        "wang-2005",
        "Wang, Jiao, Li, IEEE Trans. SMC C 35(2) 2005; BOLIB 162",
        wang_2005,
        -1000,
        [point([0], [1, 0])],
        pessimistic=0,
    ),
    Case(
        "allende-still-2013",
        "Allende, Still, Math. Program. 138 2013, ex. 3.1; BASBLib as_2013_01",
        allende_still_2013,
        0,
        [point([0], [0])],
    ),
    Case(
        "pao-2",
        "PAO documentation, multiple lower levels (pao2); the comment there, x = 6, gives 24",
        pao_example_2,
        18.5,
        [{"x": 2, "y": 8, "first.z": 5.5, "second.z": 0}],
    ),
    Case(
        "mitsos-barton-3.1",
        "Mitsos, Barton, A Test Set for Bilevel Programs 2007, ex. 3.1",
        mitsos_barton_3_1,
        1,
        [point([], [1])],
        EVERY_EXACT,
    ),
]
