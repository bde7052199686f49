"""Linear bi-level problems of the 1980s and 1990s, without coupling constraints.

Data and optima as collected in BASBLib (Paulavičius, Adjiman), BOLIB 2 (Zhou, Zemkoho, Tin; page
numbers from bolib.org), the Handbook of Test Problems (Floudas et al. 1999, "HTP") and
BilevelJuMP.jl.
"""

from __future__ import annotations

from .catalogue import FREE, POSITIVE, Built, Case, linear, point

ANANDALINGAM = [
    ([-1], [-2], -10),
    ([1], [-2], 6),
    ([2], [-1], 21),
    ([1], [2], 38),
    ([-1], [2], 18),
]
BARD_1984 = [([-1], [-0.5], -2), ([-0.25], [1], 2), ([1], [0.5], 8), ([1], [-2], 4)]
CANDLER = [
    ([0, 0], [-1, 1, 1], 1),
    ([2, 0], [-1, 2, -0.5], 1),
    ([0, 2], [2, -1, -0.5], 1),
]


def anandalingam_white_1990() -> Built:
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([-1], [-3]), follower=[3], rows=ANANDALINGAM)


def bialas_karwan_1984b() -> Built:
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([0], [-1]), follower=[1], rows=ANANDALINGAM)


def bialas_karwan_1984a() -> Built:
    rows = [
        ([1], [1, 1], 3),
        ([-1], [-1, 1], -1),
        ([-1], [1, 1], 1),
        ([1], [-1, 1], 1),
    ]
    return linear(
        x=[POSITIVE], y=[POSITIVE, (0, 0.5)], leader=([-1], [0, -1]), follower=[0, -1], rows=rows
    )


def bard_1984a() -> Built:
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([1], [1]), follower=[-1], rows=BARD_1984)


def bard_1984b() -> Built:
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([-5], [-1]), follower=[1], rows=BARD_1984)


def visweswaran_1996() -> Built:
    rows = [*BARD_1984[:3], ([1], [-2], 2)]
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([1], [1]), follower=[-1], rows=rows)


def candler_townsley_1982() -> Built:
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE] * 3,
        leader=([-8, -4], [4, -40, -4]),
        follower=[1, 1, 2],
        rows=CANDLER,
    )


def candler_townsley_with_slacks() -> Built:
    equal = [(a, [*b, *unit], c) for (a, b, c), unit in zip(CANDLER, _units(3), strict=True)]
    back = [([-v for v in a], [-v for v in b], -c) for a, b, c in equal]
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE] * 6,
        leader=([-8, -4], [4, -40, -4, 0, 0, 0]),
        follower=[1, 1, 2, 0, 0, 0],
        rows=equal + back,
    )


def bard_falk_1982_1() -> Built:
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE] * 3,
        leader=([-8, -4], [4, -40, 4]),
        follower=[1, 1, 2],
        rows=CANDLER,
    )


def bard_falk_1982_2() -> Built:
    rows = [([-2, 0], [1, -1], -2.5), ([1, -3], [0, 1], 2), ([1, 1], [0, 0], 2)]
    return linear(
        x=[POSITIVE] * 2, y=[POSITIVE] * 2, leader=([-2, 1], [0.5, 0]), follower=[-4, 1], rows=rows
    )


def bard_1998_5_1_1() -> Built:
    rows = [([-1], [-1], -3), ([-2], [1], 0), ([2], [1], 12), ([3], [-2], 4)]
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([1], [-4]), follower=[1], rows=rows)


def ben_ayed_blair_1990a() -> Built:
    rows = [([1], [3, 1], 5), ([2], [1, 3], 5)]
    return linear(
        x=[(0, 1)], y=[POSITIVE] * 2, leader=([-1.5], [-6, -1]), follower=[-1, -5], rows=rows
    )


def ben_ayed_blair_1990b() -> Built:
    rows = [([-4], [-3], -19), ([1], [2], 11), ([3], [1], 13)]
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([-1], [-1]), follower=[1], rows=rows)


def clark_westerberg_1988() -> Built:
    rows = [([-2], [1], 0), ([2], [5], 108), ([2], [-3], -4)]
    return linear(x=[FREE], y=[FREE], leader=([1], [-4]), follower=[1], rows=rows)


def liu_hart_1994() -> Built:
    rows = [([-1], [1], 3), ([1], [2], 12), ([4], [-1], 12)]
    return linear(x=[POSITIVE], y=[POSITIVE], leader=([-1], [-3]), follower=[1], rows=rows)


def haurie_savard_white_1990() -> Built:
    rows = [([-3], [2], 6), ([3], [4], 48), ([2], [-5], 9), ([-1], [-1], -8)]
    return linear(x=[FREE], y=[FREE], leader=([1], [5]), follower=[-1], rows=rows)


def _units(n: int) -> list[list[float]]:
    return [[float(i == j) for j in range(n)] for i in range(n)]


CLASSICS = [
    Case(
        "anandalingam-white-1990",
        "Anandalingam, White, IEEE Trans. Autom. Control 35(10) 1990, p. 1172; HTP 9.2.7",
        anandalingam_white_1990,
        -49,
        [point([16], [11])],
    ),
    Case(
        "bialas-karwan-1984a",
        "Bialas, Karwan, Management Science 30(8) 1984; BOLIB 146",
        bialas_karwan_1984a,
        -2,
        [point([1.5], [1, 0.5])],
    ),
    Case(
        "bialas-karwan-1984b",
        "Bialas, Karwan, Management Science 30(8) 1984; BOLIB 147",
        bialas_karwan_1984b,
        -11,
        [point([16], [11])],
    ),
    Case(
        "bard-1984a",
        "Bard, Naval Res. Logist. Q. 31 1984, p. 18",
        bard_1984a,
        28 / 9,
        [point([8 / 9], [20 / 9])],
    ),
    Case(
        "bard-1984b",
        "Bard, Naval Res. Logist. Q. 31 1984, p. 18",
        bard_1984b,
        -37.6,
        [point([7.2], [1.6])],
    ),
    Case(
        "visweswaran-1996",
        "Visweswaran, Floudas, Ierapetritou, Pistikopoulos 1996; HTP 9.2.10",
        visweswaran_1996,
        28 / 9,
        [point([8 / 9], [20 / 9])],
    ),
    Case(
        "candler-townsley-1982",
        "Candler, Townsley, Comput. Oper. Res. 9(1) 1982, sec. 6; Bard 1998, ex. 5.3.1, p. 208",
        candler_townsley_1982,
        -29.2,
        [point([0, 0.9], [0, 0.6, 0.4])],
    ),
    Case(
        "candler-townsley-1982-slacks",
        "HTP 9.2.4, p. 211: the same with the slacks as follower's variables",
        candler_townsley_with_slacks,
        -29.2,
        [point([0, 0.9], [0, 0.6, 0.4, 0, 0, 0])],
    ),
    Case(
        "bard-falk-1982-1",
        "Bard, Falk, Comput. Oper. Res. 9(1) 1982, ex. 1; HTP 9.2.8, p. 216",
        bard_falk_1982_1,
        -26,
        [point([0, 0.9], [0, 0.6, 0.4])],
    ),
    Case(
        "bard-falk-1982-2",
        "Bard, Falk, Comput. Oper. Res. 9(1) 1982, ex. 2, p. 90; HTP 9.2.9, p. 217",
        bard_falk_1982_2,
        -3.25,
        [point([2, 0], [1.5, 0])],
    ),
    Case(
        "bard-1998-5.1.1",
        "Bard, Practical Bilevel Optimization 1998, ex. 5.1.1, p. 197; PAO's bard511",
        bard_1998_5_1_1,
        -12,
        [point([4], [4])],
    ),
    Case(
        "ben-ayed-blair-1990a",
        "Ben-Ayed, Blair, Operations Research 38(3) 1990; BOLIB 144",
        ben_ayed_blair_1990a,
        -2.5,
        [point([1], [0, 1])],
    ),
    Case(
        "ben-ayed-blair-1990b",
        "Ben-Ayed, Blair, Operations Research 38(3) 1990; BOLIB 145",
        ben_ayed_blair_1990b,
        -6,
        [point([1], [5])],
    ),
    Case(
        "clark-westerberg-1988",
        "Clark, Westerberg, Naval Res. Logist. 35(5) 1988; HTP 9.2.5",
        clark_westerberg_1988,
        -37,
        [point([19], [14])],
    ),
    Case(
        "liu-hart-1994",
        "Liu, Hart, Eur. J. Oper. Res. 73(1) 1994, p. 164; HTP 9.2.3",
        liu_hart_1994,
        -16,
        [point([4], [4])],
    ),
    Case(
        "haurie-savard-white-1990",
        "Haurie, Savard, White, Operations Research 38(3) 1990; BOLIB 152",
        haurie_savard_white_1990,
        27,
        [point([12], [3])],
    ),
]
