"""The agents of a flexibility market: the DSO tells its demand, neighbourhoods bid (M9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quartier.agents.congestion import PriceDesk
from quartier.agents.congestion_taker import CongestionTaker
from quartier.agents.messages import frozen
from quartier.agents.price_messages import PriceCall
from quartier.optimisation import Solution
from quartier.optimisation.prices import Demand, Response
from quartier.quantities import Array
from quartier.redispatch.flexibility_market import FlexibilityMarket


@dataclass(frozen=True)
class FlexibilityCall(PriceCall):
    """The DSO asks for a bid: what fits, and what any more would cost; shape ``(T,)`` each."""

    most_kw: Array | None = None
    least_kw: Array | None = None
    beyond_eur_per_kwh: Array | None = None
    short_eur_per_kwh: Array | None = None

    @property
    def demand(self) -> Demand:
        """The DSO's demand for flexibility."""
        said = (self.most_kw, self.least_kw, self.beyond_eur_per_kwh, self.short_eur_per_kwh)
        most, least, beyond, short = (np.zeros(0) if part is None else part for part in said)
        return Demand(most, least, beyond, short)

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return 5 * self.price_eur_per_kwh.size


class FlexibilityDesk(PriceDesk):
    """The part of the DSO's agent that calls for bids, and clears them."""

    def _call(self, name: str) -> PriceCall:
        search, call = self._search, super()._call(name)
        assert isinstance(search, FlexibilityMarket)
        if not search.is_bidding:
            return call
        found = search.demand(name)
        return FlexibilityCall(
            call.negotiation,
            call.price_eur_per_kwh,
            most_kw=frozen(found.most_kw),
            least_kw=frozen(found.least_kw),
            beyond_eur_per_kwh=frozen(found.beyond_eur_per_kwh),
            short_eur_per_kwh=frozen(found.short_eur_per_kwh),
        )


class Bidder(CongestionTaker):
    """Bids what suits it best by the DSO's demand; tells costs as differences to p_off only.

    Called without a demand, it answers the multipliers by its own optimum.
    """

    def _respond(self, call: PriceCall) -> tuple[Response, Solution]:
        if isinstance(call, FlexibilityCall) and call.price_eur_per_kwh.any():
            response, solution = self._own.bid(call.price_eur_per_kwh, call.demand)
        else:
            response, solution = super()._respond(call)
        cost, bound = (eur - self.base_eur for eur in (response.cost_eur, response.bound_eur))
        told = Response(response.p_kw, cost, bound, response.whole, response.pattern)
        return told, solution

    @property
    def base_eur(self) -> float:
        """What p_off costs."""
        return self._own.first().cost_eur

    def costs(self, planned: Solution) -> tuple[float, Array]:
        """What it pays for what it does more than for p_off in EUR, and its power, ``(T,)``."""
        cost, p_kw = super().costs(planned)
        return cost - self.base_eur, p_kw
