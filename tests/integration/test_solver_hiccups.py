"""Runs in which the solver fails now and then, and for good."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import highspy
import numpy as np
import pytest

import quartier
from quartier.program import Answer, Highs, highs

UNKNOWN = highspy.HighsModelStatus.kUnknown
SHORT = ["horizon.start=2016-07-25T10:00+01:00", "horizon.steps=4"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    real = highs.run

    def made(coordination, fails):
        calls = count()

        def sometimes(solver):
            if fails(next(calls)):
                solver.clearSolver()
                return UNKNOWN
            return real(solver)

        monkeypatch.setattr(highs, "run", sometimes)
        return quartier.run(
            "fliegerhorst", coordination=coordination, out=tmp_path / "run", overrides=SHORT
        )

    return made


@pytest.mark.parametrize("coordination", ["cohda", "individual"])
def test_a_hiccup_now_and_then_is_made_up_for_and_on_record(run, coordination):
    result = run(coordination, lambda call: call % 5 == 0)
    assert result.status == "complete"
    tries = result.table("solves")["tries"].dropna()
    assert (tries >= 2).all() and len(tries)


@pytest.mark.parametrize("coordination", ["cohda", "mo-cohda"])
def test_agents_outlive_a_solver_that_gives_up(run, coordination):
    result = run(coordination, lambda call: call > 8)
    assert result.status == "degraded"
    assert "its agent keeps its last choice" in result.manifest["error"]
    assert "failed:" not in result.manifest["error"]
    assert result.table("negotiations")["agreed"].all()


CASES = Path(__file__).parents[1] / "cases" / "upper-cost"


@pytest.mark.parametrize("status", ["unknown", "infeasible"])
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("one operator", "the caps of redispatch stay"),
        ("duals of place", "the caps of redispatch stay"),
        ("optimistic response", "the caps of redispatch stay"),
        ("powers of place", "the pessimistic value is not known"),
    ],
)
def test_the_leader_does_without_what_it_cannot_solve(tmp_path, monkeypatch, name, instead, status):
    """Upper cost as with the caps of redispatch, or of the game: here they cost the same."""
    real = Highs.solve

    def failing(self, seconds=None):
        return Answer(np.zeros(0), status) if self.name == name else real(self, seconds)

    monkeypatch.setattr(Highs, "solve", failing)
    folder = shutil.copytree(CASES, tmp_path / "cases") / "battery-at-noon"
    result = quartier.run(str(folder), coordination="bilevel", out=tmp_path / "run")
    assert result.status == "degraded"
    assert instead in result.manifest["error"]
    assert result.kpis["upper_cost"] == pytest.approx(10.0, rel=2e-3)
