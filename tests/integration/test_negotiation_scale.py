"""Negotiations about a planted target: agents agree, gain nothing alone, and say little."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from mango.simulation.communication import CommunicationSimulationResult, MessagePackage

from quartier.agents import society
from quartier.agents.base import QuartierAgent, hears
from quartier.agents.choice import SampledChoice
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.messages import (
    OWN_RULE,
    CallForOffers,
    Gossip,
    Heard,
    OfferMade,
    entry_of,
    size_bytes,
)
from quartier.agents.speaker import SpeakerAgent
from quartier.agents.unit import UnitAgent
from quartier.problem import ConnectionTerms
from quartier.scenario.communication import CommunicationSettings
from quartier.scenario.settings import NegotiationSettings
from quartier.units.schedule import Schedule

TOWN, CALLER = "town", "dso"


class Caller(QuartierAgent):
    """Asks for the offer, in place of the DSO."""

    def on_ready(self) -> None:
        self.later(0.0, partial(self.tell, TOWN, CallForOffers()))

    @hears(Heard)
    def on_heard(self, heard: Heard, sender: str) -> None:
        """Wait."""

    @hears(OfferMade)
    def on_offer(self, offer: OfferMade, sender: str) -> None:
        """Nothing is redispatched."""


class Tapped(MeasuredCommunication):
    """The scenario's medium, which remembers what went through it."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.said: list[tuple[str | None, str, Any]] = []

    def calculate_communication(
        self, current_time: float, messages: list[MessagePackage]
    ) -> CommunicationSimulationResult:
        self.said += [(m.sender_id, m.receiver_id, m.content[0]) for m in messages]
        return super().calculate_communication(current_time, messages)


class Negotiated:
    """Agents with random schedules after negotiating about the sum of hidden ones."""

    def __init__(self, agents: int, steps: int = 96, schedules: int = 50, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.p_kw = rng.normal(0.0, 5.0, (agents, schedules, steps))
        hidden = rng.integers(schedules, size=agents)
        self.target_kw = self.p_kw[np.arange(agents), hidden].sum(axis=0)
        zero = np.zeros(steps)
        caps = (self.target_kw, self.target_kw)
        self.terms = ConnectionTerms(0.25, zero, zero, 0.0, 0.0, 0.0, 1.0, *caps)
        names = [f"agent-{i:03d}" for i in range(agents)]
        settings = NegotiationSettings()
        links = society.small_world([TOWN, *names], settings.shortcuts, rng)
        self.units = [
            UnitAgent(name, (), TOWN, links[name], settings, child, self.choice(i))
            for i, (name, child) in enumerate(zip(names, rng.spawn(agents), strict=True))
        ]
        published = {name: entry_of(name, OWN_RULE, zero, zero, 0.0) for name in names}
        self.town = SpeakerAgent(TOWN, self.terms, published, settings, zero, CALLER)
        self.medium = Tapped(CommunicationSettings(), rng.spawn(1)[0])
        everybody = [Caller(CALLER), self.town, *self.units]
        society.run_apart(society.live(everybody, self.medium, 900.0))

    def choice(self, i: int) -> SampledChoice:
        zero = np.zeros_like(self.target_kw)
        nothing: tuple[dict[str, Any], ...] = ({}, {}, {}, {})
        rows = [Schedule(p, zero, 0.0, 0.0, 0.0, *nothing, zero, zero, zero) for p in self.p_kw[i]]
        return SampledChoice(rows, self.terms)

    def committed_kw(self) -> np.ndarray:
        """Schedules that the agents carry out, shape ``(n, T)``."""
        return np.array([unit.history[-1][1].p_kw for unit in self.units])

    def gossip(self) -> list[tuple[str | None, str, Gossip]]:
        """What was said because something had changed."""
        return [s for s in self.medium.said if isinstance(s[2], Gossip) and not s[2].digest]


@pytest.fixture(scope="module")
def thirty() -> Negotiated:
    return Negotiated(30)


def test_thirty_agents_agree_on_one_candidate(thirty: Negotiated) -> None:
    outcome = thirty.town.outcomes[0]
    assert outcome.agreed
    assert outcome.agents == 30
    missed_kwh = 0.25 * np.abs(thirty.committed_kw().sum(axis=0) - thirty.target_kw).sum()
    assert outcome.objective_eur == pytest.approx(missed_kwh, abs=1e-3)


def test_no_agent_could_come_nearer_to_the_target_alone(thirty: Negotiated) -> None:
    """What a heuristic of single moves can promise; the planted optimum may lie elsewhere."""
    own = thirty.committed_kw()
    total = own.sum(axis=0)
    missed_kw = np.abs(total - thirty.target_kw).sum()
    for mine, schedules in zip(own, thirty.p_kw, strict=True):
        alone_kw = np.abs(total - mine + schedules - thirty.target_kw).sum(axis=1)
        assert alone_kw.min() >= missed_kw * (1 - 1e-5)


def test_the_candidate_only_gets_better_and_misses_less_than_half_of_the_beginning(
    thirty: Negotiated,
) -> None:
    """Measured 0.38 (seed 1): thirty agents leave about as much as single moves cannot mend."""
    trace = [value for _, value in thirty.town.outcomes[0].trace]
    zero = np.zeros_like(thirty.target_kw)
    first = [thirty.choice(i).best(zero, zero).p_kw for i in range(30)]
    began = 0.25 * np.abs(np.sum(first, axis=0) - thirty.target_kw).sum()
    assert trace[-1] <= began / 2
    assert all(later <= earlier for earlier, later in pairwise(trace))


def test_the_planted_target_of_three_agents_is_found() -> None:
    """Few agents with many schedules each: the hidden ones stand out."""
    found = Negotiated(3, schedules=200, seed=2)
    assert found.town.outcomes[0].objective_eur == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(("agents", "steps"), [(12, 96), (12, 24), (30, 96)])
def test_a_message_holds_at_most_sixteen_bytes_an_agent_beside_new_schedules(
    agents: int, steps: int, thirty: Negotiated
) -> None:
    """No n T term: the number of steps is nowhere in a message but in its new schedules."""
    run = thirty if agents == 30 else Negotiated(agents, steps)
    fixed = len(TOWN) + 16 + 8 + len("agent-000")  # negotiation, digest or not; value and author
    for _, _, message in run.gossip():
        schedules = len(message.entries) * (len("agent-000") + 16 + 2 * 8 * steps)
        assert size_bytes(message) <= fixed + 16 * agents + schedules


def test_a_schedule_is_seldom_told_twice_by_the_same_agent_to_the_same(
    thirty: Negotiated,
) -> None:
    """Only after a digest, which makes an agent doubt what arrived, or when a candidate goes back
    to an older choice. Measured: 0.12 of all."""
    told: Counter[tuple[str | None, str, str, int]] = Counter()
    for sender, receiver, message in thirty.gossip():
        told.update((sender, receiver, *entry.reference) for entry in message.entries)
    assert told.total() > 1000
    assert told.total() <= 1.25 * len(told)
