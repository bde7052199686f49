"""Same scenario and seed: the same tables and KPIs, in another process and with other hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from quartier import Result

MACHINE_SPEED = ("wall_s", "slowest")
"""Columns that tell of the machine, not of the scenario."""


SCENARIO = "fliegerhorst:max-feed-in"
NOON = ("horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8")
"""Two hours: offers are capped, and negotiated again."""


@pytest.fixture(scope="module")
def first(run_once) -> Result:
    return run_once(SCENARIO, *NOON, coordination="cohda")


@pytest.fixture(scope="module")
def again(tmp_path_factory) -> Result:
    out = tmp_path_factory.mktemp("again") / "run"
    command = [sys.executable, "-m", "quartier", "run", SCENARIO]
    for override in NOON:
        command += ["--set", override]
    subprocess.run(
        [*command, "--out", str(out)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    return Result.open(out)


def test_tables_are_identical(first: Result, again: Result) -> None:
    assert first.table("negotiations")["round"].max() >= 1
    names = sorted(path.name for path in (first.dir / "tables").iterdir())
    assert names == sorted(path.name for path in (again.dir / "tables").iterdir())
    for name in names:
        one, other = (
            run.table(name).drop(columns=list(MACHINE_SPEED), errors="ignore")
            for run in (first, again)
        )
        pd.testing.assert_frame_equal(one, other, check_exact=True, obj=name)


def test_kpis_are_identical(first: Result, again: Result) -> None:
    one, other = (json.loads((run.dir / "kpis.json").read_text()) for run in (first, again))
    assert one.keys() == other.keys()
    for name in one:
        if "wall_time" not in name:
            assert one[name] == other[name], name
