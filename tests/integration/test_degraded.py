"""Plans without a solution and steps without a power flow: named, and the rest is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest
from typer.testing import CliRunner

from quartier.cli import app
from quartier.results import Result
from quartier.run import run
from tests.unit.grid_cases import village

CASE = Path(__file__).parents[1] / "cases" / "overload"
BAD = 1
"""The step in which too much is drawn or fed in."""


@pytest.fixture(scope="module")
def overload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case with its grid, in which a line may carry half of what it can."""
    folder = tmp_path_factory.mktemp("overload") / "case"
    shutil.copytree(CASE, folder)
    net = village()
    net.line.loc[0, "max_loading_percent"] = 50.0
    pp.to_json(net, str(folder / "grid.json"))
    return folder


def column(name: str) -> str:
    """Let the farm draw a column of the case."""
    return f"neighbourhoods.farm.units.home.profile.column={name}"


def test_a_conflict_is_named_by_who_what_and_when_and_units_follow_their_own_rules(
    overload: Path, tmp_path: Path
) -> None:
    """HiGHS's irreducible subsystem: leave out one of these limits, and there is a plan."""
    out = tmp_path / "run"
    ended = CliRunner().invoke(app, ["run", str(overload), "--out", str(out), "--quiet"])
    assert ended.exit_code == 4, ended.output
    result = Result.open(out)
    assert result.status == "degraded"
    told = result.manifest["error"]
    assert told.startswith("gate 0: no plan: central, relaxed: infeasible. Cannot hold together: ")
    for part in (
        "battery farm.battery, discharge: at most 250 kW",
        "connection point of farm, balance of power: needs 7000 kW",
        "line 0 bar-north: at most 50.00 %",
        "wind park, power: at most 3000 kW",
    ):
        assert f"{part} at 2016-05-02 08:15 UTC" in told
    assert "Units follow their own rules until the next gate." in told
    (conflict,) = result.table("solves")["conflict"]
    assert conflict in told.replace("Cannot", "cannot")
    own = Result.open(out / "baseline").table("units")["p_kw"]
    assert result.table("units")["p_kw"].tolist() == own.tolist()
    assert "at most 50.00 %" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ["pandapower", "power-grid-model"])
def test_a_step_without_a_power_flow_changes_no_other_step(
    overload: Path, tmp_path: Path, engine: str
) -> None:
    """Executed and planned: taps, caps and schedules of the other steps are as without it."""
    failed, calm = (
        run(
            overload,
            coordination="individual",
            overrides=[column(name), f"grid.engine={engine}"],
            out=tmp_path / name,
            report=False,
        )
        for name in ("absurd", "calm")
    )
    assert (failed.status, calm.status) == ("degraded", "complete")
    error = failed.manifest["error"]
    assert "redispatch: 1 steps not cured, the first is 1 of the gate: the power flow does" in error
    assert "the power flow did not converge in 1 of 4 steps; their rows are NaN" in error
    for folder in ("", "baseline"):
        one, other = (Result.open(of.dir / folder) for of in (failed, calm))
        assert one.table("steps")["converged"].tolist() == [step != BAD for step in range(4)]
        for name, values in {
            "buses": ["vm_pu", "va_degree"],
            "lines": ["loading_percent", "i_ka", "p_from_mw", "loss_mw"],
            "transformers": ["loading_percent", "p_hv_mw", "loss_mw"],
        }.items():
            table, same = one.table(name), other.table(name)
            bad = table["time"] == table["time"].unique()[BAD]
            assert table.loc[bad, values].isna().all(axis=None)
            assert np.allclose(table.loc[~bad, values], same.loc[~bad, values], atol=1e-9, rtol=0)
        for name in ("units", "connection_points", "transformers"):
            table, same = (of.table(name).select_dtypes("number") for of in (one, other))
            kept = (one.table(name)["time"] != one.table("steps")["time"][BAD]).to_numpy()
            assert np.allclose(table[kept], same[kept], atol=1e-6, rtol=0, equal_nan=True)


@pytest.mark.parametrize("coordination", ["central", "bilevel"])
def test_whoever_plans_for_all_plans_the_other_steps(
    overload: Path, tmp_path: Path, coordination: str
) -> None:
    failed, calm = (
        run(
            overload,
            coordination=coordination,
            overrides=[column(name)],
            out=tmp_path / name,
            report=False,
        )
        for name in ("absurd", "calm")
    )
    assert (failed.status, calm.status) == ("degraded", "complete")
    kept = failed.table("units")["time"] != failed.table("steps")["time"][BAD]
    planned = (of.table("units").loc[kept, "planned_kw"] for of in (failed, calm))
    assert np.allclose(*planned, atol=1e-6, rtol=0, equal_nan=True)


def test_where_offers_have_no_power_flow_the_dso_asks_for_as_little_as_can_be(
    overload: Path, tmp_path: Path
) -> None:
    """200 MW of sun on a cable of 20 kV: P_set is zero, and the step is executed after all."""
    sun = {"csv": "load.csv", "column": "absurd", "unit": "kW"}
    overrides = {
        "neighbourhoods.farm.units.home.profile.column": "calm",
        "neighbourhoods.farm.units.sun": {"kind": "pv", "power_kw": 200_000, "profile": sun},
    }
    result = run(
        overload,
        coordination="individual",
        overrides=overrides,
        out=tmp_path / "run",
        report=False,
    )
    assert result.status == "degraded"
    assert (
        "with what is offered: everybody is asked for as little as can be"
        in (result.manifest["error"])
    )
    assert result.table("steps")["converged"].all()
    caps = result.table("redispatch").query("reason_element == 'the power flow'")
    assert caps["p_set_kw"].tolist() == [0.0, 0.0]
    points = result.table("connection_points").set_index(["time", "name"])["p_kw"]
    assert points[result.table("steps")["time"][BAD]].abs().max() == pytest.approx(0.0, abs=1e-6)
