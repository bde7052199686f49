"""Forecasts that err: intraday gates, margins, draws of a study (tests/cases/uncertain).

The line lets 400 kW through. The turbine is told to feed in that and the load of 200 kW that is
expected; where less is drawn, the line is overloaded by what the forecast was too high.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import quartier
from quartier.report.run_report import run_page

CASE = Path(__file__).parents[1] / "cases" / "uncertain"
SEEDS = (1, 2)
WAYS = {
    "once": (),
    "intraday": ("gates.every=3",),
    "always": ("gates.every=1",),
    "margin": ("redispatch.margin=0.1",),
    "perfect": ("forecast_error.std.household=0",),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Results by way and seed."""
    out = tmp_path_factory.mktemp("uncertain")
    found = {}
    for way, overrides in WAYS.items():
        for seed in SEEDS if way in ("once", "intraday", "margin") else SEEDS[:1]:
            found[way, seed] = quartier.run(
                CASE,
                coordination="individual",
                seed=seed,
                overrides=[*overrides, "baseline=individual"],
                out=out / f"{way}-{seed}",
            )
    return found


def total(runs, way: str, kpi: str) -> float:
    return sum(float(run.kpis[kpi]) for (one, _), run in runs.items() if one == way)


def test_what_is_too_high_overloads_the_line(runs):
    run = runs["once", 1]
    loads = run.table("forecasts").set_index("time")
    assert loads["actual_kw"].tolist() == [200.0] * 24
    off_kw = loads["forecast_kw"] - 200.0
    power_kw = run.table("connection_points").set_index("time")["p_kw"]
    assert power_kw.to_numpy() == pytest.approx(400.0 + off_kw.to_numpy(), abs=1.0)
    assert run.kpis["overloads"] == (off_kw > 1.0).sum()
    assert run.kpis["forecast_error_energy[household]"] == pytest.approx(off_kw.abs().sum())
    assert run.kpis["forecast_bias_energy[household]"] == pytest.approx(off_kw.sum())
    assert run.kpis["forecast_error[household]"] == pytest.approx(off_kw.abs().mean() / 200.0)


def test_gates_in_between_pass_fewer_limits(runs):
    for kpi in ("overloads", "overload_energy", "cap_violation_energy"):
        assert total(runs, "intraday", kpi) < total(runs, "once", kpi)
    errors = "forecast_error_energy[household]"
    assert total(runs, "intraday", errors) < total(runs, "once", errors)
    assert runs["always", 1].kpis["overloads"] == 0


def test_a_margin_costs_energy_and_saves_limits(runs):
    assert total(runs, "margin", "overloads") < total(runs, "once", "overloads")
    more_mwh = total(runs, "margin", "curtailed_energy") - total(runs, "once", "curtailed_energy")
    assert more_mwh == pytest.approx(len(SEEDS) * 24 * 0.040, rel=0.02)  # 10 % of 400 kW


def test_what_is_foreseen_is_kept_and_nothing_told_of_it(runs):
    perfect = runs["perfect", 1]
    assert perfect.kpis["overloads"] == 0
    assert "forecast_error[household]" not in perfect.kpis
    assert "forecasts" not in perfect.tables


def test_gates_tell_of_the_steps_up_to_the_next(runs):
    told = runs["intraday", 1].table("forecasts")
    assert not told.duplicated(["time", "unit"]).any()
    assert told.groupby("gate").size().tolist() == [3] * 8
    first = told.drop_duplicates("gate")
    assert (first["forecast_kw"] == first["actual_kw"]).all(), "what is, is known"
    assert pd.Index(told["time"]).is_monotonic_increasing


def test_the_report_shows_what_was_expected(runs):
    names = [section.name for section in run_page(runs["intraday", 1]).sections]
    assert "forecasts" in names
    assert "forecasts" not in [s.name for s in run_page(runs["perfect", 1]).sections]
