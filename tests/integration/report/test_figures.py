"""The figures of the report in a browser: points are those of the tables, readers are answered."""

import numpy as np
import pandas as pd
import pytest

from tests.integration.browser import opened
from tests.integration.report.reading import at, shown_time


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
        objective = rows["objective"].to_numpy()
        assert trace["x"] == rows["sim_time_s"].tolist()
        assert [row[:2] for row in trace["customdata"]] == rows[
            ["sim_time_s", "objective"]
        ].to_numpy().tolist()
        above = [row[2] for row in trace["customdata"]]
        assert above == (objective - objective[-1]).tolist()
        np.testing.assert_allclose(
            0.02 * np.sinh(np.log(10) * np.array(trace["y"])), above, atol=1e-9
        )


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
