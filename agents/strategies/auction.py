"""`auction`: neighbourhoods bid for power hour by hour, an auctioneer clears (M9, seed 003)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from quartier.agents import society
from quartier.agents.auctioneer import Auctioneer
from quartier.agents.bidder import BidderAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.market import MarketAgent
from quartier.agents.messages import frozen
from quartier.agents.price_taker import PriceTaker
from quartier.agents.strategies.bid_rows import bids_of, blocks_of
from quartier.agents.strategies.pricing import (
    Market,
    Pricing,
    pooling,
    published,
    suppliers_of,
)
from quartier.agents.strategies.records import Records
from quartier.coordination import Plan
from quartier.optimisation.prices import Blocks, Hourly, Memory, Responder, Response
from quartier.problem import Pooling, Problem, State
from quartier.quantities import ELECTRICITY, Array

DAY_H = 24.0
"""Hours after which prices are expected to repeat."""

LEARNED_PASSES = 8
"""How often a window is auctioned at most, at forecasts that are learned."""


class Auction(Pricing):
    """An auction of one hour after the other, at prices that all expect of the hours to come."""

    name = "auction"

    def __init__(self) -> None:
        self._known: dict[int, Array] = {}
        """Prices that were cleared, in EUR/kWh by step of the run: one, or one a zone."""

    def snapshot(self) -> dict[str, Any]:
        """What a checkpoint keeps: the prices that are known."""
        return {"known": {str(step): price for step, price in self._known.items()}}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Know what was known at a checkpoint."""
        self._known = {int(step): np.asarray(price) for step, price in snapshot["known"].items()}

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Hold the auction; its prices are what the next gate expects."""
        found = super().plan(problem, state, rng)
        if found.prices:
            zones = [found.prices[ELECTRICITY, zone] for zone in pooling(problem).places]
            every = np.array(zones or list(found.prices.values())[:1])
            self._known |= dict(enumerate(every.T, start=problem.first))
            self._forget(problem)
        return found

    def _forget(self, problem: Problem) -> None:
        """Keep what a later gate may ask for: of each hour, the newest that is a day old."""
        day = _day(problem)
        old = problem.first - day
        newest = {t % day: t for t in sorted(self._known) if t <= old}
        self._known = {
            t: price for t, price in self._known.items() if t > old or newest[t % day] == t
        }

    def market(self, problem: Problem, rng: np.random.Generator) -> Market:
        """Make the agents of a gate."""
        coupling, settings = pooling(problem), problem.market
        fee = frozen(coupling.inside_fee_eur_per_kwh)
        alone = {one.name: published(one, fee) for one in problem.neighbourhoods}
        forecast = self._forecast(problem, coupling, alone)
        medium = society.medium_of(problem, rng)
        if settings.clearing == "day-ahead":
            return _of_blocks(problem, forecast, alone, medium)
        known, suppliers = suppliers_of(coupling)
        auction = Hourly(known.public, alone, forecast, settings.tolerance, suppliers=known)
        passes = LEARNED_PASSES if settings.forecast == "learned" else 1
        name, patience_s = coupling.coordinator, problem.negotiation.patience_s
        agent = Auctioneer(name, auction, passes, settings, patience_s, problem.lead_s)
        takers = {
            one.name: BidderAgent(one, name, fee, known.public, settings)
            for one in problem.neighbourhoods
        }
        supply = coupling.supply
        return Market(agent, takers, medium, alone, suppliers=suppliers, supply=supply)

    def records(self, problem: Problem, market: Market) -> Records:
        """What the agents leave in the tables; of bids, those that count."""
        found = super().records(problem, market)
        agent = market.agent
        if isinstance(agent, Auctioneer) and agent.outcome is not None:
            held = agent.auction.passes[agent.outcome.negotiation.round - 1]
            found["bids"] = list(bids_of(problem.horizon.times, held))
        elif isinstance(agent, MarketAgent) and agent.blocks is not None:
            found["bids"] = list(blocks_of(problem.horizon.times, agent.blocks))
        return found

    def _forecast(
        self, problem: Problem, coupling: Pooling, alone: Mapping[str, Response]
    ) -> Array:
        """What all expect of the prices, of every balance."""
        if problem.forecast_eur_per_kwh is not None:
            return coupling.supply.everywhere(problem.forecast_eur_per_kwh)
        if problem.market.forecast == "perfect" and society.is_coordinated_here(problem):
            return _perfect(problem, coupling, alone)
        needed_kw = coupling.supply.needed_kw({name: one.p_kw for name, one in alone.items()})
        return self._previous_day(problem, coupling.supply.marginal_eur_per_kwh(needed_kw))

    def _previous_day(self, problem: Problem, otherwise: Array) -> Array:
        """Prices a day before, or as many days as it takes; of the first day, something else."""
        day = _day(problem)
        by_step = otherwise.reshape(-1, problem.horizon.steps).T.copy()
        for k, here in enumerate(by_step):
            before = range(problem.first + k - day, -1, -day)
            here[:] = next((self._known[t] for t in before if t in self._known), here)
        return np.asarray(by_step.T.ravel())


def _day(problem: Problem) -> int:
    """Steps of a day."""
    return round(DAY_H / problem.horizon.dt_h)


def _of_blocks(
    problem: Problem, forecast: Array, alone: Mapping[str, Response], medium: MeasuredCommunication
) -> Market:
    """Agents of an auction of all hours at once: price takers, whose answers are blocks."""
    coupling, name = pooling(problem), pooling(problem).coordinator
    known, suppliers = suppliers_of(coupling)
    search = Blocks(
        known.public,
        alone,
        problem.market.tolerance,
        suppliers=known,
        forecast_eur_per_kwh=forecast,
    )
    settings = problem.market.model_copy(update={"rounds": search.most_rounds})
    patience_s = problem.negotiation.patience_s
    agent = MarketAgent(name, search, settings, patience_s, problem.lead_s)
    fee = frozen(coupling.inside_fee_eur_per_kwh)
    takers = {one.name: PriceTaker(one, name, fee) for one in problem.neighbourhoods}
    return Market(agent, takers, medium, alone, suppliers=suppliers, supply=coupling.supply)


def _perfect(problem: Problem, coupling: Pooling, alone: Mapping[str, Response]) -> Array:
    """The price that `price-response` would find with memory, of every balance.

    It takes all its rounds, in which everybody answers, before the auction: so nobody could have
    it. It says what a forecast can be worth.
    """
    fee = coupling.inside_fee_eur_per_kwh
    own = {one.name: Responder(one, fee) for one in problem.neighbourhoods}
    search = Memory(coupling.supply, alone, problem.market.tolerance)
    for _ in range(problem.market.rounds):
        for name, responder in own.items():
            search.hear(name, search.number, responder.answer(search.told(name, search.price))[0])
        search.conclude()
        if search.is_settled or not search.go_on():
            break
    return search.best
