"""Counters and configurations: the choices of many agents by number, summed exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartier.agents.configuration import Configuration
from quartier.agents.counters import NONE, Counters
from quartier.agents.messages import Entry, entry_of
from quartier.agents.shelf import MOST_CHOICES, Shelf

STEPS = 8


def entries(count: int, seed: int = 1) -> list[Entry]:
    """Choices of agents 0, 1, ... with schedules of many digits."""
    rng = np.random.default_rng(seed)
    return [
        entry_of(f"a{i}", 1, rng.normal(0, 1e3, STEPS), rng.random(STEPS), float(rng.normal()))
        for i in range(count)
    ]


def test_counters_leave_out_agents_without_a_choice() -> None:
    counters = Counters(("a", "b", "c"), np.array([2, -1, 0], dtype=np.int32))
    assert dict(counters) == {"a": 2, "c": 0}
    assert len(counters) == 2
    with pytest.raises(KeyError):
        counters["b"]


def test_counters_in_another_order_name_the_same_choices() -> None:
    counters = Counters.of({"b": 4, "a": 1})
    array = counters.ordered(("x", "b", "a"))
    assert array.tolist() == [-1, 4, 1]
    assert Counters(("x", "b", "a"), array) == counters


def test_a_sum_does_not_depend_on_the_order_in_which_choices_came() -> None:
    """Bit for bit: what is told lies on a grid of powers of two."""
    chosen = entries(60)
    forth, back = Configuration(Shelf(STEPS)), Configuration(Shelf(STEPS))
    for configuration in (forth, back):
        configuration.grow(60)
    for i in range(60):
        forth.put(i, chosen[i])
        forth.total()
    for i in reversed(range(60)):
        back.put(i, chosen[i])
    for one, other in zip(forth.total(), back.total(), strict=True):
        assert np.array_equal(one, other)


def test_a_sum_is_that_of_the_choices_after_some_were_replaced() -> None:
    first, then = entries(20), entries(20, seed=2)
    shelf = Shelf(STEPS)
    configuration = Configuration(shelf)
    configuration.grow(20)
    ones = np.ones(20, dtype=np.int32)
    configuration.put_all(np.arange(20), ones, np.array(shelf.add_all(first)))
    configuration.total()
    rows = np.array(shelf.add_all([then[3], then[7]]))
    configuration.put_all(np.array([3, 7]), ones[:2], rows)
    configuration.put(9, None)
    assert [configuration.entry(i) for i in (2, 3, 7, 9)] == [first[2], then[3], then[7], None]
    kept = [*(first[i] for i in range(20) if i not in (3, 7, 9)), then[3], then[7]]
    p_kw, loose_kw, cost_eur = configuration.total()
    assert np.array_equal(p_kw, np.sum([e.p_kw for e in kept], axis=0))
    assert np.array_equal(loose_kw, np.sum([e.curtailable_kw for e in kept], axis=0))
    assert cost_eur == sum(e.cost_eur for e in kept)


def test_what_is_told_of_a_schedule_is_a_millionth_of_a_kilowatt_off_at_most() -> None:
    p_kw = np.random.default_rng(1).normal(0, 1e3, STEPS)
    told = entry_of("a", 1, p_kw, np.zeros(STEPS), 0.1)
    assert np.abs(told.p_kw - p_kw).max() <= 2.0**-21
    assert told.cost_eur == pytest.approx(0.1, abs=2.0**-21)


def test_a_choice_has_one_row_however_often_it_is_told() -> None:
    """Over a network, every teller's word makes an object of its own."""
    shelf, (chosen,) = Shelf(STEPS), entries(1)
    row = shelf.add(chosen)
    assert shelf.add(replace(chosen)) == row
    assert shelf.add_all([replace(chosen), chosen]) == [row, row]
    numbers = shelf.numbers(["a0"])
    assert shelf.rows(numbers, np.array([1], dtype=np.int32)).tolist() == [row]


def test_a_choice_that_was_never_told_has_no_row() -> None:
    shelf = Shelf(STEPS)
    shelf.add_all(entries(3))
    numbers = np.repeat(shelf.numbers(["a0", "nobody"]), 4)
    counters = np.tile(np.array([NONE, 0, 7, 10**6], dtype=np.int32), 2)
    assert not shelf.rows(numbers, counters).any()


def test_other_words_of_a_choice_stand_beside_the_first() -> None:
    """Whoever was told the first goes on with it."""
    shelf, (first,), (other,) = Shelf(STEPS), entries(1), entries(1, seed=2)
    one, two = shelf.add(first), shelf.add(other)
    assert one != two
    assert [shelf.entries[one], shelf.entries[two]] == [first, other]


def test_no_agent_can_claim_more_choices_than_there_can_be() -> None:
    shelf, (chosen,) = Shelf(STEPS), entries(1)
    with pytest.raises(ValueError, match="no agent makes so many"):
        shelf.add(replace(chosen, counter=MOST_CHOICES))
    assert len(shelf) == 1
