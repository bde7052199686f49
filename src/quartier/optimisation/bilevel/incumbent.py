"""Certified points found without the big program, whose trouble is finding any.

For weights w, minimise F + w Σ f_n over the high-point relaxation: the leader pays for what the
followers would not do. Then move the linking decision to where the followers' rows that hold it
are tight (a cap at what is fed in), so that they have little reason to leave, and let them answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from time import perf_counter

from quartier.errors import SolveFailed
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.response import Response, answer, response_program
from quartier.optimisation.bilevel.system import System, is_finite
from quartier.program import PROVEN
from quartier.quantities import Array

WEIGHTS = (0.0, 1e-3, 1e-2, 0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Incumbent:
    """A bi-level feasible point.

    Parameters
    ----------
    point
        Shape (system columns,).
    objective
        Leader's objective there, to be minimised.
    answers
        The followers solved alone at its decision.
    """

    point: Array
    objective: float
    answers: tuple[Response, ...]


def respond(system: System, point: Array, answers: tuple[Response, ...]) -> Incumbent | None:
    """Followers' optimal response to a decision that suits the leader; None if none fits it.

    Raises
    ------
    SolveFailed
        If the solver does not tell.
    """
    # The face first; where a tiny dual spoils it, the objective's level set.
    for epsilon in (None, 1e-9, 1e-7):
        found = Lp(response_program(system, point, answers, epsilon), relax=False).minimise()
        if found.point is not None:
            return Incumbent(found.point, found.objective, answers)
    if found.status not in PROVEN:
        raise SolveFailed("the followers' response that suits the leader", found.status)
    return None


def answered(system: System, point: Array) -> Incumbent | None:
    """The point that follows from a leader's decision, if there is one."""
    if any(abs(point[k] - round(point[k])) > 1e-6 for k in system.linking() if _whole(system, k)):
        return None
    answers = []
    for form in system.followers:
        found = answer(system, form, point)
        if found.status != "optimal":
            return None
        answers.append(found)
    return respond(system, point, tuple(answers))


def find(
    system: System, seconds: float = inf, weights: tuple[float, ...] = WEIGHTS
) -> Incumbent | None:
    """Best of the points that the weights lead to, as far as the time allows."""
    end = perf_counter() + seconds
    best: Incumbent | None = None
    for point in _decisions(system, weights):
        found = None
        with suppress(SolveFailed):  # another point may do
            found = answered(system, point)
        if found is not None and found.objective < objective_of(best):
            best = found
        if perf_counter() > end:
            break
    return best


def objective_of(found: Incumbent | None) -> float:
    """Its objective, or `inf`."""
    return inf if found is None else found.objective


def _decisions(system: System, weights: tuple[float, ...]) -> Iterator[Array]:
    program = system.high_point()
    lp = Lp(program)
    mixtures = [_mixed(system, 1.0, weight) for weight in weights]
    for cost in [*mixtures, _mixed(system, 0.0, 1.0), {}]:
        found = lp.minimise(cost)
        if found.point is not None:
            yield found.point
            tight = _tightened(system, program, found.point)
            if tight is not None:
                yield tight


def _mixed(system: System, share: float, weight: float) -> dict[int, float]:
    """`share F + weight Σ f_n`, products left out."""
    cost = {k: share * c for k, c in system.leader.cost.items()}
    for form in system.followers:
        for k, c in zip(form.columns.tolist(), form.cost.tolist(), strict=True):
            cost[k] = cost.get(k, 0.0) + weight * c
    return cost


def _tightened(system: System, program: Program, point: Array) -> Array | None:
    """The point with its linking decision moved to least slack in the followers' rows."""
    linking = set(system.linking())
    cost: dict[int, float] = {}
    for form in system.followers:
        for row in form.rows:
            sign = (-1.0 if is_finite(row.upper) else 0.0) + (1.0 if is_finite(row.lower) else 0.0)
            for k in linking.intersection(row.coefs):
                cost[k] = cost.get(k, 0.0) + sign * row.coefs[k]
    if not cost:
        return None
    held = Lp(program)
    held.bound({k: (float(v), float(v)) for k, v in enumerate(point) if k not in linking})
    return held.minimise(cost).point


def _whole(system: System, column: int) -> bool:
    return system.leader.integer[column]
