"""What a bi-level solve gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How a bi-level solve ended."""

    OPTIMAL = "optimal"
    """Solved to the gap asked for; every bound it rests on is proven."""
    OPTIMAL_FOR_M = "optimal-for-M"
    """Optimal for bounds on duals or slacks that are guesses: there may be a better point."""
    FEASIBLE = "feasible"
    """A certified bi-level feasible point with a gap to the bound."""
    UNCERTIFIED = "uncertified"
    """The solver's point failed the check against the followers: no values."""
    INFEASIBLE = "infeasible"
    """Proven to have no solution."""
    INFEASIBLE_FOR_M = "infeasible-for-M"
    """No solution within bounds that are guesses."""
    UNBOUNDED = "unbounded"
    """The leader's objective has no limit."""
    TIME_LIMIT = "time-limit"
    """Stopped without a solution."""
    FAILED = "failed"
    """The solver gave up; `reason` holds what it said."""


@dataclass(frozen=True)
class BilevelResult:
    """Outcome of a bi-level solve; numbers are None, maps empty, where there is no solution.

    Parameters
    ----------
    status
        How it ended.
    reformulation
        Which reformulation was solved.
    reason
        Why, in a sentence: unproven bounds, the failed check, what makes it infeasible.
    objective
        Leader's objective at the certified point: the leader's decision with the followers'
        best response to it that suits the leader (optimistic).
    bound
        Proven bound of the leader's objective; with guessed bounds that of the relaxation without
        the followers' optimality.
    gap
        `|objective - bound| / |objective|`; of an objective that is nearly zero, as a share of the
        terms that it is the sum of (1 % of them stand for it).
    follower_suboptimality
        Per follower, its objective in the point reported (without one: in the solver's point)
        minus its optimum alone at the leader's decision, over `max(u, |optimum|)`, where u is the
        greatest coefficient of its objective, at most 1.
    dual_margins
        Per side with a big M, M minus the multiplier of the follower solved alone; negative where
        M may cut.
    pessimistic_objective
        On request, the leader's worst objective over the followers' ε-optimal responses to its
        decision; `inf` (`-inf` when maximising) if a response breaks a leader's constraint.
    robust_objective, robust_values
        On request, the best of the leader's worst objectives at prices moved by a hair, and its
        decision there by variable; None where nothing certain is found.
    values
        Value per variable name at the certified point.
    trace
        Of a solve in rounds (integer followers, quadratic leaders): bound and best objective after
        each round, NaN where there is none yet.
    wall_s
        Seconds of the whole call.
    """

    status: Status
    reformulation: str
    reason: str = ""
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    follower_suboptimality: Mapping[str, float] = field(default_factory=dict)
    dual_margins: Mapping[str, float] = field(default_factory=dict)
    pessimistic_objective: float | None = None
    robust_objective: float | None = None
    robust_values: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    trace: tuple[tuple[float, float], ...] = ()
    wall_s: float = 0.0

    @property
    def has_solution(self) -> bool:
        """Whether there is a certified point, with its values loaded."""
        return self.objective is not None
