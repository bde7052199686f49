"""What an agent believes that its neighbour knows, so that nothing is said twice (M6)."""

from __future__ import annotations

import numpy as np

from quartier.agents.configuration import NONE, Configuration, IntArray
from quartier.agents.messages import Candidate, Entry, Gossip

RECENT = 64
"""Least number of choices that are remembered after Ω and γ moved on."""


class Recent:
    """Choices that arrived lately: γ of a slower neighbour may still refer to them."""

    def __init__(self) -> None:
        self._new: dict[tuple[int, int], Entry] = {}
        self._old: dict[tuple[int, int], Entry] = {}

    def add(self, i: int, entry: Entry) -> None:
        """Remember a choice of agent ``i``, at the price of the oldest."""
        self._new[i, entry.counter] = entry

    def forget(self, keep: int) -> None:
        """Drop the older half if there are more than ``keep`` new ones."""
        if len(self._new) > max(keep, RECENT):
            self._old, self._new = self._new, {}

    def get(self, i: int, counter: int) -> Entry | None:
        """Return a choice that is still remembered."""
        return self._new.get((i, counter)) or self._old.get((i, counter))


class Acquaintance:
    """Choices that a neighbour must know: it told of them, or they were told to it."""

    def __init__(self, count: int) -> None:
        self._omega: IntArray = np.full(count, NONE, dtype=np.int32)
        self._gamma: IntArray = self._omega.copy()
        self.gamma: Candidate | None = None
        """The candidate exchanged last."""

    def grow(self, count: int) -> None:
        """Make room for agents ``0 .. count-1``."""
        more = np.full(count - len(self._omega), NONE, dtype=np.int32)
        self._omega, self._gamma = np.append(self._omega, more), np.append(self._gamma, more)

    def heard(self, omega: IntArray, gamma: IntArray | None, message: Gossip) -> None:
        """Note what the neighbour said; a digest says all that it knows."""
        if message.digest:
            self._omega, self._gamma = omega.copy(), np.full_like(omega, NONE)
            self.gamma = None
        else:
            np.maximum(self._omega, omega, out=self._omega)
        if gamma is not None:
            self._gamma = gamma.copy()
            self.gamma = message.gamma

    def told(self, omega: IntArray, gamma: IntArray) -> None:
        """Note what was told to the neighbour."""
        np.maximum(self._omega, omega, out=self._omega)
        self._gamma = gamma.copy()

    def lacks(self, omega: IntArray, gamma: Candidate | None) -> bool:
        """Whether the neighbour may not know of a choice, or of the candidate."""
        if gamma is not self.gamma and _key(gamma) != _key(self.gamma):
            return True
        return bool((omega > self._omega).any())

    def unheard(self, omega: Configuration, gamma: Configuration) -> tuple[list[int], list[int]]:
        """Agents whose choices in Ω, and those whose choices in γ, the neighbour may lack."""
        new = (omega.counters > self._omega) & (omega.counters != self._gamma)
        of_gamma = (gamma.counters != self._omega) & (gamma.counters != self._gamma)
        of_gamma &= ~(new & (gamma.counters == omega.counters)) & (gamma.counters >= 0)
        return np.flatnonzero(new).tolist(), np.flatnonzero(of_gamma).tolist()


def _key(gamma: Candidate | None) -> tuple[float, str, int] | None:
    return None if gamma is None else (gamma.value, gamma.author, len(gamma.counters))
