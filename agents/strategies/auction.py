"""`auction`: neighbourhoods bid for power hour by hour, an auctioneer clears (M9, seed 003)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quartier.agents import society
from quartier.agents.auctioneer import Auctioneer
from quartier.agents.bidder import BidderAgent
from quartier.agents.messages import frozen
from quartier.agents.strategies.pricing import Market, Pricing, pooling, published
from quartier.coordination import Plan
from quartier.optimisation.prices import Hourly, Memory, Responder, Response
from quartier.problem import Pooling, Problem, State
from quartier.quantities import Array

DAY_H = 24.0
"""Hours after which prices are expected to repeat."""

LEARNED_PASSES = 8
"""How often a window is auctioned at most, at forecasts that are learned."""


class Auction(Pricing):
    """An auction of one hour after the other, at prices that all expect of the hours to come."""

    name = "auction"

    def __init__(self) -> None:
        self._known: dict[int, float] = {}
        """Prices that were cleared, in EUR/kWh by step of the run."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Hold the auction; its prices are what the next gate expects."""
        found = super().plan(problem, state, rng)
        for price in list(found.prices.values())[:1]:
            self._known |= dict(enumerate(price.tolist(), start=problem.first))
        return found

    def market(self, problem: Problem, rng: np.random.Generator) -> Market:
        """Make the agents of a gate."""
        coupling, settings = pooling(problem), problem.market
        fee = frozen(coupling.inside_fee_eur_per_kwh)
        alone = {one.name: published(one, fee) for one in problem.neighbourhoods}
        forecast = self._forecast(problem, coupling, alone)
        auction = Hourly(coupling.supply, alone, forecast, settings.tolerance)
        passes = LEARNED_PASSES if settings.forecast == "learned" else 1
        name, patience_s = coupling.coordinator, problem.negotiation.patience_s
        agent = Auctioneer(name, auction, passes, settings, patience_s, problem.lead_s)
        takers = {
            one.name: BidderAgent(one, name, fee, coupling.supply, settings)
            for one in problem.neighbourhoods
        }
        return Market(agent, takers, society.medium_of(problem, rng), alone)

    def _forecast(
        self, problem: Problem, coupling: Pooling, alone: Mapping[str, Response]
    ) -> Array:
        """What all expect of the prices, shape ``(T,)``."""
        if problem.forecast_eur_per_kwh is not None:
            return problem.forecast_eur_per_kwh
        if problem.market.forecast == "perfect":
            return _perfect(problem, coupling, alone)
        needed_kw = -np.sum([one.p_kw for one in alone.values()], axis=0)
        return self._previous_day(problem, coupling.supply.marginal_eur_per_kwh(needed_kw))

    def _previous_day(self, problem: Problem, otherwise: Array) -> Array:
        """Prices a day before, or as many days as it takes; of the first day, something else."""
        day = round(DAY_H / problem.horizon.dt_h)
        forecast = otherwise.copy()
        for k in range(forecast.size):
            before = range(problem.first + k - day, -1, -day)
            forecast[k] = next((self._known[t] for t in before if t in self._known), otherwise[k])
        return forecast


def _perfect(problem: Problem, coupling: Pooling, alone: Mapping[str, Response]) -> Array:
    """The price that `price-response` would find with memory, shape ``(T,)``.

    It takes all its rounds, in which everybody answers, before the auction: so nobody could have
    it. It says what a forecast can be worth.
    """
    fee = coupling.inside_fee_eur_per_kwh
    own = {one.name: Responder(one, fee) for one in problem.neighbourhoods}
    search = Memory(coupling.supply, alone, problem.market.tolerance)
    for _ in range(problem.market.rounds):
        for name, responder in own.items():
            search.hear(name, search.number, responder.answer(search.price)[0])
        search.conclude()
        if search.is_settled or not search.go_on():
            break
    return search.best
