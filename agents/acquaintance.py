"""What an agent believes that its neighbour knows, so that nothing is said twice (M6)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from quartier.agents.counters import NONE, IntArray
from quartier.agents.messages import Candidate, Entry, Gossip, Reference

RECENT = 64
"""Least number of choices that are remembered after Ω and γ moved on."""


class Recent:
    """Choices that arrived or were replaced lately: a slower neighbour may still refer to them."""

    def __init__(self) -> None:
        self._new: dict[Reference, Entry] = {}
        self._old: dict[Reference, Entry] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """Remember choices."""
        self._new.update({entry.reference: entry for entry in entries})

    def forget(self, keep: int) -> None:
        """Drop the older half if there are more than ``keep`` new ones."""
        if len(self._new) > max(keep, RECENT):
            self._old, self._new = self._new, {}

    def get(self, reference: Reference) -> Entry | None:
        """Return a choice that is still remembered."""
        return self._new.get(reference) or self._old.get(reference)


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

    def heard(self, omega: IntArray | None, gamma: IntArray | None, message: Gossip) -> None:
        """Note what the neighbour said; a digest says all that it knows."""
        if omega is not None:
            if message.digest:
                self._omega[:], self._gamma, self.gamma = omega, omega, None
            else:
                np.maximum(self._omega, omega, out=self._omega)
        if gamma is not None and message.gamma is not self.gamma:
            np.maximum(self._omega, gamma, out=self._omega)
            self._gamma, self.gamma = gamma, message.gamma

    def told(self, omega: IntArray) -> None:
        """Note what was told to the neighbour of Ω."""
        np.maximum(self._omega, omega, out=self._omega)

    def told_candidate(self, gamma: IntArray) -> None:
        """Note that γ was told."""
        if gamma is not self._gamma:
            np.maximum(self._omega, gamma, out=self._omega)
            self._gamma = gamma

    def lacks_candidate(self, gamma: Candidate | None) -> bool:
        """Whether the neighbour may not know the candidate."""
        return gamma is not self.gamma and _key(gamma) != _key(self.gamma)

    def lacks_choices(self, omega: IntArray) -> bool:
        """Whether the neighbour may not know of a choice in Ω."""
        return bool((omega > self._omega).any())

    def lacking(self, omega: IntArray) -> list[int]:
        """Agents whose choice in Ω the neighbour may lack."""
        places: list[int] = ((omega > self._omega) & (omega != self._gamma)).nonzero()[0].tolist()
        return places

    def lacking_of(self, gamma: IntArray) -> list[int]:
        """Agents whose choice in γ the neighbour may lack."""
        if gamma is self._gamma:
            return []
        new = (gamma != self._gamma) & (gamma != self._omega) & (gamma >= 0)
        places: list[int] = new.nonzero()[0].tolist()
        return places


def _key(gamma: Candidate | None) -> tuple[float, str, int] | None:
    return None if gamma is None else (gamma.value, gamma.author, len(gamma.counters))
