"""Checks a solver's point against the followers themselves, each solved alone.

A too small M shows no sign inside the reformulated program, and whether M was large enough is as
hard to tell afterwards as before (Kleinert et al. 2020; Ketkov, Prokopyev, arXiv 2603.17107). So
the point reported is always the certified response, and `optimal` needs proven bounds besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from quartier.optimisation.bilevel.complete import completed
from quartier.optimisation.bilevel.incumbent import respond
from quartier.optimisation.bilevel.kkt import side_name
from quartier.optimisation.bilevel.reformulate import SingleLevel
from quartier.optimisation.bilevel.response import Response, answer
from quartier.optimisation.bilevel.system import System, is_finite
from quartier.quantities import Array

NEARLY_ZERO = 1e-2
"""An objective that is less than this share of its terms is measured by them: its last digits are
lost in theirs."""
LEAK = 1e-5
"""Relative suboptimality of a follower in the solver's point from which on it counts."""


@dataclass(frozen=True)
class Certificate:
    """Outcome of the check.

    Parameters
    ----------
    point
        The certified point, shape (system columns,); None if the check failed.
    objective
        Leader's objective there, to be minimised.
    failure
        Why the check failed, or `""`.
    doubt
        What the check found against the bounds M, or `""`.
    answers
        The followers solved alone.
    suboptimality, margins
        As in `BilevelResult`.
    """

    point: Array | None
    objective: float = float("nan")
    failure: str = ""
    doubt: str = ""
    answers: tuple[Response, ...] = ()
    suboptimality: dict[str, float] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)


def certify(system: System, single: SingleLevel, point: Array) -> Certificate:
    """Solve the followers at the leader's decision in `point` and compare."""
    point = point[: len(system.leader)]
    answers = tuple(answer(system, form, point) for form in system.followers)
    for found in answers:
        if found.status != "optimal":
            return Certificate(
                None,
                failure=f"follower '{found.form.name}', solved alone at the leader's decision, is "
                f"{found.status}",
            )
    worse = {f.form.name: _worse(f, point) for f in answers}
    margins = _margins(system, single, answers)
    best = respond(system, point, answers)
    if best is None:
        return Certificate(
            None,
            failure="no optimal response of the followers to the leader's decision keeps the "
            f"leader's constraints (follower suboptimality in the solver's point: {_show(worse)})",
            suboptimality=worse,
            margins=margins,
        )
    certified, objective = best.point, best.objective
    doubt = "" if single.is_relaxation else _doubt(single, certified, answers, margins, worse)
    left = {f.form.name: _worse(f, certified) for f in answers}
    return Certificate(certified, objective, "", doubt, answers, left, margins)


def _worse(found: Response, point: Array) -> float:
    value = found.form.value(point)
    return (value - found.optimum) / max(found.form.unit, abs(found.optimum))


def _margins(system: System, single: SingleLevel, answers: Sequence[Response]) -> dict[str, float]:
    margins = {}
    for found, placed in zip(answers, single.placed, strict=True):
        names, bounds = found.form.entry_names(system.leader.names), placed.conditions.bounds
        for e, sign in bounds.sides():
            low, high, dual = bounds.least[e], bounds.most[e], float(found.duals[e])
            most = max(abs(low), abs(high)) if not sign else high if sign > 0 else -low
            if is_finite(most):
                mu = max(0.0, sign * dual) if sign else abs(dual)
                margins[side_name(names[e], sign)] = float(most) - mu
    return margins


def _doubt(
    single: SingleLevel,
    certified: Array,
    answers: Sequence[Response],
    margins: dict[str, float],
    worse: dict[str, float],
) -> str:
    """Is the certified response feasible in the reformulated program? If not, an M is too small.

    And if the solver's own point is not optimal for a follower, a binary leaked.
    """
    if max(worse.values()) > LEAK:
        return f"the solver's point is not optimal for the followers ({_show(worse)})"
    if completed(single, certified, answers) is not None:
        return ""
    short = [name for name, margin in margins.items() if margin < 0]
    named = f": the bound on the dual of {', '.join(short[:5])} is exceeded" if short else ""
    return f"the certified response is not feasible in the reformulated program{named}"


def _show(worse: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1e}" for name, value in worse.items())


def gap(objective: float, bound: float, size: float) -> float:
    """Relative gap as in `BilevelResult`, for terms of the objective that add up to `size`."""
    distance = abs(objective - bound)
    return distance / max(abs(objective), NEARLY_ZERO * size) if np.isfinite(bound) else np.inf
