"""Files with random faults: each is read, or refused by a list of problems, and nothing else.

Nothing is written or started, within limits of time and memory. The gate tries a few of each kind;
``QUARTIER_FUZZ=500`` tries as many scenario files as it says, and two for five of tables and grids;
``QUARTIER_FROM`` is the first seed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("limits of time and memory are those of POSIX", allow_module_level=True)

from tests.unit.hostile import copied, folders, read, spoilt_scenario, watched
from tests.unit.hostile_tables import spoilt_grid, spoilt_table

COUNT = int(os.environ.get("QUARTIER_FUZZ", "40"))
FIRST = int(os.environ.get("QUARTIER_FROM", "0"))


def _is_read_or_refused(write: Callable[[int, Path], Path], seed: int, tmp_path: Path) -> None:
    folder = write(seed, tmp_path / "case")
    before = sorted(tmp_path.rglob("*"))
    with watched() as harm:
        problems = read(folder)
    assert harm == []
    assert sorted(path for path in tmp_path.rglob("*") if path.suffix != ".pyc") == before
    assert len(problems) <= 200
    assert all(len(problem) <= 3_000 for problem in problems)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_a_scenario_with_faults_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    _is_read_or_refused(spoilt_scenario, seed, tmp_path)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT // 5))
def test_a_table_with_faults_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    _is_read_or_refused(spoilt_table, seed, tmp_path)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT // 5))
def test_a_grid_with_faults_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    _is_read_or_refused(spoilt_grid, seed, tmp_path)


@pytest.mark.parametrize("folder", [f for f in folders() if "bad-input" not in str(f)][:5], ids=str)
def test_what_they_are_made_of_is_right(folder: Path, tmp_path: Path) -> None:
    assert read(copied(folder, tmp_path / "case")) == []
