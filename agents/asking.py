"""An agent that asks everybody, waits for answers, lost or late, and says what it awards.

Whoever does not answer in time is gone on without; whoever answers nothing for its patience, or
died, is not waited for.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from functools import partial

from quartier.agents.attendance import Attendance, retry_s
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import Failed
from quartier.agents.outcome import Certificate, Done, Held, Outcome
from quartier.agents.price_messages import Award, Awarded, Contract
from quartier.problem import Supply
from quartier.scenario.settings import MarketSettings

FOR_ROUNDS = 0.9
"""Part of the time of a gate in which questions are asked; the rest is for saying what came of
it."""


class AskingAgent(QuartierAgent):
    """Asks one question after the other until it knows what to award.

    Parameters
    ----------
    names
        Who is asked.
    patience_s
        Simulated time in s after which somebody that answers nothing is not waited for.
    lead_s
        Simulated time in s that everything may take.
    """

    def __init__(
        self,
        name: str,
        names: Iterable[str],
        settings: MarketSettings,
        patience_s: float,
        lead_s: float,
    ) -> None:
        super().__init__(name)
        self.rounds: list[Held] = []
        self.outcome: Outcome | None = None
        self.attendance = Attendance(names, patience_s)
        self.unacknowledged: set[str] = set()
        self.wall_s = 0.0
        """Wall time of everything in s, the answers of all included."""
        self._settings, self._patience_s = settings, patience_s
        self._until_s = FOR_ROUNDS * lead_s
        self._questions: Mapping[str, object] = {}
        self._question = 0
        self._waiting: set[str] = set()
        self._asked_s = self._decided_s = self._wall = 0.0
        self._awards: Mapping[str, Award | Contract] | None = None

    def on_ready(self) -> None:
        """Ask the first question as soon as everybody is there."""
        self._wall = time.perf_counter()
        self.later(0.0, self._begin)

    @abstractmethod
    def _begin(self) -> None:
        """Ask the next question."""

    @abstractmethod
    def _conclude(self) -> None:
        """Make something of what was heard; ask on, or award."""

    @abstractmethod
    def never_heard(self) -> set[str]:
        """Neighbourhoods and suppliers that answered nothing."""

    @abstractmethod
    def certificate(self, done: Done, supply: Supply | None = None) -> Certificate:
        """What is proven of what the neighbourhoods really do.

        Parameters
        ----------
        supply
            What others really ask, who serve whatever is drawn; None: what is known of it here.
        """

    # -- a question -----------------------------------------------------------------------------
    def _put(self, questions: Mapping[str, object]) -> None:
        """Put a question to everybody by name."""
        self._waiting, self._questions = set(questions), questions
        self._asked_s = self.now_s
        self._question += 1
        self._ask(self._question)

    @property
    def _wait_s(self) -> float:
        """How long to wait for answers to this question, asking again meanwhile."""
        return self._settings.answer_s

    def _ask(self, number: int, times: int = 1) -> None:
        """Ask whoever has not answered yet, again and again, until the question's time is over."""
        if number != self._question or not self._waiting:
            return
        self.attendance.lose_patience(self.now_s, self._waiting)
        end_s = min(self._asked_s + self._wait_s, self._until_s)
        if times > 1 and (self.now_s >= end_s - 1e-9 or self._is_complete()):
            self._close()
            return
        for name in sorted(self._waiting):
            self.tell(name, self._questions[name])
        pause_s = min(retry_s(times), max(end_s - self.now_s, 0.0))
        self.later(pause_s, partial(self._ask, number, times + 1))

    def _is_complete(self) -> bool:
        """Whether everybody answered who is counted on, and somebody is."""
        lost = self.attendance.lost
        return self._waiting <= lost and len(lost) < len(self.attendance.names)

    def _answered(self, name: str) -> None:
        """Note an answer to this question; the last one ends it."""
        self._waiting.discard(name)
        if self._is_complete():
            self._close()

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Go on without somebody whose agent died."""
        self.attendance.failed(failed.agent, failed.reason)
        self.unacknowledged.discard(failed.agent)
        if self._awards is None and self._waiting and self._is_complete():
            self._close()

    def _close(self) -> None:
        """End the question with what was heard; late answers count when they come."""
        self._waiting = set()
        self._conclude()

    # -- the end --------------------------------------------------------------------------------
    def _award(self, awards: Mapping[str, Award | Contract]) -> None:
        """Say what is awarded until all that can answer acknowledged it, or patience is over."""
        self._awards, self._decided_s = awards, self.now_s
        self.unacknowledged = set(self.attendance.names) - self.attendance.failures.keys()
        self.wall_s = time.perf_counter() - self._wall
        self._insist()

    def _insist(self, times: int = 1) -> None:
        if self._awards is None or self.now_s > self._decided_s + self._patience_s:
            return
        for name in sorted(self.unacknowledged):
            self.tell(name, self._last_word(name))
        if self.unacknowledged:
            self.later(retry_s(times), partial(self._insist, times + 1))

    def _last_word(self, name: str) -> object:
        """What to say in the end to somebody that did not acknowledge what it is awarded."""
        assert self._awards is not None
        return self._awards[name]

    @hears(Awarded)
    def on_awarded(self, answer: Awarded, sender: str) -> None:
        """Note who does what it was awarded."""
        self.unacknowledged.discard(answer.agent)
