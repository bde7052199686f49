"""What an agent believes that its neighbour knows, so that nothing is said twice (M6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quartier.agents.counters import NONE, IntArray
from quartier.agents.messages import Candidate, Gossip


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
        return bool(np.count_nonzero(omega > self._omega))

    def lacking(self, omega: IntArray) -> NDArray[np.bool_]:
        """Agents whose choice in Ω the neighbour may lack."""
        lacking: NDArray[np.bool_] = (omega > self._omega) & (omega != self._gamma)
        return lacking

    def lacking_of(self, gamma: IntArray) -> NDArray[np.bool_]:
        """Agents whose choice in γ the neighbour may lack."""
        new: NDArray[np.bool_] = (gamma != self._gamma) & (gamma != self._omega) & (gamma >= 0)
        return new


def _key(gamma: Candidate | None) -> tuple[float, str, int] | None:
    return None if gamma is None else (gamma.value, gamma.author, len(gamma.counters))
