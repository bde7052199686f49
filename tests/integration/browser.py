"""A headless browser for the tests of pages, and questions to a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LAPTOP, PHONE = (1440, 900), (390, 844)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; without one the tests are skipped, but in CI they fail.

    Nothing else may use asyncio in this thread as long as the context lasts.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        why = "no Chromium is installed (Debian, Ubuntu: apt-get install chromium)"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page that is open, with everything that went wrong."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def read(self, script: str, argument: Any = None) -> Any:
        """Value of a script in the page."""
        return self.page.evaluate(script, argument)

    def draw_all(self) -> None:
        """Scroll through the page until every figure that is shown is drawn."""
        for figure in self.page.locator("figure.figure:visible").all():
            figure.scroll_into_view_if_needed()
            figure.locator(".main-svg").first.wait_for()

    def traces(self, name: str) -> list[dict[str, Any]]:
        """Traces of a figure that is drawn, arrays as lists, by the page's own Plotly."""
        self.page.locator(f"#{name}").scroll_into_view_if_needed()
        self.page.locator(f"#{name} .main-svg").first.wait_for()
        traces: list[dict[str, Any]] = self.read(_TRACES, name)
        return traces


_TRACES = """(name) => {
  const list = (value) => value == null ? null : Array.from(value, (v) => v?.length !== undefined
    && typeof v !== "string" ? Array.from(v) : v);
  return document.querySelector(`#${name} .plot`).data.map((t) => ({
    name: t.name, role: t.meta?.role, x: list(t.x), y: list(t.y), z: list(t.z),
    text: typeof t.text === "string" ? t.text : list(t.text), visible: t.visible ?? true,
    customdata: list(t.customdata), base: list(t.base)}));
}"""


@contextmanager
def opened(browser: Browser, path: Path, size: tuple[int, int] = LAPTOP) -> Iterator[Opened]:
    """Open a file, and wait for its first figure or, if it has none, for its end."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    seen = Opened(page)
    page.on("console", lambda m: seen.errors.append(m.text) if m.type in _BAD else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda r: seen.requests.append(r.url))
    page.goto(path.as_uri())
    if page.locator("figure[data-eager]").count():
        page.locator("figure[data-eager] .main-svg").first.wait_for()
    try:
        yield seen
    finally:
        page.close()


_BAD = {"error", "warning"}

LAYOUT_FAULTS = """() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`page: ${root.scrollWidth} px wide`);
  const box = (e) => e.getBoundingClientRect();
  const seen = (e) => box(e).width > 0 && box(e).height > 0 && !e.closest(".sr, .skip")
    && getComputedStyle(e).position !== "sticky" && getComputedStyle(e).position !== "absolute";
  const say = (e) => `${e.tagName}.${e.className}#${e.id} ${e.textContent.trim().slice(0, 30)}`;
  const cross = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  for (const parent of document.querySelectorAll("body *")) {
    if (parent.closest("svg, .plot, script, select")) continue;
    const children = Array.from(parent.children).filter(seen);
    children.forEach((a, i) => children.slice(i + 1).forEach((b) => {
      if (cross(box(a), box(b))) faults.push(`${say(a)} overlaps ${say(b)}`);
    }));
    const scrolls = parent.closest(".scroll, .contents ul, input, select");
    if (seen(parent) && !scrolls && getComputedStyle(parent).display !== "inline"
        && parent.scrollWidth > parent.clientWidth + 1) faults.push(`${say(parent)} is cut`);
  }
  for (const plot of document.querySelectorAll(".plot")) {
    const frame = box(plot);
    if (!frame.width) continue;
    for (const text of plot.querySelectorAll(".xtick text, .ytick text, .xtitle, .ytitle")) {
      const b = box(text);
      if (b.width && (b.left < frame.left - 1 || b.right > frame.right + 1
          || b.top < frame.top - 1 || b.bottom > frame.bottom + 1))
        faults.push(`text "${text.textContent}" is cut in ${plot.parentElement.id}`);
    }
    const titles = Array.from(plot.querySelectorAll(".xtitle, .ytitle"));
    const ticks = Array.from(plot.querySelectorAll(".xtick text, .ytick text"));
    for (const title of titles) for (const tick of ticks) if (cross(box(title), box(tick)))
      faults.push(`${title.textContent} overlaps ${tick.textContent} in ${plot.parentElement.id}`);
    for (const axis of [".xtick text", ".ytick text", ".textpoint text"]) {
      const ticks = Array.from(plot.querySelectorAll(axis)).map(box).filter((b) => b.width);
      ticks.forEach((a, i) => ticks.slice(i + 1).forEach((b) => {
        if (cross(a, b)) faults.push(`texts overlap in ${plot.parentElement.id}`);
      }));
    }
  }
  return Array.from(new Set(faults));
}"""
"""Script that lists what overlaps or is cut in a page: boxes of siblings, texts of figures."""
