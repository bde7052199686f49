"""The report of a run in a browser: it loads alone, is whole, and can be used without a mouse."""

import csv
import json

import numpy as np
import pytest

from quartier.quantities import shown
from tests.integration.browser import LAPTOP, LAYOUT_FAULTS, PHONE, opened
from tests.integration.report.reading import LINE


# -- the page as such ------------------------------------------------------------------------
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("name", ["cohda", "uncontrolled", "max-load"])
def test_page_is_drawn_without_errors_requests_overlaps_or_cuts(browser, results, name, size):
    path = results[name].dir / "report.html"
    with opened(browser, path, size) as seen:
        seen.draw_all()
        button = seen.page.locator("#element-caps li button")
        if button.count():
            button.first.click()
            seen.page.locator(".asset-figure:not([hidden]) .main-svg").first.wait_for()
        assert seen.errors == []
        assert seen.requests == [path.as_uri()]
        assert seen.read(LAYOUT_FAULTS) == []


def test_layout_check_finds_faults(seen):
    seen.read("""() => {
        const [first, second] = document.querySelectorAll(".tile-group");
        second.style.marginTop = "-40px"; first.style.marginBottom = "0";
        second.style.marginLeft = "-300px";
        document.querySelector(".lead").style.cssText = "width: 2000px; max-width: none";
    }""")
    faults = " ".join(seen.read(LAYOUT_FAULTS))
    assert "overlaps" in faults
    assert "px wide" in faults


def test_every_kpi_is_that_of_kpis_json(read, result):
    kpis = json.loads((result.dir / "kpis.json").read_text())
    script = """() => Array.from(document.querySelectorAll("#kpi-table tbody tr"), (row) => [
        row.dataset.key,
        ...Array.from(row.cells, (cell) => cell.dataset.value ?? cell.textContent),
        row.cells[1].textContent])"""
    rows = read.read(script)
    assert [row[0] for row in rows] == list(kpis)
    for key, label, exact, unit, text in rows:
        entry = kpis[key]
        assert label == entry["label"]
        assert unit == {"1": "%", "count": ""}.get(entry["unit"], entry["unit"])
        if entry["value"] is None:
            assert (exact, text) == ("", "–")
        else:
            value = entry["value"] * (100 if unit == "%" and entry["unit"] == "1" else 1)
            assert float(exact) == value
            assert float(text.replace(",", "")) == pytest.approx(value, rel=1e-4, abs=1e-6)
    tiles = read.read("""() => Array.from(document.querySelectorAll(".tile"), (tile) =>
        [tile.dataset.kpi, tile.dataset.value, tile.querySelector(".value").textContent])""")
    texts, exacts = ({row[0]: row[k] for row in rows} for k in (4, 2))
    assert len(tiles) >= 20
    for key, exact, text in tiles:
        assert text == texts[key]
        assert exact == exacts[key]


# -- data, keyboard, print -------------------------------------------------------------------------
def downloaded(seen, selector):
    seen.page.locator(selector).focus()
    with seen.page.expect_download() as waiting:
        seen.page.keyboard.press("Enter")
    with waiting.value.path().open(newline="") as file:
        return waiting.value.suggested_filename, list(csv.reader(file))


def test_every_figure_gives_its_data_by_keyboard(browser, result):
    path = result.dir / "report.html"
    with opened(browser, path) as seen:
        figures = seen.page.locator("figure.figure:visible")
        names = figures.evaluate_all("all => all.map((f) => f.id)")
    assert len(names) >= 10
    for start in range(0, len(names), 8):  # browsers ask before the tenth download of a page
        with opened(browser, path) as seen:
            for name in names[start : start + 8]:
                file, rows = downloaded(seen, f"#{name} button.csv")
                assert file == f"{name}.csv"
                assert len(rows) > 1
                assert {len(row) for row in rows} == {len(rows[0])}


def test_data_of_the_map_are_all_steps(read, result):
    _, rows = downloaded(read, "#map button.csv")
    assert rows[0] == ["time_utc", "element", "quantity", "value", "unit"]
    own = [row for row in rows if row[1] == LINE]
    lines = result.table("lines")
    loading = lines[lines["index"] == 10]["loading_percent"].to_numpy()
    np.testing.assert_allclose([float(row[3]) for row in own], loading, rtol=1e-6)
    assert {row[4] for row in own} == {"%"}


def test_data_of_the_schedule_are_the_table(read, result):
    _, rows = downloaded(read, "#schedules-0 button.csv")
    assert rows[0] == ["series", "time_utc", "value", "unit"]
    own = {row[1]: float(row[2]) for row in rows if row[0] == "result at the connection point"}
    points = result.table("connection_points")
    point = points[points["name"] == "fliegerhorst"]
    assert list(own.values()) == point["p_kw"].tolist()
    assert {row[3] for row in rows[1:]} == {"kW"}


def test_kpis_can_be_downloaded_in_full(read, result):
    _, rows = downloaded(read, "#kpi-table button.table-csv")
    cells = {row[0]: row[2] for row in rows[1:]}
    for name, value in result.kpis.items():
        seen, _ = shown(value, result.kpi_table.loc[name, "unit"])
        assert cells[name] == "" if np.isnan(value) else float(cells[name]) == seen


def test_keyboard_can_skip_to_the_content(seen):
    seen.page.keyboard.press("Tab")
    assert seen.read("() => document.activeElement.className") == "skip"
    seen.page.keyboard.press("Enter")
    assert seen.read("() => document.activeElement.id") == "content"


def test_everything_to_press_has_a_name_and_no_id_is_used_twice(read):
    read.draw_all()
    unnamed = """() => Array.from(document.querySelectorAll("button, select, input, [role]"))
        .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label")
            || e.getAttribute("aria-labelledby") || e.closest("label") || e.id === "announcer"
            || e.getAttribute("role") === "status" || e.closest(".main-svg")))
        .map((e) => e.outerHTML)"""
    assert read.read(unnamed) == []
    twice = """() => { const ids = Array.from(document.querySelectorAll("[id]"), (e) => e.id);
        return ids.filter((id, i) => ids.indexOf(id) !== i); }"""
    assert read.read(twice) == []
    missing = """() => Array.from(document.querySelectorAll("[aria-labelledby]"), (e) =>
        e.getAttribute("aria-labelledby")).filter((id) => !document.getElementById(id))"""
    assert read.read(missing) == []


def test_print_shows_every_figure_and_no_buttons(seen):
    seen.page.pdf(format="A4")
    drawn = seen.page.locator("figure.figure:visible")
    assert drawn.evaluate_all("all => all.every((f) => f.querySelector('.main-svg'))")
    seen.page.emulate_media(media="print")
    assert seen.page.locator(".contents, button.csv, .tools").locator("visible=true").count() == 0
    seen.page.set_viewport_size({"width": 703, "height": 1000})  # A4 less its margins
    seen.read("dispatchEvent(new Event('beforeprint'))")
    root = "document.documentElement"
    assert seen.read(f"{root}.scrollWidth <= {root}.clientWidth")
    assert seen.errors == []
