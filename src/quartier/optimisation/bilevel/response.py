"""Followers solved alone at a leader's decision, and their response that suits the leader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import triu

from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.program import Program, rows_of
from quartier.optimisation.bilevel.system import FollowerForm, System, entries_of
from quartier.quantities import Array

OPTIMALITY = 1e-9
"""Relative room in which the gradient of a QP follower counts as held."""
ACTIVE = 1e-7
"""Duals below this, relative to the largest, are rounding."""


@dataclass(frozen=True)
class Response:
    """A follower solved alone: status, optimum (its leader-only terms left out), point and duals.

    `point` has the system's columns with the follower's own replaced; `duals`, by entry, follow
    HiGHS.
    """

    form: FollowerForm
    status: str
    optimum: float
    point: Array
    duals: Array


def answer(system: System, form: FollowerForm, point: Array) -> Response:
    """Solve a follower for the leader's part of a point."""
    half = triu(form.hessian).tocoo()
    quadratic = {
        (int(i), int(j)): float(h) / 2 if i == j else float(h)
        for i, j, h in zip(*half.coords, half.data, strict=True)
    }
    found = Lp(alone(system, form, point), quadratic=quadratic).minimise()
    if found.status != "optimal":
        return Response(form, found.status, float("nan"), point, np.zeros(0))
    whole = point.copy()
    whole[form.columns] = found.values
    duals = np.append(found.row_dual, found.column_dual)
    return Response(form, "optimal", found.objective, whole, duals)


def alone(system: System, form: FollowerForm, point: Array) -> Program:
    """A follower's own program at the leader's part of a point, its columns in their order."""
    program, leader = Program(), system.leader
    for k in form.columns.tolist():
        program.column(leader.names[k], leader.lower[k], leader.upper[k], integer=leader.integer[k])
    fixed = form.matrix @ np.where(form.is_own, 0.0, point[: form.is_own.size])
    limits = form.row_lower - fixed, form.row_upper - fixed
    program.rows = list(rows_of(form.row_names, form.own, *limits))
    program.cost = {p: c for p, c in enumerate(form.cost_at(point).tolist()) if c}
    return program


def response_program(
    system: System, point: Array, answers: Sequence[Response], epsilon: float | None = None
) -> Program:
    """Everything feasible with the linking decision fixed and every follower optimal.

    Its cost is the leader's objective at that decision. Without ε the optimal faces are described
    by complementarity with the duals in `answers`, which is exact; with ε followers may lose
    `ε max(u, |optimum|)`, u being the unit of their objective. For a convex QP the optimal set is
    `{y feasible: Hy and (c + Cx)·y as at one optimum}` (Mangasarian 1988, Oper. Res. Lett. 7(1)),
    with or without ε.
    """
    program = system.leader.copy()
    for k in system.linking():
        value = float(point[k])
        if program.integer[k]:
            value = float(round(value))
        program.lower[k] = program.upper[k] = value
    for found in answers:
        if epsilon is None:
            _add_face(program, found)
        else:
            program.rows.extend(found.form.rows)
            _add_optimality(program, found, point, epsilon)
        if not found.form.is_linear:
            _hold_gradient(program, found)
    program.cost, program.offset = leader_cost(system, point)
    return program


def leader_cost(system: System, point: Array) -> tuple[dict[int, float], float]:
    """Leader's objective with the linking columns of its products held at a point."""
    cost, offset = dict(system.leader.cost), system.leader.offset
    linking = set(system.linking())
    for (i, j), c in system.products.items():
        held, other = (i, j) if i in linking else (j, i)
        cost[other] = cost.get(other, 0.0) + c * float(point[held])
    return cost, offset


def _add_face(program: Program, found: Response) -> None:
    """The follower's rows and bounds, those with a dual held at their limit."""
    form, rows = found.form, found.form.row_lower.size
    least = ACTIVE * max(form.unit, float(np.abs(found.duals).max(initial=0.0)))
    low, high = form.limits(program.lower, program.upper)
    held_low, held_high = found.duals > least, found.duals < -least
    low, high = np.where(held_high, high, low), np.where(held_low, low, high)
    program.rows.extend(rows_of(form.row_names, form.matrix, low[:rows], high[:rows]))
    for k, lower, upper in zip(form.columns.tolist(), low[rows:], high[rows:], strict=True):
        program.lower[k], program.upper[k] = float(lower), float(upper)


def _add_optimality(program: Program, found: Response, point: Array, epsilon: float) -> None:
    form = found.form
    epsilon = epsilon if form.is_linear else min(epsilon, OPTIMALITY)
    best = found.optimum
    if not form.is_linear:
        best = float(form.cost_at(point) @ found.point[form.columns])
    room = epsilon * max(form.unit, abs(found.optimum))
    add_value_limit(program, form, point, best + room)


def add_value_limit(program: Program, form: FollowerForm, point: Array, most: float) -> None:
    """Hold `(c + C x)·y` of a follower at a leader's decision, scaled by its unit."""
    pairs = zip(form.columns.tolist(), (form.cost_at(point) / form.unit).tolist(), strict=True)
    program.row(f"{form.name} optimal", {k: c for k, c in pairs if c}, upper=most / form.unit)


def _hold_gradient(program: Program, found: Response) -> None:
    form = found.form
    at = form.hessian @ found.point[form.columns]
    for place in np.flatnonzero(np.diff(form.hessian.indptr)).tolist():
        terms = {int(form.columns[p]): h for p, h in entries_of(form.hessian, place).items()}
        value = float(at[place])
        limit = OPTIMALITY * max(1.0, abs(value))
        program.row(f"gradient {form.columns[place]}", terms, value - limit, value + limit)
