"""Followers solved alone at a leader's decision, and their response that suits the leader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.program import Program, Row
from quartier.optimisation.bilevel.system import FollowerForm, System
from quartier.quantities import Array

OPTIMALITY = 1e-9
"""Relative room in which the gradient of a QP follower counts as held."""
ACTIVE = 1e-7
"""Duals below this, relative to the largest, are rounding."""


@dataclass(frozen=True)
class Response:
    """A follower solved alone: status, optimum (its leader-only terms left out), point and duals.

    `point` has the system's columns with the follower's own replaced; `row_dual` and
    `column_dual` follow HiGHS, by position in the form.
    """

    form: FollowerForm
    status: str
    optimum: float
    point: Array
    row_dual: Array
    column_dual: Array


def price_cost(form: FollowerForm, point: Array) -> dict[int, float]:
    """`c + C x` by own column at a leader's decision."""
    cost = {k: form.cost.get(k, 0.0) for k in form.columns}
    for (k, j), c in form.prices.items():
        cost[j] += c * float(point[k])
    return cost


def follower_value(form: FollowerForm, point: Array) -> float:
    """Follower's objective at a point, without its leader-only terms."""
    linear = sum(c * float(point[k]) for k, c in price_cost(form, point).items())
    return linear + sum(h * float(point[i] * point[j]) for (i, j), h in form.hessian.items())


def answer(system: System, form: FollowerForm, point: Array) -> Response:
    """Solve a follower for the leader's part of a point."""
    program = alone(system, form, point)
    place = {k: p for p, k in enumerate(form.columns)}
    quadratic = {(place[i], place[j]): h for (i, j), h in form.hessian.items()}
    found = Lp(program, quadratic=quadratic).minimise()
    if found.status != "optimal":
        nothing = np.zeros(0)
        return Response(form, found.status, float("nan"), point, nothing, nothing)
    whole = point.copy()
    whole[list(form.columns)] = found.values
    return Response(form, "optimal", found.objective, whole, found.row_dual, found.column_dual)


def alone(system: System, form: FollowerForm, point: Array) -> Program:
    """A follower's own program at the leader's part of a point, its columns in their order."""
    program = Program()
    leader = system.leader
    place = {
        k: program.column(
            leader.names[k], leader.lower[k], leader.upper[k], integer=leader.integer[k]
        )
        for k in form.columns
    }
    for row in form.rows:
        own = {place[k]: a for k, a in row.coefs.items() if k in place}
        fixed = sum(a * float(point[k]) for k, a in row.coefs.items() if k not in place)
        program.row(row.name, own, row.lower - fixed, row.upper - fixed)
    program.cost = {place[k]: c for k, c in price_cost(form, point).items() if c}
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
    duals = np.concatenate([found.row_dual, found.column_dual])
    least = ACTIVE * max(found.form.unit, float(np.abs(duals).max(initial=0.0)))
    for row, nu in zip(found.form.rows, found.row_dual, strict=True):
        lower = row.upper if nu < -least else row.lower
        upper = row.lower if nu > least else row.upper
        program.rows.append(Row(row.name, row.coefs, lower, upper))
    for k, r in zip(found.form.columns, found.column_dual, strict=True):
        if r > least:
            program.upper[k] = program.lower[k]
        elif r < -least:
            program.lower[k] = program.upper[k]


def _add_optimality(program: Program, found: Response, point: Array, epsilon: float) -> None:
    form = found.form
    epsilon = epsilon if form.is_linear else min(epsilon, OPTIMALITY)
    unit = form.unit
    room = epsilon * max(1.0, abs(found.optimum) / unit)
    cost = {k: c / unit for k, c in price_cost(form, point).items() if c}
    best = found.optimum / unit
    if not form.is_linear:
        best = sum(c * float(found.point[k]) for k, c in cost.items())
    program.row(f"{form.name} optimal", cost, upper=best + room)


def _hold_gradient(program: Program, found: Response) -> None:
    for k, terms in _hessian_rows(found.form.hessian).items():
        at = sum(h * float(found.point[j]) for j, h in terms.items())
        limit = OPTIMALITY * max(1.0, abs(at))
        program.rows.append(Row(f"gradient {k}", terms, at - limit, at + limit))


def _hessian_rows(hessian: Mapping[tuple[int, int], float]) -> dict[int, dict[int, float]]:
    rows: dict[int, dict[int, float]] = {}
    for (i, j), h in hessian.items():
        rows.setdefault(i, {})
        rows[i][j] = rows[i].get(j, 0.0) + h
        rows.setdefault(j, {})
        rows[j][i] = rows[j].get(i, 0.0) + h
    return rows
