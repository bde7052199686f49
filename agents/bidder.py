"""A neighbourhood's agent in an auction: bids hour by hour, keeps its model (M9)."""

from __future__ import annotations

from quartier.agents.auction_messages import BidCall, BidMade
from quartier.agents.base import hears
from quartier.agents.messages import Negotiation, frozen
from quartier.agents.price_messages import Award, PriceAnswer
from quartier.agents.price_taker import TakerAgent
from quartier.optimisation import Solution
from quartier.optimisation.prices import Bidder
from quartier.problem import NeighbourhoodProblem, Supply
from quartier.quantities import Array
from quartier.scenario.settings import MarketSettings


class BidderAgent(TakerAgent[tuple[int, int], BidMade | PriceAnswer]):
    """Bids for hours, commits to what is accepted of its bids.

    Parameters
    ----------
    fee_eur_per_kwh
        Fee on what it draws, shape ``(T,)``.
    supply
        What is public of the others: between which prices an hour is cleared.
    """

    def __init__(
        self,
        problem: NeighbourhoodProblem,
        market: str,
        fee_eur_per_kwh: Array,
        supply: Supply,
        settings: MarketSettings,
    ) -> None:
        super().__init__(problem, market)
        self._fee, self._settings = fee_eur_per_kwh, settings
        ends = (supply.lowest_eur_per_kwh, supply.highest_eur_per_kwh)
        self._limits = (supply.seen(problem.name, ends[0]), supply.seen(problem.name, ends[1]))
        self._bidder: Bidder | None = None
        self._pass, self._settled = 0, set[int]()
        self._solutions: dict[int, Solution] = {}
        self._costs: dict[int, tuple[float, Array]] = {}

    @hears(BidCall)
    def on_call(self, call: BidCall, sender: str) -> None:
        """Learn what came of the hours before, and answer."""
        number = call.negotiation.round
        if number < self._pass:
            return  # overtaken by another pass
        self.tell(sender, self._once((number, call.step), number, lambda: self._answer(call)))

    def _answer(self, call: BidCall) -> BidMade | PriceAnswer:
        bidder = self._learn(call)
        if call.step == bidder.price.size:
            return self._response(call.negotiation)
        sample = self._settings.bids == "algorithm-1"
        bid = bidder.sampled(call.step) if sample else bidder.exact(call.step)
        return BidMade(
            call.negotiation,
            call.step,
            self.title,
            bid.base_kw,
            frozen(bid.price_eur_per_kwh),
            frozen(bid.power_kw),
            bid.whole,
        )

    def _learn(self, call: BidCall) -> Bidder:
        """Take in what it is told; what it knows already is told again until it answers."""
        if self._bidder is None:
            ahead = round(self._settings.look_ahead_h / self.problem.horizon.dt_h)
            self._bidder = Bidder(self.problem, self._fee, *self._limits, ahead)
        if call.negotiation.round > self._pass:
            assert call.forecast_eur_per_kwh is not None
            self._pass, self._settled = call.negotiation.round, set()
            self._bidder.begin(call.forecast_eur_per_kwh)
        for hour in call.cleared:
            if hour.step not in self._settled:
                self._settled.add(hour.step)
                self._bidder.settle(hour.step, hour.price_eur_per_kwh, hour.accepted_kw)
        return self._bidder

    def _response(self, negotiation: Negotiation) -> PriceAnswer:
        assert self._bidder is not None
        found, self._solutions[self._pass] = self._bidder.response()
        p_kw = frozen(found.p_kw)
        self._costs[self._pass] = found.cost_eur, p_kw
        return PriceAnswer(
            negotiation, self.title, p_kw, found.cost_eur, found.bound_eur, found.whole
        )

    # -- what is done ---------------------------------------------------------------------------
    def _take(self, award: Award) -> None:
        """The pass that is awarded is all there is to know."""

    @property
    def _awarded(self) -> int:
        return self._pass if self.award is None else self.award.negotiation.round

    def _plan_now(self) -> Solution | None:
        """Who never heard which pass counts keeps to the last one, as far as it heard of it."""
        if self.failure is not None or self._bidder is None:
            return None
        if self._awarded == self._pass and self._pass not in self._solutions:
            self._response(Negotiation(self.title, self._pass))
        return self._solutions.get(self._awarded)

    def _account_of(self, planned: Solution) -> tuple[float, Array]:
        return self._costs[self._awarded]
