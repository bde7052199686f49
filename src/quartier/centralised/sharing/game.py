"""The leader's problem by the neighbourhoods' optimality conditions (seed 000, eq. 6-9; M7, M8).

For leaders whose optimum is not that of all together: one that also counts what the neighbourhoods
pay themselves would rather have them idle than at work for each other, and its price says so. The
search grows fast with units and steps; the linear program of `pool` needs none of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.centralised.central import row_of
from quartier.centralised.sharing.pool import Pool
from quartier.errors import SolveFailed
from quartier.optimisation import Solution, pyo
from quartier.optimisation.bilevel import BilevelProblem, BilevelResult, Follower
from quartier.problem import Sharing
from quartier.program import Answer
from quartier.quantities import Array
from quartier.scenario.settings import OptimisationSettings


def solve_game(
    pool: Pool[Sharing], settings: OptimisationSettings
) -> tuple[Array, dict[str, Any], dict[str, Solution]]:
    """Return price, row of the table ``solves``, and what each neighbourhood does at the price.

    Raises
    ------
    SolveFailed
        If no certified solution was found; it says what to change.
    """
    model, followers = declare(pool)
    result = BilevelProblem(model, followers).solve(
        "kkt", gap=settings.gap, time_limit=settings.time_limit_s
    )
    if not result.has_solution:
        hint = f"{result.reason} Take a shorter horizon, fewer units, or problem.leader: pool."
        raise SolveFailed("the leader's problem", result.status.value, hint.strip())
    price = np.array([model.price[t].value for t in model.price])
    answer = _answer(result)
    found = {
        name: one.solution_at(one.declared_values, answer, pool.at(one.problem.terms, price))
        for name, one in pool.models.items()
    }
    return price, row_of("bilevel", answer, answer.objective), found


def declare(pool: Pool[Sharing]) -> tuple[Any, list[Follower]]:
    """The leader's model, with the neighbourhoods as blocks in it, and these as followers."""
    sharing, dt_h = pool.coupling, pool.coupling.dt_h
    steps, model = range(len(sharing.export_eur_per_kwh)), pyo.ConcreteModel(name="sharing")
    low, high = sharing.export_eur_per_kwh.tolist(), sharing.outer_eur_per_kwh.tolist()
    model.price = pyo.Var(steps, bounds=lambda _, t: (low[t], high[t]))
    own, traded, most, followers = 0.0, [0.0 for _ in steps], 0.0, []
    for k, one in enumerate(pool.models.values()):
        block = one.declared(pool.at(one.problem.terms, np.zeros(len(low))))
        model.add_component(f"neighbourhood_{k}", block)
        out, into = block.connection.exported_kw, block.connection.imported_kw
        own += block.cost_eur.expr
        sold = dt_h * sum(model.price[t] * (out[t] - into[t]) for t in steps)
        block.cost_eur.set_value(block.cost_eur.expr - sold)
        traded = [p_kw + out[t] - into[t] for t, p_kw in enumerate(traded)]
        most += max(max(out[t].ub, into[t].ub) for t in steps)
        followers.append(Follower(block, name=one.problem.name))
    model.exported_kw = pyo.Var(steps, bounds=(0.0, most))
    model.imported_kw = pyo.Var(steps, bounds=(0.0, most))
    model.balance = pyo.Constraint(
        steps, rule=lambda m, t: traded[t] == m.exported_kw[t] - m.imported_kw[t]
    )
    paid = dt_h * sum(
        (model.price[t] - low[t]) * model.exported_kw[t]
        + (high[t] - model.price[t]) * model.imported_kw[t]
        for t in steps
    )
    model.cost_eur = pyo.Objective(expr=paid + (own if sharing.leader == "all" else 0.0))
    return model, followers


def _answer(result: BilevelResult) -> Answer:
    objective, bound = result.objective, result.bound
    assert objective is not None
    return Answer(
        values=np.zeros(0),
        status=result.status.value,
        objective=objective,
        bound=-np.inf if bound is None else bound,
        wall_s=result.wall_s,
        found=True,
    )
