"""MO-COHDA's working memory, free of any transport (M6).

Bremer, Lehnhoff (2019): agents agree on a front instead of one schedule each. Here, Ω holds the
newest choice of every agent in each of several directions of the objectives, and γ is a set of
points, compared by hypervolume. To decide, an agent answers the others in every direction (it
mutates its part of Ω), and γ takes in those configurations that SMS-EMOA's selection keeps.

Departures from the paper: mutations are optima of the agent's own program in a direction instead
of random; two fronts are not only compared but also joined, which keeps what agents found at the
same time; and the best in each objective are never dropped, nor is the cheapest where that will be
carried out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from quartier.agents.cohda import Option, Reference
from quartier.agents.counters import NONE, IntArray
from quartier.agents.messages import Candidate, Entry, Gossip, Negotiation, entry_of, snapshot
from quartier.agents.mo_acquaintance import Acquaintance, references_of
from quartier.agents.mo_front import Judge, Points, Sums
from quartier.agents.mo_messages import (
    Front,
    FrontEntry,
    FrontGossip,
    Goal,
    Track,
    front_entry_of,
)
from quartier.optimisation.directed import Direction
from quartier.pareto import hypervolume
from quartier.problem import ConnectionTerms
from quartier.quantities import Array

GAIN = 1e-4
"""A front is better only if its hypervolume gains this share, or, with no less of it, if what it
would carry out is cheaper by this share: ends endless polishing."""
WIDEST = 0.12
"""Width of what is called close to a target, as a share of the range, in the first decision: agents
first move together, then get exact."""
AHEAD = 4.0
"""Widths that a target without end lies ahead of what is reached."""


@dataclass(frozen=True)
class FrontOption(Option):
    """A schedule that an agent can choose, with its share of L2 (kW over the steps) and L3."""

    flexibility_kw: float = 0.0
    co2_kg: float = 0.0


ChooseIn = Callable[[Array, Array, float, Direction, float, Array], FrontOption | None]
"""Best own option, given the others' sum and what is curtailable in it, shape ``(T,)`` each, the
others' emissions, direction, width, and the ranges of the objectives, shape ``(3,)``; None keeps
the choice as it is."""


class FrontMemory:
    """Ω and γ of one agent, and the choices they refer to.

    Parameters
    ----------
    name
        The agent's name; a listener that makes no choice leaves ``choose`` and ``own_rule`` out.
    terms
        Prices and limits at the connection point.
    goal
        Scale, directions and sizes.
    participants
        Everybody who makes a choice.
    own_rule
        What the agent's units do by themselves: its first choice, with the counter 0.
    choose
        Choice in a direction; None for an agent without a choice.
    """

    def __init__(
        self,
        name: str,
        negotiation: Negotiation,
        terms: ConnectionTerms,
        goal: Goal,
        participants: Sequence[str],
        own_rule: FrontOption | None = None,
        choose: ChooseIn | None = None,
    ) -> None:
        self.name, self.negotiation = name, negotiation
        self.judge = Judge(terms, goal, tuple(participants), name)
        self.tracks: dict[str, Track] = {}
        """Ω: the newest known choices of every agent, by direction."""
        self.wanted: set[Reference] = set()
        """References heard of whose schedules never arrived (after a loss)."""
        self.decided = 0
        """Decisions in this negotiation so far."""
        self._choose = choose
        self._number = {agent: i for i, agent in enumerate(participants)}
        self._front: Front | None = None
        self._entries: dict[Reference, FrontEntry] = {}
        self._own: list[FrontOption] = []
        self._counter_of: dict[tuple[bytes, float, float], int] = {}
        self._acquaintances: defaultdict[str, Acquaintance] = defaultdict(Acquaintance)
        self._stacked: dict[str, tuple[Track, Sums]] = {}
        if own_rule is not None:
            self._enter(own_rule)
            self.tracks[name] = Track(0, (0,) * len(goal.directions))
            self._propose()

    # -- reading ------------------------------------------------------------------------------
    @property
    def terms(self) -> ConnectionTerms:
        """Prices and limits at the connection point."""
        return self.judge.terms

    @property
    def goal(self) -> Goal:
        """Scale, directions and sizes."""
        return self.judge.goal

    @property
    def gamma(self) -> Candidate | None:
        """The best known front."""
        return self._front

    @gamma.setter
    def gamma(self, candidate: Candidate | None) -> None:
        if isinstance(candidate, Front) and not self._lacking(candidate):
            self._front = candidate

    @property
    def front(self) -> Front | None:
        """The best known front."""
        return self._front

    @property
    def is_finished(self) -> bool:
        """Whether all decisions of this negotiation are made."""
        return self._choose is None or self.decided >= self.goal.decisions

    @property
    def knows_all(self) -> bool:
        """Whether a choice of everybody is known."""
        return len(self.tracks) == len(self._number)

    def entry(self, agent: str, counter: int) -> FrontEntry:
        """Return a known choice; raises KeyError if it never arrived."""
        return self._entries[agent, counter]

    def own(self, counter: int) -> FrontOption:
        """Return an own choice by its counter."""
        return self._own[counter]

    def hypervolume(self) -> float:
        """Share of the box up to the reference point that the front dominates."""
        return hypervolume(self._front.values, self.goal.scale) if self._front else 0.0

    # -- beginning again ----------------------------------------------------------------------
    def restart(
        self,
        negotiation: Negotiation,
        terms: ConnectionTerms,
        goal: Goal,
        instead: Sequence[Entry] = (),
    ) -> None:
        """Go on from the points that are known, under new terms or another goal.

        Parameters
        ----------
        instead
            What agents keep to, in place of what is known of them.
        """
        again = self.goal.scouting == goal.scouting  # then half the way is done
        self.negotiation, self.decided = negotiation, goal.decisions // 2 if again else 0
        self.judge = replace(self.judge, terms=terms, goal=goal)
        for acquaintance in self._acquaintances.values():
            acquaintance.forget_candidates()
        front, self._front, self.tracks = self._front, None, {}
        if front is None:
            return
        choices = front.choices.copy()
        for entry in instead:
            if isinstance(entry, FrontEntry):
                self._entries[entry.agent, entry.counter] = entry
                choices[:, self._number[entry.agent]] = entry.counter
        self._front = self.judge.front(self.judge.points(choices, self._sums(choices)))
        begin = [self.judge.nearest(self._front, d.peak_kw, d.co2_kg) for d in goal.directions]
        for agent, i in self._number.items():
            counters = tuple(self._front.choices[begin, i].tolist())
            if min(counters) >= 0:
                self.tracks[agent] = Track(0, counters)

    # -- perceive -----------------------------------------------------------------------------
    def perceive(self, sender: str, message: Gossip) -> bool:
        """Merge what another agent knows; return whether anything changed here."""
        if not isinstance(message, FrontGossip):
            raise TypeError(f"{self.name} talks about fronts, {sender} about schedules")
        self._note(sender, message)
        self.wanted = set()
        changed = False
        for agent, track in (message.tracks or {}).items():
            changed |= self._follow(agent, track)
        if isinstance(message.gamma, Front):
            changed |= self._merge(message.gamma)
        if changed and (self._front is None or len(self.tracks) > self._front.agents.sum()):
            self._propose()
        return changed

    def _note(self, sender: str, message: FrontGossip) -> None:
        """Remember what the sender knows, and the schedules that it brings."""
        sender_knows = self._acquaintances[sender]
        if message.digest:  # says all that the sender knows: forget what was only believed
            sender_knows = self._acquaintances[sender] = Acquaintance()
        for entry in message.entries:
            if isinstance(entry, FrontEntry):
                self._entries.setdefault((entry.agent, entry.counter), entry)
        tracks, front = message.tracks or {}, message.gamma
        sender_knows.knows(((e.agent, e.counter) for e in message.entries), tracks)
        sender_knows.entries.update(references_of(tracks))
        if isinstance(front, Front):
            sender_knows.entries.update(front.references)
            sender_knows.front = front.key

    def _follow(self, agent: str, track: Track) -> bool:
        """Take in newer choices of another agent."""
        mine = self.tracks.get(agent)
        if agent == self.name or (mine is not None and mine.version >= track.version):
            return False
        lacking = {(agent, c) for c in track.counters if (agent, c) not in self._entries}
        self.wanted |= lacking
        if not lacking:
            self.tracks[agent] = track
        return not lacking

    def _merge(self, other: Front) -> bool:
        """Keep the front of more agents; join fronts of the same, or keep the better one."""
        mine = self._front
        if mine is not None and (mine.key == other.key or (other.agents < mine.agents).any()):
            return False
        lacking = self._lacking(other)
        self.wanted |= lacking
        if lacking:
            return False
        if mine is None or (other.agents != mine.agents).any():
            self._front = other
            return True
        best = min(mine, other, key=lambda front: front.key)
        self._front = best if self._choose is None else self._joined(best, mine, other)
        return self._front is not mine

    def _joined(self, best: Front, *parts: Points | Front) -> Front:
        """The selection from all points if that gains enough, or else the best front as it is."""
        joined = self.judge.front(Points.of(*parts))
        better = joined.worth < best.worth - GAIN
        saved_eur = best.value - joined.value
        cheaper = joined.worth <= best.worth and saved_eur > GAIN * max(1.0, abs(best.value))
        return joined if better or cheaper else best

    # -- decide -------------------------------------------------------------------------------
    def decide(self) -> bool:
        """Answer the others in every direction; return whether Ω or γ changed."""
        if self._choose is None or self.is_finished:
            return False
        width = WIDEST * self.goal.narrower**self.decided
        self.decided += 1
        counters = self._answers(width)
        mine = self.tracks[self.name]
        if counters == mine.counters:
            return self._propose()
        self.tracks[self.name] = Track(mine.version + 1, counters)
        self._propose()
        return True

    def _answers(self, width: float) -> tuple[int, ...]:
        assert self._choose is not None
        everybody, mine = self._together(), self.tracks[self.name].counters
        peak_kw = self.judge.peak_kw(everybody)
        counters = []
        for k, direction in enumerate(self.goal.directions):
            own = self._entries[self.name, mine[k]]
            option = self._choose(
                everybody.p_kw[k] - own.p_kw,
                everybody.curtailable_kw[k] - own.curtailable_kw,
                float(everybody.co2_kg[k]) - own.co2_kg,
                self._aimed(direction, float(peak_kw[k]), width),
                width,
                self.goal.scale.ranges,
            )
            counters.append(mine[k] if option is None else self._enter(option))
        return tuple(counters)

    def _aimed(self, direction: Direction, peak_kw: float, width: float) -> Direction:
        """Put a target without end a little ahead of what is reached."""
        if np.isfinite(direction.peak_kw):
            return direction
        ahead_kw = AHEAD * width * float(self.goal.scale.ranges[0])
        return Direction(peak_kw - ahead_kw, direction.co2_kg, direction.weights)

    def _enter(self, option: FrontOption) -> int:
        """Return the counter of an own choice, a new one only if it was never chosen before."""
        plain = entry_of(
            self.name, len(self._own), option.p_kw, option.curtailable_kw, option.cost_eur
        )
        entry = front_entry_of(plain, option.flexibility_kw, option.co2_kg)
        content = (entry.p_kw.tobytes(), entry.flexibility_kw, entry.co2_kg)
        counter = self._counter_of.setdefault(content, len(self._own))
        if counter == len(self._own):
            self._own.append(option)
            self._entries[self.name, counter] = entry
        return counter

    # -- points -------------------------------------------------------------------------------
    def _propose(self) -> bool:
        """Let γ take in the configurations of Ω, if that makes it better."""
        agents = np.array([agent in self.tracks for agent in self.judge.names])
        mine = self._front
        if not agents.any() or (mine is not None and (agents < mine.agents).any()):
            return False
        more = mine is None or bool((agents != mine.agents).any())
        if more or self._choose is not None:
            points = self.judge.points(self._configurations(), self._together())
            if mine is None or more:
                self._front = self.judge.front(points)
            else:
                self._front = self._joined(mine, mine, points)
        return self._front is not mine

    def _configurations(self) -> IntArray:
        """Ω: the newest choices of everybody known, shape ``(D, n)``."""
        choices = np.full((len(self.goal.directions), len(self._number)), NONE, dtype=np.int32)
        for agent, track in self.tracks.items():
            choices[:, self._number[agent]] = track.counters
        return choices

    def _together(self) -> Sums:
        """Sums over all agents in the configurations of Ω."""
        for agent, track in self.tracks.items():
            if agent not in self._stacked or self._stacked[agent][0] != track:
                self._stacked[agent] = (track, self._stack(agent, np.array(track.counters)))
        return Sums.total([self._stacked[agent][1] for agent in sorted(self.tracks)])

    def _sums(self, choices: IntArray) -> Sums:
        """Sums of configurations, shape ``(M, n)``; exact, for schedules are on a grid."""
        known = [(a, i) for a, i in self._number.items() if choices[0, i] != NONE]
        return Sums.total([self._stack(agent, choices[:, i]) for agent, i in known])

    def _stack(self, agent: str, counters: IntArray) -> Sums:
        """One agent's share in ``M`` configurations."""
        return Sums.of([self._entries[agent, int(counter)] for counter in counters])

    def _lacking(self, front: Front) -> set[Reference]:
        return {r for r in front.references if r not in self._entries}

    # -- act ----------------------------------------------------------------------------------
    def has_news_for(self, receiver: str) -> bool:
        """Whether the neighbour may lack anything known here."""
        known = self._acquaintances[receiver]
        if self._front is not None and known.front != self._front.key:
            return True
        return any(known.lacks(agent, track) for agent, track in self.tracks.items())

    def news_for(self, receiver: str, digest: bool = False) -> FrontGossip:
        """What to tell a neighbour: what is newer here, and the schedules that it may lack.

        A digest carries all references and no schedules, and believes nothing of what was sent.
        """
        known, front = self._acquaintances[receiver], self._front
        newer = {a: t for a, t in self.tracks.items() if digest or known.lacks(a, t)}
        references = references_of(newer)
        if front is not None:
            if known.front == front.key and not digest:
                front = None
            else:
                references |= front.references
                known.front = front.key
        fresh = set() if digest else references - known.entries
        known.knows(fresh, newer)
        return self._gossip(fresh, front, newer, digest)

    def answer(self, receiver: str, wanted: Iterable[Reference]) -> FrontGossip:
        """Send again what a neighbour says it lacks."""
        found = {reference for reference in wanted if reference in self._entries}
        self._acquaintances[receiver].entries.update(found)
        return self._gossip(found, self._front, self.tracks)

    def _gossip(
        self,
        references: Iterable[Reference],
        front: Front | None,
        tracks: Mapping[str, Track],
        digest: bool = False,
    ) -> FrontGossip:
        entries = tuple(self._entries[reference] for reference in sorted(references))
        versions = snapshot({agent: track.version for agent, track in tracks.items()})
        told = MappingProxyType(dict(tracks))
        return FrontGossip(self.negotiation, entries, versions, front, digest, told)
