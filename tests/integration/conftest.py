"""Whole runs of the shipped scenario, made once and shared by all tests that read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandapower as pp
import pandas as pd
import pytest

from quartier import Result


@dataclass(frozen=True)
class Limits:
    """Limits of the elements of a run's grid, by index."""

    line: pd.Series
    transformer: pd.Series
    vm_min: pd.Series
    vm_max: pd.Series


@pytest.fixture(scope="session")
def run_of(run_once) -> Callable[[str, str], Result]:
    """Return the finished run of a variant of `fliegerhorst` under a coordination."""

    @cache
    def finished(variant: str, coordination: str) -> Result:
        scenario = f"fliegerhorst:{variant}"
        baseline = run_once(scenario, coordination="uncontrolled")
        if coordination == "uncontrolled":
            return baseline
        return run_once(scenario, f"baseline={baseline.dir}", coordination=coordination)

    return finished


@pytest.fixture(scope="session")
def limits_of() -> Callable[[Result], Limits]:
    """Return the limits that grid.json of a run states."""

    @cache
    def read(folder: Path) -> Limits:
        net = pp.from_json(str(folder / "grid.json"))
        return Limits(
            net.line["max_loading_percent"],
            net.trafo["max_loading_percent"],
            net.bus["min_vm_pu"],
            net.bus["max_vm_pu"],
        )

    return lambda result: read(result.dir)
