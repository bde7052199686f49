"""How long blocks of steps are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quartier.simulators.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("quartier.simulators.pace.time.monotonic", lambda: now[0])
    return now


def blocks(pace: Pace, clock: list[float], step_s: float, most: int = 1000) -> Iterator[int]:
    """Lengths of blocks in which a step takes so long."""
    while True:
        pace.begin(most)
        yield pace.steps
        clock[0] += pace.steps * step_s
        pace.end()


def taken(found: Iterator[int], count: int) -> list[int]:
    return [next(found) for _ in range(count)]


def test_blocks_grow_to_the_longest(clock):
    assert taken(blocks(Pace(96), clock, 1e-3), 5) == [1, 8, 64, 96, 96]


def test_a_block_takes_no_longer_than_a_second(clock):
    pace = Pace(96)
    assert taken(blocks(pace, clock, 0.125), 4) == [1, 8, 8, 8]
    assert taken(blocks(pace, clock, 5.0), 3) == [8, 1, 1]


def test_blocks_end_where_they_must(clock):
    assert taken(blocks(Pace(96), clock, 0.0, most=30), 4) == [1, 8, 30, 30]


def test_simulators_of_others_take_single_steps(clock):
    assert taken(blocks(Pace(), clock, 0.0), 3) == [1, 1, 1]
