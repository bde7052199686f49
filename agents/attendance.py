"""Who answers: what can be known of agents when messages may be lost (M6).

Silence has many reasons: a message or its answer was lost, a link is slow, an agent is cut off for
a while, or dead. So whoever asks goes on asking, and counts an agent as absent only after its
patience, and only if another one answers. An absent agent is not waited for; as soon as it is heard
again it is there again.
"""

from __future__ import annotations

from collections.abc import Iterable

FIRST_RETRY_S = 1.0
"""Simulated time in s after which an unanswered question is asked again for the first time."""

LAST_RETRY_S = 2.0
"""Longest simulated time in s between two questions: less would flood a slow link."""


class Attendance:
    """Who has been heard since a question was asked.

    Parameters
    ----------
    names
        Who may be asked.
    patience_s
        Simulated time in s without a word after which an agent counts as absent.
    """

    def __init__(self, names: Iterable[str], patience_s: float) -> None:
        self.names = frozenset(names)
        self.failures: dict[str, str] = {}
        """Agents that said that they cannot go on, and why."""
        self.absent: set[str] = set()
        self._patience_s = patience_s
        self._asked_s = 0.0
        self._heard_s: dict[str, float] = {}

    def ask(self, now_s: float) -> None:
        """Begin to wait for an answer of everybody; who is absent may come back, but need not."""
        self._asked_s = now_s
        self._heard_s.clear()

    def heard(self, name: str, now_s: float) -> None:
        """Note a sign of life."""
        if name in self.names and name not in self.failures:
            self._heard_s[name] = now_s
            self.absent.discard(name)

    def failed(self, name: str, reason: str) -> None:
        """Note that an agent cannot go on."""
        self.failures[name] = reason

    @property
    def lost(self) -> set[str]:
        """Who is not counted on: failed or absent."""
        return self.absent | self.failures.keys()

    @property
    def unheard(self) -> set[str]:
        """Who has not answered yet, be it absent: worth another question."""
        return set(self.names) - self._heard_s.keys() - self.failures.keys()

    @property
    def awaited(self) -> set[str]:
        """Who has not answered yet and is waited for."""
        return self.unheard - self.absent

    def lose_patience(self, now_s: float, waiting: Iterable[str]) -> set[str]:
        """Count as absent whoever should have been heard by now; return who was not before.

        If none of several has answered, it is the own line that is down: then nobody is absent.
        """
        expected = set(waiting) - self.lost
        if len(expected) > 1 and not self._heard_s:
            self._asked_s = now_s
        silent = {
            name
            for name in expected
            if now_s >= self._heard_s.get(name, self._asked_s) + self._patience_s - 1e-9
        }
        self.absent |= silent
        return silent


def retry_s(times: int) -> float:
    """Time in s until a question is asked again that was asked ``times`` times."""
    return min(FIRST_RETRY_S * times, LAST_RETRY_S)
