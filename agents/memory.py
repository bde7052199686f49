"""What an agent negotiates with: options to choose, and a memory of what it heard (M6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from quartier.agents.messages import (
    Candidate,
    Entry,
    Gossip,
    Negotiation,
    Reference,
    as_told,
)
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.units.schedule import Schedule

__all__ = ["Choose", "Memory", "Option", "Reference"]


@dataclass(frozen=True)
class Option:
    """A schedule that an agent can choose, reduced to what the others need to know."""

    p_kw: Array
    curtailable_kw: Array
    cost_eur: float
    schedule: Schedule | None = None
    """What the agent itself needs to carry it out; never sent."""

    @cached_property
    def told(self) -> tuple[Array, Array, float]:
        """What the others are told of it."""
        return as_told(self.p_kw, self.curtailable_kw, self.cost_eur)

    @property
    def carried_out(self) -> Schedule:
        """The schedule behind an option that the agent chose itself."""
        if self.schedule is None:
            raise ValueError("this option was heard of, not chosen: nobody can carry it out")
        return self.schedule


Choose = Callable[[Array, Array], Option]
"""Best own option, given the others' sum and what is curtailable in it, shape ``(T,)`` each."""


class Memory(Protocol):
    """What an agent needs of its working memory, whatever it negotiates about."""

    negotiation: Negotiation
    wanted: set[Reference]
    """References heard of whose schedules never arrived (after a loss)."""

    @property
    def terms(self) -> ConnectionTerms:
        """Prices and limits at the connection point."""
        ...

    @property
    def gamma(self) -> Candidate | None:
        """The best known candidate."""
        ...

    @gamma.setter
    def gamma(self, candidate: Candidate | None) -> None: ...

    def entry(self, agent: str, counter: int) -> Entry:
        """Return a known choice; raises KeyError if it is not known here."""
        ...

    def own(self, counter: int) -> Option:
        """Return an own choice by its counter."""
        ...

    def perceive(self, sender: str, message: Gossip) -> bool:
        """Merge what another agent knows; return whether anything changed here."""
        ...

    def decide(self) -> bool:
        """Answer the others; return whether anything changed."""
        ...

    def has_news_for(self, receiver: str) -> bool:
        """Whether a neighbour may lack anything known here."""
        ...

    def news_for(self, receiver: str, digest: bool = False) -> Gossip:
        """What to tell a neighbour."""
        ...

    def answer(self, receiver: str, wanted: Iterable[Reference]) -> Gossip:
        """Send again what a neighbour says it lacks."""
        ...
