"""The page of several runs in a browser: what it says, by mouse and keyboard, at both widths."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import quartier
from quartier.cli import app
from quartier.comparison_table import print_comparison
from quartier.figures import groups
from quartier.figures.frames import group_name
from quartier.quantities import shown
from quartier.scoreboard import keeping_limits

from .browser import LAPTOP, LAYOUT_FAULTS, PHONE, chromium, opened

NOON = ("horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8")
"""Two hours in which line 10 is overloaded unless somebody acts."""
MECHANISMS = ("uncontrolled", "cohda", "individual", "bilevel")
COUNTED_TOGETHER = ("redispatch_cost", "upper_cost", "gap_to", "value_of")
PLACE = "fliegerhorst"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison") / "all"
    return quartier.compare("fliegerhorst", MECHANISMS, overrides=NOON, out=out)


@pytest.fixture(scope="module")
def mixed(compared, tmp_path_factory):
    """Page of runs that share neither scenario, nor seed, nor time; made by the command line."""
    folder = tmp_path_factory.mktemp("mixed")
    other = quartier.run(
        "fliegerhorst:max-load",
        coordination="cohda",
        seed=2,
        overrides=["horizon.steps=4"],
        out=folder / "load",
    )
    runs = [str(compared.runs["cohda"].dir), str(other.dir)]
    answer = CliRunner().invoke(app, ["report", *runs, "--out", str(folder / "page")])
    assert answer.exit_code == 0, answer.stderr
    return folder / "page" / "report.html"


@pytest.fixture(scope="module")
def browser(compared, mixed):
    with chromium() as started:
        yield started


@pytest.fixture
def seen(browser, compared):
    with opened(browser, compared.dir / "report.html") as page:
        yield page


def iso(times):
    return [f"{time:%Y-%m-%dT%H:%M:%S}" for time in times]


def numbers(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


# -- the page as such ------------------------------------------------------------------------
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("which", ["one scenario", "several"])
def test_page_is_drawn_without_errors_requests_overlaps_or_cuts(
    browser, compared, mixed, which, size
):
    path = mixed if which == "several" else compared.dir / "report.html"
    with opened(browser, path, size) as seen:
        seen.draw_all()
        assert seen.errors == []
        assert seen.requests == [path.as_uri()]
        assert seen.read(LAYOUT_FAULTS) == []


def test_everything_to_press_has_a_name_and_no_id_is_used_twice(seen):
    seen.draw_all()
    unnamed = """() => Array.from(document.querySelectorAll("button, select, input"), (e) => e)
        .filter((e) => !(e.textContent.trim() || e.closest("label")))
        .map((e) => e.outerHTML)"""
    assert seen.read(unnamed) == []
    twice = """() => { const ids = Array.from(document.querySelectorAll("[id]"), (e) => e.id);
        return ids.filter((id, i) => ids.indexOf(id) !== i); }"""
    assert seen.read(twice) == []


def test_print_shows_every_figure_and_no_buttons(seen):
    seen.page.pdf(format="A4")
    drawn = seen.page.locator("figure.figure:visible")
    assert drawn.evaluate_all("all => all.every((f) => f.querySelector('.main-svg'))")
    seen.page.emulate_media(media="print")
    assert seen.page.locator(".contents, button.csv, .tools").locator("visible=true").count() == 0
    assert seen.errors == []


# -- KPIs --------------------------------------------------------------------------------------
CELLS = """(name) => Array.from(document.querySelectorAll(`#${name} tbody tr[data-key]`), (row) =>
    [row.dataset.key, Array.from(row.cells, (cell) => ({value: cell.dataset.value,
        text: cell.firstChild?.textContent ?? "", best: cell.classList.contains("best")}))])"""


def test_every_kpi_is_that_of_the_files(seen, compared):
    figures = json.loads((compared.dir / "compare.json").read_text())
    own = {n: json.loads((r.dir / "kpis.json").read_text()) for n, r in compared.runs.items()}
    rows = seen.read(CELLS, "kpi-table")
    assert [key for key, _ in rows] == list(compared.kpis.index)
    for key, cells in rows:
        for name, cell in zip(MECHANISMS, cells[1:-1], strict=True):
            entry = figures[name].get(key, {"value": None, "unit": ""})
            value = entry["value"]
            if not key.startswith(COUNTED_TOGETHER):
                assert value == own[name][key]["value"]
            if value is not None:
                value, _ = shown(value, entry["unit"])
            assert cell["value"] == ("" if value is None else repr(float(value)))
            if value is None:
                assert cell["text"] == "–"
            else:
                text = float(cell["text"].replace(",", ""))
                assert text == pytest.approx(value, rel=1e-4, abs=1e-6)


def test_figures_that_decide_and_the_best_are_those_of_the_terminal(
    seen, compared, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", "200")
    print_comparison(compared)
    printed = {}
    for line in capsys.readouterr().out.splitlines():
        *values, key = line.split() or [""]
        if key in compared.kpis.index:
            printed[key] = values[-len(MECHANISMS) :]
    rows = dict(seen.read(CELLS, "scoreboard"))
    assert list(rows) == ["run", *printed]
    for key, values in printed.items():
        texts = [cell["text"] + ("*" if cell["best"] else "") for cell in rows[key][1:]]
        assert texts == values
    assert any(cell["best"] for cell in rows["overloads"])
    assert {cell["text"] for cell in rows["value_of_anticipation"][1:]} != {"–"}


def test_gap_to_the_best_stands_beside(seen, compared):
    cells = seen.page.locator("#scoreboard tr[data-key=overloads] td").all_inner_texts()
    counts = compared.kpis.loc["overloads"]
    assert counts["uncontrolled"] > 0
    assert cells[0].split() == [f"{counts['uncontrolled']:g}", f"+{counts['uncontrolled']:g}"]
    assert cells[1] == "0"


def test_kpis_are_filtered_as_one_types(seen, compared):
    seen.page.locator("#kpi-table input.filter").focus()
    seen.page.keyboard.type("voltage")
    labels = compared.kpis.attrs["label"]
    wanted = [key for key in compared.kpis.index if "voltage" in labels[key].lower()]
    rows = seen.page.locator("#kpi-table tbody tr:visible")
    assert rows.evaluate_all("rows => rows.map((row) => row.dataset.key)") == wanted


# -- points of the figures -----------------------------------------------------------------------
def test_costs_are_split_into_what_the_kpis_say(seen, compared):
    traces = {trace["name"]: trace for trace in seen.traces("upper-cost")}
    kpis = compared.kpis
    for part, kpi in (("redispatch", "redispatch_cost"), ("sum", "upper_cost")):
        np.testing.assert_allclose(traces[part]["x"], kpis.loc[kpi], rtol=1e-9)
    (mark,) = [trace for trace in traces.values() if trace["role"] == "mark"]
    assert set(mark["x"]) == {compared.manifest["bound_eur"]}
    sums = next(trace for trace in seen.traces("lower-cost") if trace["name"] == "sum")
    np.testing.assert_allclose(sums["x"], kpis.loc["lower_cost"], rtol=1e-9)


def test_curtailment_adds_up_to_the_kpi(seen, compared):
    sums = next(trace for trace in seen.traces("curtailment") if trace["name"] == "sum")
    np.testing.assert_allclose(sums["x"], compared.kpis.loc["curtailed_energy"], atol=2e-6)


def test_congestion_is_that_of_the_tables(seen, compared):
    heat, crosses = seen.traces("congestion")
    assert heat["y"] == list(MECHANISMS)
    for name, drawn, told in zip(heat["y"], heat["z"], heat["text"], strict=True):
        result = compared.result(name)
        tables = pd.concat([result.table("lines"), result.table("transformers")])
        highest = tables.groupby("time")["loading_percent"].max()  # all limits are 100 %
        np.testing.assert_allclose(drawn, highest, rtol=1e-6)
        counts = [int(text.split("; ")[1].split(" ")[0]) for text in told]
        assert sum(counts) == result.kpis["overloads"]
        assert crosses["y"].count(name) == sum(count > 0 for count in counts)


@pytest.mark.parametrize("name", MECHANISMS)
def test_power_offer_and_caps_are_those_of_the_table(seen, compared, name):
    drawn = {trace["name"]: trace["y"] for trace in seen.traces("points-0")}
    points = compared.result(name).table("connection_points")
    point = points[points["name"] == PLACE]
    for series, column in (
        ("result at the connection point", "p_kw"),
        ("offer", "offer_kw"),
        ("P_set at most", "p_set_max_kw"),
    ):
        if point[column].notna().any():
            np.testing.assert_array_equal(numbers(drawn[f"{series}: {name}"]), point[column])
        else:
            assert f"{series}: {name}" not in drawn
    assert any(series.startswith("P_set at most: cohda") for series in drawn)


def test_voltages_and_stores_are_those_of_the_tables(seen, compared):
    drawn = {trace["name"]: trace for trace in seen.traces("voltages")}
    stores = {trace["name"]: trace for trace in seen.traces("stores-0")}
    for name in MECHANISMS:
        result = compared.result(name)
        voltage = result.table("buses").groupby("time")["vm_pu"]
        assert max(drawn[f"{name}: highest"]["y"]) == result.kpis["max_voltage"]
        assert set(drawn[f"{name}: lowest"]["y"]) <= set(result.table("buses")["vm_pu"])
        assert drawn[f"{name}: lowest"]["x"] == iso(voltage.max().index)
        units = result.table("units")
        energy = units[units["unit"] == f"{PLACE}.battery"]["energy_kwh"].tolist()
        start = result.manifest["start_energy_kwh"][f"{PLACE}.battery"]
        assert stores[f"{name}: battery"]["y"] == [start, *energy]


def test_another_line_is_chosen_by_keyboard(seen, compared):
    select = seen.page.locator("#elements-choice select")
    select.focus()
    seen.page.keyboard.press("ArrowDown")
    label = select.locator("option").nth(1).inner_text()
    figure = seen.page.locator("#elements-choice figure:visible")
    assert label in figure.locator("h3").inner_text()
    kind, index = label.split(" ")[:2]
    drawn = {trace["name"]: trace["y"] for trace in seen.traces(f"element-{kind}-{index}")}
    for name in MECHANISMS:
        table = compared.result(name).table(f"{kind}s")
        loading = table[table["index"] == int(index)]["loading_percent"]
        np.testing.assert_array_equal(drawn[name], loading)


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_legend_hides_a_run_in_all_panels(seen, by):
    seen.traces("voltages")
    button = seen.page.locator("#voltages .legend button", has_text="cohda")
    if by == "mouse":
        button.click()
    else:
        button.focus()
        seen.page.keyboard.press("Space")
    hidden = [t["name"] for t in seen.traces("voltages") if t["visible"] == "legendonly"]
    assert hidden == ["cohda: highest", "cohda: lowest"]


# -- differences -----------------------------------------------------------------------------------
def power(result, place=PLACE):
    """Power by time and group of units, and of the connection point."""
    units, points = result.table("units"), result.table("connection_points")
    own = units[units["neighbourhood"] == place]
    names = own["unit"].map(lambda unit: group_name(unit).removeprefix(f"{place}."))
    table = own.groupby(["time", names])["p_kw"].sum().unstack()
    point = points[points["name"] == place].set_index("time")["p_kw"]
    return table.assign(**{"connection point": point})


def difference_is_right(seen, compared, first, second):
    change = power(compared.result(second)) - power(compared.result(first))
    drawn = {trace["name"]: trace for trace in seen.traces("difference")}
    differing = change.columns[change.abs().max() > 0.05]
    labels = groups.labels(groups.kinds(compared.result(first).table("units"), PLACE))
    labels["connection point"] = "connection point"
    assert set(drawn) == {labels[name] for name in {*differing, "connection point"}}
    for name in {*differing, "connection point"}:
        trace = drawn[labels[name]]
        np.testing.assert_allclose(numbers(trace["y"]), change[name], atol=1e-3)
        assert trace["x"] == iso(change.index)
    title = seen.page.locator("#difference-title").inner_text()
    assert title == f"Power in {PLACE}: {second} minus {first}"
    rows = dict(seen.read(CELLS, "pair"))
    for kpi in ("upper_cost", "losses"):
        a, b = compared.kpis.loc[kpi, [first, second]]
        assert [float(cell["value"]) for cell in rows[kpi][1:3]] == [a, b]
        assert float(rows[kpi][3]["value"]) == pytest.approx(b - a)


def test_difference_starts_with_the_first_run_and_the_best(seen, compared):
    good = [name for name in MECHANISMS if name in keeping_limits(compared.kpis)]
    assert "uncontrolled" not in good
    best = compared.kpis.loc["upper_cost", good].idxmin()
    difference_is_right(seen, compared, "uncontrolled", best)


def test_runs_of_the_difference_are_chosen_by_mouse(seen, compared):
    seen.traces("difference")
    seen.page.locator("#difference-first").select_option("individual")
    seen.page.locator("#difference-second").select_option("cohda")
    difference_is_right(seen, compared, "individual", "cohda")
    seen.page.locator("#difference-swap").click()
    difference_is_right(seen, compared, "cohda", "individual")


def test_runs_of_the_difference_are_chosen_by_keyboard(seen, compared):
    page = seen.page
    page.locator("#difference-second").focus()
    page.keyboard.type("indiv")
    page.keyboard.press("Tab")
    page.keyboard.type("cohda")
    difference_is_right(seen, compared, "cohda", "individual")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    difference_is_right(seen, compared, "individual", "cohda")
    assert "cohda minus individual" in page.locator("#announcer").inner_text()


def test_energy_told_is_that_of_the_difference(seen, compared):
    change = power(compared.result("cohda")) - power(compared.result("uncontrolled"))
    seen.page.locator("#difference-second").select_option("cohda")
    told = seen.page.locator("#difference-told").inner_text().replace(",", "")
    point = change["connection point"] / 4
    wanted = [point.clip(lower=0).sum(), -point.clip(upper=0).sum()]
    found = [float(word) for word in told.split() if word.replace(".", "").isdigit()]
    assert found[:2] == pytest.approx(wanted, rel=1e-3, abs=0.01)
    seen.page.locator("#difference-first").select_option("cohda")
    assert seen.page.locator("#difference-told").inner_text() == "Choose two different runs."


# -- data ------------------------------------------------------------------------------------
def downloaded(seen, selector):
    seen.page.locator(selector).focus()
    with seen.page.expect_download() as waiting:
        seen.page.keyboard.press("Enter")
    with waiting.value.path().open(newline="", encoding="utf-8") as file:
        return waiting.value.suggested_filename, list(csv.reader(file))


def names_of(seen, selector):
    return seen.page.locator(selector).evaluate_all("all => all.map((one) => one.id)")


def test_every_figure_gives_its_data_by_keyboard(seen):
    seen.draw_all()
    names = names_of(seen, "figure.figure:visible")
    assert len(names) >= 9
    for name in names:
        file, rows = downloaded(seen, f"#{name} button.csv")
        assert file == f"{name}.csv"
        assert len(rows) > 1
        assert {len(row) for row in rows} == {len(rows[0])}


def test_every_table_gives_its_data_by_keyboard(seen):
    names = names_of(seen, ".tablebox")
    assert {"scoreboard", "kpi-table", "costs-table", "pair", "about-table"} <= set(names)
    for name in names:
        file, rows = downloaded(seen, f"#{name} button.table-csv")
        assert file == f"{name}.csv"
        assert len(rows) > 1


def test_kpis_can_be_downloaded_in_full(seen, compared):
    _, rows = downloaded(seen, "#kpi-table button.table-csv")
    for key, _, *values, _ in rows[1:]:
        factor, _ = shown(1.0, compared.kpis.attrs["unit"][key])
        wanted = ["" if np.isnan(v) else repr(float(factor * v)) for v in compared.kpis.loc[key]]
        assert values == wanted


# -- runs of different scenarios -------------------------------------------------------------
def test_page_says_in_what_else_the_runs_differ(browser, mixed):
    with opened(browser, mixed) as seen:
        said = seen.page.locator(".warnings").inner_text()
        assert "differ in more than the coordination: seed (1, 2), horizon.start" in said
        assert "do not span the same time" in said
        assert "axes leave that time out" in said
        rows = dict(seen.read(CELLS, "differing-table"))
        assert [cell["text"] for cell in rows["seed"][1:]] == ["1", "2"]
        names = seen.page.locator("#scoreboard thead th").all_inner_texts()
        assert names == ["cohda, max-feed-in", "cohda, max-load"]
        assert seen.page.locator("td.best").count() == 0
        assert "No value is marked as the best" in seen.page.locator("#scoreboard").inner_text()
        assert "no step in common" in seen.page.locator("#difference-told").inner_text()
        assert "gap_to_bilevel" not in dict(seen.read(CELLS, "kpi-table"))


def test_axes_span_all_runs(browser, mixed, compared):
    with opened(browser, mixed) as seen:
        heat = seen.traces("congestion")[0]
        known = [numbers(row) for row in heat["z"]]
        assert [np.isfinite(row).sum() for row in known] == [8, 4]
        assert not (np.isfinite(known[0]) & np.isfinite(known[1])).any()
        breaks = "document.querySelector('#congestion .plot').layout.xaxis.rangebreaks.length"
        assert seen.read(f"() => {breaks}") == 1
