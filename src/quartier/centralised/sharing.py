"""`individual` and `central` for sharing: each for itself, or all under one operator.

Source: seed 000, eq. 1 and 2; M8.
"""

from __future__ import annotations

import numpy as np

from quartier.centralised.neighbourhood import SelfOptimiser, plans_of, solve_row
from quartier.coordination import Plan, UnitPlan
from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.problem import NeighbourhoodProblem, Problem, Sharing, State
from quartier.problem.sharing import internal_price
from quartier.quantities import ELECTRICITY, POWER_TOLERANCE_KW


class IndividualSharing:
    """Every neighbourhood trades with the outer grid by itself, at its least cost (eq. 1)."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let each optimise itself at the outer grid's tariffs."""
        problem.asks(Sharing)
        own = {task.name: SelfOptimiser(task) for task in problem.neighbourhoods}
        units: dict[str, UnitPlan] = {}
        for one in own.values():
            units.update(one.unit_plans())
        rows = [solve_row(f"response {name}-0", one.solution) for name, one in own.items()]
        return Plan(units=units, records={"solves": rows})


class CentralSharing:
    """One operator plans all neighbourhoods, and pays the outer grid for their sum (eq. 2).

    Inside, energy costs what keeps the pool even
    (:func:`~quartier.problem.sharing.internal_price`).
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Solve one program over all units behind one common balance."""
        asked, pool = problem.asks(Sharing), pooled(problem)
        solution: Solution = NeighbourhoodModel(pool).solve()
        price = internal_price(
            solution.p_kw, asked.export_eur_per_kwh, asked.import_eur_per_kwh, POWER_TOLERANCE_KW
        )
        return Plan(
            units=dict(plans_of(pool, solution, pool.terms)),
            prices={(ELECTRICITY, task.name): price for task in problem.neighbourhoods},
            records={"solves": [solve_row("central", solution)]},
        )


def pooled(problem: Problem) -> NeighbourhoodProblem:
    """Return all neighbourhoods as one, whose connection point is the pool's; heat stays local.

    Raises
    ------
    ValueError
        If something holds for single connection points: the pool has one only.
    """
    first, *_ = tasks = problem.neighbourhoods
    limited = [
        task.name
        for task in tasks
        if np.isfinite(task.terms.p_max_kw).any() or np.isfinite(task.terms.p_min_kw).any()
    ]
    if limited or first.terms.peak_eur_per_kw:
        what = f"p_max_kw and p_min_kw of {', '.join(limited)}" if limited else "peak_eur_per_kw"
        raise ValueError(f"central knows the pool's sum only, no {what} of a single neighbourhood")
    return NeighbourhoodProblem(
        name="pool",
        bus=first.bus,
        horizon=problem.horizon,
        units=tuple(unit for task in tasks for unit in task.units),
        terms=first.terms,
        redispatch_price_eur_per_kwh=first.redispatch_price_eur_per_kwh,
    )
