"""COHDA's working memory and its three verbs, free of any transport (M6).

Hinrichs, Lehnhoff, Sonnenschein (2013), COHDA: a combinatorial optimization heuristic for
distributed agents. An agent keeps the system configuration Ω (the newest known choice of every
agent) and the best known solution candidate γ. A choice is named by its agent and a counter,
so that a message carries references, and only the schedules that its receiver may lack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from quartier.agents.messages import Candidate, Entry, Gossip, Negotiation, frozen, snapshot
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.units.schedule import Schedule

Reference = tuple[str, int]
"""Agent and counter: names one choice for ever."""

RELATIVE_GAIN = 1e-6
"""A candidate is better only if it gains this share of the value: ends endless polishing."""


@dataclass(frozen=True)
class Option:
    """A schedule that an agent can choose, reduced to what the others need to know."""

    p_kw: Array
    curtailable_kw: Array
    cost_eur: float
    schedule: Schedule | None = None
    """What the agent itself needs to carry it out; never sent."""

    @property
    def carried_out(self) -> Schedule:
        """The schedule behind an option that the agent chose itself."""
        if self.schedule is None:
            raise ValueError("this option was heard of, not chosen: nobody can carry it out")
        return self.schedule


Choose = Callable[[Array, Array], Option]
"""Best own option, given the others' sum and what is curtailable in it, shape ``(T,)`` each."""


class WorkingMemory:
    """Ω and γ of one agent, and the choices they refer to.

    Parameters
    ----------
    name
        The agent's name; a listener that makes no choice leaves ``choose`` out.
    terms
        Prices and limits that make the value of a candidate.
    choose
        Local choice against the others' sum.
    """

    def __init__(
        self,
        name: str,
        negotiation: Negotiation,
        terms: ConnectionTerms,
        choose: Choose | None = None,
    ) -> None:
        self.name = name
        self.negotiation = negotiation
        self.terms = terms
        self.omega: dict[str, int] = {}
        self.gamma: Candidate | None = None
        self._choose = choose
        self._entries: dict[Reference, Entry] = {}
        self._own: dict[int, Option] = {}
        self._known_by: dict[str, set[Reference]] = {}
        self._gamma_known_by: dict[str, tuple[float, str, int]] = {}
        self.wanted: set[Reference] = set()
        """References heard of whose schedules never arrived (after a loss)."""

    # -- reading ------------------------------------------------------------------------------
    def entry(self, agent: str, counter: int) -> Entry:
        """Return a known choice; raises KeyError if it never arrived."""
        return self._entries[agent, counter]

    def total(self, counters: Mapping[str, int], without: str = "") -> tuple[Array, Array, float]:
        """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
        chosen = [self._entries[a, c] for a, c in sorted(counters.items()) if a != without]
        shape = self.terms.p_max_kw.shape
        p_kw = np.sum([e.p_kw for e in chosen], axis=0) if chosen else np.zeros(shape)
        loose = np.sum([e.curtailable_kw for e in chosen], axis=0) if chosen else np.zeros(shape)
        return p_kw, loose, float(sum(e.cost_eur for e in chosen))

    def value(self, counters: Mapping[str, int]) -> float:
        """Value of a configuration: cost at the connection point plus the agents' own costs."""
        p_kw, loose, cost = self.total(counters)
        return float(self.terms.cost_eur(p_kw, loose)) + cost

    def own(self, counter: int) -> Option:
        """Return an own choice by its counter."""
        return self._own[counter]

    def restart(self, negotiation: Negotiation, terms: ConnectionTerms) -> None:
        """Go on from what is known under new prices and limits, with γ valued anew."""
        self.negotiation, self.terms = negotiation, terms
        self._gamma_known_by.clear()
        if self.gamma is None:
            return
        known = {a: c for a, c in self.gamma.counters.items() if (a, c) in self._entries}
        self.omega.update(known)
        whole = len(known) == len(self.gamma.counters)  # else schedules were lost on the way
        author = self.gamma.author if whole else self.name
        self.gamma = Candidate(snapshot(known), self.value(known), author)

    # -- perceive -----------------------------------------------------------------------------
    def perceive(self, sender: str, message: Gossip) -> bool:
        """Merge what another agent knows; return whether anything changed here."""
        known = self._known_by.setdefault(sender, set())
        if message.digest:  # says all that the sender knows: forget what was only believed
            known.clear()
            self._gamma_known_by.pop(sender, None)
        for entry in message.entries:
            self._entries[entry.agent, entry.counter] = entry
            known.add((entry.agent, entry.counter))
        known.update(message.omega.items())
        wanted = self._unknown(message.omega.items())
        changed = self._merge_omega(message.omega)
        if message.gamma is not None:
            known.update(message.gamma.counters.items())
            self._gamma_known_by[sender] = _key(message.gamma)
            lacking = self._unknown(message.gamma.counters.items())
            wanted |= lacking
            if not lacking:
                changed |= self._merge_gamma(message.gamma)
        self.wanted = wanted
        return changed

    def _unknown(self, references: Iterable[Reference]) -> set[Reference]:
        return {reference for reference in references if reference not in self._entries}

    def _merge_omega(self, omega: Mapping[str, int]) -> bool:
        changed = False
        for agent, counter in omega.items():
            if (
                agent != self.name
                and counter > self.omega.get(agent, -1)
                and (agent, counter) in self._entries
            ):
                self.omega[agent] = counter
                changed = True
        return changed

    def _merge_gamma(self, other: Candidate) -> bool:
        """Keep the better candidate: more agents first, then value, then the author's name."""
        mine = self.gamma
        if mine is None or other.counters.keys() > mine.counters.keys():
            self.gamma = other
            return True
        if other.counters.keys() == mine.counters.keys():
            if (other.value, other.author) < (mine.value, mine.author):
                self.gamma = other
                return True
            return False
        if other.counters.keys() <= mine.counters.keys():
            return False
        counters = {**other.counters, **mine.counters}
        self.gamma = Candidate(snapshot(counters), self.value(counters), self.name)
        return True

    # -- decide -------------------------------------------------------------------------------
    def decide(self) -> bool:
        """Choose the best own option against Ω; return whether Ω or γ changed.

        A choice that does not beat γ is given up: the own choice returns to its entry in γ.
        """
        if self._choose is None:
            return False
        residual, loose, others_cost = self.total(self.omega, without=self.name)
        option = self._choose(residual, loose)
        p_kw, all_loose = residual + option.p_kw, loose + option.curtailable_kw
        value = float(self.terms.cost_eur(p_kw, all_loose)) + others_cost + option.cost_eur
        if self._beats(value):
            self._adopt(option)
            self.gamma = Candidate(snapshot(self.omega), value, self.name)
            return True
        return self._return_to_gamma()

    def _beats(self, value: float) -> bool:
        if self.gamma is None:
            return True
        agents = self.omega.keys() | {self.name}
        if agents != self.gamma.counters.keys():
            return agents > self.gamma.counters.keys()
        return value < self.gamma.value - RELATIVE_GAIN * max(1.0, abs(self.gamma.value))

    def _adopt(self, option: Option) -> None:
        counter = self.omega.get(self.name, -1) + 1
        self._entries[self.name, counter] = Entry(
            self.name,
            counter,
            frozen(option.p_kw),
            frozen(option.curtailable_kw),
            float(option.cost_eur),
        )
        self._own[counter] = option
        self.omega[self.name] = counter

    def _return_to_gamma(self) -> bool:
        assert self.gamma is not None  # it is beaten otherwise
        settled = self._own[self.gamma.counters[self.name]]
        if self._own[self.omega[self.name]] is settled:
            return False
        self._adopt(settled)
        return True

    def seed(self, option: Option) -> None:
        """Enter the own first choice, before anything is heard."""
        self._adopt(option)
        self.gamma = Candidate(snapshot(self.omega), self.value(self.omega), self.name)

    # -- act ----------------------------------------------------------------------------------
    def has_news_for(self, receiver: str) -> bool:
        """Whether the neighbour may lack anything known here."""
        if self.gamma is not None and self._gamma_known_by.get(receiver) != _key(self.gamma):
            return True
        known = self._known_by.get(receiver, set())
        return any(reference not in known for reference in self.omega.items())

    def news_for(self, receiver: str, digest: bool = False) -> Gossip:
        """What to tell a neighbour: all references, and the schedules it may lack.

        A digest carries references only, and believes nothing of what was sent before.
        """
        known = self._known_by.setdefault(receiver, set())
        references = set(self.omega.items())
        if self.gamma is not None:
            references |= set(self.gamma.counters.items())
            self._gamma_known_by[receiver] = _key(self.gamma)
        unheard = references - known if not digest else set()
        fresh = sorted(reference for reference in unheard if reference in self._entries)
        known.update(fresh)
        entries = tuple(self._entries[reference] for reference in fresh)
        return Gossip(self.negotiation, entries, snapshot(self.omega), self.gamma, digest)

    def answer(self, receiver: str, wanted: Iterable[Reference]) -> Gossip:
        """Send again what a neighbour says it lacks."""
        known = self._known_by.setdefault(receiver, set())
        found = [self._entries[r] for r in wanted if r in self._entries]
        known.update((e.agent, e.counter) for e in found)
        return Gossip(self.negotiation, tuple(found), snapshot(self.omega), self.gamma)


def _key(gamma: Candidate) -> tuple[float, str, int]:
    return gamma.value, gamma.author, len(gamma.counters)
