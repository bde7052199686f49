"""Choices of many agents by number: Ω and γ with the schedules behind them, summed exactly (M6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from quartier.agents.counters import NONE, IntArray
from quartier.agents.messages import Entry
from quartier.quantities import Array


class Configuration:
    """A choice of every known agent, with the sum of their schedules.

    The sum is brought up to date by what changed since it was asked for last. Schedules are
    multiples of a power of two (:func:`quartier.agents.messages.on_grid`), so that it is exact:
    the same choices have the same sum, in whatever order they came in.
    """

    def __init__(self, steps: int) -> None:
        self.counters: IntArray = np.empty(0, dtype=np.int32)
        self.entries: list[Entry | None] = []
        self._replaced: dict[int, Entry | None] = {}
        self._sum: tuple[Array, Array, float] = (np.zeros(steps), np.zeros(steps), 0.0)

    def grow(self, count: int) -> None:
        """Make room for agents ``0 .. count-1``."""
        more = count - len(self.entries)
        self.counters = np.append(self.counters, np.full(more, NONE, dtype=np.int32))
        self.entries.extend([None] * more)

    def put(self, i: int, entry: Entry | None) -> Entry | None:
        """Set the choice of an agent; return what it replaces."""
        old = self.entries[i]
        self._replaced.setdefault(i, old)
        self.entries[i] = entry
        self.counters[i] = NONE if entry is None else entry.counter
        return old

    def put_all(self, new: Mapping[int, Entry]) -> list[Entry]:
        """Set the choices of several agents; return what they replace."""
        entries, replaced, old = self.entries, self._replaced, []
        for i, entry in new.items():
            before = entries[i]
            if i not in replaced:
                replaced[i] = before
            if before is not None:
                old.append(before)
            entries[i] = entry
        self.counters[list(new)] = [entry.counter for entry in new.values()]
        return old

    def total(self) -> tuple[Array, Array, float]:
        """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
        if self._replaced:
            steps = len(self._sum[0])
            new = add_up((self.entries[i] for i in self._replaced), steps)
            old = add_up(self._replaced.values(), steps)
            self._sum = (
                self._sum[0] + (new[0] - old[0]),
                self._sum[1] + (new[1] - old[1]),
                self._sum[2] + (new[2] - old[2]),
            )
            self._replaced.clear()
        return self._sum


def add_up(entries: Iterable[Entry | None], steps: int) -> tuple[Array, Array, float]:
    """Sum of schedules (kW), of what is curtailable (kW), and of own costs (EUR)."""
    chosen = [entry for entry in entries if entry is not None]
    loose = [entry.curtailable_kw for entry in chosen if entry.is_curtailable]
    p_kw = np.sum([e.p_kw for e in chosen], axis=0) if chosen else np.zeros(steps)
    loose_kw = np.sum(loose, axis=0) if loose else np.zeros(steps)
    return p_kw, loose_kw, float(sum(e.cost_eur for e in chosen))
