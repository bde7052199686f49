"""What agents say to each other in MO-COHDA, besides what they say in COHDA (M6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from quartier.agents.counters import NONE, Counters, IntArray
from quartier.agents.messages import (
    GRID,
    Candidate,
    Entry,
    Gossip,
    Negotiation,
    Start,
    entry_of,
)
from quartier.optimisation.directed import Direction
from quartier.pareto import Scale
from quartier.problem import ConnectionTerms
from quartier.quantities import Array

NUMBER_BYTES = 8


@dataclass(frozen=True)
class FrontEntry(Entry):
    """One agent's choice at one count, with its share of the objectives L2 and L3."""

    flexibility_kw: float
    """Summed over the steps."""
    co2_kg: float


def front_entry_of(entry: Entry, flexibility_kw: float, co2_kg: float) -> FrontEntry:
    """Add L2 and L3 to a choice, rounded as everything that is told (exact sums)."""
    shares = (round(value / GRID) * GRID for value in (flexibility_kw, co2_kg))
    own = entry_of(entry.agent, entry.counter, entry.p_kw, entry.curtailable_kw, entry.cost_eur)
    return FrontEntry(own.agent, own.counter, own.p_kw, own.curtailable_kw, own.cost_eur, *shares)


@dataclass(frozen=True)
class AskOwnRule:
    """Asks an agent what its units do if nobody plans for them, at these prices."""

    negotiation: Negotiation
    terms: ConnectionTerms


@dataclass(frozen=True)
class OwnRule:
    """The answer: fronts are first measured by what all do by themselves."""

    negotiation: Negotiation
    entry: FrontEntry


@dataclass(frozen=True)
class Goal:
    """What the start of a negotiation fixes: the same for all, so that fronts can be compared."""

    scale: Scale
    """Ideal and nadir that objectives are normalised by."""
    directions: tuple[Direction, ...]
    """Where each of the configurations in Ω shall lead to."""
    points: int
    """Most points of a front."""
    decisions: int
    """How often an agent decides: each time closer to the targets."""
    choice: Literal["cost", "knee"]
    """Which point is carried out."""
    narrower: float
    """How what is called close to a target shrinks from one decision to the next."""
    scouting: bool = False
    """Whether only the best in each objective is looked for, from which the scale follows."""


@dataclass(frozen=True)
class FrontStart(Start):
    """Begins a negotiation about a front."""

    goal: Goal | None = None


@dataclass(frozen=True)
class Track:
    """An agent's part of Ω: its newest choice in each direction, and how new that is."""

    version: int
    counters: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Front(Candidate):
    """Solution candidate γ of MO-COHDA: points, each with a choice of every known agent.

    ``counters`` and ``value`` (EUR) are those of the point that would be carried out. Arrays are
    read-only; ``M`` points, ``n`` agents.
    """

    choices: IntArray
    """Counters in the order of the participants, -1 where there is none, shape ``(M, n)``."""
    values: Array
    """Objectives as costs (less is better), shape ``(M, 3)``."""
    excess_kwh: Array
    """Energy beyond the caps that no curtailment helps against, shape ``(M,)``."""
    cost_eur: Array
    """Cost at the scenario's prices, shape ``(M,)``."""
    worth: float
    """What fronts are compared by, less is better: caps first, then hypervolume."""
    chosen: int

    @cached_property
    def agents(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whose choices are in it, shape ``(n,)``."""
        return np.asarray(self.choices[0] >= 0)

    @cached_property
    def key(self) -> tuple[float, float, bytes]:
        """Order of fronts with choices of the same agents; equal only if all is the same."""
        return self.worth, self.value, self.choices.tobytes()

    @cached_property
    def references(self) -> frozenset[tuple[str, int]]:
        """All choices that its points refer to: agent and counter."""
        assert isinstance(self.counters, Counters)
        return frozenset(
            (agent, counter)
            for agent, column in zip(self.counters.names, self.choices.T, strict=True)
            for counter in set(column.tolist()) - {NONE}
        )

    @property
    def size_bytes(self) -> int:
        """Payload in a plain binary encoding: counters, objectives, excess, cost; worth, chosen."""
        return NUMBER_BYTES * (self.choices.size + 5 * len(self.values) + 2) + len(self.author)


@dataclass(frozen=True)
class FrontGossip(Gossip):
    """Ω as tracks and γ as a front, with the entries that the receiver may lack."""

    tracks: Mapping[str, Track] | None = None

    @property
    def size_bytes(self) -> int:
        """Payload in a plain binary encoding."""
        head = len(self.negotiation.neighbourhood.encode()) + 2 * NUMBER_BYTES
        tracks = sum(NUMBER_BYTES * (1 + len(t.counters)) for t in (self.tracks or {}).values())
        front = self.gamma.size_bytes if isinstance(self.gamma, Front) else 0
        return head + tracks + front + sum(_entry_bytes(entry) for entry in self.entries)


def _entry_bytes(entry: Entry) -> int:
    """Schedule, objectives and references; nothing is said of what cannot be curtailed."""
    loose = entry.curtailable_kw.nbytes if entry.is_curtailable else 0
    return len(entry.agent.encode()) + entry.p_kw.nbytes + loose + 4 * NUMBER_BYTES
