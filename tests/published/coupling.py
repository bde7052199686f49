"""Linear problems with constraints of the leader on the follower's answer, some in pairs.

Moving a constraint from the follower to the leader changes the problem: the follower then
ignores it.
"""

from __future__ import annotations

from .catalogue import FREE, POSITIVE, Built, Case, linear, point

MERSHA = [([-2], [3], 12), ([1], [1], 14)]
MERSHA_LOWER = [([-3], [1], -3), ([3], [1], 30)]
TUY = [([-2, 0], [1, -1], -2.5), ([1, -3], [0, 1], 2)]


def mersha_dempe_leader() -> Built:
    return linear(
        x=[FREE], y=[FREE], leader=([-1], [-2]), follower=[-1], rows=MERSHA_LOWER, coupling=MERSHA
    )


def mersha_dempe_follower() -> Built:
    return linear(
        x=[FREE], y=[FREE], leader=([-1], [-2]), follower=[-1], rows=MERSHA_LOWER + MERSHA
    )


def ferris_jointc2_leader() -> Built:
    coupling = [([0], [1], 100), ([1], [-1], 2), ([-1], [-1], 0)]
    return linear(
        x=[(1, 2)],
        y=[FREE],
        leader=([-1], [0]),
        follower=[1],
        rows=[([-1], [-1], 0)],
        coupling=coupling,
    )


def ferris_jointc2_both() -> Built:
    coupling = [([0], [1], 100), ([1], [-1], 2), ([-1], [-1], 0)]
    rows = [([-1], [-1], 0), ([1], [-1], 2)]
    return linear(
        x=[(1, 2)], y=[FREE], leader=([-1], [0]), follower=[1], rows=rows, coupling=coupling
    )


def ferris_jointc1_both() -> Built:
    coupling = [([1], [-1], 0), ([-1], [-1], 0)]
    return linear(
        x=[(1, None)], y=[FREE], leader=([1], [0]), follower=[1], rows=coupling, coupling=coupling
    )


def conejo_2006() -> Built:
    return linear(
        x=[(0, 4)],
        y=[POSITIVE],
        leader=([-1], [4]),
        follower=[-1],
        rows=[([1], [1], 7)],
        coupling=[([2], [1], 8)],
    )


def savard_1989() -> Built:
    rows = [
        ([0, 0], [-1, 1, 1], 1),
        ([4, 0], [-2, 4, -1], 2),
        ([0, 4], [4, -2, -1], 2),
    ]
    coupling = [([1, 2], [0, 0, -1], 1.3)]
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE] * 3,
        leader=([-8, -4], [4, -40, 4]),
        follower=[2, 1, 2],
        rows=rows,
        coupling=coupling,
    )


def tuy_1993() -> Built:
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE] * 2,
        leader=([-2, 1], [0.5, 0]),
        follower=[-4, 1],
        rows=TUY,
        coupling=[([1, 1], [0, 0], 2)],
    )


def tuy_1994() -> Built:
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE] * 2,
        leader=([3, 2], [1, 1]),
        follower=[4, 1],
        rows=[([-3, -5], [-6, -2], -15)],
        coupling=[([1, 1], [1, 1], 4)],
    )


def glackin_2009() -> Built:
    rows = [([1, 1], [1], 4), ([2, 2], [1], 6)]
    return linear(
        x=[POSITIVE] * 2,
        y=[POSITIVE],
        leader=([-2, 4], [3]),
        follower=[-1],
        rows=rows,
        coupling=[([1, -1], [0], -1)],
    )


def besancon_2019() -> Built:
    return linear(
        x=[POSITIVE],
        y=[FREE],
        leader=([1], [0]),
        follower=[-1],
        rows=[([-0.1], [1], 1)],
        coupling=[([-0.1], [-1], -1)],
    )


def dempe_2015_8_2() -> Built:
    coupling = [([-1, -1], [-1], -15)]
    return linear(
        x=[(0, 10), (0, 10)],
        y=[(0, 10)],
        leader=([1, -2], [1]),
        follower=[1],
        rows=[([1, 1], [-1], 5)],
        coupling=coupling,
    )


def pao_example_1() -> Built:
    """PAO's first example; its leader's variable y only balances x."""
    rows = [([1, 0], [1], 8), ([-1, 0], [-4], -8), ([1, 0], [2], 13)]
    coupling = [([1, 1], [0], 10), ([-1, -1], [0], -10)]
    return linear(
        x=[(2, 6), FREE],
        y=[POSITIVE],
        leader=([1, 0], [3]),
        follower=[-1],
        rows=rows,
        coupling=coupling,
    )


COUPLING = [
    Case(
        "mersha-dempe-2006-leader",
        "Mersha, Dempe, Appl. Math. Comput. 180 2006, ex. 2; Dempe et al. 2015, ex. 2.1, p. 21",
        mersha_dempe_leader,
        -20,
        [point([8], [6])],
    ),
    Case(
        "mersha-dempe-2006-follower",
        "Mersha, Dempe, Appl. Math. Comput. 180 2006: the constraints of ex. 2 in the follower",
        mersha_dempe_follower,
        -22,
        [point([6], [8])],
    ),
    Case(
        "ferris-jointc2-leader",
        "Ferris, GAMS EMP library jointc2, the constraint y >= x - 2 with the leader only",
        ferris_jointc2_leader,
        -1,
        [point([1], [-1])],
    ),
    Case(
        "ferris-jointc2-both",
        "Ferris, GAMS EMP library jointc2, the constraint y >= x - 2 with both",
        ferris_jointc2_both,
        -2,
        [point([2], [0])],
    ),
    Case(
        "ferris-jointc1-both",
        "Ferris, GAMS EMP library jointc1, the constraint y >= x with both",
        ferris_jointc1_both,
        1,
        [point([1], [1])],
    ),
    Case(
        "conejo-2006",
        "Conejo et al., Decomposition Techniques in Mathematical Programming 2006, p. 281",
        conejo_2006,
        23,
        [point([1], [6])],
    ),
    Case(
        "savard-1989",
        "Savard, thesis, Ecole Polytechnique de Montréal 1989; BASBLib s_1989_01",
        savard_1989,
        -14.6,
        [point([0, 0.65], [0, 0.3, 0])],
    ),
    Case(
        "tuy-1993",
        "Tuy, Migdalas, Värbrand, J. Global Optim. 3 1993; HTP 9.2.11, p. 219",
        tuy_1993,
        -3.25,
        [point([2, 0], [1.5, 0])],
    ),
    Case(
        "tuy-1994",
        "Tuy, Migdalas, Värbrand, J. Global Optim. 4 1994; BOLIB 159",
        tuy_1994,
        6,
    ),
    Case(
        "glackin-2009",
        "Glackin, Ecker, Kupferschmid, J. Optim. Theory Appl. 140 2009; BOLIB 151",
        glackin_2009,
        6,
        [point([1, 2], [0])],
    ),
    Case(
        "besancon-2019",
        "Besançon, Anjos, Brotcorne, arXiv 1908.04040v5 2019, ex. 2.7; PAO's besancon27",
        besancon_2019,
        0,
        [point([0], [1])],
    ),
    Case(
        "dempe-2015-8.2",
        "Dempe, Kalashnikov, Pérez-Valdés, Kalashnykova 2015, ex. 8.2, p. 290",
        dempe_2015_8_2,
        -15,
        [point([0, 10], [5])],
    ),
    Case(
        "pao-1",
        "PAO documentation, simple bilevel (pao1); Sinha, Malo, Deb, GECCO 2013",
        pao_example_1,
        12,
        [point([6, 4], [2])],
    ),
]
