"""Calls the agents of a neighbourhood, or a pool, to negotiate, and sees to what they agree (M5).

It listens to what they say, knows when nothing new is said any more, makes them commit to the best
that was found, and tells them what to curtail. Who asks for it, and whom it reports to, are others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from quartier.agents.attendance import Attendance, retry_s
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.cohda import Memory, WorkingMemory
from quartier.agents.configuration import add_up
from quartier.agents.fallback import Fallbacks
from quartier.agents.messages import (
    Acknowledge,
    AskStart,
    Begun,
    Candidate,
    Commit,
    Curtail,
    Curtails,
    Entry,
    Failed,
    Gossip,
    Look,
    Looked,
    Missing,
    Negotiation,
    Settled,
    Start,
    frozen,
    frozen_terms,
    snapshot,
)
from quartier.agents.unanimity import Unanimity
from quartier.planning import Band
from quartier.problem import ConnectionTerms
from quartier.quantities import Array, share_of
from quartier.scenario.settings import NegotiationSettings

WATCH_S = 1.0
"""Simulated time in s between two looks at a negotiation in which nothing is said any more."""

ASKERS = 2
"""Agents that look for partners, before a negotiation ends: those that moved most."""

MOST_LOOKS = 8
"""Most times that agents look for partners in a negotiation."""

KEPT_TO_KW = 1e-4
"""Power that rounding of what is told may come to: not worth another word about curtailment."""


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
    missing: tuple[str, ...] = ()
    """Agents that did not commit: what they keep to else is counted on."""


class CallerAgent(QuartierAgent):
    """Calls negotiations; knows the agents' schedules, not their limits.

    Parameters
    ----------
    terms
        Prices and limits at the connection point.
    published
        What every agent that negotiates published beforehand: its own rules.
    principal
        Who asks for negotiations; None: nobody does.
    """

    LEAVES: ClassVar[dict[str, Any]] = {
        **QuartierAgent.LEAVES,
        "outcomes": list[Outcome],
        "terms": ConnectionTerms,
        "curtailed_share": Array,
    }

    def __init__(
        self,
        name: str,
        terms: ConnectionTerms,
        published: Mapping[str, Entry],
        settings: NegotiationSettings,
        principal: str | None,
    ) -> None:
        super().__init__(name, principal=principal)
        self.participants = tuple(published)
        self.outcomes: list[Outcome] = []
        self.terms = frozen_terms(terms)
        self._settings = settings
        patience_s = min(settings.patience_s, settings.deadline_s / 2)
        self.attendance = Attendance(self.participants, patience_s)
        self._patience_s = patience_s
        self._fallbacks = Fallbacks(published)
        self._memory: Memory | None = None
        self._acknowledged: dict[str, Acknowledge] = {}
        self._commit: Commit | None = None
        self.curtailed_share: Array = np.zeros(len(terms.p_max_kw))
        """Share of the renewable power that everybody was told to curtail, shape ``(T,)``."""
        self._order: Curtail | None = None
        self._deaf: set[str] = set()
        self._unanimity = Unanimity()
        self._asker = ""
        self._looks, self._in_vain = 0, set[str]()
        self._trace: list[tuple[float, float]] = []
        self._news_s = self._started_s = self._wall = 0.0

    def _report(self, outcome: Outcome) -> None:
        """Tell whoever asked what a negotiation came to."""

    # -- the negotiation ----------------------------------------------------------------------
    def _begin(self, negotiation: Negotiation, terms: ConnectionTerms) -> None:
        instead: tuple[Entry, ...] = ()
        if self._memory is None:
            self._memory = self._listener(negotiation, terms)
        else:
            instead = self._instead(self._memory)
            self._restart(negotiation, terms, instead)
        self._start = self._invitation(negotiation, terms, instead)
        self._commit = self._order = None
        self._acknowledged = {}
        self._trace = []
        self._unanimity, self._asker = Unanimity(), ""
        self._looks, self._in_vain = 0, set()
        self._started_s = self._news_s = self.now_s
        self._wall = time.perf_counter()
        self.attendance.ask(self.now_s)
        self._call(negotiation)
        self.later(self._settings.quiet_s, partial(self._watch, negotiation))

    def _listener(self, negotiation: Negotiation, terms: ConnectionTerms) -> Memory:
        """Return a memory that listens and makes no choice."""
        shelf = self.agenda.shelf(self._steps)
        return WorkingMemory(
            self.title, negotiation, terms, participants=self.participants, shelf=shelf
        )

    def _restart(
        self, negotiation: Negotiation, terms: ConnectionTerms, instead: tuple[Entry, ...]
    ) -> None:
        assert isinstance(self._memory, WorkingMemory)
        self._memory.restart(negotiation, terms, instead)

    def _invitation(
        self, negotiation: Negotiation, terms: ConnectionTerms, instead: tuple[Entry, ...]
    ) -> Start:
        """What the agents are told to begin with."""
        return Start(negotiation, terms, self.participants, instead)

    def _instead(self, memory: Memory) -> tuple[Entry, ...]:
        """What agents keep to whose choice in γ is not the one that they committed to."""
        counters = memory.gamma.counters if memory.gamma else {}
        kept = [self._fallbacks.entry(agent) for agent in self.participants]
        return tuple(entry for entry in kept if counters.get(entry.agent) != entry.counter)

    def _call(self, negotiation: Negotiation, times: int = 1) -> None:
        """Say the start to whoever did not say that it begins, again and again."""
        if self._is_over(negotiation) or not self.attendance.unheard:
            return
        for agent in sorted(self.attendance.unheard):
            self.tell(agent, self._start)
        self.later(retry_s(times), partial(self._call, negotiation, times + 1))

    def _is_over(self, negotiation: Negotiation) -> bool:
        memory = self._memory
        return memory is None or memory.negotiation != negotiation or self._commit is not None

    @hears(Begun)
    def on_begun(self, begun: Begun, sender: str) -> None:
        """Note who takes part: only then can silence mean that nobody has news."""
        if not self._is_over(begun.negotiation):
            if sender in self.attendance.unheard:
                self._news_s = self.now_s
            self.attendance.heard(sender, self.now_s)

    @hears(AskStart)
    def on_ask_start(self, question: AskStart, sender: str) -> None:
        """Tell an agent that never got the start."""
        if not self._is_over(question.negotiation):
            self.tell(sender, self._start)

    @hears(Gossip)
    def on_gossip(self, gossip: Gossip, sender: str) -> None:
        """Listen, to know when nothing new is said any more."""
        memory = self._memory
        if memory is None or self._is_over(gossip.negotiation):
            return
        self.attendance.heard(sender, self.now_s)
        before = memory.gamma
        if memory.perceive(sender, gossip):
            self._news_s = self.now_s
        if memory.wanted:
            self.tell(sender, Missing(gossip.negotiation, tuple(sorted(memory.wanted))))
        if memory.gamma is not None and memory.gamma is not before and not self._unchosen():
            self._trace.append((self.now_s - self._started_s, memory.gamma.value))
        self._end_if_settled()

    @hears(Settled)
    def on_settled(self, settled: Settled, sender: str) -> None:
        """End as soon as nobody can change anything any more."""
        if not self._is_over(settled.negotiation):
            self.attendance.heard(sender, self.now_s)
            self._unanimity.heard(sender, settled)
            self._end_if_settled()

    def _end_if_settled(self) -> None:
        memory, lost = self._memory, self.attendance.lost
        if not isinstance(memory, WorkingMemory) or self._asker:
            return
        here = memory.settled_as(self.title)
        if here is None or not self._unanimity.holds(self.participants, lost, here, memory.omega):
            return
        if lost.issuperset(self.participants) or self.attendance.awaited or self._unchosen():
            return
        self._end()

    def _end(self) -> None:
        """Let agents look for partners, then publish."""
        memory = self._memory
        assert memory is not None
        asker = self._next_asker()
        if asker is None:
            self._publish()
            return
        self._asker, self._news_s = asker, self.now_s
        self._looks += 1
        self.tell(asker, Look(memory.negotiation))

    def _next_asker(self) -> str | None:
        """Whoever moved most from its own rule asks first, and again as long as it gains."""
        memory, settings = self._memory, self._settings
        if not settings.pairs or settings.local_choice != "exact":
            return None
        if not isinstance(memory, WorkingMemory) or self._looks >= MOST_LOOKS:
            return None
        moved = {
            name: float(np.abs(entry.p_kw - self._fallbacks.own_rule(name).p_kw).sum())
            for name in self.participants
            if name not in self.attendance.lost and (entry := memory.in_candidate(name)) is not None
        }
        first = sorted((name for name in moved if moved[name]), key=lambda n: (-moved[n], n))
        return next((name for name in first[:ASKERS] if name not in self._in_vain), None)

    @hears(Looked)
    def on_looked(self, looked: Looked, sender: str) -> None:
        """Go on: with what was gained the negotiation, else the next agent that looks."""
        if self._is_over(looked.negotiation) or sender != self._asker:
            return
        self._asker, self._news_s = "", self.now_s
        if looked.gain_eur:
            self._in_vain.clear()
        elif looked.contented:
            self._looks = MOST_LOOKS
        else:
            self._in_vain.add(sender)
        self._end_if_settled()

    def _unchosen(self) -> set[str]:
        """Agents without a choice in the candidate."""
        assert self._memory is not None
        gamma = self._memory.gamma
        return set(self.participants).difference(gamma.counters if gamma else ())

    @hears(Failed)
    def on_failed(self, failed: Failed, sender: str) -> None:
        """Remember who cannot go on, and why."""
        self.attendance.failed(failed.agent, failed.reason)

    def _watch(self, negotiation: Negotiation) -> None:
        """End the negotiation after a quiet period or at its deadline; no message is counted."""
        if self._is_over(negotiation):
            return
        self.attendance.lose_patience(self.now_s, self.attendance.awaited)
        end_s = self._started_s + self._settings.deadline_s
        quiet_s = self._news_s + self._settings.quiet_s
        quiet = self.now_s >= quiet_s - 1e-9
        unchosen = self._unchosen()
        if self.now_s >= end_s or (quiet and not unchosen and not self.attendance.awaited):
            self._publish()
            return
        if quiet and unchosen & self.attendance.lost:
            self._stand_in(sorted(unchosen & self.attendance.lost))
        pause_s = WATCH_S if quiet else quiet_s - self.now_s
        self.later(min(pause_s, end_s - self.now_s), partial(self._watch, negotiation))

    def _stand_in(self, lost: Sequence[str]) -> None:
        """Make the choice of agents that are not heard known: what they do by themselves."""
        gossip = self._said_for(tuple(self._fallbacks.entry(agent) for agent in lost))
        for agent in sorted(set(self.participants) - self.attendance.lost):
            self.tell(agent, gossip)
        self._news_s = self.now_s

    def _said_for(self, entries: tuple[Entry, ...]) -> Gossip:
        """What agents would say that are not heard; known here as well from now on."""
        memory = self._memory
        assert isinstance(memory, WorkingMemory)
        counters = snapshot({entry.agent: entry.counter for entry in entries})
        memory.perceive(self.title, Gossip(memory.negotiation, entries, counters, None))
        candidate = Candidate(counters, memory.value(counters), self.title)
        return Gossip(memory.negotiation, entries, counters, candidate)

    # -- the commitment -----------------------------------------------------------------------
    def _publish(self) -> None:
        memory = self._memory
        assert memory is not None
        gamma = memory.gamma or Candidate(snapshot({}), 0.0, self.title)
        chosen = [memory.entry(agent, counter) for agent, counter in gamma.counters.items()]
        chosen += [self._fallbacks.entry(agent) for agent in sorted(self._unchosen())]
        p_kw, loose, _ = add_up(chosen, self._steps)
        self.curtailed_share = frozen(share_of(memory.terms.curtailed_kw(p_kw, loose), loose))
        self._commit = Commit(memory.negotiation, gamma, self.curtailed_share)
        self.attendance.ask(self.now_s)
        self._insist(memory.negotiation)

    def _insist(self, negotiation: Negotiation, times: int = 1) -> None:
        """Say the commit until all that can answer acknowledged it, or patience is at an end."""
        if self._commit is None or self._commit.negotiation != negotiation or self._settled():
            return
        self.attendance.lose_patience(self.now_s, self._unacknowledged())
        late = self.now_s >= self._started_s + 2 * self._settings.deadline_s
        if late or not self._unacknowledged() - self.attendance.lost:
            self._conclude()
            return
        for agent in sorted(self._unacknowledged()):
            self.tell(agent, self._commit)
        self.later(retry_s(times), partial(self._insist, negotiation, times + 1))

    def _unacknowledged(self) -> set[str]:
        """Agents in the candidate that did not commit to it, and are not known to have failed."""
        assert self._commit is not None
        answered = self._acknowledged.keys() | self.attendance.failures.keys()
        return self._commit.gamma.counters.keys() - answered

    @hears(Acknowledge)
    def on_acknowledge(self, answer: Acknowledge, sender: str) -> None:
        """Note who committed; the last one settles the negotiation."""
        if self._commit is None or answer.negotiation != self._commit.negotiation:
            return
        self.attendance.heard(sender, self.now_s)
        assert self._memory is not None
        self._fallbacks.acknowledge(self._memory.entry(answer.agent, answer.counter))
        if not self._settled():
            self._acknowledged[answer.agent] = answer
            if not self._unacknowledged() - self.attendance.lost:
                self._conclude()

    def _settled(self) -> bool:
        assert self._commit is not None
        return bool(self.outcomes) and self.outcomes[-1].negotiation == self._commit.negotiation

    # -- curtailment ----------------------------------------------------------------------------
    @property
    def _steps(self) -> int:
        return len(self.terms.p_max_kw)

    def _counted_on(self) -> tuple[Array, Array, float]:
        """Power, renewable power in it, and cost of what the agents keep to, nothing curtailed."""
        kept = [self._fallbacks.entry(agent) for agent in self.participants]
        return add_up(kept, self._steps)

    def _curtail_anew(self) -> Array:
        """Curtail what prices and P_set demand of what the agents keep to; return what is left.

        If that is not what they committed to, for some did not commit or P_set leaves more room,
        they are told.
        """
        p_kw, loose_kw, _ = self._counted_on()
        curtailed_kw = self.terms.curtailed_kw(p_kw, loose_kw)
        off_kw = np.abs(curtailed_kw - self.curtailed_share * loose_kw)
        if off_kw.max() > KEPT_TO_KW and self._commit is not None:
            number = self._order.number + 1 if self._order else 0
            self.curtailed_share = frozen(share_of(curtailed_kw, loose_kw))
            self._order = Curtail(self._commit.negotiation, number, self.curtailed_share)
            entries = (self._fallbacks.entry(agent) for agent in self._acknowledged)
            self._deaf = {entry.agent for entry in entries if entry.is_curtailable}
            self._order_until(self.now_s + self._patience_s)
        return p_kw - self.curtailed_share * loose_kw

    def _order_until(self, end_s: float, times: int = 1) -> None:
        """Say what to curtail until all that can answer did, or patience is at an end."""
        order, deaf = self._order, sorted(self._deaf - self.attendance.failures.keys())
        if order is None or not deaf or self.now_s > end_s:
            return
        for agent in deaf:
            self.tell(agent, order)
        self.later(retry_s(times), partial(self._order_again, order, end_s, times + 1))

    def _order_again(self, order: Curtail, end_s: float, times: int) -> None:
        if order is self._order:
            self._order_until(end_s, times)

    @hears(Curtails)
    def on_curtails(self, answer: Curtails, sender: str) -> None:
        """Note who keeps to the newest share."""
        order = self._order
        if order and (answer.negotiation, answer.number) == (order.negotiation, order.number):
            self._deaf.discard(answer.agent)

    # -- the end --------------------------------------------------------------------------------
    def _conclude(self) -> None:
        memory, commit = self._memory, self._commit
        assert memory is not None and commit is not None
        answers = list(self._acknowledged.values())
        p_kw, loose_kw, cost_eur = self._counted_on()
        done_kw = self._curtail_anew()
        up_kw, down_kw, shiftable_kw = (
            np.sum([getattr(a, name) for a in answers] or [np.zeros_like(p_kw)], axis=0)
            for name in ("up_kw", "down_kw", "shiftable_kw")
        )
        band = Band.of(p_kw, loose_kw, up_kw, down_kw, p_kw - done_kw)
        missing = tuple(sorted(set(self.participants) - self._acknowledged.keys()))
        value = float(memory.terms.cost_eur(p_kw, loose_kw)) + cost_eur
        outcome = Outcome(
            commit.negotiation,
            band.p_kw,
            band.curtailed_kw,
            loose_kw,
            band.up_kw,
            band.down_kw,
            shiftable_kw,
            value if missing else commit.gamma.value,
            len(self.participants),
            not missing,
            self._started_s,
            self.now_s,
            time.perf_counter() - self._wall,
            tuple(self._trace),
            missing,
        )
        self.outcomes.append(outcome)
        self._report(outcome)
