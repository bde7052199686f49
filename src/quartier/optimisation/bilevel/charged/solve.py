"""Search, improve, bound: the best point found of a problem with charges, and what it misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from quartier.optimisation.bilevel.charged.search import Search
from quartier.optimisation.bilevel.charged.single import Found, SingleLevel
from quartier.optimisation.bilevel.charged.windows import improve
from quartier.program import Answer, Highs

MOST_BINARIES = 5000
"""Binaries up to which a program is searched by windows."""
TIMED_OUT = "time-limit"
"""Status of a search that the clock ended."""
BETTER = 1e-7
"""Cost by which a better point is better."""


@dataclass(frozen=True)
class Effort:
    """How much effort is made for a proof.

    Parameters
    ----------
    gap
        Relative gap that is good enough.
    max_nodes, time_limit_s
        Most nodes and seconds of branch and bound; None: no limit.
    step_h
        Length of a step in hours, for windows.
    """

    gap: float
    max_nodes: int
    time_limit_s: float | None
    step_h: float


@dataclass(frozen=True)
class Solved:
    """The best point found, and what branch and bound says."""

    found: Found
    answer: Answer


def solve(
    single: SingleLevel, rng: np.random.Generator, bound: float, effort: Effort
) -> Solved | None:
    """Search, improve and bound; None if no feasible point is found.

    Parameters
    ----------
    rng
        Where random directions come from.
    bound
        A lower bound that is known.
    """
    found = Search(single.leader, single.kkts, rng).run()
    return None if found is None else improved_and_proven(single, found, bound, effort)


def improved_and_proven(single: SingleLevel, found: Found, bound: float, effort: Effort) -> Solved:
    """Improve a feasible point, and bound what is left; arguments as those of :func:`solve`."""
    return proven(single, improved(single, found, bound, effort), effort)


def improved(single: SingleLevel, found: Found, bound: float, effort: Effort) -> Found:
    """A better point that windows of the program give, if they are not too large."""
    if single.binaries.size > MOST_BINARIES:
        return found  # each window would take minutes; the gap says what that leaves
    program, start = single.arrays, single.start(found)
    values = improve(program, start, single.steps, effort.step_h, bound * (1 + effort.gap))
    if values is start:
        return found
    return single.found(float(program.cost @ values) + program.offset, values)


def proven(single: SingleLevel, found: Found, effort: Effort) -> Solved:
    """Bound the leader's cost from below; take a better point if the search finds one.

    What a search finds that ends by the clock depends on the machine: then only its bound is
    taken.
    """
    options: dict[str, Any] = {
        "mip_rel_gap": effort.gap,
        "mip_max_nodes": effort.max_nodes,
        "mip_heuristic_effort": 0.0,
    }
    if effort.time_limit_s is not None:
        options["time_limit"] = effort.time_limit_s
    solver = Highs("bilevel", single.arrays, options)
    solver.start_from(single.start(found))
    answer = solver.solve()  # the point found does without a proof
    better = answer.objective < found.value - BETTER
    if better and answer.status != TIMED_OUT:
        found = single.found(answer.objective, answer.values)
    return Solved(found, answer)
