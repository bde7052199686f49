"""Messages are snapshots, and their size is that of their payload."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from quartier.agents.messages import (
    Candidate,
    Entry,
    Gossip,
    Negotiation,
    frozen,
    size_bytes,
    snapshot,
)

STEPS = 130
HERE = Negotiation("n", 0)


def entry(agent: str) -> Entry:
    return Entry(agent, 3, frozen(np.ones(STEPS)), frozen(np.zeros(STEPS)), 1.5)


def gossip(agents: int, entries: int = 0) -> Gossip:
    counters = snapshot({f"{k:03d}": 1 for k in range(agents)})
    gamma = Candidate(counters, -2.0, "000")
    return Gossip(HERE, tuple(entry("x") for _ in range(entries)), counters, gamma)


def test_a_schedule_costs_eight_bytes_a_step():
    one, two = size_bytes(gossip(5, 1)), size_bytes(gossip(5, 2))
    assert two - one == size_bytes(entry("x")) == 2 * 8 * STEPS + 16 + 1


def test_a_message_grows_by_sixteen_bytes_with_an_agent_that_has_no_news():
    assert size_bytes(gossip(101)) - size_bytes(gossip(100)) == 16


def test_what_was_sent_cannot_change():
    values = np.ones(STEPS)
    sent = frozen(values)
    values[0] = 7.0
    assert sent[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        sent[0] = 2.0
    with pytest.raises(TypeError):
        snapshot({"a": 1})["a"] = 2  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        HERE.round = 2  # type: ignore[misc]
