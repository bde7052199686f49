"""Ω and γ of one agent by number, the choices behind them, and what its neighbours know (M6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from quartier.agents.acquaintance import Acquaintance, Recent
from quartier.agents.configuration import Configuration, add_up
from quartier.agents.counters import Counters, IntArray, numbers_of
from quartier.agents.messages import Candidate, Entry, Reference
from quartier.problem import ConnectionTerms
from quartier.quantities import Array


class Ledger:
    """Ω and γ, and the choices they refer to.

    Parameters
    ----------
    terms
        Prices and limits that make the value of a candidate.
    names
        Everybody who makes a choice. Others that are heard of are taken in as well; to know
        them before saves work.
    """

    def __init__(self, terms: ConnectionTerms, names: Sequence[str]) -> None:
        self.terms = terms
        steps = len(terms.p_max_kw)
        self._names: tuple[str, ...] = ()
        self._omega = Configuration(steps)
        self._gamma = Configuration(steps)
        self._candidate: Candidate | None = None
        self._told: Counters | None = None
        """Ω as it was told last, while it is the same."""
        self._recent = Recent()
        self._acquaintances: dict[str, Acquaintance] = {}
        self.wanted: set[Reference] = set()
        """References heard of whose schedules never arrived (after a loss)."""
        self._meet(names)

    # -- reading ------------------------------------------------------------------------------
    @property
    def omega(self) -> Counters:
        """Counter of the newest known choice of every agent, read-only."""
        if self._told is None:
            self._told = Counters(self._names, self._omega.counters)
        return self._told

    @property
    def gamma(self) -> Candidate | None:
        """The best known candidate."""
        return self._candidate

    @gamma.setter
    def gamma(self, candidate: Candidate | None) -> None:
        counters = self._in_order(candidate.counters if candidate else {})
        for i in np.flatnonzero(counters != self._gamma.counters):
            self._replace(self._gamma, int(i), self._find(int(i), int(counters[i])))
        self._candidate = candidate

    def entry(self, agent: str, counter: int) -> Entry:
        """Return a choice that Ω or γ refers to; raises KeyError if it is not known here."""
        number = numbers_of(self._names).get(agent)
        found = None if number is None else self._find(number, counter)
        if found is None:
            raise KeyError((agent, counter))
        return found

    def total(self, counters: Mapping[str, int], without: str = "") -> tuple[Array, Array, float]:
        """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
        chosen = [self.entry(a, c) for a, c in counters.items() if a != without]
        return add_up(chosen, len(self.terms.p_max_kw))

    def value(self, counters: Mapping[str, int]) -> float:
        """Value of a configuration: cost at the connection point plus the agents' own costs."""
        return self._value(*self.total(counters))

    def _value(self, p_kw: Array, loose_kw: Array, cost_eur: float) -> float:
        return float(self.terms.cost_eur(p_kw, loose_kw)) + cost_eur

    # -- names and choices behind them ----------------------------------------------------------
    def _meet(self, names: Sequence[str]) -> None:
        """Take in agents that were not known."""
        known = numbers_of(self._names)
        if self._names:
            self._names += tuple(name for name in names if name not in known)
        else:  # the very tuple that the others have: compared by identity
            self._names = tuple(names)
        count = len(self._names)
        self._omega.grow(count)
        self._gamma.grow(count)
        for acquaintance in self._acquaintances.values():
            acquaintance.grow(count)
        self._told = None

    def _in_order(self, mapping: Mapping[str, int]) -> IntArray:
        """Counters in the order of names used here."""
        counters = Counters.of(mapping)
        if counters.names is not self._names and counters.names != self._names:
            self._meet(counters.names)
            return counters.ordered(self._names)
        return counters.array

    def _find(self, i: int, counter: int) -> Entry | None:
        for configuration in (self._omega, self._gamma):
            entry = configuration.entries[i]
            if entry is not None and entry.counter == counter:
                return entry
        return self._recent.get((self._names[i], counter))

    def _replace(self, configuration: Configuration, i: int, entry: Entry | None) -> None:
        old = configuration.put(i, entry)
        if old is not None:
            self._recent.add([old])
        if configuration is self._omega:
            self._told = None

    def _enter(self, configuration: Configuration, found: Mapping[int, Entry]) -> None:
        """Put choices in a configuration; what they replace is remembered for a while."""
        if found:
            self._recent.add(configuration.put_all(found))
        if configuration is self._omega:
            self._told = None

    def _acquaintance(self, name: str) -> Acquaintance:
        found = self._acquaintances.get(name)
        if found is None:
            found = self._acquaintances[name] = Acquaintance(len(self._names))
        return found

    def _take(self, target: Configuration, counters: IntArray, places: Sequence[int]) -> int:
        """Enter choices whose schedules are here; return how many.

        A schedule that is not here is wanted only if nothing is known of its agent. A newer
        choice comes by itself: its teller hears from the next digest that it is lacking.
        """
        found = {}
        for i, counter in zip(places, counters[places].tolist(), strict=True):
            entry = self._find(i, counter)
            if entry is not None:
                found[i] = entry
            elif target.entries[i] is None:
                self.wanted.add((self._names[i], counter))
        self._enter(target, found)
        return len(found)

    def _fetched(self, counters: IntArray) -> dict[int, Entry] | None:
        """Choices in which γ differs; None if a schedule is not here, which is then wanted."""
        places = (counters != self._gamma.counters).nonzero()[0].tolist()
        found: dict[int, Entry] = {}
        lacking: list[Reference] = []
        for i, counter in zip(places, counters[places].tolist(), strict=True):
            entry = self._find(i, counter)
            if entry is None:
                lacking.append((self._names[i], counter))
            else:
                found[i] = entry
        self.wanted.update(lacking)
        return None if lacking else found
