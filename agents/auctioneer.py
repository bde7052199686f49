"""The auctioneer: calls for bids hour by hour, clears, says what was accepted, certifies (M9)."""

from __future__ import annotations

from functools import partial

from quartier.agents.asking import AskingAgent
from quartier.agents.auction_messages import BidCall, BidMade, BlocksBid, BlocksCall, Hour
from quartier.agents.base import hears
from quartier.agents.messages import Negotiation, frozen
from quartier.agents.outcome import Certificate, Done, Held, Outcome, responses_at
from quartier.agents.price_messages import Award, Contract, PriceAnswer
from quartier.agents.supplier import blocks_of
from quartier.optimisation.prices import Bid, Hourly, Response, cost_of_all
from quartier.problem import Supply
from quartier.scenario.settings import MarketSettings


class Auctioneer(AskingAgent):
    """Knows bids, those of suppliers among them, and what is public; no unit, no limit, no model.

    Parameters
    ----------
    auction
        What bids come to.
    passes
        How often the window may be auctioned, at forecasts that are learned.
    patience_s, lead_s
        As of :class:`~quartier.agents.asking.AskingAgent`.
    """

    def __init__(
        self,
        name: str,
        auction: Hourly,
        passes: int,
        settings: MarketSettings,
        patience_s: float,
        lead_s: float,
    ) -> None:
        everybody = (*auction.published, *auction.of_suppliers.names)
        super().__init__(name, everybody, settings, patience_s, lead_s)
        self.auction = auction
        self._passes = passes
        self._heard: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        """Begin a pass: nobody is known to have heard anything of it."""
        self._began_s = self._decided_s
        self._told: dict[str, int] = dict.fromkeys(self.auction.published, -1)

    @property
    def _negotiation(self) -> Negotiation:
        return Negotiation(self.title, self.auction.now.number)

    # -- an hour --------------------------------------------------------------------------------
    def _begin(self) -> None:
        if self.auction.step == 0:
            self._began_s = self.now_s
        questions: dict[str, object] = {
            name: BlocksCall(self._negotiation) for name in self.auction.of_suppliers.silent
        }
        questions |= {name: self._call(name) for name in self.auction.published}
        self._put(dict(sorted(questions.items())))

    @property
    def _wait_s(self) -> float:
        """No hour takes more than its part of what is left of the time."""
        left = self.auction.supply.steps + 1 - self.auction.step
        return min(self._settings.answer_s, (self._until_s - self._asked_s) / left)

    def _call(self, name: str) -> BidCall:
        """Ask for a bid, and say all that the bidder may not have heard."""
        held, told, seen = self.auction.now, self._told[name], self.auction.supply.seen
        forecast = frozen(seen(name, held.forecast_eur_per_kwh)) if told < 0 else None
        accepted, price = held.accepted_kw[name], seen(name, held.price_eur_per_kwh)
        cleared = (
            Hour(
                step,
                float(price[step]),
                None if accepted[step] != accepted[step] else float(accepted[step]),
            )
            for step in range(max(told, 0), self.auction.step)
        )
        return BidCall(self._negotiation, self.auction.step, tuple(cleared), forecast)

    @hears(BidMade)
    def on_bid(self, said: BidMade, sender: str) -> None:
        """Take in a bid; the last one clears the hour."""
        bid = Bid(said.base_kw, said.price_eur_per_kwh, said.power_kw, said.whole)
        self.auction.hear(said.agent, said.negotiation.round, said.step, bid)
        self._note(said.agent, said.negotiation, said.step)

    @hears(PriceAnswer)
    def on_answer(self, answer: PriceAnswer, sender: str) -> None:
        """Take in what a bidder does at the prices of a pass; the last one ends it."""
        response = Response(answer.p_kw, answer.cost_eur, answer.bound_eur, answer.whole)
        self.auction.answer(answer.agent, answer.negotiation.round, response)
        self._note(answer.agent, answer.negotiation, self.auction.supply.steps)

    @hears(BlocksBid)
    def on_blocks(self, bid: BlocksBid, sender: str) -> None:
        """Take in what a supplier bids: it counts from the hour on that is cleared next."""
        blocks = blocks_of(bid, self.auction.supply.dt_h)
        self.auction.of_suppliers.hear_blocks(bid.agent, blocks)
        self.attendance.heard(bid.agent, self.now_s)
        if self.outcome is None:
            self._answered(bid.agent)

    def _note(self, name: str, negotiation: Negotiation, step: int) -> None:
        """Note what a bidder must have heard, since it answered that."""
        self.attendance.heard(name, self.now_s)
        self._heard.add(name)
        if self.outcome is None and negotiation == self._negotiation:
            self._told[name] = max(self._told[name], step)
            if step == self.auction.step:
                self._answered(name)

    def _conclude(self) -> None:
        auction = self.auction
        auction.dead = frozenset(self.attendance.failures)
        if not auction.is_over:
            auction.clear()
            self.later(0.0, self._begin)
            return
        self.rounds.append(Held(auction.conclude(), self.now_s))
        if self._has_time() and len(auction.passes) < self._passes and auction.learn():
            self._forget()
            self._begin()
        else:
            self._end()

    def _has_time(self) -> bool:
        """Whether another pass may end in time, if it takes as long as the last one."""
        return 2 * self.now_s - self._began_s < self._until_s

    # -- the end --------------------------------------------------------------------------------
    def _end(self) -> None:
        best = self.auction.best
        negotiation = Negotiation(self.title, best.number)
        shares = {name: {best.number: 1.0} for name in self.auction.published}
        cost, price = self.auction.cost_at(best), frozen(best.price_eur_per_kwh)
        self.outcome = Outcome(negotiation, price, shares, cost, self.now_s)
        award = partial(Award, negotiation, None)
        awards: dict[str, Award | Contract] = {
            name: award(tuple(own.items())) for name, own in shares.items()
        }
        for name, p_kw in self.auction.contracts().items():
            told = frozen(self.auction.supply.seen(name, price))
            awards[name] = Contract(negotiation, told, frozen(p_kw))
        self._award(awards)

    def _last_word(self, name: str) -> object:
        """What it is awarded; before that, once more, the question for what it does."""
        held = self.auction.now
        if name in held.accepted_kw and name not in held.responses:
            return self._call(name)
        return super()._last_word(name)

    def never_heard(self) -> set[str]:
        """Neighbourhoods and suppliers that bid nothing."""
        silent = set(self.auction.published) - self._heard
        return silent | set(self.auction.of_suppliers.silent)

    def certificate(self, done: Done, supply: Supply | None = None) -> Certificate:
        """What is proven of what the neighbourhoods really do, by their answers to the prices."""
        assert self.outcome is not None
        auction, price = self.auction, self.outcome.price_eur_per_kwh
        real = auction.of_suppliers.merit if supply is None else supply
        cost, bound = cost_of_all(done, real), auction.bound_eur
        known = auction.passes[self.outcome.negotiation.round - 1].responses
        responses = responses_at(price, done, known, auction.supply)
        return Certificate(cost, bound, auction.is_near(cost, bound), responses)
