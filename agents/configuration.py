"""Choices of many agents by number: Ω and γ with the schedules behind them, summed exactly (M6).

Counters are arrays in an order of names that the start of a negotiation fixes, so that merging
what another agent knows is a comparison of arrays, not a walk over names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array

if TYPE_CHECKING:  # messages carry counters; entries are only looked at here
    from quartier.agents.messages import Entry

IntArray: TypeAlias = NDArray[np.int32]

NONE = -1
"""Counter of an agent of which no choice is known."""


class Counters(Mapping[str, int]):
    """Read-only counters by agent; agents without a choice are left out.

    Parameters
    ----------
    names
        All names that there may be.
    array
        Counter of each, :data:`NONE` where there is none, shape ``(n,)``; copied.
    """

    __slots__ = ("_size", "array", "names")

    def __init__(self, names: tuple[str, ...], array: IntArray) -> None:
        self.names = names
        self.array = array.copy()
        self.array.flags.writeable = False
        self._size = int(np.count_nonzero(self.array >= 0))

    @classmethod
    def of(cls, mapping: Mapping[str, int]) -> Counters:
        """Return the counters that a mapping holds."""
        if isinstance(mapping, Counters):
            return mapping
        names = tuple(sorted(mapping))
        return cls(names, np.array([mapping[name] for name in names], dtype=np.int32))

    def ordered(self, names: tuple[str, ...]) -> IntArray:
        """Return the counters in another order of names, which holds all of these."""
        array = np.full(len(names), NONE, dtype=np.int32)
        numbers = numbers_of(names)
        array[[numbers[name] for name in self.names]] = self.array
        return array

    def __getitem__(self, name: str) -> int:
        counter = int(self.array[numbers_of(self.names)[name]])
        if counter < 0:
            raise KeyError(name)
        return counter

    def __iter__(self) -> Iterator[str]:
        return (self.names[i] for i in np.flatnonzero(self.array >= 0))

    def __len__(self) -> int:
        return self._size


@lru_cache(maxsize=64)
def numbers_of(names: tuple[str, ...]) -> Mapping[str, int]:
    """Place of each name."""
    return {name: i for i, name in enumerate(names)}


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
