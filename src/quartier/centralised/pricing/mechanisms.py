"""`uncontrolled`, `all-at-caps`, `central` and `bilevel` of a player that prices carriers (M10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from quartier.centralised.central import row_of
from quartier.centralised.pricing.game import Game
from quartier.centralised.pricing.most import least_cost, most_paid
from quartier.centralised.pricing.players import Prices, alike, drawn_kw, sales_at, settled
from quartier.centralised.pricing.pooled import (
    Pooled,
    clearing,
    priced_at,
    solutions,
    solve,
    within_contracts,
)
from quartier.centralised.pricing.robust import Worth
from quartier.centralised.pricing.shortage import broken, endless_of, impossible
from quartier.centralised.pricing.used import UsedRange
from quartier.centralised.programs import Mechanism
from quartier.centralised.self_optimiser import solve_row
from quartier.centralised.sharing.mechanisms import units_of
from quartier.coordination import Plan
from quartier.errors import SolveFailed
from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.planning import Row
from quartier.problem import Pricing, Problem, State
from quartier.program import relative_gap
from quartier.quantities import Array

BROKEN = "contract broken"
"""Status of caps at which neighbourhoods draw or deliver more than the player may trade."""


class _Mechanism(Mechanism):
    def _at(self, problem: Problem, prices: Prices) -> dict[str, NeighbourhoodModel]:
        return self.models_of(priced_at(problem, prices))


class UncontrolledPricing:
    """Own rules, at the caps: what the player would earn if nobody planned."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Set the caps as prices."""
        pricing = problem.asks(Pricing)
        caps = {c: priced.cap_eur_per_kwh for c, priced in pricing.carriers.items()}
        return Plan(prices=settled(problem, alike(problem, caps)))


class AllAtCaps(_Mechanism):
    """Everybody's own optimum at the caps of what the player buys at markets.

    What has no market is priced so that its exchange is balanced. A contract limit is kept where
    who is indifferent can keep it; else it is broken, and the plan says so.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Solve all neighbourhoods together at the caps."""
        pricing = problem.asks(Pricing)
        given = {
            c: np.zeros_like(p.cap_eur_per_kwh) if p.is_balanced else p.cap_eur_per_kwh
            for c, p in pricing.carriers.items()
        }
        models = self._at(problem, alike(problem, given))
        free = solve(pricing, models, given, pricing.balanced)
        prices = alike(problem, clearing(pricing, models, given, free))
        pooled = within_contracts(pricing, models, free)
        row = row_of("all-at-caps", pooled.answer, pooled.answer.objective)
        said = tuple(f"all-at-caps breaks {one}" for one in broken(problem, models, pooled.parts))
        if said:
            row["status"] = BROKEN
        plan = _plan(problem, self._at(problem, prices), prices, pooled, [row])
        return replace(plan, degraded=said)


class CentralPricing(_Mechanism):
    """One owner of player and neighbourhoods plans all of them at least cost (mode I).

    Prices are wholesale prices, and multipliers of what is balanced or limited by contract: at them
    everybody would do the same alone. The player earns what its contracts are worth, else nothing.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Solve one program over all units at wholesale prices."""
        pricing = problem.asks(Pricing)
        given = _wholesale(pricing)
        models = self._at(problem, alike(problem, given))
        with _told(problem, models):
            pooled = solve(pricing, models, given, (*pricing.balanced, *pricing.limited))
        prices = alike(problem, pooled.prices)
        models = self._at(problem, prices)
        worth = Worth(pricing, models, prices, pooled.parts)
        rows = [row_of("central", pooled.answer, pooled.answer.objective), *UsedRange(worth).rows()]
        return _plan(problem, models, prices, pooled, rows)


class BilevelPricing(_Mechanism):
    """The player sets the prices that earn it the most, as neighbourhoods answer them (II, III)."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Find prices; check that nobody would rather do otherwise at them."""
        pricing = problem.asks(Pricing)
        nothing = alike(
            problem, {c: np.zeros_like(p.cap_eur_per_kwh) for c, p in pricing.carriers.items()}
        )
        models = self._at(problem, alike(problem, _wholesale(pricing)))
        with _told(problem, models):
            least = least_cost(pricing, models)
        models = self._at(problem, nothing)
        most = most_paid(pricing, models) - least
        game = Game(pricing, models)
        with _told(problem, models):
            result = game.solve(problem.optimisation)
        parts = {name: model.declared_values for name, model in self._models.items()}
        prices = {**game.prices(), **self._cleared(problem, pricing, game.prices())}
        chosen = Pooled(game.answer(result), {}, parts)
        models = self._at(problem, prices)
        worth = Worth(pricing, models, prices, parts)
        at_most = {"problem": "bilevel, at most", "status": "optimal", "objective": most}
        rows = [game.row(result, most), at_most, *worth.rows(), *UsedRange(worth).rows()]
        return _plan(problem, models, prices, chosen, rows)

    def _cleared(self, problem: Problem, pricing: Pricing, set_: Prices) -> Prices:
        """Prices of what one follower balances: its multipliers."""
        missing = [c for c in pricing.carriers if not any(c == carrier for carrier, _ in set_)]
        if not missing:
            return {}
        first = problem.neighbourhoods[0].name
        given = {
            c: np.zeros(problem.horizon.steps) if c in missing else set_[c, first]
            for c in pricing.carriers
        }
        models = self._at(problem, alike(problem, given))
        pooled = solve(pricing, models, given, pricing.balanced)
        found = clearing(pricing, models, given, pooled)
        return alike(problem, {c: found[c] for c in missing})


def _wholesale(pricing: Pricing) -> dict[str, Array]:
    """Prices of the markets; 0 of what has none."""
    return {
        c: np.zeros_like(p.cap_eur_per_kwh)
        if p.wholesale_eur_per_kwh is None
        else p.wholesale_eur_per_kwh
        for c, p in pricing.carriers.items()
    }


@contextmanager
def _told(problem: Problem, models: Mapping[str, NeighbourhoodModel]) -> Iterator[None]:
    """Say of a problem without a solution which contract, demand or price has none by itself."""
    try:
        yield
    except SolveFailed as failure:
        if endless := endless_of(problem) if "unbounded" in failure.status else "":
            raise SolveFailed(failure.problem, failure.status, endless) from failure
        said = impossible(problem, models) if "infeasible" in failure.status else ""
        if not said:
            raise
        hint = "Raise the contract, lower the demand, or let units make more."
        raise SolveFailed(failure.problem, failure.status, f"{said} {hint}") from failure


def _plan(
    problem: Problem,
    models: Mapping[str, NeighbourhoodModel],
    prices: Prices,
    chosen: Pooled,
    rows: list[Any],
) -> Plan:
    """Put a plan together with its certificate: every neighbourhood alone, at the prices."""
    pricing, found = problem.asks(Pricing), solutions(chosen, models)
    sales = {
        node: sold
        for name, model in models.items()
        for node, sold in sales_at(model, chosen.parts[name]).items()
    }
    drawn = {
        (carrier, name): x
        for name, model in models.items()
        for carrier, x in drawn_kw(model.problem, found[name], pricing.carriers, sales).items()
    }
    profit = pricing.profit_eur(prices, drawn)
    rows = [*rows, {"problem": "profit", "status": rows[0]["status"], "objective": profit}]
    rows += _certificate(problem, models, found)
    return Plan(
        units=dict(units_of(problem, found)),
        prices=settled(problem, prices),
        sales=sales,
        records={"solves": rows},
    )


def _certificate(
    problem: Problem, models: Mapping[str, NeighbourhoodModel], found: Mapping[str, Solution]
) -> Iterator[Row]:
    """Rows of the table ``solves``: what each pays, and could pay at best, here and outside."""
    for name, model in models.items():
        cost, bound = found[name].cost_eur, model.solve().bound_eur
        yield {
            "problem": f"response {name}",
            "status": found[name].status,
            "objective": cost,
            "bound": bound,
            "gap": relative_gap(cost, bound),
            "follower_suboptimality": max(cost - bound, 0.0) / max(1.0, abs(cost)),
        }
    for one in problem.neighbourhoods:
        yield solve_row(f"individual {one.name}", NeighbourhoodModel(one).solve())
