"""The market's agent: calls a price, hears what everybody would do at it, finds the next (M9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.agents.asking import AskingAgent
from quartier.agents.attendance import Attendance
from quartier.agents.base import hears
from quartier.agents.messages import Negotiation, frozen
from quartier.agents.outcome import Certificate, Done, Held, Outcome
from quartier.agents.price_messages import Award, PriceAnswer, PriceCall
from quartier.optimisation.prices import OWN_RULE, Response, Search
from quartier.scenario.settings import MarketSettings


class MarketAgent(AskingAgent):
    """Knows answers and what others ask and pay; no unit, no limit, no cost but those of answers.

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
        self.attendance = Attendance(search.published, self._patience_s)
        self._search = search

    @property
    def _negotiation(self) -> Negotiation:
        return Negotiation(self.title, self._search.number)

    # -- a round --------------------------------------------------------------------------------
    def _begin(self) -> None:
        self._put({name: self._call(name) for name in sorted(self._search.published)})

    def _call(self, name: str) -> PriceCall:
        asked = self._search.question(name)
        target = None if asked.target_kw is None else frozen(asked.target_kw)
        price = frozen(asked.price_eur_per_kwh)
        return PriceCall(self._negotiation, price, asked.weight, target)

    @hears(PriceAnswer)
    def on_answer(self, answer: PriceAnswer, sender: str) -> None:
        """Take in an answer; the last one ends the round."""
        self.attendance.heard(answer.agent, self.now_s)
        response = Response(
            answer.p_kw, answer.cost_eur, answer.bound_eur, answer.whole, answer.pattern
        )
        self._search.hear(answer.agent, answer.negotiation.round, response)
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
        price = frozen(search.best)
        self.outcome = Outcome(
            self._negotiation,
            price,
            search.shares,
            search.cost_eur,
            self.now_s,
        )
        self._award(
            {
                name: Award(
                    self._negotiation,
                    frozen(search.told(name, price)),
                    tuple(sorted(shares.items())),
                )
                for name, shares in search.shares.items()
            }
        )

    def never_heard(self) -> set[str]:
        """Neighbourhoods that answered no price."""
        return {name for name, known in self._search.answers.items() if not known}

    def certificate(self, done: Done) -> Certificate:
        """What is proven of what the neighbourhoods really do."""
        assert self.outcome is not None
        search, price = self._search, self.outcome.price_eur_per_kwh
        cost, bound = search.total_eur(done), search.bound_eur
        asked = (k for k, p in search.prices.items() if np.array_equal(p, price))
        number = next(asked, OWN_RULE)
        responses = {
            name: (search.at_price(name, price, own, p_kw), known[number].bound_eur)
            for name, (own, p_kw) in done.items()
            if number in (known := search.answers[name])
        }
        return Certificate(cost, bound, search.is_near(cost, bound), responses)
