"""Solves a problem by the conditions of optimality of LP and convex QP followers."""

from __future__ import annotations

from contextlib import suppress

from quartier.errors import SolveFailed
from quartier.optimisation.bilevel import milp
from quartier.optimisation.bilevel.complete import completed
from quartier.optimisation.bilevel.diagnose import high_point_reason
from quartier.optimisation.bilevel.incumbent import Incumbent, answered, find, objective_of
from quartier.optimisation.bilevel.judge import Judge
from quartier.optimisation.bilevel.prepare import prepare, relaxation
from quartier.optimisation.bilevel.pricing import check_products
from quartier.optimisation.bilevel.region import OutOfTime
from quartier.optimisation.bilevel.result import BilevelResult, Status
from quartier.optimisation.bilevel.settings import Settings
from quartier.optimisation.bilevel.system import System


def solve(system: System, settings: Settings) -> BilevelResult:
    """Reformulate, solve, and check the point against the followers.

    Raises
    ------
    InputError, SolveFailed
        As `BilevelProblem.solve` does, and if a part of it finds no way to solve a program.
    """
    check_products(system)
    judge = Judge(system, settings.reformulation, settings.gap, settings.epsilon, settings.shift)
    relaxed = relaxation(system)
    if relaxed.status == "infeasible":
        return judge.result(Status.INFEASIBLE, high_point_reason(system))
    if relaxed.point is None:
        return judge.result(Status.FAILED, f"the solver says {relaxed.status} of the relaxation")
    known = first_point(system, settings)
    try:
        _, single = prepare(
            system,
            settings.reformulation,
            settings.big_m,
            objective_of(known),
            settings.solver,
            settings.deadline,
        )
    except OutOfTime:
        return judge.stopped(relaxed, known)
    outcome = milp.solve(
        single.program,
        settings.solver,
        start=completed(single, known.point, known.answers) if known else None,
        time_limit=settings.left_s,
        gap=settings.gap,
        threads=settings.threads,
        options=dict(settings.options),
    )
    return judge.verdict(single, outcome, relaxed, known)


def first_point(system: System, settings: Settings) -> Incumbent | None:
    """A point to begin with; a linear program needs none.

    The one that follows from a decision that was given, if there is any; else it is looked for.
    """
    if settings.reformulation == "primal-dual":
        return None
    if settings.start is not None:
        with suppress(SolveFailed):
            given = answered(system, settings.start)
            if given is not None:
                return given
    return None if settings.search_s is None else find(system, settings.search_s)
