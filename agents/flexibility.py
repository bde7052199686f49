"""The agents of a flexibility market: the DSO tells its demand, neighbourhoods bid (M9)."""

from __future__ import annotations

from functools import cached_property

from quartier.agents.congestion import PriceDesk
from quartier.agents.congestion_taker import CongestionTaker
from quartier.agents.messages import frozen
from quartier.agents.price_messages import FlexibilityCall, PriceCall
from quartier.optimisation import Solution
from quartier.optimisation.prices import Response
from quartier.quantities import Array
from quartier.redispatch.flexibility_market import FlexibilityMarket


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

    @cached_property
    def base_eur(self) -> float:
        """What p_off costs; nothing where it was never asked."""
        return 0.0 if self._congested is None else self._congested.first().cost_eur

    def _account_of(self, planned: Solution) -> tuple[float, Array]:
        """What it pays more than for p_off."""
        cost, p_kw = super()._account_of(planned)
        return cost - self.base_eur, p_kw
