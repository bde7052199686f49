"""What HiGHS says of a program, in words and numbers, and whether that can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field

import highspy
import numpy as np
from numpy.typing import ArrayLike

from quartier.program.arrays import Arrays
from quartier.quantities import Array

Status = highspy.HighsModelStatus

WORDS = {
    Status.kOptimal: "optimal",
    Status.kObjectiveTarget: "optimal",
    Status.kModelEmpty: "optimal",
    Status.kInfeasible: "infeasible",
    Status.kUnbounded: "unbounded",
    Status.kUnboundedOrInfeasible: "infeasible-or-unbounded",
    Status.kSolutionLimit: "node-limit",
    Status.kTimeLimit: "time-limit",
    Status.kIterationLimit: "iteration-limit",
    Status.kMemoryLimit: "memory-limit",
    Status.kInterrupt: "interrupted",
    Status.kUnknown: "unknown",
}
"""What HiGHS says, in words; all else is ``failed``."""
PROVEN = ("optimal", "infeasible", "unbounded")
LIMITS = ("node-limit", "time-limit", "interrupted")
"""What ends a search early, on demand: its best point counts."""
ROUNDING = 1e-6
"""Relative (of less than 1, absolute): a bound above its objective by less is equal to it."""


@dataclass(frozen=True)
class Answer:
    """What HiGHS found.

    Parameters
    ----------
    values
        A feasible point, shape ``(columns,)``; empty where there is none.
    status
        One of :data:`WORDS`, or ``failed``.
    objective, bound
        Of the minimised objective; infinite without a point, and without a proof.
    row_dual, column_dual
        Multipliers ν and r of ``c + Qx = Aᵀν + r``, of optimal continuous programs only: positive
        at a lower limit, negative at an upper one.
    tries
        How often HiGHS was started.
    """

    values: Array
    status: str
    objective: float = np.inf
    bound: float = -np.inf
    row_dual: Array = field(default_factory=lambda: np.zeros(0))
    column_dual: Array = field(default_factory=lambda: np.zeros(0))
    wall_s: float = 0.0
    nodes: int = 0
    tries: int = 1
    found: bool = False
    """Whether there is a point."""

    @property
    def point(self) -> Array | None:
        """The values, or None where there is no point."""
        return self.values if self.found else None

    @property
    def gap(self) -> float:
        """Distance of objective and bound, relative to the objective."""
        return relative_gap(self.objective, self.bound)


def unproven(values: ArrayLike, dual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """How far a point's objective may be above that of its multipliers, by their signs.

    By how much the objective of a minimum would fall if every value went where its multiplier says
    that it is cheapest. Where it could go on without end, nothing is counted: what a solver lets
    pass there is within its tolerance.
    """
    value, dual = np.asarray(values, dtype=float), np.asarray(dual, dtype=float)
    way = np.where(dual > 0, value - np.asarray(low, dtype=float), np.asarray(high) - value)
    counts = (dual != 0) & np.isfinite(way)
    return float(np.abs(dual[counts]) @ np.maximum(way[counts], 0.0))


def relative_gap(objective: float, bound: float) -> float:
    """Distance of a minimised objective from its bound, relative to the objective.

    Below zero where the bound is above the objective by more than solvers are off: one of the two
    is wrong then, and no 0 should hide it.
    """
    if not np.isfinite(objective - bound):
        return np.inf
    distance = objective - bound
    if -ROUNDING * max(1.0, abs(objective)) <= distance < 0.0:
        return 0.0
    return distance / max(abs(objective), 1e-9)


def residual(arrays: Arrays, answer: Answer) -> float:
    """How far a point and its multipliers are from optimal (Karush, Kuhn, Tucker).

    The greatest of what is missing from ``c + Qx = Aᵀν + r``, relative to its terms; of limits
    broken; and of multiplier times distance from the limit it belongs to, relative to the
    objective. Of a convex program, 0 is a proof.
    """
    x = answer.values
    matrix, pull = arrays.matrix, arrays.hessian @ x
    push = matrix.T @ answer.row_dual + answer.column_dual
    scale = max(1.0, *(float(np.abs(part).max(initial=0.0)) for part in (arrays.cost, pull, push)))
    missing = float(np.abs(arrays.cost + pull - push).max(initial=0.0)) / scale
    multiplier = np.concatenate([answer.row_dual, answer.column_dual])
    body = np.concatenate([matrix @ x, x])
    low = np.concatenate([arrays.row_lower, arrays.lower])
    high = np.concatenate([arrays.row_upper, arrays.upper])
    broken = float(np.maximum(low - body, body - high).max(initial=0.0))
    with np.errstate(invalid="ignore"):  # 0 times infinity: a multiplier that is not there
        idle = np.fmax(multiplier, 0.0) * (body - low) + np.fmax(-multiplier, 0.0) * (high - body)
    loose = float(np.abs(np.nan_to_num(idle, nan=0.0, posinf=np.inf)).sum())
    return max(missing, broken, loose / max(1.0, abs(answer.objective)))
