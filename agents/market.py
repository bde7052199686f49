"""The market's agent: calls a price, hears what everybody would do at it, finds the next (M9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.agents.asking import AskingAgent
from quartier.agents.attendance import Attendance
from quartier.agents.auction_messages import BlocksBid, BlocksCall
from quartier.agents.base import hears
from quartier.agents.messages import Negotiation, frozen
from quartier.agents.outcome import Certificate, Done, Held, Outcome
from quartier.agents.price_messages import (
    Award,
    Contract,
    PriceAnswer,
    PriceCall,
    ServeAnswer,
)
from quartier.agents.supplier import blocks_of
from quartier.optimisation.prices import (
    OWN_RULE,
    Balanced,
    Blocks,
    Response,
    Search,
    Served,
    cost_of_all,
)
from quartier.problem import Supply
from quartier.scenario.settings import MarketSettings


class MarketAgent(AskingAgent):
    """Knows answers and what is public; no unit, no limit, no block, no cost but those of answers.

    Parameters
    ----------
    search
        What answers come to; None: :meth:`serve` will say.
    patience_s, lead_s
        As of :class:`~quartier.agents.asking.AskingAgent`.
    """

    def __init__(
        self,
        name: str,
        search: Search[Any] | None,
        settings: MarketSettings,
        patience_s: float,
        lead_s: float,
    ) -> None:
        super().__init__(name, (), settings, patience_s, lead_s)
        if search is not None:
            self.serve(search)

    def serve(self, search: Search[Any]) -> None:
        """Look for the prices of those that published something."""
        self.attendance = Attendance(search.asked(), self._patience_s)
        self._search = search

    @property
    def blocks(self) -> Blocks | None:
        """What bids come to, if they are blocks of all hours."""
        return self._search if isinstance(self._search, Blocks) else None

    @property
    def _negotiation(self) -> Negotiation:
        return Negotiation(self.title, self._search.number)

    # -- a round --------------------------------------------------------------------------------
    def _begin(self) -> None:
        self._put({name: self._asked(name) for name in sorted(self._search.asked())})

    def _asked(self, name: str) -> PriceCall | BlocksCall:
        """What to ask somebody: of all hours at once, suppliers bid their blocks."""
        search = self._search
        if isinstance(search, Blocks) and name in search.of_suppliers.names:
            return BlocksCall(self._negotiation)
        return self._call(name)

    def _call(self, name: str) -> PriceCall:
        asked = self._search.question(name)
        target = None if asked.target_kw is None else frozen(asked.target_kw)
        price = frozen(asked.price_eur_per_kwh)
        return PriceCall(self._negotiation, price, asked.weight, target)

    @hears(PriceAnswer)
    def on_answer(self, answer: PriceAnswer, sender: str) -> None:
        """Take in an answer; the last one ends the round."""
        response = Response(
            answer.p_kw, answer.cost_eur, answer.bound_eur, answer.whole, answer.pattern
        )
        self._search.hear(answer.agent, answer.negotiation.round, response)
        self._note(answer)

    @hears(ServeAnswer)
    def on_served(self, answer: ServeAnswer, sender: str) -> None:
        """Take in what a supplier would give."""
        said = Served(answer.p_kw, answer.cost_eur, answer.bound_eur)
        self._balanced.of_suppliers.hear(answer.agent, answer.negotiation.round, said)
        self._note(answer)

    @hears(BlocksBid)
    def on_blocks(self, bid: BlocksBid, sender: str) -> None:
        """Take in what a supplier bids."""
        blocks = blocks_of(bid, self._search.supply.dt_h)
        self._balanced.of_suppliers.hear_blocks(bid.agent, blocks)
        self._note(bid)

    @property
    def _balanced(self) -> Balanced:
        """The search, if suppliers take part in it."""
        assert isinstance(self._search, Balanced)
        return self._search

    def _note(self, answer: PriceAnswer | ServeAnswer | BlocksBid) -> None:
        """Note who is there; the last answer of a round ends it."""
        self.attendance.heard(answer.agent, self.now_s)
        if self.outcome is None and answer.negotiation == self._negotiation:
            self._answered(answer.agent)

    def _conclude(self) -> None:
        search = self._search
        search.lost = frozenset(self.attendance.lost)
        search.do_without(frozenset(self.attendance.failures))
        self.rounds.append(Held(search.conclude(), self.now_s))
        over = search.number >= self._settings.rounds or self.now_s >= self._until_s - 1e-9
        if over or search.is_settled or not search.go_on():
            self._end()
        else:
            self._begin()

    # -- the end --------------------------------------------------------------------------------
    def _end(self) -> None:
        search = self._search
        search.settle()
        price = frozen(search.best)
        self.outcome = Outcome(
            self._negotiation,
            price,
            search.shares,
            search.cost_eur,
            self.now_s,
        )
        awards: dict[str, Award | Contract] = {
            name: Award(
                self._negotiation,
                frozen(search.told(name, price)),
                tuple(sorted(shares.items())),
            )
            for name, shares in search.shares.items()
        }
        if isinstance(search, Balanced):
            for name, p_kw in search.contracts().items():
                told = frozen(search.told(name, price))
                awards[name] = Contract(self._negotiation, told, frozen(p_kw))
        self._award(awards)

    def never_heard(self) -> set[str]:
        """Neighbourhoods and suppliers that answered no price."""
        silent = {name for name, known in self._search.answers.items() if not known}
        if isinstance(self._search, Balanced):
            silent |= set(self._search.of_suppliers.silent)
        return silent

    def certificate(self, done: Done, supply: Supply | None = None) -> Certificate:
        """What is proven of what the neighbourhoods really do."""
        assert self.outcome is not None
        search, price = self._search, self.outcome.price_eur_per_kwh
        cost = search.total_eur(done) if supply is None else cost_of_all(done, supply)
        bound = search.bound_eur
        asked = (k for k, p in search.prices.items() if np.array_equal(p, price))
        number = next(asked, OWN_RULE)
        responses = {
            name: (search.at_price(name, price, own, p_kw), known[number].bound_eur)
            for name, (own, p_kw) in done.items()
            if number in (known := search.answers[name])
        }
        return Certificate(cost, bound, search.is_near(cost, bound), responses)
