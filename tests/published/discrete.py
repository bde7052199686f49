"""Leaders with integer or binary decisions; strong duality is exact for these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyomo.environ as pyo

from quartier.optimisation.bilevel import Follower

from .catalogue import EVERY_EXACT, POSITIVE, Built, Case, linear, point

MOORE = [([-25], [20], 30), ([1], [2], 10), ([2], [-1], 15), ([-2], [-10], -15)]

EDGES = [
    (2, 1, 0.5),
    (3, 1, 0.5),
    (3, 2, 0.5),
    (3, 6, 0.5),
    (4, 3, 0.25),
    (4, 5, 0.25),
    (5, 2, 0.25),
    (5, 6, 0.25),
    (6, 4, 0.25),
    (6, 7, 0.5),
    (6, 8, 0.5),
    (6, 9, 0.5),
    (9, 11, 0.25),
    (10, 6, 0.5),
    (11, 10, 0.25),
    (11, 12, 0.25),
]
"""Arcs (from, to, probability of evasion without a sensor)."""
SENSED = {0.5: 0.25, 0.25: 0.1}
ALL_PAIRS = [(s, t) for s in (4, 5, 11) for t in (1, 7, 8, 12)]


def moore_bard_1990() -> Built:
    return linear(
        x=[(0, 10)], y=[(0, 10)], leader=([-1], [-10]), follower=[1], rows=MOORE, integer=True
    )


def mibs_general() -> Built:
    rows = [([2], [-1], 7), ([-2], [4], 16)]
    coupling = [([-3], [2], 12), ([1], [2], 20)]
    return linear(
        x=[(0, 10)],
        y=[(0, 5)],
        leader=([-1], [-7]),
        follower=[1],
        rows=rows,
        coupling=coupling,
        integer=True,
    )


def yue_2019_toy2() -> Built:
    rows = [([-3], [1], -3), ([3], [1], 30)]
    coupling = [([-2], [3], 12), ([1], [1], 14)]
    return linear(
        x=[(0, 10)],
        y=[POSITIVE],
        leader=([-1], [-2]),
        follower=[-1],
        rows=rows,
        coupling=coupling,
        integer=True,
    )


def dempe_2002_p25_integer() -> Built:
    rows = [([1], [1], 8), ([-1], [-4], -8), ([1], [2], 13), ([-7], [2], 0)]
    coupling = [([0], [1], 5)]
    return linear(
        x=[(0, 8)],
        y=[(-2, 8)],
        leader=([1], [3]),
        follower=[-1],
        rows=rows,
        coupling=coupling,
        integer=True,
    )


def sensors(pairs: Sequence[tuple[int, int]] = ALL_PAIRS) -> Built:
    """One sensor on an arc of the smuggler's network: 12 followers, one per origin and goal.

    A follower sends one unit from s: an arc keeps p of it, q where a sensor stands; it maximises
    what arrives at t.
    """
    m = pyo.ConcreteModel()
    arcs = [(i, j) for i, j, _ in EDGES]
    p = {(i, j): v for i, j, v in EDGES}
    q = {arc: SENSED[v] for arc, v in p.items()}
    m.sensor = pyo.Var(arcs, domain=pyo.Binary)
    m.budget = pyo.Constraint(expr=sum(m.sensor.values()) <= 1)
    followers = []
    m.way = pyo.Block(pairs)
    for s, t in pairs:
        block = m.way[s, t]
        block.free = pyo.Var(arcs, bounds=(0, None))
        block.seen = pyo.Var(arcs, bounds=(0, None))
        block.arrived = pyo.Var(bounds=(0, None))
        _smuggle(m, block, s, t, p, q)
        follower = Follower(block)
        reach = "the dual is the probability of reaching t from a node, or a difference of two"
        for row in (block.start, block.node, block.end, block.unseen, block.watched):
            follower.hint(row, dual=1.0, proof=reach)
        followers.append(follower)
    m.cost = pyo.Objective(expr=sum(m.way[k].arrived for k in pairs) / len(pairs))
    return Built(m, followers)


def _smuggle(
    m: pyo.ConcreteModel,
    block: pyo.Block,
    s: int,
    t: int,
    p: Mapping[tuple[int, int], float],
    q: Mapping[tuple[int, int], float],
) -> None:
    inner = [n for n in range(1, 13) if n not in (s, t)]

    def leaves(n):
        return sum(block.free[a] + block.seen[a] for a in p if a[0] == n)

    def comes(n):
        return sum(p[a] * block.free[a] + q[a] * block.seen[a] for a in p if a[1] == n)

    block.start = pyo.Constraint(expr=leaves(s) == 1)
    block.node = pyo.Constraint(inner, rule=lambda _, n: leaves(n) - comes(n) == 0)
    block.end = pyo.Constraint(expr=block.arrived - comes(t) == 0)
    block.unseen = pyo.Constraint(list(p), rule=lambda b, *a: b.free[a] <= 1 - m.sensor[a])
    block.watched = pyo.Constraint(list(p), rule=lambda b, *a: b.seen[a] <= m.sensor[a])
    block.gain = pyo.Objective(expr=block.arrived, sense=pyo.maximize)


def evasion(sensor: tuple[int, int] | None, s: int, t: int) -> float:
    """Greatest product of probabilities on a way from s to t (Bellman's recursion)."""
    reach = dict.fromkeys(range(1, 13), 0.0) | {t: 1.0}
    for _ in range(12):
        for i, j, p in EDGES:
            if i != t:
                kept = SENSED[p] if (i, j) == sensor else p
                reach[i] = max(reach[i], kept * reach[j])
    return reach[s]


THREE_PAIRS = [(4, 1), (5, 7), (11, 12)]

DISCRETE = [
    Case(
        "moore-bard-1990-integer-leader",
        "Moore, Bard, Operations Research 38(5) 1990, follower relaxed; Dempe 2002, p. 257",
        moore_bard_1990,
        -18,
        [point([8], [1])],
        EVERY_EXACT,
    ),
    Case(
        "mibs-general",
        "DeNegre, Ralphs, MibS input file example (generalExample); the answer is integral",
        mibs_general,
        -41,
        [point([6], [5])],
        EVERY_EXACT,
    ),
    Case(
        "yue-2019-toy2",
        "Yue, Gao, Zeng, You, J. Global Optim. 73 2019, toy example 2; the answer is integral",
        yue_2019_toy2,
        -20,
        [point([8], [6])],
        EVERY_EXACT,
    ),
    Case(
        "dempe-2002-p25-integer",
        "BilevelJuMP.jl test_mibs: Dempe 2002, p. 25, integer leader, follower relaxed",
        dempe_2002_p25_integer,
        8,
        [point([8], [0])],
        EVERY_EXACT,
    ),
    Case(
        "pan-2002-three-ways",
        "Pan, Charlton, Morton 2002, smuggled material; PAO's sip_example1, three of its 12 ways",
        lambda: sensors(THREE_PAIRS),
        min(sum(evasion((i, j), s, t) for s, t in THREE_PAIRS) / 3 for i, j, _ in EDGES),
        (),
        EVERY_EXACT,
    ),
    Case(
        "pan-2002",
        "Pan, Charlton, Morton 2002, smuggled material; PAO's sip_example1, 12 followers",
        sensors,
        min(sum(evasion((i, j), s, t) for s, t in ALL_PAIRS) / 12 for i, j, _ in EDGES),
        (),
        ["strong-duality"],
    ),
]
