"""The parts of a page: data stored once, text that stays text, numbers as readers see them."""

import base64
import json
import re

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from quartier.report import blocks
from quartier.report.page import render, write_page
from quartier.report.payload import Payload, script_json
from quartier.report.remarks import remarks
from quartier.report.thinning import shown_steps
from quartier.results import Result, RunWriter
from quartier.results.numbers import text
from quartier.results.plot import Plot


def test_an_array_used_twice_is_stored_once_and_can_be_read_back():
    payload = Payload()
    values = np.arange(50.0)
    figures = [payload.figure(go.Figure(go.Scatter(x=values, y=values * 2))) for _ in range(2)]
    assert len(payload.store) == 2
    assert figures[0] == figures[1]
    stored = payload.store[figures[0]["data"][0]["y"]["$"]]
    assert np.frombuffer(base64.b64decode(stored["bdata"]), "<f8").tolist() == (values * 2).tolist()


def test_matrix_keeps_its_shape():
    payload = Payload()
    reference = payload.add(np.ones((3, 20), dtype=np.float32))
    assert payload.store[reference["$"]]["shape"] == "3, 20"
    assert payload.store[reference["$"]]["dtype"] == "f4"


def test_short_lists_and_texts_stay_where_they_are():
    payload = Payload()
    assert payload.add({"a": [1, None, "b"], "t": pd.Timestamp("2020-01-01T00:00Z")}) == {
        "a": [1, None, "b"],
        "t": "2020-01-01T00:00:00+00:00",
    }
    assert payload.add(float("nan")) is None
    assert not payload.store


HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'


def page(**changes):
    frame = pd.DataFrame({"name": [HOSTILE], "value": [1.5]}, index=[HOSTILE])
    figure = go.Figure(go.Scatter(x=[1], y=[2], name=HOSTILE))
    figure.update_layout(title=HOSTILE)
    table = blocks.Table("table", HOSTILE, frame, hints={HOSTILE: HOSTILE})
    options = {HOSTILE: [blocks.Figure("figure", figure, HOSTILE)], "b": [blocks.Note(HOSTILE)]}
    parts = [table, blocks.Choice("choice", HOSTILE, options)]
    section = blocks.Section("part", HOSTILE, parts, HOSTILE)
    given = {"title": HOSTILE, "sections": [section], "facts": {HOSTILE: HOSTILE}}
    return blocks.Page(**{**given, "warnings": [HOSTILE], "model": {"a": HOSTILE}, **changes})


def test_names_cannot_become_code():
    html = render(page())
    assert "<script>alert" not in html
    assert "<img" not in html
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    read = json.loads(data)
    assert read["model"] == {"a": HOSTILE}
    assert read["figures"]["figure"]["data"][0]["name"] == HOSTILE


def test_json_in_a_script_cannot_end_it():
    assert "<" not in script_json({"a": HOSTILE})


def test_page_forbids_every_request():
    html = render(page())
    assert "default-src 'none'" in html
    assert not re.findall(r'<(?:link|script|img)[^>]+(?:src|href)="(?!data:)', html)


def test_page_is_whole_or_not_there(tmp_path):
    path = write_page(page(), tmp_path / "report.html")
    assert path.read_text().rstrip().endswith("</html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_figures_inside_choices_are_found():
    names = [figure.name for figure in blocks.figures_of(page().sections[0].blocks)]
    assert names == ["figure"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (12345.678, "12,346"),
        (1234567.5, "1,234,568"),
        (126.0937, "126.09"),
        (0.0360193, "0.036019"),
        (-4559.21, "-4,559.2"),
        (5e-15, "0"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_numbers_have_five_digits(value, shown):
    assert text(value) == shown


# -- a run that was killed ---------------------------------------------------------------------


def run_folder(folder, *, steps=3, status=None, log=""):
    scenario = {"name": "x", "title": None, "neighbourhoods": {}, "horizon": {"step_minutes": 15}}
    writer = RunWriter(folder, {"steps_expected": 10, "scenario": scenario})
    times = pd.date_range("2020-01-01", periods=steps, freq="15min", tz="UTC")
    writer.add("steps", {"time": times, "converged": [i != 1 for i in range(steps)]})
    for _ in range(steps):
        writer.tick()
    writer.flush()
    (folder / "log.txt").write_text(log)
    if status:
        writer.finish(status, "nord.pv died")
    return Result.open(folder)


def test_killed_run_is_said_to_be_partial(tmp_path):
    said = remarks(run_folder(tmp_path / "run"))
    assert said[0] == "Partial: the run was killed; 3 of 10 steps were written."
    assert "to go on: quartier run --resume" in said[1]
    assert said[2] == "1 steps have no power flow; their results are missing."


def test_failed_run_says_why(tmp_path):
    said = remarks(run_folder(tmp_path / "run", status="failed"))
    assert said[:2] == ["Partial: the run is failed; 3 of 10 steps were written.", "nord.pv died"]


def test_warnings_of_the_log_are_shown_once_each(tmp_path):
    log = "2026-01-01 00:00:00,000 WARNING quartier.agents: nord.pv is silent\n" * 3
    log += "2026-01-01 00:00:00,000 INFO    quartier: nothing\n"
    said = remarks(run_folder(tmp_path / "run", log=log))
    assert said[-1] == "quartier.agents: nord.pv is silent"
    assert sum("silent" in line for line in said) == 1


# -- long runs -------------------------------------------------------------------------------


def long_run(folder, steps):
    """A run with one line, whose highest loading lies at an odd step."""
    scenario = {"name": "x", "neighbourhoods": {}, "horizon": {"step_minutes": 15}}
    writer = RunWriter(folder, {"steps_expected": steps, "scenario": scenario})
    times = pd.date_range("2020-01-01", periods=steps, freq="15min", tz="UTC")
    wave = np.sin(np.arange(steps))
    loading = np.where(np.arange(steps) == 333, 130.0, 50 + 10 * wave)
    writer.add("lines", {"time": times, "index": 0, "name": "a", "loading_percent": loading})
    writer.add("buses", {"time": times, "bus": 0, "vm_pu": 1 + 0.01 * wave})
    point = {"time": times, "name": "nord", "kind": "neighbourhood", "bus": 0}
    writer.add("connection_points", {**point, "p_kw": np.roll(wave, 7)})
    writer.flush()
    net = {
        "bus": {"name": ["a", "b"], "geo": [None, None], "min_vm_pu": 0.9, "max_vm_pu": 1.1},
        "line": {"name": ["a"], "from_bus": [0], "to_bus": [1], "max_loading_percent": 100.0},
        "trafo": {"name": [], "hv_bus": [], "lv_bus": [], "max_loading_percent": []},
    }
    tables = {
        name: {"_object": pd.DataFrame(columns).to_json(orient="split")}
        for name, columns in net.items()
    }
    (folder / "grid.json").write_text(json.dumps({"_object": tables}))
    return Plot(Result.open(folder))


def test_run_that_fits_is_shown_whole(tmp_path):
    assert shown_steps(long_run(tmp_path / "run", 400), most=400).times is None


def test_long_run_keeps_every_extreme_and_says_so(tmp_path):
    plot = long_run(tmp_path / "run", 1000)
    shown = shown_steps(plot, most=100)
    assert "1,000 steps" in shown.note
    assert "every 20th" in shown.note
    assert len(shown.times) <= 110
    lines, buses = plot.table("lines"), plot.table("buses")
    points = plot.table("connection_points")
    highest = lines.groupby(np.arange(1000) // 20)["loading_percent"].idxmax()
    kept = set(shown.times)
    assert set(lines["time"][highest]) <= kept
    assert set(lines["time"][::20]) <= kept
    for table, column in ((buses, "vm_pu"), (points, "p_kw")):
        assert {
            table["time"][table[column].idxmax()],
            table["time"][table[column].idxmin()],
        } <= kept


def test_grid_without_coordinates_is_drawn_all_the_same(tmp_path):
    grid = long_run(tmp_path / "run", 10).grid
    assert not grid.placed
    assert grid.buses[["x", "y"]].notna().all(axis=None)
