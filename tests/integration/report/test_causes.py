"""From the map to the cause in a browser: worst line, its cap, who reacted and how."""

import pandas as pd
import pytest

from quartier.figures.schedules import plan_change
from tests.integration.browser import opened
from tests.integration.report.reading import LINE, at, shown_time


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
