"""The agents of `mo-cohda`: what they do otherwise than those of `cohda` (M5, M6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, ClassVar

import numpy as np

from quartier.agents.attendance import retry_s
from quartier.agents.base import hears
from quartier.agents.choice import option_of
from quartier.agents.fallback import Fallbacks
from quartier.agents.messages import (
    OWN_RULE,
    Entry,
    Gossip,
    Negotiation,
    Start,
    entry_of,
    frozen,
    snapshot,
)
from quartier.agents.mo_cohda import FrontMemory, FrontOption
from quartier.agents.mo_messages import (
    AskOwnRule,
    Front,
    FrontEntry,
    FrontGossip,
    FrontStart,
    Goal,
    OwnRule,
    Track,
    front_entry_of,
)
from quartier.agents.speaker import SpeakerAgent
from quartier.agents.unit import KEPT, UnitAgent
from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.optimisation.directed import CO2_SLOPES, DirectedChoice, Direction, flexibility_kw
from quartier.pareto import Scale, as_costs
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.scenario.settings import NegotiationSettings
from quartier.units.base import UnitData
from quartier.units.schedule import Schedule

SCOUTING = -1
"""Number of the round that looks for the best in each objective, before the offer is negotiated:
the ideal and the nadir of its result are what fronts are measured by from then on."""

SCOUTING_DECISIONS = 12
SCOUTING_NARROWER, NARROWER = 0.78, 0.68
"""How what is called close to a target shrinks from one decision to the next, slowly enough for
twenty agents to move together."""
LEAST_SHARE = 0.05
"""Least range of an objective, as a share of that before scouting."""
LITTLE = 0.05
"""Weight of what comes second while scouting."""
LEAST_PEAK = Direction(-np.inf, 0.0, (1.0, LITTLE, LITTLE**2 / CO2_SLOPES[-1]))
"""As low a peak as can be; emissions beyond their target of zero have the last of their slopes."""
SLOWER = 3.0
"""How much longer agents think than in `cohda`."""
GRID = 4
"""Targets for the peak and for CO2 between ideal and nadir."""


def _told(scale: Scale) -> Scale:
    return Scale(frozen(scale.ideal), frozen(scale.nadir))


def scouting_goal(scale: Scale, settings: NegotiationSettings) -> Goal:
    """Lead to the best in each objective, the others coming after it."""
    least_co2 = Direction(-np.inf, 0.0, (LITTLE, LITTLE, 1.0))
    most_flexible = Direction(-np.inf, 0.0, (LITTLE, 1.0, LITTLE / CO2_SLOPES[-1]))
    return Goal(
        _told(scale),
        (LEAST_PEAK, most_flexible, least_co2),
        settings.front_points,
        SCOUTING_DECISIONS,
        settings.front_choice,
        SCOUTING_NARROWER,
        scouting=True,
    )


def front_goal(scale: Scale, settings: NegotiationSettings) -> Goal:
    """Lead to targets on a grid between ideal and nadir, as the epsilon-constraint method does.

    One direction more goes on lowering the peak, in case that scouting did not find the least.
    """
    shares = np.linspace(0.0, 1.0, GRID)
    peaks, emissions = (scale.ideal[k] + shares * scale.ranges[k] for k in (0, 2))
    targets = [Direction(*pair) for pair in product(peaks.tolist(), emissions.tolist())]
    directions = (*targets, LEAST_PEAK)
    return Goal(
        _told(scale),
        directions,
        settings.front_points,
        settings.front_decisions,
        settings.front_choice,
        NARROWER,
    )


def under_caps(scale: Scale, terms: ConnectionTerms) -> Scale:
    """Shift the peak's ideal and nadir to what a cap on feed-in leaves of them."""
    least_kw = float((-terms.p_max_kw).max())
    shift = np.array([max(least_kw - scale.ideal[0], 0.0), 0.0, 0.0])
    return Scale(scale.ideal + shift, scale.nadir + shift)


def front_option(
    units: Sequence[UnitData], schedule: Schedule, terms: ConnectionTerms
) -> FrontOption:
    """Reduce a schedule to what the others need to know, L2 and L3 included."""
    plain = option_of(schedule, terms)
    return FrontOption(
        plain.p_kw,
        plain.curtailable_kw,
        plain.cost_eur,
        schedule,
        flexibility_kw(units, schedule),
        schedule.co2_kg,
    )


class FrontUnitAgent(UnitAgent):
    """Chooses schedules of its own units in several directions at once."""

    _directed: DirectedChoice

    def _prepare(self, start: Start) -> None:
        assert isinstance(start, FrontStart) and start.goal is not None
        negotiation, terms, goal = start.negotiation, start.terms, start.goal
        self._begun_s = self.now_s
        if isinstance(self._memory, FrontMemory):
            self._memory.restart(negotiation, terms, goal, start.instead)
            if self._flexible:
                self._directed.update(terms)
            return
        own_rule = self._own_rule(terms)
        choose = None
        if self._flexible:
            self._directed = DirectedChoice(self.units, terms)
            choose = partial(self._best, terms)
        self._memory = FrontMemory(
            self.title, negotiation, terms, goal, start.participants, own_rule, choose
        )

    def _best(self, terms: ConnectionTerms, *given: Any) -> FrontOption | None:
        """The own optimum in a direction, if the solver finds it.

        Options are told at the prices of the first start.
        """
        try:
            return front_option(self.units, self._directed.best(*given), terms)
        except SolveFailed as failure:
            note_kept(failure, KEPT)
            return None

    def _own_rule(self, terms: ConnectionTerms) -> FrontOption:
        return front_option(self.units, self._published(terms), terms)

    @hears(AskOwnRule)
    def on_ask_own_rule(self, question: AskOwnRule, sender: str) -> None:
        """Tell what the own units do that nobody plans for, and what that means for L2 and L3."""
        option = self._own_rule(question.terms)
        plain = entry_of(self.title, OWN_RULE, option.p_kw, option.curtailable_kw, option.cost_eur)
        entry = front_entry_of(plain, option.flexibility_kw, option.co2_kg)
        self.tell(sender, OwnRule(question.negotiation, entry))

    def _thinking_s(self) -> float:
        """Longer than for one schedule: what others decide meanwhile should be known by then."""
        return SLOWER * super()._thinking_s()

    def _decide(self) -> None:
        """Decide as soon as everybody is known, and go on until all decisions are made."""
        memory = self._memory
        assert isinstance(memory, FrontMemory)
        waited_s = self.now_s - self._begun_s
        if memory.knows_all or waited_s > 2 * self._settings.rebroadcast_s:
            super()._decide()
        self._thinking = False
        if not memory.is_finished:
            self._undecided = True
            self._act()


class FrontFallbacks(Fallbacks):
    """What agents do that are not heard, with their share of L2 and L3 as they told it."""

    def __init__(self, published: Mapping[str, Entry]) -> None:
        super().__init__(published)
        self.told: dict[str, FrontEntry] = {}
        """Own rules with L2 and L3, by agent; of one that never told, nothing counts."""

    def own_rule(self, agent: str) -> FrontEntry:
        """What the units of an agent do that nobody plans for."""
        return self.told.get(agent) or front_entry_of(super().own_rule(agent), 0.0, 0.0)

    def entry(self, agent: str) -> FrontEntry:
        """Return the choice that an agent keeps to if it is not heard any more."""
        entry = super().entry(agent)
        assert isinstance(entry, FrontEntry)
        return entry


class FrontSpeakerAgent(SpeakerAgent):
    """Calls a round of scouting before the first negotiation, and keeps the fronts agreed on.

    What scouting is measured by, it asks the agents before.
    """

    LEAVES: ClassVar[dict[str, Any]] = {
        **SpeakerAgent.LEAVES,
        "fronts": list[tuple[int, Front, float]],
        "goal": Goal | None,
    }

    def __init__(
        self,
        name: str,
        terms: ConnectionTerms,
        published: Mapping[str, Entry],
        settings: NegotiationSettings,
        q_kvar: Array,
        dso: str,
    ) -> None:
        super().__init__(name, terms, published, settings, q_kvar, dso)
        self._fallbacks = self._front_fallbacks = FrontFallbacks(published)
        self.fronts: list[tuple[int, Front, float]] = []
        """Round, front and its hypervolume of every negotiation that came to its end."""
        self.goal: Goal | None = None
        self._question = AskOwnRule(Negotiation(name, SCOUTING), self.terms)
        self._is_asking = False

    # -- before scouting ----------------------------------------------------------------------
    @property
    def _has_begun(self) -> bool:
        return self._is_asking or super()._has_begun

    def _ask(self, times: int = 1) -> None:
        """Ask for own rules until all that can answer did, or patience is at an end."""
        silent = self.attendance.unheard
        late = self.now_s >= self._asked_s + self._patience_s - 1e-9
        if not self._is_asking or late or not silent:
            self._scout()
            return
        for agent in sorted(silent):
            self.tell(agent, self._question)
        self.later(retry_s(times), partial(self._ask, times + 1))

    @hears(OwnRule)
    def on_own_rule(self, answer: OwnRule, sender: str) -> None:
        """Note what an agent would do by its own rules; the last one lets scouting begin."""
        self.attendance.heard(sender, self.now_s)
        self._front_fallbacks.told.setdefault(sender, answer.entry)
        if self._is_asking and not self.attendance.unheard:
            self._scout()

    def _scout(self) -> None:
        if self._is_asking:
            self._is_asking = False
            self.attendance.absent |= self.attendance.unheard
            self.goal = scouting_goal(self._first_scale(), self._settings)
            super()._begin(self._question.negotiation, self._uncapped)

    def _first_scale(self) -> Scale:
        """What scouting is measured by, from what everybody would do by own rules."""
        entries = [self._front_fallbacks.entry(agent) for agent in self.participants]
        drawn_kw = -np.sum([entry.p_kw for entry in entries], axis=0)
        flexibility = sum(entry.flexibility_kw for entry in entries)
        co2_kg = sum(entry.co2_kg for entry in entries)
        middle = as_costs(np.array([drawn_kw.max(), flexibility, co2_kg]))
        least_kw = max(0.05 * flexibility / len(drawn_kw), 1.0)
        least = [least_kw, 1.0, 1.0]  # a level profile has no spread, silent agents no flexibility
        spread = [drawn_kw.max() - drawn_kw.mean(), 0.02 * flexibility, 0.5 * co2_kg]
        return Scale(middle - np.maximum(spread, least), middle)

    def _begin(self, negotiation: Negotiation, terms: ConnectionTerms) -> None:
        """Ask and scout before anything else."""
        if self._is_asking:
            return
        if self._memory is None:
            self._is_asking, self._asked_s = True, self.now_s
            self.attendance.ask(self.now_s)
            self._ask()
            return
        if self._goal.scouting:
            self._scale = self._scouted()
        self.goal = front_goal(under_caps(self._scale, terms), self._settings)
        super()._begin(negotiation, terms)

    @property
    def _goal(self) -> Goal:
        assert self.goal is not None
        return self.goal

    def _scouted(self) -> Scale:
        """Ideal and nadir of the best in each objective, or the first scale if there are none.

        Objectives that were found not to be in conflict keep a small share of their first range.
        """
        memory, first = self._memory, self._goal.scale
        assert isinstance(memory, FrontMemory)
        if memory.front is None:
            return first
        found = Scale.of(memory.front.values)
        return Scale(found.ideal, np.maximum(found.nadir, found.ideal + LEAST_SHARE * first.ranges))

    def _listener(self, negotiation: Negotiation, terms: ConnectionTerms) -> FrontMemory:
        return FrontMemory(self.title, negotiation, terms, self._goal, self.participants)

    def _restart(
        self, negotiation: Negotiation, terms: ConnectionTerms, instead: tuple[Entry, ...]
    ) -> None:
        assert isinstance(self._memory, FrontMemory)
        self._memory.restart(negotiation, terms, self._goal, instead)

    def _invitation(
        self, negotiation: Negotiation, terms: ConnectionTerms, instead: tuple[Entry, ...]
    ) -> Start:
        return FrontStart(negotiation, terms, self.participants, instead, self.goal)

    def _instead(self, memory: Any) -> tuple[Entry, ...]:
        """What agents keep to, where a choice was committed to already."""
        return super()._instead(memory) if self.outcomes else ()

    def _said_for(self, entries: tuple[Entry, ...]) -> Gossip:
        memory = self._memory
        assert isinstance(memory, FrontMemory)
        tracks = {e.agent: Track(0, (e.counter,) * len(self._goal.directions)) for e in entries}
        versions = snapshot(dict.fromkeys(tracks, 0))
        gossip = FrontGossip(memory.negotiation, entries, versions, None, False, tracks)
        memory.perceive(self.title, gossip)
        return gossip

    def _publish(self) -> None:
        """Go on from scouting to the negotiation of the offer; publish only what that came to."""
        memory = self._memory
        assert isinstance(memory, FrontMemory)
        if memory.negotiation.round == SCOUTING:
            self._scouting_began = self._started_s, self._wall
            self._begin(Negotiation(self.title, 0), self._uncapped)
            return
        if memory.negotiation.round == 0:
            self._started_s, self._wall = self._scouting_began
        if memory.front is not None:
            self.fronts.append((memory.negotiation.round, memory.front, memory.hypervolume()))
        super()._publish()
