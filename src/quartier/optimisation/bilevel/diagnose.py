"""Says what makes a problem infeasible, in names."""

from __future__ import annotations

from quartier.errors import InputError, SolveFailed
from quartier.optimisation.bilevel.kkt import Conditions, signs_only
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.placed import Placed
from quartier.optimisation.bilevel.program import Program, Row
from quartier.optimisation.bilevel.system import FollowerForm, System
from quartier.program import PROVEN


def high_point_reason(system: System) -> str:
    """Why leader's and followers' constraints have no common point.

    Raises
    ------
    InputError
        If a follower has no feasible point for any decision that the leader's own constraints
        allow: names the follower and constraints that stand against each other.
    """
    alone = _leader_alone(system)
    if not _is_feasible(alone):
        return f"the leader's own constraints contradict each other: {_conflict(alone, alone.rows)}"
    problems = []
    for form in system.followers:
        program = alone.copy()
        program.rows.extend(form.rows)
        if not _is_feasible(program):
            problems.append(
                f"follower '{form.name}' is infeasible for every decision of the leader: "
                f"{_conflict(program, list(form.rows))}"
            )
    if problems:
        raise InputError(problems, "the bi-level problem")
    coupling = [row for row in system.leader.rows if not system.own().isdisjoint(row.coefs)]
    whole = system.high_point()
    return (
        "no point meets the leader's and the followers' constraints together: "
        f"{_conflict(whole, coupling)}"
    )


def optimality_reason(system: System) -> str:
    """Why no point is optimal for the followers and feasible for the leader.

    Raises
    ------
    InputError
        If a follower is unbounded for every decision of the leader.
    """
    problems = [
        f"follower '{form.name}' is unbounded for every decision of the leader: its objective "
        "improves without limit; bound its variables"
        for form in system.followers
        if not _has_dual(system, form)
    ]
    if problems:
        raise InputError(problems, "the bi-level problem")
    return (
        "for every decision of the leader, each optimal response of the followers breaks a "
        "constraint of the leader"
    )


def _leader_alone(system: System) -> Program:
    own = system.own()
    program = system.leader.copy()
    program.rows = [row for row in program.rows if own.isdisjoint(row.coefs)]
    return program


def _is_feasible(program: Program) -> bool:
    status = Lp(program, relax=False).minimise({}).status
    if status not in PROVEN:
        raise SolveFailed("what makes the bi-level problem infeasible", status)
    return status == "optimal"


def _conflict(program: Program, soft: list[Row]) -> str:
    """Rows among `soft` that must be violated, by least total violation (elastic programming)."""
    elastic = program.copy()
    kept = {id(row) for row in soft}
    elastic.rows = [row for row in program.rows if id(row) not in kept]
    cost: dict[int, float] = {}
    names: dict[int, str] = {}
    for row in soft:
        soft_row, broken = elastic.softened(row)
        elastic.rows.append(soft_row)
        cost.update(dict.fromkeys(broken, 1.0))
        names.update(dict.fromkeys(broken, row.name))
    found = Lp(elastic).minimise(cost)
    if found.point is None:
        return "bounds of variables contradict the constraints"
    kept_not = [f"'{name}'" for k, name in names.items() if found.point[k] > 1e-7]
    if not kept_not:
        return "the integer variables leave no point"
    return f"constraint {', '.join(kept_not[:5])} cannot be kept"


def _has_dual(system: System, form: FollowerForm) -> bool:
    """Whether stationarity has a solution for some decision that the leader may take."""
    program = _leader_alone(system)
    bounds = signs_only(form, form.limits(program.lower, program.upper))
    Placed(program, Conditions(form, bounds, switched=False))
    return _is_feasible(program)
