"""The DSO's agent: asks for offers, removes congestion with P_set, checks what was accepted."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import Accepted, CallForOffers, Failed, OfferMade, SetCap, frozen
from quartier.coordination import Cap
from quartier.planning import Asset
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import Array
from quartier.redispatch.rounds import Round, Rounds

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""Simulated time in s after which an unanswered question is asked again."""


class DsoAgent(QuartierAgent):
    """Runs the process of M5 with every connection point of at least the threshold's size.

    Parameters
    ----------
    problem
        The network, what feeds in and draws besides the assets, and the settings of redispatch.
    assets
        Who may be asked.
    rounds
        Most rounds of redispatch.
    """

    def __init__(
        self, name: str, problem: NetworkProblem, assets: Sequence[Asset], rounds: int
    ) -> None:
        super().__init__(name)
        self.assets: Mapping[str, Asset] = {asset.name: asset for asset in assets}
        self.offers: dict[str, Offer] = {}
        self.accepted: dict[str, Array] = {}
        self.rounds = Rounds(problem, rounds)
        self.unkept: tuple[str, ...] = ()
        self.failures: dict[str, str] = {}
        self._waiting: set[str] = set()

    @property
    def caps(self) -> Mapping[str, Cap]:
        """P_set of every connection point, as decided last."""
        return self.rounds.caps

    @property
    def history(self) -> Sequence[Round]:
        """All rounds so far."""
        return self.rounds.history

    def on_ready(self) -> None:
        """Call for offers as soon as everybody is there."""
        self.later(0.0, partial(self._ask, 0))

    def _ask(self, number: int) -> None:
        """Ask whoever has not answered in this round, again and again: messages may be lost."""
        waiting = self._waiting if number else self._silent()
        if number != len(self.history) or not waiting:
            return
        for name in sorted(waiting):
            self.tell(name, self._question(number, name))
        self.later(RETRY_S, partial(self._ask, number))

    def _question(self, number: int, name: str) -> CallForOffers | SetCap:
        if not number:
            return CallForOffers()
        cap = self.caps[name]
        return SetCap(number, frozen(cap.p_max_kw), frozen(cap.p_min_kw))

    def _silent(self) -> set[str]:
        """Who has neither made an offer nor failed."""
        return self.assets.keys() - self.offers.keys() - self.failures.keys()

    @hears(OfferMade)
    def on_offer(self, made: OfferMade, sender: str) -> None:
        """Collect the offers; the last one starts the redispatch."""
        asset = self.assets[made.asset]
        if made.asset in self.offers:
            return  # the first offer is the one that counts: p_off is fixed (M4)
        self.offers[made.asset] = Offer(
            asset.name,
            asset.kind,
            asset.bus,
            made.p_kw,
            made.down_kw,
            made.up_kw,
            made.q_kvar,
            asset.price_eur_per_kwh,
            asset.raise_price_eur_per_kwh,
            asset.rated_kw,
        )
        if not self._silent():
            self._redispatch()

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Go on without a connection point whose agent died."""
        self.failures[failed.agent] = failed.reason
        self._waiting.discard(failed.agent)
        if not self.history and not self._silent():
            self._redispatch()

    def _redispatch(self) -> None:
        offers = [self.offers[name] for name in self.assets if name in self.offers]
        self._waiting = set(self.rounds.decide(offers))
        self.later(0.0, partial(self._ask, len(self.history)))

    @hears(Accepted)
    def on_accepted(self, answer: Accepted, sender: str) -> None:
        """Note what will be done; solve again with what is left if a cap cannot be kept."""
        if answer.round != len(self.history):
            return  # about caps that were replaced since
        self.accepted[answer.asset] = answer.p_kw
        self._waiting.discard(answer.asset)
        if not self._waiting:
            self._review()

    def _review(self) -> None:
        self.unkept = self.rounds.unkept(self.accepted)
        if self.unkept and self.rounds.left:
            logger.info("caps not kept by %s: redispatch again", ", ".join(self.unkept))
            self._redispatch()
