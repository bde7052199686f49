"""The DSO's agent: asks for offers, removes congestion with P_set, checks what was accepted."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from quartier.agents.attendance import Attendance, retry_s
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import (
    Accepted,
    CallForOffers,
    Failed,
    Heard,
    OfferMade,
    SetCap,
    frozen,
)
from quartier.coordination import Cap
from quartier.planning import Asset, Band, Forecast, offer_of
from quartier.problem import NetworkProblem, Offer
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.rounds import Round, Rounds

logger = logging.getLogger(__name__)

PATIENCE_S = 120.0
"""Simulated time in s after which a connection point that says nothing is not waited for."""

LATE_S = 10.0
"""Simulated time in s between two calls for an offer that is late."""


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
    forecasts
        What is published of every connection point: what to expect of one that makes no offer.
    """

    def __init__(
        self,
        name: str,
        problem: NetworkProblem,
        assets: Sequence[Asset],
        rounds: int,
        forecasts: Mapping[str, Forecast],
    ) -> None:
        super().__init__(name)
        self.assets: Mapping[str, Asset] = {asset.name: asset for asset in assets}
        self.offers: dict[str, Offer] = {}
        self.accepted: dict[str, Array] = {}
        self.rounds = Rounds(problem, rounds)
        self.unkept: tuple[str, ...] = ()
        self.attendance = Attendance(self.assets, PATIENCE_S)
        self.unheard: set[str] = set()
        """Connection points that did not answer their P_set: it may not have reached them."""
        self._forecasts = forecasts
        self._problem = problem
        self.waiting = set(self.assets)
        """Connection points that have not answered the last question yet."""

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

    def _ask(self, number: int, times: int = 1) -> None:
        """Ask whoever has not answered in this round, again and again: messages may be lost."""
        if number != len(self.history) or not self.waiting:
            return
        if times == 1:
            self.attendance.ask(self.now_s)
        self.attendance.lose_patience(self.now_s, self.waiting)
        if times > 1 and self._is_settled():
            self._go_on()
            return
        for name in sorted(self.waiting):
            self.tell(name, self._question(number, name))
        self.later(retry_s(times), partial(self._ask, number, times + 1))

    def _is_settled(self) -> bool:
        """Whether nobody that can answer still has to."""
        return self.waiting <= self.attendance.lost

    def _go_on(self) -> None:
        """Do what comes next when no more answers come in."""
        if not self.history:
            self._redispatch()
        else:
            self._review()

    def _question(self, number: int, name: str) -> CallForOffers | SetCap:
        if not number:
            return CallForOffers()
        cap = self.caps[name]
        return SetCap(number, frozen(cap.p_max_kw), frozen(cap.p_min_kw))

    @hears(Heard)
    def on_heard(self, heard: Heard, sender: str) -> None:
        """Note that a connection point works on its answer."""
        self.attendance.heard(heard.asset, self.now_s)

    @hears(OfferMade)
    def on_offer(self, made: OfferMade, sender: str) -> None:
        """Collect the offers; the last one starts the redispatch."""
        self._take_offer(made)

    def _take_offer(self, made: OfferMade) -> None:
        asset = self.assets[made.asset]
        self.attendance.heard(made.asset, self.now_s)
        if made.asset in self.offers or (self.history and not self.rounds.left):
            return  # the first offer is the one that counts: p_off is fixed (M4)
        band = Band(made.p_kw, made.down_kw, made.up_kw, made.curtailed_kw)
        self.offers[made.asset] = offer_of(asset, band, made.q_kvar)
        self.waiting.discard(made.asset)
        if self.history or self._is_settled():
            self._redispatch()

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Go on without a connection point whose agent died."""
        self._take_failure(failed)

    def _take_failure(self, failed: Failed) -> None:
        self.attendance.failed(failed.agent, failed.reason)
        if failed.agent in self.waiting and self._is_settled():
            self._go_on()

    def _redispatch(self) -> None:
        self.rounds.problem = self._with_forecasts(self.rounds.problem)
        offers = [self.offers[name] for name in self.assets if name in self.offers]
        self._order(set(self.rounds.decide(offers)))

    def _order(self, names: set[str]) -> None:
        """Tell some their P_set."""
        self.waiting = names
        self.later(0.0, partial(self._ask, len(self.history)))
        if len(self.history) == 1:
            self._call_late()

    def _call_late(self) -> None:
        """Ask on for offers that are late: there may be a round left for them."""
        late = self.assets.keys() - self.offers.keys() - self.attendance.failures.keys()
        if late and self.rounds.left:
            for name in sorted(late):
                self.tell(name, CallForOffers())
            self.later(LATE_S, self._call_late)

    def _with_forecasts(self, problem: NetworkProblem) -> NetworkProblem:
        """Count what is expected of those that made no offer as given."""
        p_mw = self._problem.background_p_mw.copy()
        q_mvar = self._problem.background_q_mvar.copy()
        for name in sorted(self.assets.keys() - self.offers.keys()):
            at = problem.network.position(self.assets[name].bus)
            p_mw[:, at] += self._forecasts[name].p_kw / KW_PER_MW
            q_mvar[:, at] += self._forecasts[name].q_kvar / KW_PER_MW
        return replace(problem, background_p_mw=p_mw, background_q_mvar=q_mvar)

    @hears(Accepted)
    def on_accepted(self, answer: Accepted, sender: str) -> None:
        """Note what will be done; solve again with what is left if a cap cannot be kept."""
        if answer.round != len(self.history):
            return  # about caps that were replaced since
        self.attendance.heard(answer.asset, self.now_s)
        self.accepted[answer.asset] = answer.p_kw
        self.unheard.discard(answer.asset)
        if answer.asset in self.waiting:
            self.waiting.discard(answer.asset)
            if self._is_settled():
                self._review()

    def _review(self) -> None:
        """Solve again with what is left; who is silent is taken at its offer."""
        for name in self.waiting:
            self.accepted[name] = self.offers[name].p_kw
        self.unheard |= self.waiting
        self.waiting = set()
        self.unkept = self.rounds.unkept(self.accepted)
        if self.unkept and self.rounds.left:
            logger.info("caps not kept by %s: redispatch again", ", ".join(self.unkept))
            self._redispatch()
