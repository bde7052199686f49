"""Followers with integer variables, by cuts of their value functions.

The relaxation without the followers' optimality is solved; if a follower can do better at the
decision x̂ found, by y*, then for all x

    y* is not feasible at x,   or   f(x, y) <= f(x, y*)

is added, with a binary for each side that y* may break (Lozano, Smith, Operations Research 65(3),
2017). At x̂ it leaves optimal responses only, so that with finitely many decisions the bound ends
at the optimum. That "y* breaks a side" is closed needs what the leader adds to it to move in steps:
leader's variables in such followers' constraints must be integer and bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, gcd, inf, isfinite, lcm, nan

import numpy as np

from quartier.errors import InputError, SolveFailed
from quartier.optimisation.bilevel import milp
from quartier.optimisation.bilevel.diagnose import high_point_reason
from quartier.optimisation.bilevel.integer_rules import unbounded
from quartier.optimisation.bilevel.judge import Judge
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.products import Envelopes
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.response import add_value_limit, alone
from quartier.optimisation.bilevel.result import BilevelResult, Status
from quartier.optimisation.bilevel.settings import Settings
from quartier.optimisation.bilevel.system import FollowerForm, System, is_finite
from quartier.program import PROVEN
from quartier.quantities import Array

NAME = "value-function"
"""What is reported as reformulation."""
MOST = 1000
"""Most rounds of solving and cutting."""
OPTIMAL = 1e-7
"""Relative room in which a response counts as optimal for its follower."""
ROUNDING = 1e-6
"""Share of a step that is rounding."""
LEAST_STEP = 1e-4
"""Least step of what the leader adds to a side: far above the tolerances of the solver."""
SOURCE = "the bi-level problem"


def solve(system: System, settings: Settings) -> BilevelResult:
    """Solve a problem with integer followers, to a proven gap.

    Raises
    ------
    InputError, SolveFailed
        If a follower is unbounded; if no way to solve a part of it is found.
    """
    if settings.epsilon is not None or settings.shift is not None:
        raise InputError(
            ["pessimistic and robust value beside integer followers are not supported"],
            "solve(pessimistic=True)",
        )
    return _Search(system, settings).result()


@dataclass(frozen=True)
class _Reply:
    """A bi-level feasible point, and its objective, to be minimised."""

    point: Array
    objective: float
    worse: Mapping[str, float]
    """Suboptimality by follower, relative."""


class _Search:
    def __init__(self, system: System, settings: Settings) -> None:
        self.system, self.settings = system, settings
        self.master = _master(system, settings.deadline)
        self._value_cuts = ValueCuts(system, self.master)
        self._bound, self._judge = -inf, Judge(system, NAME, settings.gap, None)
        self._best: _Reply | None = None
        self._trace: list[tuple[float, float]] = []
        if settings.start is not None:
            self._reply(settings.start, self._optima(settings.start))

    def result(self) -> BilevelResult:
        """Solve and cut in turn."""
        return replace(self._solved(), trace=tuple(self._trace))

    def _solved(self) -> BilevelResult:
        for _ in range(MOST):
            found = milp.solve(
                self.master,
                self.settings.solver,
                time_limit=self.settings.left_s,
                gap=self.settings.gap / 2,
                threads=self.settings.threads,
                options=dict(self.settings.options),
            )
            self._bound = max(self._bound, found.bound)
            if found.point is None or found.status == "unbounded":
                return self._without_point(found.status)
            point = found.point[: len(self.system.leader)]
            optima = self._optima(point)
            self._reply(point, optima)
            self._note()
            if self._gap() <= 2.0 * self.settings.gap:
                return self._said(Status.OPTIMAL)
            if found.status != "optimal":
                return self._said(Status.FEASIBLE, f"stopped by {found.status}")
            if not self._value_cuts.add(optima):
                return self._said(Status.FEASIBLE, "rounding hides what is left of the gap")
        return self._said(Status.FEASIBLE, f"stopped after {MOST} rounds of cuts")

    def _optima(self, point: Array) -> list[Array]:
        return [_optimum(self.system, form, point) for form in self.system.followers]

    def _note(self) -> None:
        """Keep what is known after a round."""
        best = inf if self._best is None else self._best.objective
        known = (self.system.sign * value for value in (self._bound, best))
        bound, objective = (value if isfinite(value) else nan for value in known)
        self._trace.append((bound, objective))

    def _reply(self, point: Array, optima: list[Array]) -> None:
        """The followers' optimal responses at a decision that suit the leader best."""
        program = self.system.high_point()
        for k in self.system.linking():
            value = float(round(point[k])) if program.integer[k] else float(point[k])
            program.lower[k] = program.upper[k] = value
        for form, own in zip(self.system.followers, optima, strict=True):
            best = form.value(own)
            room = OPTIMAL * max(form.unit, abs(best))
            add_value_limit(program, form, own, best + room)
        found = Lp(program, relax=False).minimise()
        if found.point is None and found.status not in PROVEN:
            raise SolveFailed("the followers' response that suits the leader", found.status)
        if found.point is not None and (
            self._best is None or found.objective < self._best.objective
        ):
            worse = {
                form.name: (form.value(found.point) - form.value(own))
                / max(form.unit, abs(form.value(own)))
                for form, own in zip(self.system.followers, optima, strict=True)
            }
            self._best = _Reply(found.point, found.objective, worse)

    def _gap(self) -> float:
        best = self._best
        if best is None:
            return inf
        return self._judge.reached(best.point, best.objective, self._bound)

    def _said(self, status: Status, reason: str = "") -> BilevelResult:
        best, judge = self._best, self._judge
        if best is None:
            none = Status.TIME_LIMIT if "time-limit" in reason else Status.FAILED
            bound = judge.signed(self._bound)
            return judge.result(none, f"{reason}, without a solution", bound=bound)
        said = status, reason, best.point, best.objective, self._bound
        return judge.at(*said, follower_suboptimality=best.worse)

    def _without_point(self, status: str) -> BilevelResult:
        if status == "infeasible" and self._best is not None:
            return self._said(Status.FEASIBLE, "rounding: cuts leave not even the point found")
        if status == "infeasible":
            if not self._value_cuts.count:
                return self._judge.result(Status.INFEASIBLE, high_point_reason(self.system))
            reason = "for every decision of the leader, each optimal response of the followers "
            return self._judge.result(Status.INFEASIBLE, f"{reason}breaks a constraint of it")
        if status == "unbounded":
            reason = (
                "the relaxation without the followers' optimality has no limit: bound the leader"
            )
            return self._judge.result(Status.FAILED, reason)
        if status in {"time-limit", "interrupted"}:
            return self._said(Status.FEASIBLE, f"stopped by {status}")
        return self._said(Status.FEASIBLE, f"the solver says {status}")


def _master(system: System, deadline: float) -> Program:
    """The relaxation without the followers' optimality, its bounds tightened."""
    master, region = system.high_point(), Region(system, deadline=deadline)
    region.bound_columns()
    for k, (low, high) in enumerate(zip(region.lower, region.upper, strict=True)):
        if low <= high:
            master.lower[k], master.upper[k] = float(low), float(high)
    problems = list(unbounded(master, system.followers))
    if problems:
        raise InputError(problems, SOURCE)
    return master


def _optimum(system: System, form: FollowerForm, point: Array) -> Array:
    """The point with a follower's own columns at its optimum."""
    held = point.copy()
    for k in system.linking():
        held[k] = round(point[k]) if system.leader.integer[k] else point[k]
    found = Lp(alone(system, form, held), relax=False).minimise()
    if found.status == "unbounded":
        reason = f"follower '{form.name}' is unbounded at a decision of the leader; bound it"
        raise InputError([reason], SOURCE)
    if found.point is None:
        raise SolveFailed(f"follower '{form.name}' alone", found.status)
    held[form.columns] = found.point
    return held


class ValueCuts:
    """Cuts in a program: what followers can do better with responses known."""

    def __init__(self, system: System, program: Program) -> None:
        self.system, self.program = system, program
        self._envelopes = Envelopes(program)
        self._known: set[tuple[str, bytes]] = set()

    @property
    def count(self) -> int:
        """Number of responses cut with."""
        return len(self._known)

    def add(self, optima: list[Array]) -> bool:
        """Add a cut for each follower that can do better; False if there was none to add."""
        added = False
        for form, best in zip(self.system.followers, optima, strict=True):
            own = np.round(best[form.columns], 9)
            key = form.name, own.tobytes()
            if key not in self._known:
                self._known.add(key)
                self._cut(form, best)
                added = True
        return added

    def _cut(self, form: FollowerForm, best: Array) -> None:
        """`f(x, y) - f(x, y*) <= M Σ z`, a binary z for each side that y* can break."""
        program, name = self.program, f"{form.name}, response {self.count}"
        own = zip(form.columns.tolist(), form.cost.tolist(), strict=True)
        coefs = {j: c for j, c in own if c}
        limit = float(form.cost @ best[form.columns])
        for j, k, c in form.priced():
            whole, other = (k, j) if program.integer[k] else (j, k)
            terms = self._envelopes.exact(whole, other)
            if terms is None:
                raise InputError(
                    [f"follower '{form.name}': its prices have too wide a range"], SOURCE
                )
            for column, a in terms.items():
                coefs[column] = coefs.get(column, 0.0) + c * a
            coefs[k] = coefs.get(k, 0.0) - c * float(best[j])
        binaries = [
            self._broken(f"{name} breaks {what}", levels, most)
            for what, levels, most in _levels(form, best)
            if self._can_reach(levels, most)
        ]
        greatest = self._greatest(coefs) - limit
        if binaries and not isfinite(greatest):
            names = ", ".join(f"'{program.names[k]}'" for k in form.columns[form.cost != 0])
            raise InputError([f"follower '{form.name}': bound its variables {names}"], SOURCE)
        switched = dict.fromkeys(binaries, -max(greatest, 0.0))
        program.row(f"{name} is no better", {**coefs, **switched}, upper=limit)

    def _broken(self, name: str, levels: Mapping[int, float], most: float) -> int:
        """A binary that may be 1 only where `levels <= most`."""
        z = self.program.column(name, 0.0, 1.0, integer=True)
        room = max(self._greatest(levels) - most, 0.0)
        self.program.row(name, {**levels, z: room}, upper=most + room)
        return z

    def _can_reach(self, levels: Mapping[int, float], most: float) -> bool:
        return -self._greatest({k: -d for k, d in levels.items()}) <= most

    def _greatest(self, coefs: Mapping[int, float]) -> float:
        low, high = self.program.lower, self.program.upper
        return sum(a * (high[k] if a > 0 else low[k]) for k, a in coefs.items() if a)


def _levels(form: FollowerForm, best: Array) -> Iterator[tuple[str, dict[int, float], float]]:
    """What the leader adds to a side, and up to which value of it a response breaks the side."""
    response = np.where(form.is_own, best[: form.is_own.size], 0.0)
    bodies: Array = form.matrix @ response
    for row, own in zip(form.rows, map(float, bodies), strict=True):
        adds = {k: d for k, d in row.coefs.items() if not form.is_own[k]}
        if not adds:
            continue
        step = step_of(adds.values())
        if step < LEAST_STEP:
            raise InputError(
                [
                    f"follower '{form.name}': what the leader adds to '{row.name}' moves in steps "
                    f"of {step:g}, too small to tell; round its coefficients"
                ],
                SOURCE,
            )
        for limit, sign in ((row.lower, 1.0), (row.upper, -1.0)):
            if is_finite(limit):
                most = step * (ceil(sign * (limit - own) / step - ROUNDING) - 1)
                yield row.name, {k: sign * d for k, d in adds.items()}, most


def step_of(coefs: Iterable[float]) -> float:
    """Greatest step that every integer combination of coefficients is a multiple of."""
    parts = [Fraction(c).limit_denominator(10**6) for c in coefs]
    below = lcm(*(part.denominator for part in parts))
    return gcd(*(int(part * below) for part in parts)) / below
