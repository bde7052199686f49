"""Counters of choices by agent, as arrays in an order of names (M6).

A negotiation's start fixes the names, so that merging what another agent knows is a comparison of
arrays, not a walk over names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int32]

Places: TypeAlias = NDArray[np.integer[Any]]
"""Places of agents in an order of names, shape ``(k,)``."""

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
        return compress(self.names, (self.array >= 0).tolist())

    def __contains__(self, name: object) -> bool:
        number = numbers_of(self.names).get(name) if isinstance(name, str) else None
        return number is not None and bool(self.array[number] >= 0)

    def __len__(self) -> int:
        return self._size


@lru_cache(maxsize=64)
def numbers_of(names: tuple[str, ...]) -> Mapping[str, int]:
    """Place of each name."""
    return {name: i for i, name in enumerate(names)}
