"""The pool's agent: calls one negotiation among the agents of all neighbourhoods (M8)."""

from __future__ import annotations

from collections.abc import Mapping

from quartier.agents.caller import CallerAgent
from quartier.agents.messages import Entry, Negotiation
from quartier.problem import ConnectionTerms
from quartier.scenario.settings import NegotiationSettings


class PoolAgent(CallerAgent):
    """Calls for a pool: a neighbourhood of all, with nobody above it who asks or caps.

    Parameters
    ----------
    terms
        What the outer grid asks and pays for the sum of all (eq. 2).
    published
        What every agent published beforehand: its own rules.
    """

    def __init__(
        self,
        name: str,
        terms: ConnectionTerms,
        published: Mapping[str, Entry],
        settings: NegotiationSettings,
    ) -> None:
        super().__init__(name, terms, published, settings, principal=None)

    def on_ready(self) -> None:
        """Let the agents negotiate as soon as everybody is there."""
        self.later(0.0, lambda: self._begin(Negotiation(self.title, 0), self.terms))
