"""From what the solver said to a status, a reason and numbers: the place where honesty is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from quartier.errors import SolveFailed
from quartier.optimisation.bilevel.certify import Certificate, certify, gap
from quartier.optimisation.bilevel.diagnose import optimality_reason
from quartier.optimisation.bilevel.incumbent import Incumbent, objective_of
from quartier.optimisation.bilevel.pessimistic import pessimistic_value
from quartier.optimisation.bilevel.reformulate import SingleLevel
from quartier.optimisation.bilevel.result import BilevelResult, Status
from quartier.optimisation.bilevel.robust import robust_value
from quartier.optimisation.bilevel.system import System
from quartier.program import Answer
from quartier.quantities import Array

EPSILON = 1e-6
"""ε of the robust value where no other is given."""


@dataclass(frozen=True)
class Judge:
    """Turns what the solver said into a result.

    Parameters
    ----------
    system
        The problem.
    reformulation
        Its name, for the result.
    gap
        Relative gap that was asked for.
    epsilon
        ε of the pessimistic value, or None if it was not asked for.
    shift
        By how much prices move for the robust value, or None if it was not asked for.
    """

    system: System
    reformulation: str
    gap: float
    epsilon: float | None
    shift: float | None = None

    def result(self, status: Status, reason: str = "", **fields: Any) -> BilevelResult:
        """A result with the given fields."""
        return BilevelResult(status, self.reformulation, reason, **fields)

    def at(
        self,
        status: Status,
        reason: str,
        point: Array,
        objective: float,
        bound: float,
        **fields: Any,
    ) -> BilevelResult:
        """A result with a certified point; objective and bound are to be minimised."""
        leader, reached = self.system.leader, self.reached(point, objective, bound)
        values = np.where(leader.integer, np.round(point), point)
        return self.result(
            status,
            reason,
            objective=self.system.sign * objective,
            bound=self.signed(bound),
            gap=reached if isfinite(reached) else None,
            values=dict(zip(leader.names, map(float, values), strict=True)),
            **fields,
        )

    def reached(self, point: Array, objective: float, bound: float) -> float:
        """The gap of a point."""
        return gap(objective, bound, self.system.size_at(point))

    def signed(self, bound: float) -> float | None:
        """A bound in the leader's own sense, if it is one."""
        return self.system.sign * bound if isfinite(bound) else None

    def verdict(
        self,
        single: SingleLevel,
        outcome: Answer,
        relaxed: Answer,
        known: Incumbent | None = None,
    ) -> BilevelResult:
        """Status, reason and numbers.

        Parameters
        ----------
        single, outcome
            The reformulated problem and what the solver said of it.
        relaxed
            The high-point relaxation.
        known
            A bi-level feasible point found otherwise.
        """
        outcome = _with_known(outcome, known)
        if outcome.point is None or outcome.status == "unbounded":
            return self._without_point(single, outcome, relaxed)
        certificate = certify(self.system, single, outcome.point)
        doubts = self._doubts(single, outcome, certificate, known)
        bound = relaxed.bound if doubts else max(relaxed.bound, outcome.bound)
        if certificate.point is None:
            return self.result(
                Status.UNCERTIFIED,
                certificate.failure,
                bound=self.signed(bound),
                follower_suboptimality=certificate.suboptimality,
                dual_margins=certificate.margins,
            )
        return self._with_point(single, outcome, certificate, bound, doubts)

    def _doubts(
        self,
        single: SingleLevel,
        outcome: Answer,
        certificate: Certificate,
        known: Incumbent | None,
    ) -> list[str]:
        """Everything that speaks against the bounds M: guesses, and what the checks found."""
        doubts = [*single.unproven, *([certificate.doubt] if certificate.doubt else [])]
        if outcome.status == "infeasible":
            doubts.append("the program is infeasible although there is a solution")
        best = min(certificate.objective, objective_of(known))
        if best < outcome.bound - 1e-5 * max(1.0, abs(best)):
            doubts.append(f"a certified point at {self.system.sign * best:g} beats the bound")
        return doubts

    def _with_point(
        self,
        single: SingleLevel,
        outcome: Answer,
        certificate: Certificate,
        bound: float,
        doubts: Sequence[str],
    ) -> BilevelResult:
        point, objective = certificate.point, certificate.objective
        assert point is not None
        reached = self.reached(point, objective, bound)
        status, reason = self._status(single, outcome, objective, reached, doubts)
        return self.at(
            status,
            reason,
            point,
            objective,
            bound,
            follower_suboptimality=certificate.suboptimality,
            dual_margins=certificate.margins,
            pessimistic_objective=self._worst(certificate) if self.epsilon is not None else None,
            **(self._robust(certificate) if self.shift is not None else {}),
        )

    def _robust(self, certificate: Certificate) -> dict[str, Any]:
        assert certificate.point is not None and self.shift is not None
        epsilon = EPSILON if self.epsilon is None else self.epsilon
        try:
            found = robust_value(
                self.system, certificate.point, certificate.answers, epsilon, self.shift
            )
        except SolveFailed:
            found = None
        if found is None or not isfinite(found[0]):
            return {}
        own, names = self.system.own(), self.system.leader.names
        decision = {n: float(v) for k, (n, v) in enumerate(zip(names, found[1], strict=True))}
        kept = {names[k]: decision[names[k]] for k in range(len(names)) if k not in own}
        return {"robust_objective": self.system.sign * found[0], "robust_values": kept}

    def _worst(self, certificate: Certificate) -> float:
        assert certificate.point is not None and self.epsilon is not None
        try:
            worst = pessimistic_value(
                self.system, certificate.point, certificate.answers, self.epsilon
            )
        except SolveFailed:
            worst = nan
        return self.system.sign * worst

    def stopped(self, relaxed: Answer, known: Incumbent | None) -> BilevelResult:
        """The time limit came before the reformulation was ready."""
        reason = "time-limit while bounds were being proven"
        if known is None:
            return self.result(Status.TIME_LIMIT, reason, bound=self.signed(relaxed.bound))
        close = self.reached(known.point, known.objective, relaxed.bound) <= 2.0 * self.gap
        said = (Status.OPTIMAL, "") if close else (Status.FEASIBLE, reason)
        return self.at(*said, known.point, known.objective, relaxed.bound)

    def _status(
        self,
        single: SingleLevel,
        outcome: Answer,
        objective: float,
        reached: float,
        doubts: Sequence[str],
    ) -> tuple[Status, str]:
        if reached <= 2.0 * self.gap:
            # The bound holds whatever M is worth: what was found is optimal.
            return Status.OPTIMAL, ""
        if single.is_relaxation:
            return Status.FEASIBLE, (
                "the primal-dual relaxation is not tight here; use 'kkt' for a proof"
            )
        if outcome.status in {"time-limit", "interrupted"}:
            return Status.FEASIBLE, _join([f"stopped by {outcome.status}", *_not_proven(doubts)])
        if outcome.status.startswith("failed"):
            said = f"the solver says {outcome.status}"
            return Status.FEASIBLE, _join([said, *_not_proven(doubts)])
        if objective < outcome.bound - 1e-5 * max(1.0, abs(objective)) or outcome.bound == -inf:
            return Status.FEASIBLE, _join(["M hides this point", *_not_proven(doubts)])
        if doubts:
            return Status.OPTIMAL_FOR_M, _join(_not_proven(doubts))
        return Status.FEASIBLE, "the certified point misses the bound by more than the gap"

    def _without_point(
        self,
        single: SingleLevel,
        outcome: Answer,
        relaxed: Answer,
    ) -> BilevelResult:
        doubts = _not_proven(single.unproven)
        bound = relaxed.bound if doubts else max(relaxed.bound, outcome.bound)
        if outcome.status == "infeasible":
            if doubts:
                return self.result(Status.INFEASIBLE_FOR_M, _join(doubts))
            return self.result(Status.INFEASIBLE, optimality_reason(self.system))
        if outcome.status == "unbounded" and single.is_relaxation:
            return self.result(
                Status.FAILED, "the primal-dual relaxation is unbounded; use 'kkt' or 'kkt+cut'"
            )
        if outcome.status == "unbounded":
            return self.result(Status.UNBOUNDED, "the leader's objective has no limit")
        if outcome.status in {"time-limit", "interrupted"}:
            return self.result(
                Status.TIME_LIMIT,
                f"{outcome.status} before a first solution",
                bound=self.signed(bound),
            )
        return self.result(Status.FAILED, f"the solver says {outcome.status}")


def _with_known(outcome: Answer, known: Incumbent | None) -> Answer:
    """A point that was known before counts if the solver stopped early, or its M hid it."""
    if known is None or outcome.status == "unbounded":
        return outcome
    if known.objective >= outcome.objective - 1e-6 * max(1.0, abs(known.objective)):
        return outcome
    return replace(outcome, values=known.point, objective=known.objective, found=True)


def _not_proven(doubts: Sequence[str]) -> list[str]:
    if not doubts:
        return []
    more = f" and {len(doubts) - 5} more" if len(doubts) > 5 else ""
    return [f"rests on guesses, which may cut off better points: {'; '.join(doubts[:5])}{more}"]


def _join(phrases: Sequence[str]) -> str:
    return "; ".join(phrases)
