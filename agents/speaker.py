"""A neighbourhood's speaker: makes its offer to the DSO, and answers for P_set (M5)."""

from __future__ import annotations

from collections.abc import Mapping

from quartier.agents.base import hears
from quartier.agents.caller import CallerAgent, Outcome
from quartier.agents.messages import (
    Accepted,
    CallForOffers,
    Entry,
    Heard,
    Negotiation,
    SetCap,
    frozen,
    frozen_terms,
    offer_made,
)
from quartier.planning import Band, under_cap
from quartier.problem import ConnectionTerms
from quartier.quantities import POWER_TOLERANCE_KW, Array
from quartier.scenario.settings import NegotiationSettings


class SpeakerAgent(CallerAgent):
    """Speaks for a neighbourhood towards the DSO; lets its agents negotiate what to answer.

    Parameters
    ----------
    terms
        Prices and limits at the connection point.
    published
        What every agent that negotiates published beforehand: its own rules.
    q_kvar
        Reactive power that is expected of the neighbourhood, shape ``(T,)``.
    """

    def __init__(
        self,
        name: str,
        terms: ConnectionTerms,
        published: Mapping[str, Entry],
        settings: NegotiationSettings,
        q_kvar: Array,
        dso: str,
    ) -> None:
        super().__init__(name, terms, published, settings, principal=dso)
        self._uncapped = self.terms
        self._q_kvar = q_kvar
        self._dso = dso
        self._round = 0
        self._accepted: Accepted | None = None

    @hears(CallForOffers)
    def on_call(self, call: CallForOffers, sender: str) -> None:
        """Let the agents negotiate; the offer follows when they agree."""
        if self._has_begun:
            if self.outcomes:  # the offer, or the way to it, was lost
                self._report(self.outcomes[0])
            else:
                self.tell(self._dso, Heard(self.title))
            return
        self.tell(self._dso, Heard(self.title))
        self._begin(Negotiation(self.title, 0), self._uncapped)

    @property
    def _has_begun(self) -> bool:
        return self._memory is not None

    @hears(SetCap)
    def on_cap(self, cap: SetCap, sender: str) -> None:
        """Let the agents negotiate again if what they agreed on does not fit under P_set."""
        if cap.round < self._round:
            return  # overtaken by a newer one
        if cap.round == self._round:
            self.tell(self._dso, self._accepted or Heard(self.title))  # the answer was lost
            return
        self._round, self._accepted = cap.round, None
        self.terms = frozen_terms(under_cap(self._uncapped, cap.p_max_kw, cap.p_min_kw))
        if self._commit is not None and self._settled() and self._fits():
            self._accept(cap.round, self._curtail_anew())
            return
        self.tell(self._dso, Heard(self.title))
        self._begin(Negotiation(self.title, cap.round), self.terms)

    def _fits(self) -> bool:
        """Whether what the agents committed to keeps P_set."""
        p_kw, loose_kw, _ = self._counted_on()
        done_kw = p_kw - self.curtailed_share * loose_kw
        return bool(self.terms.excess_kw(done_kw).max() <= POWER_TOLERANCE_KW)

    def _report(self, outcome: Outcome) -> None:
        if outcome.negotiation.round == 0:
            band = Band(outcome.p_kw, outcome.down_kw, outcome.up_kw, outcome.curtailed_kw)
            self.tell(self._dso, offer_made(self.title, band, self._q_kvar))
        else:
            self._accept(outcome.negotiation.round, outcome.p_kw)

    def _accept(self, number: int, p_kw: Array) -> None:
        self._accepted = Accepted(self.title, number, frozen(p_kw))
        self.tell(self._dso, self._accepted)
