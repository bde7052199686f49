"""The report in a browser: loads alone, is driven by mouse and keyboard, tells what tables say."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from quartier.figures.schedules import plan_change
from quartier.report import write_report

from .browser import LAPTOP, LAYOUT_FAULTS, PHONE, chromium, opened

LINE = "line 10 MV1.101 Line 11"


@pytest.fixture(scope="module")
def results(run_of):
    """Runs by name, with their reports; made before the browser starts."""
    runs = {name: run_of("max-feed-in", name) for name in ("cohda", "uncontrolled")}
    runs["max-load"] = run_of("max-load", "cohda")
    for result in runs.values():
        if not (result.dir / "report.html").exists():
            write_report(result)  # a run that served as a baseline first
    return runs


@pytest.fixture(scope="module")
def browser(results):
    with chromium() as started:
        yield started


@pytest.fixture
def result(results):
    return results["cohda"]


@pytest.fixture
def seen(browser, result):
    """The report of a run with caps on a laptop."""
    with opened(browser, result.dir / "report.html") as page:
        yield page


@pytest.fixture(scope="module")
def read(browser, results):
    """The same for tests that only read or download, so that it is opened once."""
    with opened(browser, results["cohda"].dir / "report.html") as page:
        yield page


def at(table, time, **keys):
    """Row of a table at a time (ISO text in UTC) and keys."""
    rows = table[table["time"] == pd.Timestamp(time, tz="UTC")]
    for column, value in keys.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def shown_time(seen):
    """Time that the slider shows, as ISO text."""
    return seen.page.locator("#time-text").inner_text().removesuffix(" UTC").replace(" ", "T")


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
        assert unit == ("" if entry["unit"] == "1" else entry["unit"])
        if entry["value"] is None:
            assert (exact, text) == ("", "–")
        else:
            assert float(exact) == entry["value"]
            assert float(text.replace(",", "")) == pytest.approx(entry["value"], rel=1e-4, abs=1e-6)
    tiles = read.read("""() => Array.from(document.querySelectorAll(".tile"), (tile) =>
        [tile.dataset.kpi, tile.dataset.value, tile.querySelector(".value").textContent])""")
    texts = {row[0]: row[4] for row in rows}
    assert len(tiles) >= 20
    for key, exact, text in tiles:
        assert text == texts[key]
        assert exact == ("" if kpis[key]["value"] is None else repr(float(kpis[key]["value"])))


# -- points of the figures ---------------------------------------------------------------------
def test_heat_map_holds_every_loading(read, result):
    heat, over = read.traces("loading")
    frames = []
    for table, kind in (("lines", "line"), ("transformers", "transformer")):
        rows = result.table(table)
        label = kind + " " + rows["index"].astype(str) + " " + rows["name"]
        frames.append(rows.assign(label=label))
    table = pd.concat(frames).pivot(index="label", columns="time", values="loading_percent")
    assert sorted(heat["y"]) == sorted(table.index)
    drawn = np.array(heat["z"], dtype=float)
    np.testing.assert_allclose(drawn, table.loc[heat["y"]].to_numpy(), rtol=1e-6)
    assert heat["x"] == [f"{time:%Y-%m-%dT%H:%M:%S}" for time in table.columns]
    assert len(over["x"]) == int((table.to_numpy() > 100.1).sum())


def test_schedule_adds_up_to_the_connection_point(read, result):
    traces = {trace["name"]: trace for trace in read.traces("schedules-0")}
    units, points = result.table("units"), result.table("connection_points")
    point = points[points["name"] == "fliegerhorst"]
    for name, column in (
        ("offer", "offer_kw"),
        ("result at the connection point", "p_kw"),
        ("P_set: at most", "p_set_max_kw"),
    ):
        drawn = [np.nan if v is None else v for v in traces[name]["y"]]
        np.testing.assert_array_equal(drawn, point[column].to_numpy())
    band = traces["band offered: upper end"]["y"]
    np.testing.assert_array_equal(band, (point["offer_kw"] + point["flex_up_kw"]).to_numpy())
    own = units[units["neighbourhood"] == "fliegerhorst"]
    wind = own[own["kind"] == "wind"].set_index("time")["p_kw"]
    np.testing.assert_array_equal(traces["Wind"]["y"], wind.to_numpy())
    bars = [t for t in traces.values() if t["role"] is None and not t["name"].startswith("band")]
    total = np.sum([bar["y"] for bar in bars], axis=0)
    np.testing.assert_allclose(total, own.groupby("time")["p_kw"].sum().to_numpy(), atol=1e-6)
    np.testing.assert_allclose(total, point["p_kw"].to_numpy(), atol=1e-6)


def test_stores_and_stays_are_those_of_the_tables(read, result):
    units = result.table("units")
    battery = next(t for t in read.traces("stores-0") if t["name"] == "battery")
    energy = units[units["unit"] == "fliegerhorst.battery"]["energy_kwh"].tolist()
    start = result.manifest["start_energy_kwh"]["fliegerhorst.battery"]
    assert battery["y"] == [start, *energy]
    sessions = result.table("ev_sessions").set_index(["unit", "session"])
    stays = read.traces("ev-stays-0")[0]
    assert len(stays["y"]) == len(sessions)
    for unit, session, arrival, departure, due, delivered in stays["customdata"]:
        row = sessions.loc[(unit, session)]
        times = [f"{row[c]:%Y-%m-%dT%H:%M:%S}" for c in ("arrival", "departure")]
        assert [arrival, departure] == times
        assert [due, delivered] == [row["due_kwh"], row["delivered_kwh"]]


def test_objective_is_that_of_the_traces(read, result):
    drawn = read.traces("objective")
    table = result.table("traces")
    groups = [rows for _, rows in table.groupby(["gate", "round", "neighbourhood"])]
    assert len(drawn) == len(groups)
    for trace, rows in zip(drawn, groups, strict=True):
        assert trace["y"] == rows["objective"].tolist()
        assert trace["x"] == rows["sim_time_s"].tolist()


def test_sections_without_data_say_so_in_a_line(browser, results):
    with opened(browser, results["uncontrolled"].dir / "report.html") as seen:
        for name, text in (
            ("redispatch", "No P_set was set in this run."),
            ("negotiation", "Nobody negotiated in this run."),
            ("solves-part", "No optimiser was used in this run."),
        ):
            assert text in seen.page.locator(f"#{name} .note").all_inner_texts()


# -- time --------------------------------------------------------------------------------------
def map_is_right(seen, result):
    """Compare texts and classes of the map with the tables at the time shown."""
    time = shown_time(seen)
    traces = seen.traces("map")
    lines = result.table("lines")
    now = lines[lines["time"] == pd.Timestamp(time, tz="UTC")].set_index("index")
    hits = next(t for t in traces if t["role"] == "hits")
    for label, text in list(zip(hits["customdata"], hits["text"], strict=True))[: len(now)]:
        loading = now.loc[int(label.split(" ")[1]), "loading_percent"]
        assert float(text.split(": ")[1].removesuffix(" %")) == pytest.approx(loading, abs=0.051)
    classes = [t for t in traces if t["role"] == "lines"]
    drawn = [len(t["x"]) // 3 for t in classes]
    edges = [-1, 25, 50, 75, 99, 100.1, np.inf]
    assert drawn == np.histogram(now["loading_percent"], edges)[0].tolist()
    buses = next(t for t in traces if t["role"] == "buses")
    vm = at(result.table("buses"), time, bus=15)["vm_pu"]
    (text,) = [t for t in buses["text"] if t.startswith("bus 15 ")]
    assert f"{vm:.4f} pu" in text


def test_map_starts_at_the_worst_step(seen, result):
    lines = result.table("lines")
    worst = lines.loc[lines["loading_percent"].idxmax(), "time"]
    assert shown_time(seen) == f"{worst:%Y-%m-%dT%H:%M}"
    map_is_right(seen, result)


def test_slider_by_keyboard_and_mouse_changes_the_map(seen, result):
    slider = seen.page.locator("#time")
    slider.focus()
    seen.page.keyboard.press("Home")
    assert shown_time(seen) == "2016-07-24T23:00"
    assert slider.get_attribute("aria-valuetext") == "2016-07-24 23:00 UTC"
    map_is_right(seen, result)
    seen.page.keyboard.press("ArrowRight")
    assert shown_time(seen) == "2016-07-24T23:15"
    box = slider.bounding_box()
    seen.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    middle = pd.Timestamp(shown_time(seen))
    assert pd.Timestamp("2016-07-25T13:00") < middle < pd.Timestamp("2016-07-25T17:00")
    map_is_right(seen, result)
    seen.page.locator("#to-worst").click()
    test_map_starts_at_the_worst_step(seen, result)


def test_play_moves_on_until_paused(seen):
    page = seen.page
    page.locator("#time").focus()
    page.keyboard.press("Home")
    page.locator("#play").focus()
    page.keyboard.press("Enter")
    for _ in range(100):
        page.wait_for_timeout(100)
        if int(page.locator("#time").input_value()) > 1:
            break
    else:
        pytest.fail("the map does not move on")
    page.keyboard.press("Enter")
    stopped = page.locator("#time").input_value()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"
    page.wait_for_timeout(1200)  # longer than a step takes
    assert page.locator("#time").input_value() == stopped


# -- hover, legend, filters ------------------------------------------------------------------------
def test_hovering_and_reading_by_keyboard_tell_the_value(seen, result):
    seen.traces("voltages")
    plot = seen.page.locator("#voltages .plot")
    box = plot.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    seen.page.locator("#voltages .hoverlayer .hovertext").first.wait_for()
    plot.focus()
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("ArrowRight")
    trace = seen.traces("voltages")[0]
    said = seen.page.locator("#announcer").inner_text()
    assert trace["text"][1] in said
    assert trace["x"][1] in said
    assert float(said.split(": ")[-1].removesuffix(" pu")) == pytest.approx(trace["y"][1], abs=1e-4)
    first = said
    seen.page.keyboard.press("ArrowDown")
    assert seen.page.locator("#announcer").inner_text() != first


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_legend_hides_and_shows_a_series(seen, by):
    seen.traces("schedules-0")
    button = seen.page.locator("#schedules-0 .legend button", has_text="Wind")

    def press():
        if by == "mouse":
            button.click()
        else:
            button.focus()
            seen.page.keyboard.press("Space")

    def wind():
        return next(t["visible"] for t in seen.traces("schedules-0") if t["name"] == "Wind")

    press()
    assert (wind(), button.get_attribute("aria-pressed")) == ("legendonly", "false")
    press()
    assert (wind(), button.get_attribute("aria-pressed")) == (True, "true")


def test_kpis_are_filtered_as_one_types(seen, result):
    seen.page.locator("#kpi-table input.filter").focus()
    seen.page.keyboard.type("voltage")
    wanted = [k for k, v in result.kpi_table["label"].items() if "voltage" in v.lower()]
    rows = seen.page.locator("#kpi-table tbody tr:visible")
    assert rows.evaluate_all("rows => rows.map((row) => row.dataset.key)") == wanted


def test_heat_map_is_filtered_to_the_most_loaded(seen):
    heat = seen.traces("loading")[0]
    seen.page.locator("#loading-filter").focus()
    seen.page.keyboard.press("ArrowDown")
    count = len(heat["y"])
    low, high = seen.read("document.querySelector('#loading .plot').layout.yaxis.range")
    assert (low, high) == (count - 30.5, count - 0.5)
    ticks = seen.page.locator("#loading .ytick text").all_text_contents()
    assert set(ticks) <= set(heat["y"][-30:])
    assert heat["y"][-1] in ticks


def test_measures_are_filtered_by_keyboard_and_by_step(seen, result):
    table = result.table("redispatch")
    page = seen.page
    page.locator("#measures-element").focus()
    page.keyboard.type("bus 15")
    total = table["reason_element"].str.removeprefix("preventive: ").eq("bus 15").sum()
    assert f"of {total} shown" in page.locator("#measures-count").inner_text()
    page.locator("#measures-element").select_option("")
    page.locator("#measures-step").check()
    now = table[table["time"] == pd.Timestamp(shown_time(seen), tz="UTC")]
    assert page.locator("#measures-rows tr").count() == len(now) > 0


def test_table_tells_what_each_asset_did(seen, result):
    seen.page.locator("#measures-asset").select_option("fliegerhorst")
    seen.page.locator("#measures-step").check()
    cells = seen.page.locator("#measures-rows tr").first.locator("td").all_inner_texts()
    row = at(result.table("redispatch"), shown_time(seen), asset="fliegerhorst")
    point = at(result.table("connection_points"), shown_time(seen), name="fliegerhorst")
    numbers = [float(cell.replace(",", "")) for cell in cells[4:8]]
    wanted = [row["offered_kw"], row["p_set_kw"], point["p_kw"], row["cost_eur"]]
    assert numbers == pytest.approx(wanted, rel=1e-4)
    assert cells[1] == row["reason_element"]
    assert float(cells[2].split(" ")[0]) == pytest.approx(row["sensitivity"], rel=1e-3)


# -- from the map to the cause -------------------------------------------------------------------
def pixel_of(seen, label):
    """Where a line can be hit on the map, in pixels of the window."""
    script = """(label) => {
        const plot = document.querySelector("#map .plot");
        const hits = plot.data.find((t) => t.meta?.role === "hits");
        const i = hits.customdata.indexOf(label) + 2 * (hits.customdata.length / 5);
        const { xaxis, yaxis } = plot._fullLayout;
        const frame = plot.querySelector(".nsewdrag").getBoundingClientRect();
        return [frame.left + xaxis.l2p(hits.x[i]), frame.top + yaxis.l2p(hits.y[i])];
    }"""
    return seen.read(script, label)


def who_reacted(seen, result):
    """Check the panel of the neighbourhood's cap against the tables."""
    time = shown_time(seen)
    cap = at(result.table("redispatch"), time, asset="fliegerhorst")
    chain = seen.page.locator("#chain li strong").all_inner_texts()
    assert chain[0] == cap["reason_element"] == LINE
    assert float(chain[1].split(" ")[0]) == pytest.approx(cap["sensitivity"], rel=1e-4)
    assert chain[2] == "fliegerhorst"
    p_set = float(chain[3].removeprefix("at most ").removesuffix(" kW").replace(",", ""))
    assert p_set == pytest.approx(cap["p_set_kw"], rel=1e-4)
    done = at(result.table("connection_points"), time, name="fliegerhorst")["p_kw"]
    told = float(chain[4].removesuffix(" kW").replace(",", ""))
    assert told == pytest.approx(done, rel=1e-4)
    change = plan_change(result.table("plans"), result.table("units"), "fliegerhorst")
    change = change["change_kw"]
    now = change.xs(pd.Timestamp(time, tz="UTC"), level="time")
    strongest = now.abs().idxmax()
    assert abs(now[strongest]) > 1
    first = seen.page.locator("#reaction tbody tr").first
    assert first.locator("th").inner_text() == strongest.removeprefix("fliegerhorst.")
    shown = float(first.locator("td").nth(2).inner_text().replace(",", ""))
    assert shown == pytest.approx(now[strongest], rel=1e-4)


def test_from_the_map_to_the_cause_in_two_clicks(seen, result):
    seen.page.locator("#map .plot").scroll_into_view_if_needed()
    seen.page.mouse.click(*pixel_of(seen, LINE))  # 1: the worst line
    assert seen.page.locator("#element-name").inner_text() == LINE
    seen.page.locator("#element-caps button", has_text="fliegerhorst").click()  # 2: its cap
    who_reacted(seen, result)
    seen.page.locator(".asset-figure:not([hidden]) .main-svg").first.wait_for()


def test_from_the_worst_line_to_the_cause_by_keyboard(seen, result):
    page = seen.page
    page.locator("#worst button").first.focus()
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("Tab")
        if "fliegerhorst" in seen.read("() => document.activeElement.textContent"):
            break
    page.keyboard.press("Enter")
    who_reacted(seen, result)


def test_undervoltage_leads_to_who_drew_less(browser, results):
    result = results["max-load"]
    with opened(browser, result.dir / "report.html") as seen:
        buses = result.table("buses")
        bands = result.plot.grid.buses
        below = buses["bus"].map(bands["vm_min_pu"]) - buses["vm_pu"]
        above = buses["vm_pu"] - buses["bus"].map(bands["vm_max_pu"])
        worst = buses.loc[below.where(below > above, above).idxmax()]
        assert shown_time(seen) == f"{worst['time']:%Y-%m-%dT%H:%M}"
        first = seen.page.locator("#worst button").first
        assert first.inner_text().startswith(f"bus {worst['bus']} ")
        first.click()  # 1: the bus
        seen.page.locator("#element-caps button").first.click()  # 2: its cap, or the way to it
        cap = at(
            result.table("redispatch").query("reason_element.str.endswith('(consumption)')"),
            shown_time(seen),
            asset="fliegerhorst",
        )
        chain = seen.page.locator("#chain li strong").all_inner_texts()
        assert chain[0] == cap["reason_element"].removesuffix(" (consumption)")
        p_set = float(chain[3].removeprefix("at least ").removesuffix(" kW").replace(",", ""))
        assert p_set == pytest.approx(cap["p_set_kw"], rel=1e-4)
        changes = seen.page.locator("#reaction tbody tr td:nth-child(4)").all_inner_texts()
        drawn_less = sum(float(text.replace(",", "")) for text in changes)
        assert drawn_less == pytest.approx(cap["p_set_kw"] - cap["offered_kw"], abs=0.1)


def test_line_that_is_not_capped_now_leads_to_its_strongest_cap(seen, result):
    page = seen.page
    page.locator("#time").focus()
    page.keyboard.press("Home")
    page.locator("#worst button", has_text=LINE).click()
    page.locator("#element-caps button").click()
    table = result.table("redispatch")
    own = table[table["reason_element"] == LINE]
    strongest = own.loc[(own["offered_kw"] - own["p_set_kw"]).idxmax()]
    assert shown_time(seen) == f"{strongest['time']:%Y-%m-%dT%H:%M}"
    assert page.locator("#chain li strong").all_inner_texts()[2] == strongest["asset"]


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_heat_map_leads_to_step_and_element(seen, by):
    heat = seen.traces("loading")[0]
    plot = seen.page.locator("#loading .plot")
    plot.scroll_into_view_if_needed()
    if by == "mouse":
        box = seen.page.locator("#loading .nsewdrag").bounding_box()
        seen.page.mouse.click(box["x"] + box["width"] * 50.5 / 130, box["y"] + 3)
        step = 50
    else:
        plot.focus()
        for key in ("Home", "ArrowRight", "ArrowRight", "Enter"):
            seen.page.keyboard.press(key)
        step = 2
    assert shown_time(seen) == heat["x"][step][:16]
    assert seen.page.locator("#element-name").inner_text() == heat["y"][-1]


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
        assert cells[name] == "" if np.isnan(value) else float(cells[name]) == value


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
