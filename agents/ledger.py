"""Ω and γ of one agent by number, the choices behind them, and what its neighbours know (M6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from quartier.agents.acquaintance import Acquaintance
from quartier.agents.configuration import Configuration, add_up
from quartier.agents.counters import NONE, Counters, IntArray, Places, numbers_of
from quartier.agents.messages import Candidate, Entry, Reference
from quartier.agents.shelf import NO_ROW, Shelf, Sum
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
    shelf
        Where the choices stand that agents of the process know; of its own if None.
    """

    def __init__(
        self, terms: ConnectionTerms, names: Sequence[str], shelf: Shelf | None = None
    ) -> None:
        self.terms = terms
        self._shelf = shelf or Shelf(len(terms.p_max_kw))
        self._known = np.zeros(len(self._shelf), dtype=bool)
        """By row of the shelf, what was told here: nothing else of it is looked at."""
        self._names: tuple[str, ...] = ()
        self._numbers: IntArray = np.empty(0, dtype=np.int32)
        """The agents' numbers on the shelf."""
        self._omega = Configuration(self._shelf)
        self._gamma = Configuration(self._shelf)
        self._candidate: Candidate | None = None
        self._told: Counters | None = None
        """Ω as it was told last, while it is the same."""
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
        places = (counters != self._gamma.counters).nonzero()[0]
        rows = self._rows(places, counters[places])
        self._gamma.put_all(places, np.where(rows > NO_ROW, counters[places], NONE), rows)
        self._candidate = candidate

    def entry(self, agent: str, counter: int) -> Entry:
        """Return a choice that Ω or γ refers to; raises KeyError if it is not known here."""
        found = self._find(agent, counter)
        if found is None:
            raise KeyError((agent, counter))
        return found

    def total(self, counters: Mapping[str, int], without: str = "") -> Sum:
        """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
        chosen = [self.entry(a, c) for a, c in counters.items() if a != without]
        return add_up(chosen, len(self.terms.p_max_kw))

    def in_candidate(self, agent: str) -> Entry | None:
        """Return an agent's choice in γ."""
        number = numbers_of(self._names).get(agent)
        return None if number is None else self._gamma.entry(number)

    def beside(self, *agents: str) -> Sum:
        """Sums of γ without some agents: power and curtailable power (kW), own costs (EUR)."""
        p_kw, loose_kw, cost_eur = self._gamma.total()
        for entry in map(self.in_candidate, agents):
            if entry is not None:
                p_kw, loose_kw = p_kw - entry.p_kw, loose_kw - entry.curtailable_kw
                cost_eur -= entry.cost_eur
        return p_kw, loose_kw, cost_eur

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
        self._numbers = self._shelf.numbers(self._names)
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

    def _learn(self, entries: Sequence[Entry]) -> None:
        """Remember choices that were told, or made, here."""
        rows = self._shelf.add_all(entries)
        self._make_room()
        self._known[rows] = True

    def _make_room(self) -> None:
        more = len(self._shelf) - len(self._known)
        if more > 0:
            self._known = np.append(self._known, np.zeros(more + len(self._known), dtype=bool))

    def _rows(self, places: Places, counters: IntArray) -> IntArray:
        """Rows of the choices of some agents; :data:`NO_ROW` of what was never told here."""
        self._make_room()
        rows = self._shelf.rows(self._numbers[places], counters)
        known: IntArray = rows * self._known[rows]
        return known

    def _find(self, agent: str, counter: int) -> Entry | None:
        number = numbers_of(self._names).get(agent)
        if number is None:
            return None
        places = np.array([number])
        (row,) = self._rows(places, np.array([counter], dtype=np.int32))
        return self._shelf.entries[int(row)]

    def _replace(self, configuration: Configuration, i: int, entry: Entry) -> None:
        self._learn([entry])
        configuration.put(i, entry)
        if configuration is self._omega:
            self._told = None

    def _enter(
        self, configuration: Configuration, places: Places, counters: IntArray, rows: IntArray
    ) -> None:
        """Put choices in a configuration."""
        configuration.put_all(places, counters, rows)
        if configuration is self._omega:
            self._told = None

    def _acquaintance(self, name: str) -> Acquaintance:
        found = self._acquaintances.get(name)
        if found is None:
            found = self._acquaintances[name] = Acquaintance(len(self._names))
        return found

    def _take(self, target: Configuration, counters: IntArray, places: Places) -> int:
        """Enter choices whose schedules are here; return how many.

        A schedule that is not here is wanted only if nothing is known of its agent. A newer
        choice comes by itself: its teller hears from the next digest that it is lacking.
        """
        if not len(places):
            return 0
        rows = self._rows(places, counters[places])
        found = rows > NO_ROW
        if np.count_nonzero(found) < len(found):
            lacking = places[~found]
            self._want(lacking[target.rows[lacking] == NO_ROW], counters)
            places, rows = places[found], rows[found]
        self._enter(target, places, counters[places], rows)
        return len(places)

    def _fetched(self, counters: IntArray, places: Places) -> IntArray | None:
        """Rows of choices; None if a schedule is not here, which is then wanted."""
        rows = self._rows(places, counters[places])
        if np.count_nonzero(rows) == len(rows):
            return rows
        self._want(places[rows == NO_ROW], counters)
        return None

    def _want(self, places: Places, counters: IntArray) -> None:
        self.wanted.update((self._names[i], int(counters[i])) for i in places.tolist())
