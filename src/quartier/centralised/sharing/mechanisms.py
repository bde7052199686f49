"""`individual`, `central` and `bilevel` for sharing (seed 000, eq. 1, 2 and 6-9; M8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from quartier.centralised.central import row_of
from quartier.centralised.individual import Process
from quartier.centralised.programs import Mechanism
from quartier.centralised.self_optimiser import SelfOptimiser, solve_row
from quartier.centralised.sharing.game import solve_game
from quartier.centralised.sharing.pool import Pool
from quartier.centralised.sharing.prices import optimal_prices
from quartier.coordination import Plan, UnitPlan
from quartier.errors import SolveFailed
from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.planning import Row, plans_of
from quartier.problem import ConnectionTerms, Problem, Sharing, State
from quartier.program import relative_gap
from quartier.quantities import ELECTRICITY, Array


class IndividualSharing(Mechanism):
    """Every neighbourhood trades with the outer grid by itself, at its least cost (eq. 1)."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let each optimise itself at the outer grid's tariffs."""
        problem.asks(Sharing)
        models = self.models_of(problem)
        alone = {name: model.solve() for name, model in models.items()}
        rows = [solve_row(f"individual {name}", found) for name, found in alone.items()]
        plan = Plan(units=dict(units_of(problem, alone)), records={"solves": rows})
        terms = {one.name: one.terms for one in problem.neighbourhoods}
        return redispatched(problem, plan, models, alone, terms)


class CentralSharing(Mechanism):
    """One operator plans all neighbourhoods, and pays the outer grid for their sum (eq. 2).

    What that costs is handed out after the fact, by the scenario's rule.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Solve one program over all units behind one common balance."""
        pool = Pool(problem.asks(Sharing), self.models_of(problem))
        pooled = pool.solve()
        price = pooled.price_eur_per_kwh(pool.coupling)
        found = pool.solutions(pooled, price)
        plan = Plan(
            units=dict(units_of(problem, found)),
            allocation=pool.coupling.allocation,
            records={"solves": [row_of("central", pooled.answer, pooled.answer.objective)]},
        )
        return redispatched(problem, plan, pool.models, found, pool.all_at(price))


class BilevelSharing(Mechanism):
    """A leader sets the price inside the pool, the neighbourhoods answer at least cost (eq. 6-9).

    With the leader's cost as printed, the plan is that of all together, and the price one of its
    multipliers: certified at every gate, by letting every neighbourhood answer the price alone.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Find plan and price; check that nobody would rather do otherwise at that price."""
        sharing, models = problem.asks(Sharing), self.models_of(problem)
        alone = {name: model.solve() for name, model in models.items()}
        pool = Pool(sharing, models)
        if sharing.leader == "pool":
            pooled = pool.solve()
            alone_eur = {name: found.cost_eur for name, found in alone.items()}
            row = row_of("bilevel", pooled.answer, pooled.answer.objective)
            try:
                price = optimal_prices(pool, pooled, alone_eur)
            except SolveFailed:  # stores held to one way: no linear program has this optimum
                price, row = pooled.price_eur_per_kwh(sharing), {**row, "status": "feasible"}
            found = pool.solutions(pooled, price)
        else:
            price, row, found = solve_game(pool, problem.optimisation)
        certificate = Certificate.of(pool, price, found)
        plan = Plan(
            units=dict(units_of(problem, found)),
            prices={(ELECTRICITY, name): price for name in models},
            records={"solves": list(certificate.rows(row, alone, found))},
        )
        return redispatched(problem, plan, pool.models, found, pool.all_at(price))


def redispatched(
    problem: Problem,
    plan: Plan,
    models: Mapping[str, NeighbourhoodModel],
    found: Mapping[str, Solution],
    terms: Mapping[str, ConnectionTerms],
) -> Plan:
    """Let the grid's operator cap a plan, if the scenario asks for it, and all answer alone.

    Parameters
    ----------
    plan
        What was planned for the pool.
    models, found, terms
        By neighbourhood: its program, what it does in the plan, and what it pays by it.
    """
    after = problem.asks(Sharing).redispatch
    if after is None:
        return plan
    places = tuple(replace(one, terms=terms[one.name]) for one in problem.neighbourhoods)
    own = {one.name: SelfOptimiser(one, found[one.name], models[one.name]) for one in places}
    process = Process(replace(problem, coupling=after, neighbourhoods=places), own)
    process.run()
    capped = process.plan()
    records = dict(capped.records)
    records["solves"] = [*plan.records["solves"], *capped.records.get("solves", ())]
    return replace(capped, prices=plan.prices, allocation=plan.allocation, records=records)


def units_of(problem: Problem, solutions: Mapping[str, Solution]) -> Iterator[tuple[str, UnitPlan]]:
    """What all units shall do."""
    for one in problem.neighbourhoods:
        yield from plans_of(one, solutions[one.name])


@dataclass(frozen=True)
class Certificate:
    """What a price is worth, checked with every neighbourhood alone.

    Parameters
    ----------
    leader_eur
        What the leader pays the outer grid less what it gets from the neighbourhoods (eq. 6).
    own_eur
        What each neighbourhood could come to at the price, by name: a proven bound.
    """

    leader_eur: float
    own_eur: Mapping[str, float]

    @classmethod
    def of(cls, pool: Pool[Sharing], price: Array, found: Mapping[str, Solution]) -> Certificate:
        """Solve every neighbourhood at a price, shape ``(T,)``; their models keep it."""
        sharing, own = pool.coupling, {}
        for name, model in pool.models.items():
            model.update(pool.at(model.problem.terms, price))
            own[name] = model.solve().bound_eur
        p_kw = np.column_stack([solution.p_kw for solution in found.values()])
        fees = sharing.inside_fee_eur_per_kwh * np.maximum(-p_kw, 0.0).sum(axis=1)
        paid = (-p_kw.sum(axis=1) * price + fees) * sharing.dt_h
        return cls(float((sharing.outer_eur(p_kw) - paid).sum()), own)

    def rows(
        self, row: Row, alone: Mapping[str, Solution], found: Mapping[str, Solution]
    ) -> Iterator[Row]:
        """Rows of the table ``solves``: the program, the leader, each alone and at the price."""
        yield row
        yield {"problem": "leader", "status": row["status"], "objective": self.leader_eur}
        for name, solution in alone.items():
            yield solve_row(f"individual {name}", solution)
            cost, bound = found[name].cost_eur, self.own_eur[name]
            yield {
                "problem": f"response {name}",
                "status": row["status"],
                "objective": cost,
                "bound": bound,
                "gap": relative_gap(cost, bound),
                "follower_suboptimality": max(cost - bound, 0.0) / max(1.0, abs(cost)),
            }
