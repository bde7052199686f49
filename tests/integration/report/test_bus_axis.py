"""The figure of an element fits what is chosen: a bus' voltage as well as a line's loading."""

from tests.integration.browser import opened

AXIS = """() => document.querySelector("#element .plot")._fullLayout.yaxis.range"""
DASHES = """() => document.querySelector("#element .plot").data.map((t) => [t.name, t.line.dash])"""


def test_axis_of_a_voltage_leaves_zero_out_and_that_of_a_loading_does_not(browser, results):
    with opened(browser, results["max-load"].dir / "report.html") as seen:
        seen.traces("element")
        picks = seen.page.locator("#worst button")
        picks.filter(has_text="bus").first.click()
        low, high = seen.page.evaluate(AXIS)
        assert 0.8 < low < high < 1.2
        dashes = dict(seen.page.evaluate(DASHES))
        assert dashes["upper limit"] != dashes["lower limit"]
        picks.filter(has_text="line").first.click()
        low, high = seen.page.evaluate(AXIS)
        assert low == 0
        assert "limit" in dict(seen.page.evaluate(DASHES))
