"""Why a program has no solution: limits of which none can be left out, in the scenario's words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from quartier.errors import SolveFailed
from quartier.program import Arrays, Highs
from quartier.program.arrays import called, side_by_side, tidied
from quartier.program.conflict import WHOLE, conflict, explained
from quartier.program.names import Label, Parts, by_step

TIMES = pd.date_range("2023-01-05T04:00", periods=4, freq="15min", tz="UTC")


def charged(due_kwh: float = 12.0, most_kw: float = 12.0) -> Arrays:
    """``energy[t] = energy[t - 1] + charge[t] / 4``: at most 3 kWh a step, due after the third."""
    steps, due = len(TIMES), 2
    charge, energy = np.arange(steps), steps + np.arange(steps)
    rows = np.concatenate([charge, charge, charge[1:]])
    columns = np.concatenate([charge, energy, energy[:-1]])
    data = np.concatenate([np.full(steps, -0.25), np.ones(steps), -np.ones(steps - 1)])
    lower, upper = np.zeros(2 * steps), np.repeat([most_kw, 100.0], steps)
    lower[steps + due] = due_kwh
    return Arrays(
        cost=np.ones(2 * steps),
        lower=lower,
        upper=upper,
        integer=np.zeros(2 * steps, dtype=bool),
        matrix=sparse.csr_array((data, (rows, columns))),
        row_lower=np.zeros(steps),
        row_upper=np.zeros(steps),
        names=Parts(
            [by_step("balance of car", TIMES)],
            [by_step("car, charge", TIMES, "kW"), by_step("car, energy", TIMES, "kWh")],
        ),
    )


TOLD = (
    "cannot hold together: "
    "balance of car from 2023-01-05 04:00 to 2023-01-05 04:30 UTC (3 steps); "
    "car, charge: at most 12 kW from 2023-01-05 04:00 to 2023-01-05 04:30 UTC (3 steps); "
    "car, energy: at least 12 kWh at 2023-01-05 04:30 UTC"
)


def test_a_conflict_is_irreducible_and_named() -> None:
    """Each limit left out gives the others a point."""
    assert explained(charged()) == TOLD
    assert conflict(charged(due_kwh=9.0)) is None
    assert conflict(charged(most_kw=16.0)) is None


def test_an_error_says_it_when_it_is_read_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most failures are expected; what was changed in place counts as it stood then."""
    solver = Highs("the garage", charged(due_kwh=9.0))
    solver.set_bounds(np.array([6]), 12.0, 100.0)
    with pytest.raises(SolveFailed) as caught:
        solver.needed("Look at the car.")
    solver.set_bounds(np.array([6]), 0.0, 100.0)
    looked = []
    find = Highs._why
    monkeypatch.setattr(Highs, "_why", lambda self: looked.append(self) or find(self))
    told = f"the garage: infeasible. {TOLD.replace('cannot', 'Cannot')}. Look at the car."
    assert str(caught.value) == str(caught.value) == told
    assert not looked  # whoever failed has said what to look at


def test_limits_that_exclude_each_other_alone() -> None:
    arrays = charged(due_kwh=0.0)
    arrays = replace(arrays, lower=np.where(np.arange(8) == 1, 15.0, arrays.lower))
    told = "car, charge: at least 15 kW and at most 12 kW at 2023-01-05 04:15 UTC"
    assert explained(arrays) == f"cannot hold together: {told}"


def test_whole_numbers_that_have_no_point_are_said_to_be_it() -> None:
    """One of two switches, and two times the first: the relaxation has a point."""
    arrays = Arrays(
        cost=np.zeros(1),
        lower=np.zeros(1),
        upper=np.ones(1),
        integer=np.ones(1, dtype=bool),
        matrix=sparse.csr_array(np.array([[2.0]])),
        row_lower=np.ones(1),
        row_upper=np.ones(1),
        names=Parts([(1, lambda _: Label("half"))], [(1, lambda _: Label("switch"))]),
    )
    assert explained(arrays) == WHOLE
    with pytest.raises(SolveFailed, match="Only whole numbers stand against"):
        Highs("switches", arrays).needed()


def test_a_row_of_fixed_columns_that_contradicts_is_not_left_out() -> None:
    """The car is charged with 12 kW and has 5 kWh after a quarter of an hour."""
    lower, upper = charged(due_kwh=0.0).lower, charged().upper
    for column, value in ((0, 12.0), (4, 5.0)):
        lower[column] = upper[column] = value
    left, kept = tidied(replace(charged(), lower=lower, upper=upper), np.zeros(8, dtype=bool))
    assert kept.tolist() == [False, True, True, True] * 2
    assert explained(left) == "cannot hold together: balance of car at 2023-01-05 04:00 UTC"
    with pytest.raises(SolveFailed, match="infeasible"):
        Highs("the garage", left).needed()
    upper[4] = lower[4] = 3.0
    held, _ = tidied(replace(charged(), lower=lower, upper=upper), np.zeros(8, dtype=bool))
    assert len(held.row_lower) == 3
    assert Highs("the garage", held).needed() is not None


def test_names_go_along_with_what_is_left_and_put_side_by_side() -> None:
    """The first step's charge is fixed, so it goes, and its row becomes a bound."""
    whole = charged()
    whole = replace(whole, upper=np.where(np.arange(8) == 0, 0.0, whole.upper))
    left, _ = tidied(whole, np.zeros(8, dtype=bool))
    text = explained(left)
    assert "car, charge: at most 12 kW from 2023-01-05 04:15 to 2023-01-05 04:30 UTC" in text
    assert "car, energy: at least 12 kWh at 2023-01-05 04:30 UTC" in text
    nobody = replace(charged(due_kwh=0.0), names=None)
    matrix, low, high = side_by_side([nobody, charged()])
    both = Arrays(
        cost=np.zeros(16),
        lower=np.concatenate([nobody.lower, charged().lower]),
        upper=np.concatenate([nobody.upper, charged().upper]),
        integer=np.zeros(16, dtype=bool),
        matrix=matrix,
        row_lower=low,
        row_upper=high,
        names=Parts(*called([nobody, charged()])),
    )
    assert explained(both) == TOLD
    nameless = replace(nobody, lower=charged().lower)
    assert explained(nameless).startswith("cannot hold together: and ")
