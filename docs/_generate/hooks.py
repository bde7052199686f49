"""What MkDocs does for this site besides Markdown: generated pages, formulas, citations."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import kpi_reference
import results_reference
import scenario_reference
from citations import cited
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

MARK = "<!-- generated -->"
"""Where a page has the part that is written from the code."""

GENERATED: dict[str, Callable[[], str]] = {
    "reference/scenario.md": scenario_reference.generated,
    "reference/kpis.md": kpi_reference.generated,
    "reference/results.md": results_reference.generated,
}
"""What writes it, by the page's path."""

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]</(?P=tag)>', re.S
)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put in what is written from the code."""
    path = page.file.src_uri
    if path not in GENERATED:
        return markdown
    if MARK not in markdown:
        raise PluginError(f"{path} has no line {MARK}")
    return markdown.replace(MARK, cited(GENERATED[path](), path))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas into MathML, which browsers draw without any script."""
    return FORMULA.sub(_mathml, html)


def _mathml(match: re.Match[str]) -> str:
    display = "block" if match["open"] == "[" else "inline"
    return convert(unescape(match["latex"]).strip(), display=display)
