"""Choices of many agents by number: Ω and γ with the schedules behind them, summed exactly (M6)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from quartier.agents.counters import NONE, IntArray, Places
from quartier.agents.messages import Entry
from quartier.agents.shelf import NO_ROW, Shelf, Sum
from quartier.quantities import Array


class Configuration:
    """A choice of every known agent, with the sum of their schedules.

    The sum is brought up to date by what changed since it was asked for last. Schedules are
    multiples of a power of two (:func:`quartier.agents.messages.on_grid`), so that it is exact:
    the same choices have the same sum, in whatever order they came in.

    Parameters
    ----------
    shelf
        Where the schedules stand.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.counters: IntArray = np.empty(0, dtype=np.int32)
        self.rows: IntArray = np.empty(0, dtype=np.int32)
        """Rows of the choices on the shelf."""
        self._summed: IntArray = self.rows
        self._sum: Sum = shelf.change(self.rows, self.rows)

    def grow(self, count: int) -> None:
        """Make room for agents ``0 .. count-1``."""
        more = count - len(self.rows)
        self.counters = np.append(self.counters, np.full(more, NONE, dtype=np.int32))
        nothing = np.full(more, NO_ROW, dtype=np.int32)
        self.rows, self._summed = np.append(self.rows, nothing), np.append(self._summed, nothing)

    def entry(self, i: int) -> Entry | None:
        """Return the choice of an agent."""
        return self._shelf.entries[int(self.rows[i])]

    def put(self, i: int, entry: Entry | None) -> None:
        """Set the choice of an agent."""
        self.rows[i] = NO_ROW if entry is None else self._shelf.add(entry)
        self.counters[i] = NONE if entry is None else entry.counter

    def put_all(self, places: Places, counters: IntArray, rows: IntArray) -> None:
        """Set the choices of several agents."""
        self.counters[places], self.rows[places] = counters, rows

    def total(self) -> Sum:
        """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
        changed = (self.rows != self._summed).nonzero()[0]
        if len(changed):
            self._sum = self.replaced(self.rows[changed], self._summed[changed])
            self._summed = self.rows.copy()
        return self._sum

    def replaced(self, new: IntArray, old: IntArray) -> Sum:
        """Sum if some rows stood in place of others that were summed up last."""
        p_kw, loose_kw, cost_eur = self._sum
        change = self._shelf.change(new, old)
        return p_kw + change[0], loose_kw + change[1], cost_eur + change[2]


def add_up(entries: Iterable[Entry | None], steps: int) -> tuple[Array, Array, float]:
    """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
    chosen = [entry for entry in entries if entry is not None]
    loose = [entry.curtailable_kw for entry in chosen if entry.is_curtailable]
    p_kw = np.sum([e.p_kw for e in chosen], axis=0) if chosen else np.zeros(steps)
    loose_kw = np.sum(loose, axis=0) if loose else np.zeros(steps)
    return p_kw, loose_kw, float(sum(e.cost_eur for e in chosen))
