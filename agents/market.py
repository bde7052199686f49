"""The market's agent: calls a price, hears what everybody would do at it, finds the next (M9)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from quartier.agents.attendance import Attendance, retry_s
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import Failed, Negotiation, frozen
from quartier.agents.price_messages import Award, Awarded, PriceAnswer, PriceCall
from quartier.optimisation.prices import OWN_RULE, Response, Round, Search
from quartier.quantities import Array
from quartier.scenario.settings import MarketSettings

FOR_ROUNDS = 0.9
"""Part of the time of a gate in which prices are called; the rest is for saying what came of it."""


@dataclass(frozen=True)
class Held:
    """A round as it was held."""

    found: Round
    ended_s: float
    """Simulated time in s since the gate began."""


@dataclass(frozen=True)
class Outcome:
    """What the market came to."""

    negotiation: Negotiation
    price_eur_per_kwh: Array
    """The price of the best bound, shape ``(T,)``."""
    shares: Mapping[str, Mapping[int, float]]
    cost_eur: float
    decided_s: float


@dataclass(frozen=True)
class Certificate:
    """How good it is what all do."""

    cost_eur: float
    bound_eur: float
    """No plan can cost less."""
    is_enough: bool
    """Whether the two are near enough."""
    responses: Mapping[str, tuple[float, float]]
    """What each comes to at the price, and the least it could come to, in EUR: of those that
    answered that price."""


class MarketAgent(QuartierAgent):
    """Knows answers and what others ask and pay; no unit, no limit, no cost but those of answers.

    Parameters
    ----------
    search
        What answers come to; None: :meth:`serve` will say.
    patience_s
        Simulated time in s after which a neighbourhood that answers nothing is not waited for.
    lead_s
        Simulated time in s that everything may take.
    """

    def __init__(
        self,
        name: str,
        search: Search[Any] | None,
        settings: MarketSettings,
        patience_s: float,
        lead_s: float,
    ) -> None:
        super().__init__(name)
        self.rounds: list[Held] = []
        self.outcome: Outcome | None = None
        self.unacknowledged: set[str] = set()
        self._settings = settings
        self._patience_s, self._until_s = patience_s, FOR_ROUNDS * lead_s
        if search is not None:
            self.serve(search)
        self._waiting: set[str] = set()
        self._asked_s = self._wall = 0.0
        self.wall_s = 0.0
        """Wall time of everything in s, the answers of all included."""

    def serve(self, search: Search[Any]) -> None:
        """Look for the prices of those that published something."""
        self.attendance = Attendance(search.published, self._patience_s)
        self._search = search

    def on_ready(self) -> None:
        """Call the first price as soon as everybody is there."""
        self._wall = time.perf_counter()
        self.later(0.0, self._begin)

    @property
    def _negotiation(self) -> Negotiation:
        return Negotiation(self.title, self._search.number)

    # -- a round --------------------------------------------------------------------------------
    def _begin(self) -> None:
        self._waiting = set(self._search.published)
        self._asked_s = self.now_s
        self._calls = {name: self._call(name) for name in sorted(self._waiting)}
        self._ask(self._search.number)

    def _call(self, name: str) -> PriceCall:
        asked = self._search.question(name)
        target = None if asked.target_kw is None else frozen(asked.target_kw)
        price = frozen(asked.price_eur_per_kwh)
        return PriceCall(self._negotiation, price, asked.weight, target)

    def _ask(self, number: int, times: int = 1) -> None:
        """Ask whoever has not answered yet, again and again, until the round's time is over."""
        if number != self._search.number or not self._waiting:
            return
        self.attendance.lose_patience(self.now_s, self._waiting)
        end_s = min(self._asked_s + self._settings.answer_s, self._until_s)
        if times > 1 and (self.now_s >= end_s - 1e-9 or self._is_complete()):
            self._close()
            return
        for name in sorted(self._waiting):
            self.tell(name, self._calls[name])
        pause_s = min(retry_s(times), max(end_s - self.now_s, 0.0))
        self.later(pause_s, partial(self._ask, number, times + 1))

    def _is_complete(self) -> bool:
        """Whether everybody answered who is counted on, and somebody is."""
        lost = self.attendance.lost
        return self._waiting <= lost and len(lost) < len(self._search.published)

    @hears(PriceAnswer)
    def on_answer(self, answer: PriceAnswer, sender: str) -> None:
        """Take in an answer; the last one ends the round."""
        self.attendance.heard(answer.agent, self.now_s)
        response = Response(
            answer.p_kw, answer.cost_eur, answer.bound_eur, answer.whole, answer.pattern
        )
        self._search.hear(answer.agent, answer.negotiation.round, response)
        if self.outcome is None and answer.negotiation == self._negotiation:
            self._waiting.discard(answer.agent)
            if self._is_complete():
                self._close()

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Go on without a neighbourhood whose agent died."""
        self.attendance.failed(failed.agent, failed.reason)
        self.unacknowledged.discard(failed.agent)
        if self.outcome is None and self._waiting and self._is_complete():
            self._close()

    def _close(self) -> None:
        """End the round with what was heard; late answers count when they come."""
        search = self._search
        self._waiting = set()
        search.lost = frozenset(self.attendance.lost)
        search.do_without(frozenset(self.attendance.failures))
        self.rounds.append(Held(search.conclude(), self.now_s))
        over = search.number >= self._settings.rounds or self.now_s >= self._until_s - 1e-9
        if over or search.is_settled or not search.go_on():
            self._award()
        else:
            self._begin()

    # -- the end --------------------------------------------------------------------------------
    def _award(self) -> None:
        search = self._search
        price = frozen(search.best)
        self.outcome = Outcome(
            self._negotiation,
            price,
            search.shares,
            search.cost_eur,
            self.now_s,
        )
        self._awards = {
            name: Award(
                self._negotiation, frozen(search.told(name, price)), tuple(sorted(shares.items()))
            )
            for name, shares in search.shares.items()
        }
        self.unacknowledged = set(search.published) - self.attendance.failures.keys()
        self.wall_s = time.perf_counter() - self._wall
        self._insist()

    def _insist(self, times: int = 1) -> None:
        """Say what is awarded until all that can answer acknowledged it, or patience is over."""
        assert self.outcome is not None
        if self.now_s > self.outcome.decided_s + self._patience_s:
            return
        for name in sorted(self.unacknowledged):
            self.tell(name, self._awards[name])
        if self.unacknowledged:
            self.later(retry_s(times), partial(self._insist, times + 1))

    @hears(Awarded)
    def on_awarded(self, answer: Awarded, sender: str) -> None:
        """Note who does what it was awarded."""
        self.unacknowledged.discard(answer.agent)

    def never_heard(self) -> set[str]:
        """Neighbourhoods that answered no price."""
        return {name for name, known in self._search.answers.items() if not known}

    def certificate(self, done: Mapping[str, tuple[float, Array]]) -> Certificate:
        """What is proven of what the neighbourhoods really do.

        Parameters
        ----------
        done
            Cost in EUR, energy apart, and power of each, shape ``(T,)``.
        """
        assert self.outcome is not None
        search, price = self._search, self.outcome.price_eur_per_kwh
        cost = search.total_eur(done)
        asked = (k for k, p in search.prices.items() if np.array_equal(p, price))
        number = next(asked, OWN_RULE)
        responses = {
            name: (search.at_price(name, price, own, p_kw), known[number].bound_eur)
            for name, (own, p_kw) in done.items()
            if number in (known := search.answers[name])
        }
        bound = search.bound_eur
        return Certificate(cost, bound, search.is_near(cost, bound), responses)
