"""`price-response`: a market calls prices, neighbourhoods answer them by their own optimum (M9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.agents import society
from quartier.agents.market import MarketAgent
from quartier.agents.messages import frozen
from quartier.agents.price_taker import PriceTaker
from quartier.agents.strategies.pricing import (
    Market,
    Pricing,
    pooling,
    published,
    suppliers_of,
)
from quartier.optimisation.prices import Exchange, Memory, Search
from quartier.problem import Problem


class PriceResponse(Pricing):
    """Prices at which all together, each by its own optimum, do what is best for all."""

    name = "price-response"

    def market(self, problem: Problem, rng: np.random.Generator) -> Market:
        """Make the agents of a gate."""
        coupling, settings = pooling(problem), problem.market
        fee = frozen(coupling.inside_fee_eur_per_kwh)
        alone = {one.name: published(one, fee) for one in problem.neighbourhoods}
        known, suppliers = suppliers_of(coupling)
        search: Search[Any]
        if settings.method == "admm":
            search = Exchange(known.public, alone, settings.tolerance, suppliers=known)
        else:
            level = settings.stabilisation == "level"
            search = Memory(known.public, alone, settings.tolerance, suppliers=known, level=level)
        patience_s = problem.negotiation.patience_s
        name = coupling.coordinator
        agent = MarketAgent(name, search, settings, patience_s, problem.lead_s)
        takers = {one.name: PriceTaker(one, name, fee) for one in problem.neighbourhoods}
        medium, supply = society.medium_of(problem, rng), coupling.supply
        return Market(agent, takers, medium, alone, suppliers=suppliers, supply=supply)
