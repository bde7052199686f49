"""Linear problems of up to sixteen variables."""

from __future__ import annotations

from .catalogue import POSITIVE, Built, Case, linear, point


def bard_1983() -> Built:
    rows = [
        ([-1, 0.2, 0, 0, 1, 2], [-4, 2, 1], 12),
        ([1, 0, 1, -2, 0, 0], [0, -4, 1], 10),
        ([5, 0, 0, 1, 0, 3.2], [2, 2, 0], 15),
        ([0, -3, 0, -1, 1, 0], [-2, 0, 0], 12),
        ([-2, -1, 0, 0, 0, 0], [0, -1, 1], -2),
        ([0, 0, 0, 0, 0, 0], [-1, -2, -1], -2),
        ([0, -2, -3, 0, -1, 0], [0, 0, 0], -3),
    ]
    leader = ([-2, 1, 1, -2, -1, 3.5], [1, 1.5, -3])
    return linear(x=[POSITIVE] * 6, y=[POSITIVE] * 3, leader=leader, follower=[-3, 1, 4], rows=rows)


def moshirvaziri_1996() -> Built:
    coupling = [
        ([-9, 3, -8, 3], [3, 0], -1),
        ([4, -10, 3, 5], [8, 8], 25),
        ([4, -2, -2, 10], [-5, 8], 21),
        ([9, -9, 4, -3], [-1, -9], -1),
        ([-2, -2, 8, -5], [5, 8], 20),
        ([7, 2, -5, 4], [-5, 0], 11),
    ]
    rows = [
        ([-6, 1, 1, -3], [-9, -7], -15),
        ([0, 4, 5, 10], [0, 0], 26),
        ([-9, 9, -9, 5], [-5, -4], -5),
        ([5, 3, 1, 9], [1, 5], 32),
    ]
    leader = ([-4, 8, 1, -1], [9, -9])
    return linear(
        x=[POSITIVE] * 4,
        y=[POSITIVE] * 2,
        leader=leader,
        follower=[-9, 9],
        rows=rows,
        coupling=coupling,
    )


def tuy_2007_3() -> Built:
    coupling = [
        ([-2, -3, 14, -2, -9, 2, 1, -4, 0, 2], [-3, 9, -2, -8, 1, -8], 30),
        ([1, -7, 13, 0, -15, 2, -8, -4, 4, -7], [-6, -2, 6, 2, 8, -4], -134),
    ]
    rows = [
        ([-5, 7, 4, -2, 3, -9, 9, -1, -3, 11], [10, -9, -6, 4, 6, -3], 83),
        ([6, -5, -3, -2, 8, 5, 8, -3, 7, 3], [-5, -7, 1, 1, -6, 4], 92),
        ([-6, -4, 2, 0, -2, 3, -3, 2, 2, 4], [10, 5, 6, -4, 3, -1], 168),
        ([5, 6, 0, -4, 3, -8, 1, 0, 2, -3], [-4, -3, -4, -4, 1, 1], -96),
        ([11, -11, 4, 5, -10, -6, 14, -7, -11, -3], [-10, -7, 7, 7, 2, 7], -133),
        ([9, -12, -4, -10, 2, 8, 5, -11, -4, 1], [2, -5, 10, 1, 4, 5], 89),
        ([7, -2, -6, 0, -11, 1, -2, -2, -1, -2], [-5, -5, -6, -5, 1, -12], -192),
    ]
    leader = ([12, -1, -12, 13, 0, 2, 0, -5, 6, -11], [-5, -6, -4, -7, 0, 0])
    follower = [3, -2, -3, -3, 1, 6]
    built = linear(
        x=[POSITIVE] * 10,
        y=[POSITIVE] * 6,
        leader=leader,
        follower=follower,
        rows=rows,
        coupling=coupling,
    )
    # The region is unbounded in directions that do not harm the leader: slacks need a guess.
    built.followers[0].hint(built.model.low.rows, slack=2000)
    built.followers[0].hint(built.model.low.y, slack=2000)
    return built


LARGER = [
    Case(
        "bard-1983",
        "Bard, Operations Research 31(4) 1983; BilevelJuMP.jl test jump_EffPointAlgo",
        bard_1983,
        -41.2,
        [point([0, 4, 0, 15, 9.2, 0], [0, 0, 2])],
    ),
    Case(
        "moshirvaziri-1996",
        "Moshirvaziri, Amouzegar, Jacobsen, J. Global Optim. 8 1996; BilevelJuMP.jl jump_SemiRand",
        moshirvaziri_1996,
        15.4000713,
        [point([1.57504, 0.83668, 0.188807, 2.17092], [1.88765, 0])],
    ),
]
