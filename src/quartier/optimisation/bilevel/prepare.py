"""Chooses the region that bounds are proven on, and reformulates.

Where variables are unbounded, a known bi-level feasible point helps: optima are no worse, and the
points that are no worse may be bounded. It comes from a quick search (module `incumbent`), else
from a first solve with guessed bounds; only the point is used of it, never the guess.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import perf_counter

from quartier.optimisation.bilevel import milp
from quartier.optimisation.bilevel.bounds import MissingBound
from quartier.optimisation.bilevel.certify import certify
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.reformulate import SingleLevel, reformulate
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.system import System, is_finite
from quartier.program import Answer

GUESSED_SLACK = 1e4
FIRST_SOLVE_S = 30.0


def relaxation(system: System) -> Answer:
    """Solve the high-point relaxation, integers relaxed.

    Its bound is one of the leader's objective (to be minimised); products in that leave none.
    """
    lp = Lp(system.high_point())
    found = lp.minimise() if not system.products else None
    if found is None or found.status != "optimal":
        found = replace(lp.minimise({}), bound=-inf)
    return found


def prepare(
    system: System,
    how: str,
    big_m: float,
    known: float = inf,
    solver: str = "highs",
    deadline: float = inf,
) -> tuple[Region, SingleLevel]:
    """Region and reformulated problem.

    Parameters
    ----------
    system
        The problem.
    how, big_m
        The reformulation, and its bound for duals that nothing else bounds.
    known
        Leader's objective (to be minimised) of a known bi-level feasible point, or `inf`.
    solver
        For a first solve with guessed bounds, where one is needed.
    deadline
        Time on `perf_counter` to give up at.

    Raises
    ------
    OutOfTime
        If the deadline has come.
    InputError
        If the reformulation does not apply, or a slack stays unbounded.
    """
    region = Region(system, deadline=deadline)
    needed = sorted(system.needs_bounds())
    if all(is_finite(float(e[k])) for e in (region.lower, region.upper) for k in needed):
        return region, reformulate(region, how, big_m)
    cutoff = inf if system.products else known
    region = _limited(system, cutoff, deadline)
    try:
        return region, reformulate(region, how, big_m)
    except MissingBound:
        if system.products or cutoff < inf:
            raise
    seconds = min(FIRST_SOLVE_S, max(deadline - perf_counter(), 0.0))
    known = _guessed_incumbent(system, region, big_m, solver, seconds)
    region = _limited(system, known, deadline)
    return region, reformulate(region, how, big_m)


def _limited(system: System, cutoff: float, deadline: float) -> Region:
    region = Region(system, cutoff, deadline)
    region.bound_columns()
    return region


def _guessed_incumbent(
    system: System, region: Region, big_m: float, solver: str, seconds: float
) -> float:
    single = reformulate(region, "kkt", big_m, GUESSED_SLACK)
    outcome = milp.solve(single.program, solver, time_limit=seconds, gap=1e-3)
    if outcome.point is None:
        return inf
    certificate = certify(system, single, outcome.point)
    return inf if certificate.point is None else certificate.objective
