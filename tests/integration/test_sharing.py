"""Sharing on a copper plate: two neighbourhoods whose money can be counted in the head (M8).

Sun: 100, 0, 40 kWh; load: 40, 60, 40 kWh; bought at 0.3, sold at 0.1 EUR/kWh.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import quartier
from quartier.coordination import mechanisms
from quartier.errors import InputError

CASE = Path(__file__).parents[1] / "cases" / "sharing"
OF_A_GRID = {"buses", "lines", "transformers", "steps", "redispatch"}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return shutil.copytree(CASE, tmp_path_factory.mktemp("cases") / "sharing")


@pytest.fixture(scope="module")
def compared(case):
    """All that there is for sharing: nothing is named."""
    return quartier.compare(case, out=case / "compared")


@pytest.fixture
def run_of(compared):
    return compared.result


def money(run) -> dict[str, float]:
    return {
        name[6:-1]: pytest.approx(value)
        for name, value in run.kpis.items()
        if name.startswith("money[") and abs(value) > 1e-9
    }


def test_without_names_the_mechanisms_of_the_problem_are_compared(compared):
    assert (
        compared.coordinations == mechanisms("sharing") == ("uncontrolled", "individual", "central")
    )
    assert compared.status == "complete"


def test_each_for_itself_pays_and_gets_the_tariffs(run_of):
    """The battery has nothing to gain; 140 kWh each way."""
    run = run_of("individual")
    assert money(run) == {"outer grid>sunny": 14.0, "town>outer grid": 42.0}
    assert run.kpis["system_cost"] == pytest.approx(28.0)
    assert run.kpis["pool_cost"] == pytest.approx(-6.0 + 18.0)
    assert run.kpis["shared_energy"] == pytest.approx(80.0)
    assert run.table("shares")["price_eur_per_kwh"].isna().all()


def test_one_operator_moves_the_sun_to_the_load(run_of):
    """The battery keeps 60 kWh for an hour, at 0.01 EUR/kWh of wear: all that is paid outside."""
    run = run_of("central")
    assert money(run) == {"town>sharing pool": 28.0, "sharing pool>sunny": 28.0}
    assert run.kpis["system_cost"] == pytest.approx(60 * 0.01)
    assert run.kpis["cost[sunny]"] == pytest.approx(60 * 0.01 - 28.0)
    assert run.kpis["shared_energy"] == pytest.approx(140.0)
    shares = run.table("shares").pivot_table("shared_kw", "time", "neighbourhood")
    assert shares["town"].tolist() == pytest.approx([40.0, 60.0, 40.0])
    assert shares["sunny"].tolist() == pytest.approx([-40.0, -60.0, -40.0])
    assert set(run.table("prices")["price_eur_per_kwh"]) == {0.2}


def test_a_copper_plate_has_no_tables_figures_or_file_of_a_grid(run_of):
    for name in ("uncontrolled", "individual", "central"):
        run = run_of(name)
        assert not OF_A_GRID & set(run.tables)
        assert not (run.dir / "grid.json").exists()
        assert not {"overloads", "losses", "upper_cost", "redispatch_cost"} & set(run.kpis.index)
        assert set(run.table("connection_points")["bus"]) == {0}
        html = (run.dir / "report.html").read_text()
        assert "There are no results of the grid to show." in html
        assert "cannot be shown" not in html
        assert "No step was executed" not in html


def test_pages_of_several_runs_do_without_a_grid(case, compared, tmp_path):
    from quartier.report.anew import report_anew

    html = (compared.dir / "report.html").read_text()
    assert "cannot be shown" not in html and "limits" not in html.split("<script")[0]
    folders = [compared.result(name).dir for name in ("individual", "central")]
    page, _ = report_anew(folders, tmp_path / "page.html")
    assert "Not every run has a grid" in page.read_text()


def test_finished_runs_without_a_grid_are_reused(case, compared):
    again = quartier.compare(case, ["central"], out=case / "again")
    assert not again.runs["central"].reused  # it lies in another folder
    twice = quartier.compare(case, ["central"], out=case / "again")
    assert twice.runs["central"].reused


@pytest.mark.parametrize(
    ("overrides", "coordination", "why"),
    [
        ({"problem": "redispatch"}, None, r"grid: is none, but the problem 'redispatch' needs one"),
        ({}, "cohda", r"'cohda' does not answer the problem 'sharing', only redispatch; those"),
        ({"grid": "nnoe"}, None, r"grid: should be 'none' \(got 'nnoe'\)"),
        ({"grid": {"simbench": "1-MV-rural--2-sw"}}, None, r"neighbourhoods.town.bus: is missing"),
    ],
)
def test_what_does_not_fit_together_is_refused(case, tmp_path, overrides, coordination, why):
    with pytest.raises(InputError, match=why):
        quartier.run(case, coordination=coordination, overrides=overrides, out=tmp_path / "run")


def test_central_refuses_what_holds_for_single_connection_points(case, tmp_path):
    for key, what in (
        ("neighbourhoods.town.p_min_kw=-50", "p_max_kw and p_min_kw of town"),
        ("objectives.peak_eur_per_kw=1", "peak_eur_per_kw"),
    ):
        with pytest.raises(quartier.RunFailed, match=what):
            quartier.run(case, coordination="central", overrides=(key,), out=tmp_path / what[:4])
