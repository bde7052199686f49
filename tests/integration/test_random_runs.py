"""Whatever the problem, the mechanism and the units: balances close, limits hold, money is kept.

Each example is a whole run, so the gate tries one for each problem and mechanism of a few seeds;
``QUARTIER_RUNS=200`` tries as many seeds as it says, from ``QUARTIER_FROM`` on. One in ten is run
twice.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from quartier.results import Result
from quartier.run import run
from tests.integration.invariants import broken
from tests.integration.random_runs import PAIRS, write
from tests.integration.test_determinism import MACHINE_SPEED

COUNT = int(os.environ.get("QUARTIER_RUNS", "0"))
FIRST = int(os.environ.get("QUARTIER_FROM", "0"))
SEEDS = range(FIRST, FIRST + COUNT) if COUNT else range(0, len(PAIRS), 5)
TWICE = 10


def _run(folder: Path, mechanism: str, out: str) -> Result:
    return run(folder, out=folder / out, overrides={"baseline": mechanism}, report=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_run_breaks_nothing(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / str(seed)
    _, mechanism = write(folder, seed)
    result = _run(folder, mechanism, "run")
    assert broken(result) == []
    if seed % TWICE == 0:
        again = _run(folder, mechanism, "again")
        assert sorted(result.tables) == sorted(again.tables)
        for name in result.tables:
            one, other = (
                each.table(name).drop(columns=[*MACHINE_SPEED, "slowest_s"], errors="ignore")
                for each in (result, again)
            )
            pd.testing.assert_frame_equal(one, other, check_exact=True, obj=name)


def test_all_problems_and_mechanisms_have_their_turn() -> None:
    assert len(PAIRS) == len(set(PAIRS)) == 28
