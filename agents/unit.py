"""The agent of a unit, of a heat hub, or of a group of units of one kind: negotiates by COHDA."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from quartier.agents.agenda import SAME_TIME_S
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.choice import Choice, choice_for, is_flexible, option_of
from quartier.agents.cohda import Memory, Option, WorkingMemory
from quartier.agents.messages import (
    Acknowledge,
    AskStart,
    Begun,
    Commit,
    Curtail,
    Curtails,
    Gossip,
    Missing,
    Start,
    frozen,
)
from quartier.agents.pairing import PairingAgent
from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.scenario.settings import NegotiationSettings
from quartier.units.base import UnitData
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule

logger = logging.getLogger(__name__)

KEPT = "its agent keeps its last choice"

TICK_S = 0.4
"""Simulated time in s between an agent's turns: what comes in meanwhile is passed on together."""

CALM_S = 1.0
"""Simulated time in s without a change after which an agent says that it is settled."""

PHASES = 4
"""Agents take their turns at as many different times in a tick, so that two neighbours seldom
tell each other the same at the same time."""


class UnitAgent(PairingAgent):
    """Chooses schedules of its own units; knows nobody else's constraints.

    Parameters
    ----------
    name
        Name of the agent.
    units
        Units that it plans for.
    neighbourhood
        Name of the neighbourhood's speaker.
    neighbours
        Names of the agents that it talks to.
    rng
        Source of its thinking times and sampled schedules.
    choice
        How it chooses; left out, as the settings say.
    own_rule
        What its units do if nobody plans for anybody, which it published before the gate.
    """

    LEAVES: ClassVar[dict[str, Any]] = {
        **QuartierAgent.LEAVES,
        "history": list[tuple[int, Option, Array]],
    }

    def __init__(
        self,
        name: str,
        units: Sequence[UnitData],
        neighbourhood: str,
        neighbours: Sequence[str],
        settings: NegotiationSettings,
        rng: np.random.Generator,
        choice: Choice | None = None,
        own_rule: Schedule | None = None,
    ) -> None:
        super().__init__(name, principal=neighbourhood)
        self.units = tuple(units)
        self.neighbourhood = neighbourhood
        self.neighbours = tuple(neighbours)
        self.history: list[tuple[int, Option, Array]] = []
        """What it committed to: round, choice, and share of renewable power curtailed."""
        self.own_rule = own_rule
        self._ordered = -1
        self._settings = settings
        self._rng = rng
        self._choice = choice
        self._last: Option | None = None
        self._memory: Memory | None = None
        self._flexible = choice is not None or is_flexible(units)
        self._open = False
        self._undecided = False
        self._thinking = False
        self._speaking = False
        self._waiting = False
        self._changed_s = 0.0
        self._watches = False
        self._phase_s = TICK_S / PHASES * int(rng.integers(PHASES))

    @hears(Start)
    def on_start_message(self, start: Start, sender: str) -> None:
        """Begin, or begin again, from the own choice of the last round."""
        memory = self._memory
        if memory is None or start.negotiation.round > memory.negotiation.round:
            self._begin(start)
        if self._memory is not None and start.negotiation == self._memory.negotiation:
            self.tell(sender, Begun(start.negotiation, self.title))

    def _begin(self, start: Start) -> None:
        self._prepare(start)
        self._open = True
        self._undecided = True
        self._others = tuple(name for name in start.participants if name != self.title)
        self._act()
        self._note_change()
        self.later(self._settings.rebroadcast_s, partial(self._rebroadcast, start))

    def _prepare(self, start: Start) -> None:
        """Make memory and choice ready for a negotiation."""
        self._terms = start.terms
        if self._choice is None:
            self._choice = choice_for(self.units, start.terms, self._settings, self._rng)
        else:
            self._choice.update(start.terms)
        if self._memory is None:
            self._memory = WorkingMemory(
                self.title,
                start.negotiation,
                start.terms,
                self._chosen,
                start.participants,
                partial(self._own_rule, start.terms),
                self.agenda.shelf(len(start.terms.p_max_kw)),
            )
            nothing = np.zeros_like(start.terms.p_max_kw)
            self._memory.seed(self._chosen(nothing, nothing))
        elif isinstance(self._memory, WorkingMemory):
            self._memory.restart(start.negotiation, start.terms, start.instead)

    def _chosen(self, residual_kw: Array, curtailable_kw: Array) -> Option:
        """Best option; without a solution the last one, or what the units do by themselves."""
        assert self._choice is not None
        try:
            self._last = self._choice.best(residual_kw, curtailable_kw)
        except SolveFailed as failure:
            note_kept(failure, KEPT)
            if self._last is None:
                self._last = self._own_rule(self._terms)
        return self._last

    def _own_rule(self, terms: ConnectionTerms) -> Option:
        """What the units do that nobody plans for."""
        return option_of(self._published(terms), terms)

    def _published(self, terms: ConnectionTerms) -> Schedule:
        if self.own_rule is not None:
            return self.own_rule
        (alone,) = own_rules(self.units, terms.penalty_eur_per_kwh).values()
        return alone

    @hears(Gossip)
    def on_gossip(self, gossip: Gossip, sender: str) -> None:
        """Merge what a neighbour knows; pass it on and think about it."""
        if self._memory is None or gossip.negotiation.round > self._memory.negotiation.round:
            self.tell(self.neighbourhood, AskStart(gossip.negotiation))
            return  # the next digest brings it again
        if gossip.negotiation != self._memory.negotiation:
            return
        changed = self._memory.perceive(sender, gossip)
        self._undecided |= changed
        if changed:
            self._note_change()
        if self._memory.wanted:
            self.tell(sender, Missing(gossip.negotiation, tuple(sorted(self._memory.wanted))))
        self._act()

    @hears(Missing)
    def on_missing(self, missing: Missing, sender: str) -> None:
        """Send again what a neighbour never got."""
        if self._memory is not None and missing.negotiation == self._memory.negotiation:
            self.tell(sender, self._memory.answer(sender, missing.wanted))

    @hears(Commit)
    def on_commit(self, commit: Commit, sender: str) -> None:
        """Keep the own choice in the published candidate, and say so."""
        if self._memory is None or commit.negotiation.round < self._memory.negotiation.round:
            return
        self._open = False
        counter = commit.gamma.counters[self.title]
        self._memory.gamma = commit.gamma
        option = self._memory.own(counter)
        if not self.history or self.history[-1][0] != commit.negotiation.round:
            self.history.append((commit.negotiation.round, option, commit.curtailed_share))
            self._ordered = -1
        schedule = option.carried_out
        self.tell(
            sender,
            Acknowledge(
                commit.negotiation,
                self.title,
                counter,
                frozen(schedule.up_kw),
                frozen(schedule.down_kw),
                frozen(schedule.shiftable_kw),
            ),
        )

    @hears(Curtail)
    def on_curtail(self, order: Curtail, sender: str) -> None:
        """Curtail another share of what was committed to, and say so."""
        if not self.history or self.history[-1][0] != order.negotiation.round:
            return
        if order.number > self._ordered:
            number, option, _ = self.history[-1]
            self.history[-1] = (number, option, order.curtailed_share)
            self._ordered = order.number
        self.tell(sender, Curtails(order.negotiation, self.title, order.number))

    def _act(self) -> None:
        """Take a turn at the next tick, and think about what is undecided."""
        if self._undecided and not self._thinking and self._open and self._flexible:
            self._thinking = True
            self.later(self._until_tick_s(self._thinking_s()), self._decide)
        if not self._speaking:
            self._speaking = True
            self.later(self._until_tick_s(), self._speak)

    def _thinking_s(self) -> float:
        return float(self._rng.uniform(0.0, self._settings.drain_s))

    def _until_tick_s(self, least_s: float = 0.0) -> float:
        """Time until the first tick after ``least_s``."""
        ticks = math.ceil((self.now_s + least_s - self._phase_s) / TICK_S - SAME_TIME_S)
        return max(ticks * TICK_S + self._phase_s - self.now_s, 0.0)

    def _decide(self) -> None:
        self._thinking = self._undecided = False
        if self._open and self._memory is not None and self._memory.decide():
            self._act()
            self._note_change()

    # -- the end ------------------------------------------------------------------------------
    def _note_change(self) -> None:
        """Say that there is nothing left to change as soon as that has been so for a while."""
        self._changed_s = self.now_s
        if not self._watches:
            self._watches = True
            self.later(CALM_S, self._calm)

    def _calm(self) -> None:
        rest_s = self._changed_s + CALM_S - self.now_s
        self._watches = rest_s > SAME_TIME_S or self._thinking
        if self._watches:
            self.later(max(rest_s, TICK_S), self._calm)
        else:
            self._say_settled()

    def _say_settled(self) -> None:
        memory, weighs = self._memory, self._flexible and (self._undecided or self._thinking)
        if self._open and not weighs and not self._watches and isinstance(memory, WorkingMemory):
            settled = memory.settled_as(self.title)
            if settled is not None:
                self.tell(self.neighbourhood, settled)

    def _speak(self) -> None:
        """Pass a new candidate on at once; single choices wait to be told with the next one.

        Most are given up again by then: agents that choose at the same time choose in vain.
        """
        self._speaking = False
        memory, waits = self._memory, False
        if not isinstance(memory, WorkingMemory):
            self._spread()
            return
        for neighbour in self.neighbours:
            if memory.has_candidate_for(neighbour):
                self.tell(neighbour, memory.news_for(neighbour, urgent=True))
            waits |= memory.has_news_for(neighbour)
        if waits and not self._waiting:
            self._waiting = True
            weighs = self._flexible and (self._undecided or self._thinking)
            self.later(self._settings.drain_s if weighs else TICK_S, self._spread)

    def _spread(self) -> None:
        """Pass on whatever is left to say."""
        self._waiting = False
        assert self._memory is not None
        for neighbour in self.neighbours:
            if self._memory.has_news_for(neighbour):
                self.tell(neighbour, self._memory.news_for(neighbour))

    def _rebroadcast(self, start: Start) -> None:
        """Anti-entropy: tell the neighbours by the clock what is known, whatever was lost."""
        memory = self._memory
        if memory is None or not self._open or memory.negotiation != start.negotiation:
            return
        for neighbour in self.neighbours:
            self.tell(neighbour, memory.news_for(neighbour, digest=True))
        self._say_settled()
        self.later(self._settings.rebroadcast_s, partial(self._rebroadcast, start))
