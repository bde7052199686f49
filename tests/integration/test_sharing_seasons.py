"""What sharing changes by season: runs over several, and runs of several weeks side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.figures import seasons as figures
from quartier.kpi import RunData, seasons
from quartier.kpi.settlement import cost

NAMES = ["rural", "suburban", "urban"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two days by the local clock: the last of the transition, the first of summer."""
    return quartier.compare(
        "aachen:year",
        ["individual", "bilevel"],
        overrides=[
            "horizon.start=2023-05-14T00:00+02:00",
            "horizon.steps=48",
            "baseline=individual",
        ],
        out=tmp_path_factory.mktemp("seasons") / "compared",
    )


@pytest.mark.parametrize(
    ("day", "season"),
    [
        ("2023-03-20", "winter"),
        ("2023-03-21", "transition"),
        ("2023-05-14", "transition"),
        ("2023-05-15", "summer"),
        ("2023-09-14", "summer"),
        ("2023-09-15", "transition"),
        ("2023-10-31", "transition"),
        ("2023-11-01", "winter"),
    ],
)
def test_seasons_are_those_of_load_profiles_by_the_local_clock(day, season):
    hours = pd.date_range(day, periods=24, freq="h", tz="Europe/Berlin").tz_convert("UTC")
    assert set(seasons.seasons(hours)) == {season}


def test_costs_of_seasons_add_up_to_those_of_the_run(compared):
    table = seasons.by_season(compared.results)
    assert table.columns.to_list() == [
        (season, name) for season in ("transition", "summer") for name in ("individual", "bilevel")
    ]
    for name in ("individual", "bilevel"):
        run = compared.result(name)
        total = table.xs(name, axis=1, level=1).sum(axis=1)
        assert total[NAMES].to_dict() == pytest.approx(cost(RunData(run)))
        assert total[seasons.ALL] == pytest.approx(run.kpis["system_cost"])
        assert total[seasons.SHARED] == pytest.approx(run.kpis["shared_energy"])


def test_the_page_shows_changes_by_season(compared):
    page = (compared.dir / "report.html").read_text(encoding="utf-8")
    assert "Change of cost against individual by season" in page
    assert "Energy shared by season" in page


def test_changes_are_in_percent_of_what_each_pays_alone():
    """Alone 10 EUR and -4 EUR, together 8 and -5 EUR: both pay less."""
    costs = pd.DataFrame({("winter", "individual"): [10.0, -4.0, 0.0], ("winter", "x"): [8, -5, 1]})
    drawn = figures.changes(costs, "individual").data[0]
    assert drawn.z[:2, 0] == pytest.approx([-20.0, -25.0])
    assert np.isnan(drawn.z[2, 0]), "of nothing there is no percentage"
    assert [row[0] for row in drawn.text] == ["-20.0 %", "-25.0 %", "–"]


def test_one_season_is_not_told_apart(compared):
    only = {"bilevel": compared.result("bilevel")}
    assert not seasons.several(only), "nobody for itself beside it"
    assert seasons.several(compared.results)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The first half of the first day, each for itself."""
    return quartier.run(
        "aachen:year",
        coordination="individual",
        overrides=[
            "horizon.start=2023-05-14T00:00+02:00",
            "horizon.steps=12",
            "baseline=individual",
        ],
        out=tmp_path_factory.mktemp("seasons") / "half",
    )


def test_steps_of_two_runs_count_once(compared, alone):
    both = {**compared.results, "half": alone}
    pd.testing.assert_frame_equal(seasons.by_season(both), seasons.by_season(compared.results))


def test_a_mechanism_counts_where_all_spans_of_the_season_have_it(compared, alone):
    """`bilevel` has the whole days only; half a day of `individual` stands beside other spans."""
    days = compared.results
    moved = {"half": alone, "bilevel": days["bilevel"]}
    assert list(seasons.by_season(moved)) == [("transition", "individual")]
    assert not seasons.several(moved)
