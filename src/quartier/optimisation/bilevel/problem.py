"""Bi-level problems: one leader, followers that answer with an optimum of their own.

    min_x,y  F(x, y)   s.t.  leader's constraints,  y_n in argmin { f_n(x, y_n) : follower's }

The leader is an LP, a MILP, or either with a convex quadratic objective; followers are LPs, convex
QPs, or MILPs. Optimistic: among a follower's optima the one that suits the leader counts (Dempe,
Foundations of Bilevel Programming, 2002, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any

import numpy as np

from quartier.errors import InputError, SolveFailed
from quartier.optimisation.bilevel import conditions, integers, milp, quadratic
from quartier.optimisation.bilevel.expressions import is_convex
from quartier.optimisation.bilevel.extract import extract
from quartier.optimisation.bilevel.follower import Follower
from quartier.optimisation.bilevel.incumbent import objective_of
from quartier.optimisation.bilevel.integer_rules import has_integers
from quartier.optimisation.bilevel.prepare import prepare
from quartier.optimisation.bilevel.reformulate import REFORMULATIONS, Reformulation, unknown
from quartier.optimisation.bilevel.result import BilevelResult, Status
from quartier.optimisation.bilevel.settings import Settings
from quartier.optimisation.bilevel.system import System
from quartier.quantities import Array

SEARCH_S = 10.0
SEARCH_SHARE = 0.1
"""Most seconds, and most of the time limit, for the search of a first solution."""

BIG_M = 1e4
"""Bound for multipliers that nothing else bounds, if the user names no other."""


class BilevelProblem:
    """A leader and its followers, read from a Pyomo model.

    Parameters
    ----------
    model
        The model: what is active in it and not in a follower's block is the leader's.
    followers
        The followers; none sees another's variables.

    Examples
    --------
    >>> import pyomo.environ as pyo
    >>> m = pyo.ConcreteModel()
    >>> m.x = pyo.Var(bounds=(0, 2))
    >>> m.low = pyo.Block()
    >>> m.low.y = pyo.Var(bounds=(0, None))
    >>> m.low.row = pyo.Constraint(expr=m.x - 0.01 * m.low.y <= 1)
    >>> m.low.cost = pyo.Objective(expr=m.low.y)
    >>> m.gain = pyo.Objective(expr=m.x + m.low.y, sense=pyo.maximize)
    >>> result = BilevelProblem(m, [Follower(m.low)]).solve("kkt")
    >>> result.status.value, round(result.objective, 6)
    ('optimal', 102.0)
    """

    def __init__(self, model: Any, followers: Sequence[Follower]) -> None:
        self.model = model
        self.followers = tuple(followers)

    def reformulate(self, reformulation: Reformulation = "kkt", *, big_m: float = BIG_M) -> Any:
        """The single-level Pyomo model (variables `v`, constraints `c`, objective `o`) to look at.

        The objective is minimised, whatever the leader's sense.
        """
        system = extract(self.model, self.followers)
        for form in system.followers:
            if has_integers(system.leader, form):
                reason = (
                    f"follower '{form.name}' has integer variables: it has no dual to write down"
                )
                raise InputError([reason], "reformulate()")
        if system.products and is_convex(system.products):
            system, _ = quadratic.approximated(system)
        known = conditions.first_point(system, Settings(reformulation))
        _, single = prepare(system, reformulation, big_m, objective_of(known))
        return milp.as_pyomo(single.program)

    def solve(
        self,
        reformulation: Reformulation = "kkt",
        *,
        solver: str = "highs",
        time_limit: float | None = None,
        gap: float = 1e-6,
        big_m: float = BIG_M,
        search: bool = True,
        start: bool = False,
        pessimistic: bool = False,
        epsilon: float = 1e-6,
        robust: float | None = None,
        threads: int | None = None,
        solver_options: dict[str, Any] | None = None,
    ) -> BilevelResult:
        """Solve, check, and load the variables' values if there is a solution.

        Parameters
        ----------
        reformulation
            `kkt`: complementarity with big M. `kkt+cut`: with a (relaxed) strong-duality cut
            besides. `strong-duality`: without complementarity, where it linearises exactly.
            `primal-dual`: no optimality condition but dual feasibility; a relaxation, exact for
            price-setting leaders whose check then succeeds.
        solver
            Name of a solver of `pyomo.contrib.solver`.
        time_limit
            Seconds for the whole call (checks after the solve come on top).
        gap
            Relative gap to solve to.
        big_m
            Bound for multipliers without a proof and without a hint.
        search
            Look for a solution to begin with, in at most a tenth of the time limit.
        start
            Begin with the decision that the leader's variables hold, e.g. of an earlier solve: the
            followers answer it, and what follows is a first solution if it fits. Values beyond
            bounds are moved into them; without a value, a variable is 0 or at its nearer bound.
        pessimistic
            Also report the leader's worst value over the followers' ε-optimal responses.
        epsilon
            ε of that, relative to `max(1, |follower's optimum|)`.
        robust
            By how much prices may move at a time to make the wanted answers the only ones; then
            the best value that holds for every answer is reported, too.
        threads, solver_options
            Passed on to the solver.

        Raises
        ------
        InputError
            If the model is not a bi-level problem of this kind, a reformulation does not apply, a
            slack is unbounded, or a follower is infeasible or unbounded for every decision of the
            leader.
        """
        begin = perf_counter()
        system = extract(self.model, self.followers)
        settings = Settings(
            reformulation,
            solver,
            inf if time_limit is None else begin + time_limit,
            gap,
            big_m,
            (SEARCH_S if time_limit is None else SEARCH_SHARE * time_limit) if search else None,
            epsilon if pessimistic else None,
            _held(system) if start else None,
            robust,
            threads,
            solver_options or {},
        )
        try:
            result = solved(system, settings)
        except SolveFailed as failure:
            result = BilevelResult(Status.FAILED, reformulation, str(failure))
        self._load(system, result)
        return replace(result, wall_s=perf_counter() - begin)

    def _load(self, system: System, result: BilevelResult) -> None:
        if not result.has_solution:
            return
        for variable, name in zip(system.variables, system.leader.names, strict=True):
            variable.set_value(result.values[name], skip_validation=True)


def _held(system: System) -> Array:
    """The point that the variables hold, within their bounds."""
    values = [variable.value or 0.0 for variable in system.variables]
    held = np.clip(np.array(values, dtype=float), system.leader.lower, system.leader.upper)
    return np.asarray(held, dtype=float)


def solved(system: System, settings: Settings) -> BilevelResult:
    """Solve in the way that leader and followers need."""
    if settings.reformulation not in REFORMULATIONS:
        raise InputError([unknown(settings.reformulation)], "solve()")
    mixed = any(has_integers(system.leader, form) for form in system.followers)
    inner = integers.solve if mixed else conditions.solve
    if system.products and is_convex(system.products):
        return quadratic.solve(system, settings, inner)
    return inner(system, settings)
