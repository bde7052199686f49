"""Long runs: read in pieces with the same figures, and drawn with every step counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quartier import kpi
from quartier.figures import ev_stays, long_run, negotiation
from quartier.kpi.grid_steps import grid_steps
from quartier.report.long_run import is_long, long_run_blocks
from quartier.report.page import render
from quartier.report.run_report import run_page
from quartier.report.sections import MOST_LISTED
from quartier.results import Result, RunWriter, pieces
from tests.unit.kpi_runs import SCENARIO, grid_json

HOURS = pd.date_range("2016-01-30", periods=24 * 20, freq="h", tz="UTC")
"""Twenty days of hours, in two months."""
WAVE = np.sin(np.arange(len(HOURS)) / 3)
LOADING = np.where(np.arange(len(HOURS)) == 100, 130.0, 30.0 + 10 * WAVE)
"""Percent; the limit is 50 %, passed in one hour."""


@pytest.fixture
def hourly(tmp_path):
    """A run of some hours, written a day a part."""

    def make(hours: int = len(HOURS), name: str = "run") -> Result:
        scenario = {**SCENARIO, "name": "x", "title": "x", "horizon": {"step_minutes": 60}}
        span = {"start": HOURS[0], "end": HOURS[-1] + pd.Timedelta(hours=1)}
        manifest = {
            "scenario": scenario,
            "coordination": "own",
            "seed": 1,
            "warnings": [],
            "overrides": [],
            "versions": {},
            "start_energy_kwh": {"nord.battery": 1.0},
            **span,
        }
        writer = RunWriter(tmp_path / name, {"steps_expected": hours, **manifest})
        for first in range(0, hours, 24):
            _write_day(writer, slice(first, min(first + 24, hours)))
        writer.finish("complete")
        (writer.directory / "grid.json").write_text(grid_json(), encoding="utf-8")
        return Result.open(writer.directory)

    return make


def _write_day(writer: RunWriter, rows: slice) -> None:
    times, wave = HOURS[rows], WAVE[rows]
    writer.add(
        "lines",
        {"time": times, "index": 0, "loading_percent": LOADING[rows], "loss_mw": 0.1 + wave / 20},
    )
    for bus in (3, 7):
        writer.add("buses", {"time": times, "bus": bus, "vm_pu": 1 + 0.08 * wave})
    writer.add("steps", {"time": times, "converged": True})
    offer = {"offer_kw": 9 * wave, "p_set_max_kw": np.where(wave > 0.9, 8.0, np.nan)}
    point = {"name": "nord", "kind": "neighbourhood", "bus": 7, "offer_curtailed_kw": 0.0}
    writer.add("connection_points", {"time": times, "p_kw": 8.5 * wave, **point, **offer})
    park = {"name": "park", "kind": "der", "bus": 3, "offer_kw": 2.0, "p_set_max_kw": 1.0}
    writer.add("connection_points", {"time": times, "p_kw": 1.0, **park})
    own = {"time": times, "neighbourhood": "nord"}
    pv = {"unit": "nord.pv", "kind": "pv", "available_kw": 10.0, "p_kw": 9 + wave}
    writer.add("units", {**own, **pv, "co2_kg": 0.0})
    battery = {"unit": "nord.battery", "kind": "battery", "energy_kwh": 5 + wave, "p_kw": -wave}
    writer.add("units", {**own, **battery})
    writer.add("units", {**own, "unit": "nord.homes", "kind": "household", "p_kw": -3.0})
    wind = {"unit": "park", "kind": "wind", "available_kw": 2.0, "p_kw": 1.0, "co2_kg": 0.5}
    writer.add("units", {"time": times, **wind})
    for name in ("import_eur_per_kwh", "export_eur_per_kwh", "unit_cost[nord]", "slack_p_mw"):
        writer.add("signals", {"time": times, "name": name, "value": 0.1, "unit": "1"})
    writer.add("signals", {"time": times, "name": "overloads_offered", "value": 1.0, "unit": "1"})
    for _ in times:
        writer.tick()
    writer.flush()


# -- in pieces ---------------------------------------------------------------------------------
def test_kpis_read_in_pieces_are_those_of_the_whole(hourly, monkeypatch):
    result = hourly()
    whole = kpi.compute(kpi.RunData(result, baseline=result, reference=result))
    monkeypatch.setattr(pieces, "MOST_ROWS", 200)
    run = kpi.RunData(result, baseline=result, reference=result)
    assert len([*run.parts()]) == 10  # of 1,920 rows of units
    parts = kpi.compute(run)
    assert list(parts) == list(whole)
    known = {name for name, entry in whole.items() if entry["value"]}
    assert {"redispatch_cost", "redispatch_calls", "self_consumption", "overloads"} <= known
    for name, entry in whole.items():
        expected = entry["value"]
        close = None if expected is None else pytest.approx(expected, rel=1e-12)
        assert parts[name]["value"] == close, name


def test_no_part_holds_more_rows_of_a_table_than_it_may(hourly, monkeypatch):
    result = hourly()
    monkeypatch.setattr(pieces, "MOST_ROWS", 100)
    seen = []
    for part in kpi.RunData(result).parts():
        assert all(len(part.table(name)) <= 100 for name in ("units", "buses", "lines"))
        seen.append(part.table("buses"))
    by = ["time", "bus"]
    found, whole = (
        rows.sort_values(by, ignore_index=True) for rows in (pd.concat(seen), result.table("buses"))
    )
    assert found.equals(whole)


def test_pieces_are_whole_parts_with_the_columns_asked_for(hourly, monkeypatch):
    result = hourly(72)
    monkeypatch.setattr(pieces, "MOST_ROWS", 100)
    found = [*result.pieces("buses", ["vm_pu", "time"])]
    assert [len(piece) for piece in found] == [96, 48]
    assert list(found[0]) == ["vm_pu", "time"]
    whole = result.table("buses", ["vm_pu", "time"])
    assert pd.concat(found, ignore_index=True).equals(whole)


def test_a_call_that_goes_on_from_one_part_into_the_next_is_one(hourly, monkeypatch):
    result = hourly(72)
    monkeypatch.setattr(pieces, "MOST_ROWS", 60)
    run = kpi.RunData(result)
    assert len([*run.parts()]) > 1
    ups = ((9 * WAVE[:72] > 8.01) & (WAVE[:72] > 0.9)).astype(int)
    calls_of_nord = (np.diff(np.concatenate([[0], ups])) == 1).sum()
    assert kpi.compute(run, ["redispatch_calls"])["redispatch_calls"]["value"] == calls_of_nord + 1


# -- on a page ------------------------------------------------------------------------------------
def test_two_weeks_are_long(hourly):
    assert is_long(hourly(14 * 24))
    assert not is_long(hourly(14 * 24 - 1, "short"))


def _figures(result):
    blocks = long_run_blocks(result)
    (choice,) = (b for b in blocks if hasattr(b, "options"))
    found = {b.name: b.figure for b in blocks if hasattr(b, "figure")}
    return found | {b.name: b.figure for b in choice.options["nord"]}


def test_months_count_hours_beyond_limits_and_energy_not_used(hourly):
    figures = _figures(hourly())
    lines, buses = figures["congestion-by-month"].data
    assert list(lines.x) == ["2016-01", "2016-02"]
    assert list(lines.y) == [0, 1]  # hour 100 lies in February
    low = (0.08 * WAVE < -0.05 - 1e-4) | (0.08 * WAVE > 0.05 + 1e-4)
    assert sum(buses.y) == low.sum()
    pv, wind = figures["curtailed-by-month"].data
    assert (pv.name, wind.name) == ("PV", "Wind")
    assert list(wind.y) == [pytest.approx(48 / 1000), pytest.approx((480 - 48) / 1000)]
    assert sum(pv.y) == pytest.approx((1 - WAVE).sum() / 1000)


def test_heat_maps_hold_the_highest_loading_and_the_mean_power_of_an_hour(hourly):
    figures = _figures(hourly())
    loading, power = (figures[f"{n}"].data[0] for n in ("loading-by-hour", "power-by-hour-0"))
    assert np.shape(loading.z) == np.shape(power.z) == (24, 20)
    assert loading.z[4][4] == pytest.approx(260.0)  # hour 100: 130 % of a limit of 50 %
    assert power.z[5][0] == pytest.approx(8.5 * WAVE[5], rel=1e-6)
    assert loading.y[4] == 4


def test_cells_of_quarter_hours_hold_the_highest_or_the_mean():
    times = pd.date_range("2020-01-01", periods=8, freq="15min", tz="UTC")
    values = pd.Series([1.0, 5.0, 2.0, 0.0, 3.0, 3.0, 3.0, 7.0], index=times)
    highest = long_run.by_hour(values, "a", "%", highest=True).data[0]
    mean = long_run.by_hour(values, "a", "kW", highest=False).data[0]
    assert [row[0] for row in highest.z[:2]] == [5.0, 7.0]
    assert [row[0] for row in mean.z[:2]] == [2.0, 4.0]


def test_bands_reach_from_the_lowest_to_the_highest_step_of_a_day(hourly):
    low, high, mean = _figures(hourly())["power-by-day-0"].data
    days = 8.5 * WAVE.reshape(20, 24)
    assert np.allclose(low.y, days.min(axis=1))
    assert np.allclose(high.y, days.max(axis=1))
    assert np.allclose(mean.y, days.mean(axis=1))


def test_a_load_duration_curve_keeps_its_highest_values_and_encloses_the_others():
    values = pd.Series(np.random.default_rng(1).gamma(2.0, 20.0, size=35_136))
    curve, _ = long_run.load_duration({"a": values}, 0.25).data
    falling = np.sort(values)[::-1]
    assert len(curve.x) <= long_run.POINTS + long_run.SHARPEST
    assert np.array_equal(curve.y[:50], falling[:50])
    assert (curve.x[0], curve.x[-1]) == (0.25, 35_136 / 4)
    assert np.array_equal(falling[(curve.x * 4).astype(int) - 1], curve.y)


def test_many_days_share_columns_of_a_heat_map():
    times = pd.date_range("2000-01-01", periods=365 * 10, freq="D", tz="UTC")
    cells = long_run.by_hour(pd.Series(1.0, index=times), "a", "kW", highest=False).data[0]
    assert np.shape(cells.z)[1] <= long_run.MOST_DAYS


def test_the_page_of_a_long_run_has_the_section_and_a_bounded_size(hourly):
    def size(result):
        page = run_page(result)
        names = [section.name for section in page.sections]
        return len(render(page)), names

    short, names = size(hourly(24, "day"))
    assert "long-run" not in names
    long, names = size(hourly())
    assert "long-run" in names
    assert long - short < 400_000


def test_lists_of_a_page_are_bounded():
    stays = pd.DataFrame(
        {
            "unit": "nord.ev",
            "session": range(2000),
            "arrival": HOURS[0],
            "departure": HOURS[1],
            "due_kwh": 2.0,
            "delivered_kwh": np.where(np.arange(2000) == 1999, 0.5, 2.0),
        }
    )
    drawn = ev_stays.ev_stays(stays)
    assert "1,500 of 2,000" in drawn.layout.title.text
    assert 1999 in {row[1] for row in drawn.data[0].customdata}
    traces = pd.DataFrame(
        {"gate": np.repeat(range(100), 2), "round": 0, "neighbourhood": "nord"}
    ).assign(sim_time_s=0.0, objective=1.0)
    drawn = negotiation.objective(traces)
    assert len(drawn.data) == negotiation.MOST_NEGOTIATIONS
    assert "60 of 100" in drawn.layout.title.text
    assert MOST_LISTED >= 2 * 366


def test_grid_steps_have_a_row_a_step(hourly):
    steps = grid_steps(kpi.RunData(hourly(48)))
    assert list(steps.index) == list(HOURS[:48])
    assert steps["line_percent"].tolist() == pytest.approx(list(LOADING[:48]))
