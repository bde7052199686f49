"""What readers jump to is not hidden below the bars that stay on top."""

import pytest

BELOW_THE_BARS = """() => {
 const bottom = (bar) => document.querySelector(bar).getBoundingClientRect().bottom;
 return [
  Math.max(...[".time", ".contents"].map(bottom)),
  document.querySelector("#asset-title").getBoundingClientRect().top,
  innerHeight];
}"""


@pytest.mark.parametrize("width", [1440, 768, 390])
def test_title_of_a_chain_is_seen_below_the_bars(seen, width):
    seen.page.set_viewport_size({"width": width, "height": 900})
    seen.page.emulate_media(reduced_motion="reduce")
    seen.page.reload()
    seen.page.locator("#measures-rows button:enabled").first.click()
    seen.page.wait_for_timeout(500)  # figures below it are drawn
    bar, title, height = seen.page.evaluate(BELOW_THE_BARS)
    assert bar <= title < height / 2
