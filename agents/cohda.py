"""COHDA's working memory and its three verbs, free of any transport (M6).

Hinrichs, Lehnhoff, Sonnenschein (2013), COHDA: a combinatorial optimization heuristic for
distributed agents. An agent keeps the system configuration Ω (the newest known choice of every
agent) and the best known solution candidate γ. A choice is named by its agent and a counter,
so that a message carries references, and only the schedules that its receiver may lack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from quartier.agents.configuration import Configuration
from quartier.agents.counters import NONE, Counters, IntArray, numbers_of
from quartier.agents.ledger import Ledger
from quartier.agents.memory import Choose, Memory, Option, Reference
from quartier.agents.messages import (
    OWN_RULE,
    Candidate,
    Entry,
    Gossip,
    Negotiation,
    Settled,
)
from quartier.agents.shelf import NO_ROW, Shelf
from quartier.problem import ConnectionTerms

__all__ = ["Choose", "Memory", "Option", "Reference", "WorkingMemory"]

RELATIVE_GAIN = 1e-6
"""A candidate is better only if it gains this share of the value: ends endless polishing."""

MANY = 8
"""Choices by which each of two candidates must be ahead of the other before they are crossed. Where
few move at the same time, it is better if they do so again: they find what others leave."""

NOTHING = Counters((), np.empty(0, dtype=np.int32))
"""Ω of a message that says nothing of it."""


class WorkingMemory(Ledger):
    """Ω and γ of one agent, and the choices they refer to.

    Parameters
    ----------
    name
        The agent's name; a listener that makes no choice leaves ``choose`` out.
    terms
        Prices and limits that make the value of a candidate.
    choose
        Local choice against the others' sum.
    participants
        Everybody who makes a choice. Others that are heard of are taken in as well; to know
        them before saves work.
    own_rule
        Choice to follow the own rules, which others count on if they do not hear the agent.
    shelf
        Where the choices stand that agents of the process know.
    """

    def __init__(
        self,
        name: str,
        negotiation: Negotiation,
        terms: ConnectionTerms,
        choose: Choose | None = None,
        participants: Sequence[str] = (),
        own_rule: Callable[[], Option] | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        is_new = choose is not None and name not in participants
        super().__init__(terms, (*participants, name) if is_new else participants, shelf)
        self.name = name
        self.negotiation = negotiation
        self._choose = choose
        self._own_rule = own_rule
        self._own: dict[int, Option] = {}
        self._reserved: dict[int, Entry] = {}
        """Own choices that a partner may make part of γ."""
        self._me = numbers_of(self._names).get(name, -1)

    def own(self, counter: int) -> Option:
        """Return an own choice by its counter."""
        if counter == OWN_RULE and counter not in self._own and self._own_rule is not None:
            self._own[counter] = self._own_rule()
        return self._own[counter]

    def restart(
        self, negotiation: Negotiation, terms: ConnectionTerms, instead: Sequence[Entry] = ()
    ) -> None:
        """Go on from what is known under new prices and limits, with γ valued anew.

        Parameters
        ----------
        instead
            Choices to put in place of those in γ.
        """
        self.negotiation, self.terms = negotiation, terms
        for acquaintance in self._acquaintances.values():
            acquaintance.gamma = None
        if self._candidate is None:
            return
        known = Counters(self._names, self._gamma.counters)
        whole = len(known) == len(self._candidate.counters)  # else schedules were lost on the way
        for entry in instead:
            self._replace(self._gamma, numbers_of(self._names)[entry.agent], entry)
        kept = (self._gamma.rows != NO_ROW).nonzero()[0]
        self._enter(self._omega, kept, self._gamma.counters[kept], self._gamma.rows[kept])
        known = Counters(self._names, self._gamma.counters)
        author = self._candidate.author if whole else self.name
        self._candidate = Candidate(known, self._value(*self._gamma.total()), author)

    # -- perceive -----------------------------------------------------------------------------
    def perceive(self, sender: str, message: Gossip) -> bool:
        """Merge what another agent knows; return whether anything changed here."""
        omega = self._in_order(message.omega) if message.omega else None
        gamma = None if message.gamma is None else self._in_order(message.gamma.counters)
        if omega is not None and len(omega) < len(self._names):  # γ names more agents than Ω
            omega = Counters.of(message.omega).ordered(self._names)
        if message.entries:
            self._learn(message.entries)
        self._acquaintance(sender).heard(omega, gamma, message)
        self.wanted = set()
        changed = omega is not None and self._merge_omega(omega)
        if message.gamma is not None and gamma is not None and message.gamma is not self.gamma:
            changed |= self._merge_omega(gamma)
            changed |= self._merge_gamma(message.gamma, gamma)
        return changed

    def _merge_omega(self, omega: IntArray) -> bool:
        newer = omega > self._omega.counters
        corrects = False
        if self._me >= 0:
            corrects = self._correct(int(omega[self._me]))
            newer[self._me] = False
        return bool(self._take(self._omega, omega, newer.nonzero()[0])) or corrects

    def _correct(self, counter: int) -> bool:
        """Say the own choice anew if others believe in a later one, given up in a new round."""
        mine = int(self._omega.counters[self._me])
        if counter <= mine or mine < 0:
            return False
        if counter in self._reserved:  # a partner made it part of γ
            self._replace(self._omega, self._me, self._reserved[counter])
            return True
        option = self.own(mine)
        self._adopt(option, self._entry(option))
        return True

    def _merge_gamma(self, other: Candidate, theirs: IntArray) -> bool:
        """Keep the better candidate: more agents first, then value, then the author's name."""
        mine = self._candidate
        if other is mine:
            return False
        everybody = len(self._names)
        if mine is not None and len(mine.counters) == len(other.counters) == everybody:
            if self._cross(mine, other, theirs):
                return True
            if (other.value, other.author) >= (mine.value, mine.author):
                return False
            return self._follow(other, theirs)
        here, there = self._gamma.counters >= 0, theirs >= 0
        if (there <= here).all():
            same = len(other.counters) == int(here.sum())
            if mine is None or not same:
                return False
            if (other.value, other.author) >= (mine.value, mine.author):
                return False
        elif not (here <= there).all():
            theirs = np.where(here, self._gamma.counters, theirs)
            return self._join(theirs)
        return self._follow(other, theirs)

    def _follow(self, other: Candidate, counters: IntArray) -> bool:
        """Take another's candidate if all its schedules are here."""
        if not self._assume(counters):
            return False
        self._candidate = other
        return True

    def _join(self, counters: IntArray) -> bool:
        """Make a candidate of choices that were in different ones."""
        if not self._assume(counters):
            return False
        self._nominate(self._value(*self._gamma.total()))
        return True

    def _assume(self, counters: IntArray) -> bool:
        """Make γ of these choices if all their schedules are here."""
        places = (counters != self._gamma.counters).nonzero()[0]
        rows = self._fetched(counters, places)
        if rows is None:
            return False
        self._enter(self._gamma, places, counters[places], rows)
        return True

    def _cross(self, mine: Candidate, other: Candidate, theirs: IntArray) -> bool:
        """Make a candidate of the newest choices in two, if that is better than both.

        So agents that moved at the same time, without knowing of each other, need not move again
        one after the other. Wherever the two meet, the same comes of it: also its author.
        """
        places = (theirs > self._gamma.counters).nonzero()[0]
        older = int(np.count_nonzero(theirs < self._gamma.counters))
        if min(len(places), older) < MANY:
            return False
        rows = self._rows(places, theirs[places])
        if np.count_nonzero(rows) < len(rows):
            return False
        self._gamma.total()
        value = self._value(*self._gamma.replaced(rows, self._gamma.rows[places]))
        if not _gains(value, min(mine.value, other.value)):
            return False
        self._enter(self._gamma, places, theirs[places], rows)
        self._nominate(value, min(mine.author, other.author))
        return True

    def _nominate(self, value: float, author: str = "") -> None:
        counters = Counters(self._names, self._gamma.counters)
        self._candidate = Candidate(counters, value, author or self.name)

    # -- decide -------------------------------------------------------------------------------
    def decide(self) -> bool:
        """Choose the best own option against Ω; return whether Ω or γ changed.

        A choice that does not beat γ is given up: the own choice returns to γ, to its entry there,
        or to the option that is better with the others as they are in γ. (In the paper, always
        to its entry; but others may have changed theirs in vain at the same time, which hides
        from an agent what it could gain.)
        """
        if self._choose is None:
            return False
        option, entry, value = self._best(self._omega)
        if self._beats(value):
            self._adopt(option, entry)
            self._propose(value)
            return True
        return self._improve_gamma() or self._return_to_gamma()

    def _improve_gamma(self) -> bool:
        if self._candidate is None or self._gamma.rows[self._me] == NO_ROW:
            return False
        if not (self._omega.counters != self._gamma.counters).any():
            return False  # just tried
        option, entry, value = self._best(self._gamma)
        if not _gains(value, self._candidate.value):
            return False
        self._adopt(option, entry)
        self._replace(self._gamma, self._me, entry)
        self._nominate(value)
        return True

    def _best(self, configuration: Configuration) -> tuple[Option, Entry, float]:
        """Best own choice against the others in a configuration, and the value it then has."""
        p_kw, loose_kw, cost_eur = configuration.total()
        mine = configuration.entry(self._me)
        if mine is not None:
            p_kw, loose_kw = p_kw - mine.p_kw, loose_kw - mine.curtailable_kw
            cost_eur -= mine.cost_eur
        assert self._choose is not None
        option = self._choose(p_kw, loose_kw)
        entry = self._entry(option)
        value = self._value(
            p_kw + entry.p_kw, loose_kw + entry.curtailable_kw, cost_eur + entry.cost_eur
        )
        return option, entry, value

    def _beats(self, value: float) -> bool:
        if self._candidate is None:
            return True
        here, there = self._omega.counters >= 0, self._gamma.counters >= 0
        here[self._me] = True
        if not (here == there).all():
            return bool((there <= here).all())
        return _gains(value, self._candidate.value)

    def _entry(self, option: Option) -> Entry:
        """Return an own choice as it is told to the others, with a counter never used before."""
        counter = max(self._own, default=OWN_RULE) + 1
        return Entry(self.name, counter, *option.told)

    def _adopt(self, option: Option, entry: Entry) -> None:
        self._own[entry.counter] = option
        self._replace(self._omega, self._me, entry)

    def _propose(self, value: float) -> None:
        """Make Ω the new γ."""
        omega = self._omega
        places = ((omega.rows != self._gamma.rows) & (omega.rows != NO_ROW)).nonzero()[0]
        self._enter(self._gamma, places, omega.counters[places], omega.rows[places])
        self._candidate = Candidate(self.omega, value, self.name)

    def _return_to_gamma(self) -> bool:
        settled = self.own(int(self._gamma.counters[self._me]))
        if self.own(int(self._omega.counters[self._me])) is settled:
            return False
        self._adopt(settled, self._entry(settled))
        return True

    def seed(self, option: Option) -> None:
        """Enter the own first choice, before anything is heard."""
        self._adopt(option, self._entry(option))
        self._propose(self._value(*self._omega.total()))

    # -- two at once --------------------------------------------------------------------------
    def settled_as(self, agent: str) -> Settled | None:
        """What to say if nothing is left to weigh; None without a candidate."""
        if self._candidate is None:
            return None
        own = int(self._omega.counters[self._me]) if self._me >= 0 else NONE
        value, author = self._candidate.value, self._candidate.author
        known = int(self._omega.counters.sum())
        return Settled(self.negotiation, agent, value, author, own, known)

    def reserve(self, option: Option) -> Entry:
        """Make an own choice known to a partner, without making it yet."""
        entry = self._entry(option)
        self._own[entry.counter] = option
        self._reserved[entry.counter] = entry
        return entry

    def pair(self, option: Option, partner: Entry) -> float:
        """Make an own choice and a partner's the new γ if that is better; return the gain (EUR)."""
        if self._candidate is None or self._me < 0:
            return 0.0
        p_kw, loose_kw, cost_eur = self.beside(self.name, partner.agent)
        entry = self._entry(option)
        value = self._value(
            p_kw + entry.p_kw + partner.p_kw,
            loose_kw + entry.curtailable_kw + partner.curtailable_kw,
            cost_eur + entry.cost_eur + partner.cost_eur,
        )
        before = self._candidate.value
        if not _gains(value, before):
            return 0.0
        self._adopt(option, entry)
        number = numbers_of(self._names)[partner.agent]
        for configuration in (self._omega, self._gamma):
            self._replace(configuration, number, partner)
        self._replace(self._gamma, self._me, entry)
        self._nominate(value)
        return before - value

    # -- act ----------------------------------------------------------------------------------
    def has_news_for(self, receiver: str) -> bool:
        """Whether the neighbour may lack anything known here."""
        acquaintance = self._acquaintance(receiver)
        return acquaintance.lacks_candidate(self._candidate) or acquaintance.lacks_choices(
            self._omega.counters
        )

    def has_candidate_for(self, receiver: str) -> bool:
        """Whether the neighbour may lack γ: what cannot wait."""
        return self._acquaintance(receiver).lacks_candidate(self._candidate)

    def news_for(self, receiver: str, digest: bool = False, urgent: bool = False) -> Gossip:
        """What to tell a neighbour: references, and the schedules it may lack.

        Parameters
        ----------
        digest
            References only; nothing of what was sent before is believed to have arrived.
        urgent
            Only γ; what else is new can wait.
        """
        acquaintance = self._acquaintance(receiver)
        gamma = self._counters_of_gamma()
        known: list[Entry] = []
        if not digest:
            if not urgent:
                lacking = acquaintance.lacking(self._omega.counters)
                known += self._shelf.entries_at(self._omega.rows[lacking])
                acquaintance.told(self._omega.counters)
            known += self._shelf.entries_at(self._gamma.rows[acquaintance.lacking_of(gamma)])
            acquaintance.told_candidate(gamma)
        acquaintance.gamma = self._candidate
        omega = NOTHING if urgent else self.omega
        return Gossip(self.negotiation, tuple(known), omega, self._candidate, digest)

    def _counters_of_gamma(self) -> IntArray:
        """Counters of γ in an array that does not change any more."""
        return self._in_order(self._candidate.counters if self._candidate else NOTHING)

    def answer(self, receiver: str, wanted: Iterable[Reference]) -> Gossip:
        """Send again what a neighbour says it lacks, and whatever else it may lack by now."""
        news = self.news_for(receiver)
        sent = {(entry.agent, entry.counter) for entry in news.entries}
        found = [self._find(*reference) for reference in wanted if reference not in sent]
        again = tuple(entry for entry in found if entry is not None)
        return Gossip(self.negotiation, (*news.entries, *again), news.omega, news.gamma)


def _gains(value: float, best: float) -> bool:
    """Whether a value is enough better than the best."""
    return value < best - RELATIVE_GAIN * max(1.0, abs(best))
