"""Stays as columns: the same as rows, cut at any step."""

import numpy as np
import pytest

from quartier.units.stays import Session, Stays, corridor, plugged_kw

ROWS = (Session(-8, -3, 4.0, 11.0), Session(-2, 3, 9.0, 11.0), Session(5, 9, 6.0, 3.7))


def test_columns_are_the_same_sequence():
    stays = Stays.of(ROWS)
    assert len(stays) == 3
    assert tuple(stays) == ROWS
    assert stays == ROWS
    assert stays[-1] == ROWS[-1]
    assert tuple(stays[1:]) == ROWS[1:]
    assert Stays.of(stays) is stays
    assert not Stays.of(())


def test_steps_are_counted_from_another_step():
    assert Stays.of(ROWS).from_step(2)[1] == Session(-4, 1, 9.0, 11.0)


def test_only_stays_with_a_step_inside_are_within():
    assert list(Stays.of(ROWS).within(5)) == [ROWS[1]]
    assert list(Stays.of(ROWS).within(6)) == [ROWS[1], ROWS[2]]


@pytest.mark.parametrize("first", [0, 3, 7, 20, 50])
def test_a_window_has_the_corridor_of_the_whole_to_the_last_bit(first):
    rng, rows, at = np.random.default_rng(first), [], 0
    while at < 60:
        begin = at + int(rng.integers(0, 5))
        at = begin + int(rng.integers(1, 9))
        rows.append(Session(begin, at, float(rng.uniform(0, 20)), float(rng.uniform(2, 22))))
    whole, steps = Stays.of(rows), 80
    part = whole.from_step(first)
    assert np.array_equal(
        plugged_kw(whole, steps, 11.0)[first:], plugged_kw(part, steps - first, 11.0)
    )
    for all_kwh, cut_kwh in zip(
        corridor(rows, steps, 11.0, 0.25), corridor(part, steps - first, 11.0, 0.25), strict=True
    ):
        assert np.array_equal(all_kwh[first:], cut_kwh)
