"""The neighbourhood's agent: calls the negotiation, makes the offer, answers for P_set (M5)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from quartier.agents.base import QuartierAgent, hears
from quartier.agents.cohda import WorkingMemory
from quartier.agents.messages import (
    Accepted,
    Acknowledge,
    AskStart,
    CallForOffers,
    Commit,
    Failed,
    Gossip,
    Missing,
    Negotiation,
    OfferMade,
    SetCap,
    Start,
    frozen,
)
from quartier.planning import share_of, under_cap
from quartier.problem import ConnectionTerms, NeighbourhoodProblem
from quartier.quantities import POWER_TOLERANCE_KW, Array
from quartier.scenario.settings import NegotiationSettings
from quartier.units.sampling import reference
from quartier.units.schedule import Schedule

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""Simulated time in s after which an unanswered commit is said again."""


@dataclass(frozen=True)
class Outcome:
    """What a negotiation came to; ``p_kw`` and ``curtailed_kw`` have shape ``(T,)``."""

    negotiation: Negotiation
    p_kw: Array
    """Power at the connection point after curtailment."""
    curtailed_kw: Array
    curtailable_kw: Array
    up_kw: Array
    down_kw: Array
    shiftable_kw: Array
    """Band of the loads that can be moved in time, both ways."""
    objective_eur: float
    agents: int
    agreed: bool
    started_s: float
    ended_s: float
    wall_s: float
    trace: tuple[tuple[float, float], ...]
    """Objective over simulated time: time in s since the start, value in EUR."""


class NeighbourhoodAgent(QuartierAgent):
    """Speaks for a neighbourhood towards the DSO; knows its agents' schedules, not their limits.

    Parameters
    ----------
    problem
        Prices and limits at the connection point.
    participants
        Names of the agents that negotiate.
    """

    def __init__(
        self,
        problem: NeighbourhoodProblem,
        participants: Sequence[str],
        settings: NegotiationSettings,
        q_kvar: Array,
        dso: str,
    ) -> None:
        super().__init__(problem.name, principal=dso)
        self.problem = problem
        self.participants = tuple(participants)
        self.outcomes: list[Outcome] = []
        self.failures: dict[str, str] = {}
        self.terms = problem.terms
        self._settings = settings
        self._q_kvar = q_kvar
        self._dso = dso
        self._memory: WorkingMemory | None = None
        self._references: dict[str, Schedule] = {}
        self._round = 0
        self._accepted: Accepted | None = None
        self._acknowledged: dict[str, Acknowledge] = {}
        self._commit: Commit | None = None
        self._trace: list[tuple[float, float]] = []
        self._news_s = self._started_s = self._wall = 0.0

    # -- towards the DSO ----------------------------------------------------------------------
    @hears(CallForOffers)
    def on_call(self, call: CallForOffers, sender: str) -> None:
        """Let the agents negotiate; the offer follows when they agree."""
        if self._memory is not None:
            if self.outcomes:  # the offer, or the way to it, was lost
                self._report(self.outcomes[0])
            return
        self._begin(Negotiation(self.problem.name, 0), self.problem.terms)

    @hears(SetCap)
    def on_cap(self, cap: SetCap, sender: str) -> None:
        """Let the agents negotiate again if what they agreed on does not fit under P_set."""
        if cap.round == self._round:
            if self._accepted is not None:  # the answer was lost
                self.tell(self._dso, self._accepted)
            return
        self._round, self._accepted = cap.round, None
        self.terms = under_cap(self.problem.terms, cap.p_max_kw, cap.p_min_kw)
        if self.outcomes:
            p_kw = self.outcomes[-1].p_kw
            if self.terms.excess_kw(p_kw).max() <= POWER_TOLERANCE_KW:
                self._accept(cap.round, p_kw)
                return
        self._begin(Negotiation(self.problem.name, cap.round), self.terms)

    def _report(self, outcome: Outcome) -> None:
        if outcome.negotiation.round == 0:
            offer = OfferMade(
                self.title,
                frozen(outcome.p_kw),
                frozen(outcome.down_kw),
                frozen(outcome.up_kw),
                frozen(self._q_kvar),
            )
            self.tell(self._dso, offer)
        else:
            self._accept(outcome.negotiation.round, outcome.p_kw)

    def _accept(self, number: int, p_kw: Array) -> None:
        self._accepted = Accepted(self.title, number, frozen(p_kw))
        self.tell(self._dso, self._accepted)

    # -- the negotiation ----------------------------------------------------------------------
    def _begin(self, negotiation: Negotiation, terms: ConnectionTerms) -> None:
        if self._memory is None:
            self._memory = WorkingMemory(self.title, negotiation, terms)
        else:
            self._memory.restart(negotiation, terms)
        self._commit = None
        self._acknowledged = {}
        self._trace = []
        self._started_s = self._news_s = self.now_s
        self._wall = time.perf_counter()
        self._call(self.participants)
        self.later(self._settings.quiet_s, partial(self._watch, negotiation))

    def _call(self, agents: Sequence[str]) -> None:
        assert self._memory is not None
        start = Start(self._memory.negotiation, self._memory.terms, self.participants)
        for agent in agents:
            self.tell(agent, start)

    @hears(AskStart)
    def on_ask_start(self, question: AskStart, sender: str) -> None:
        """Tell an agent that never got the start."""
        if self._memory is not None and question.negotiation == self._memory.negotiation:
            self._call([sender])

    @hears(Gossip)
    def on_gossip(self, gossip: Gossip, sender: str) -> None:
        """Listen, to know when nothing new is said any more."""
        memory = self._memory
        if memory is None or gossip.negotiation != memory.negotiation or self._commit:
            return
        before = memory.gamma
        if memory.perceive(sender, gossip):
            self._news_s = self.now_s
        if memory.wanted:
            self.tell(sender, Missing(gossip.negotiation, tuple(sorted(memory.wanted))))
        if memory.gamma is not None and memory.gamma is not before and self._complete():
            self._trace.append((self.now_s - self._started_s, memory.gamma.value))

    def _complete(self) -> bool:
        """Whether the candidate holds a choice of everybody that lives."""
        assert self._memory is not None and self._memory.gamma is not None
        return self._living() <= self._memory.gamma.counters.keys()

    def _living(self) -> set[str]:
        return set(self.participants) - self.failures.keys()

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Remember who cannot go on, and why."""
        self.failures[failed.agent] = failed.reason

    def _watch(self, negotiation: Negotiation) -> None:
        """End the negotiation after a quiet period or at its deadline; no message is counted."""
        memory = self._memory
        if memory is None or memory.negotiation != negotiation or self._commit:
            return
        late = self.now_s >= self._started_s + self._settings.deadline_s
        heard_all = memory.gamma is not None and self._complete()
        quiet = self.now_s >= self._news_s + self._settings.quiet_s - 1e-9
        if late or (quiet and heard_all):
            self._publish()
            return
        if quiet:  # somebody never heard the start, or was not heard
            known = memory.gamma.counters.keys() if memory.gamma else set()
            self._call(sorted(self._living() - known))
        pause = self._settings.quiet_s
        if not quiet:
            pause += self._news_s - self.now_s
        rest = self._started_s + self._settings.deadline_s - self.now_s
        self.later(min(pause, max(rest, 0.0)), partial(self._watch, negotiation))

    # -- the commitment -----------------------------------------------------------------------
    def _publish(self) -> None:
        memory = self._memory
        assert memory is not None
        if memory.gamma is None:
            raise RuntimeError("nobody answered the start of the negotiation by its deadline")
        p_kw, loose = self._expected(memory.gamma.counters)
        share = share_of(memory.terms.curtailed_kw(p_kw, loose), loose)
        self._commit = Commit(memory.negotiation, memory.gamma, frozen(share))
        self._say_commit()
        self.later(RETRY_S, partial(self._insist, memory.negotiation))

    def _say_commit(self) -> None:
        assert self._commit is not None
        for agent in sorted(self._commit.gamma.counters.keys() - self._acknowledged.keys()):
            self.tell(agent, self._commit)

    def _insist(self, negotiation: Negotiation) -> None:
        """Say the commit again until everybody acknowledged it, or the deadline has passed."""
        if self._commit is None or self._commit.negotiation != negotiation or self._settled():
            return
        if self._answered() or self.now_s >= self._started_s + 2 * self._settings.deadline_s:
            self._conclude()
            return
        self._say_commit()
        self.later(RETRY_S, partial(self._insist, negotiation))

    @hears(Acknowledge)
    def on_acknowledge(self, answer: Acknowledge, sender: str) -> None:
        """Count who committed; the last one settles the negotiation."""
        if self._commit is None or answer.negotiation != self._commit.negotiation:
            return
        if self._settled():
            return
        self._acknowledged[answer.agent] = answer
        if self._answered():
            self._conclude()

    def _answered(self) -> bool:
        """Whether all that can answer have acknowledged the commit."""
        assert self._commit is not None
        living = self._commit.gamma.counters.keys() - self.failures.keys()
        return self._acknowledged.keys() >= living

    def _settled(self) -> bool:
        assert self._commit is not None
        return bool(self.outcomes) and self.outcomes[-1].negotiation == self._commit.negotiation

    def _expected(self, counters: Mapping[str, int]) -> tuple[Array, Array]:
        """Power and curtailable power: choices in ``counters``, own rules of everybody else."""
        assert self._memory is not None
        p_kw, loose, _ = self._memory.total(counters)
        for agent in sorted(set(self.participants) - counters.keys()):
            schedule = self.reference(agent)
            p_kw, loose = p_kw + schedule.p_kw, loose + schedule.curtailable_kw
        return p_kw, loose

    def reference(self, agent: str) -> Schedule:
        """What the units of an agent do that does not answer: they follow their own rules."""
        if agent not in self._references:
            units, penalty = self.problem.agents[agent], self.problem.terms.penalty_eur_per_kwh
            self._references[agent] = reference(units, penalty)
        return self._references[agent]

    def _conclude(self) -> None:
        memory, commit = self._memory, self._commit
        assert memory is not None and commit is not None
        answers = list(self._acknowledged.values())
        p_kw, loose = self._expected({a.agent: a.counter for a in answers})
        curtailed = memory.terms.curtailed_kw(p_kw, loose)
        up, down, shiftable = (
            np.sum([getattr(a, name) for a in answers] or [np.zeros_like(p_kw)], axis=0)
            for name in ("up_kw", "down_kw", "shiftable_kw")
        )
        outcome = Outcome(
            commit.negotiation,
            p_kw - curtailed,
            curtailed,
            loose,
            up + curtailed,
            down + loose - curtailed,
            shiftable,
            commit.gamma.value,
            len(self.participants),
            self._acknowledged.keys() >= set(self.participants),
            self._started_s,
            self.now_s,
            time.perf_counter() - self._wall,
            tuple(self._trace),
        )
        self.outcomes.append(outcome)
        self._report(outcome)
