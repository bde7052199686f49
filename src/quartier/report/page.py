"""Puts a page together and writes it."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from quartier.report.blocks import Page, figures_of
from quartier.report.payload import Payload, script_json
from quartier.results.files import write_atomically
from quartier.results.numbers import text

COMMON_SCRIPTS = ("page.js", "figures.js", "tables.js")


def write_page(page: Page, path: Path) -> Path:
    """Write a page as one HTML file; it is whole or not there."""
    content = render(page).encode()
    write_atomically(path, lambda file: file.write(content))
    return path


def render(page: Page) -> str:
    """Return the HTML of a page: everything it needs is inside."""
    payload = Payload()
    figures = [f for section in page.sections for f in figures_of(section.blocks)]
    data = {
        "figures": {f.name: payload.figure(f.figure) for f in figures},
        "model": payload.add(page.model),
        "store": payload.store,
    }
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            data=Markup(script_json(data)),
            styles=Markup(_static("page.css")),
            plotly=Markup(_inline(get_plotlyjs())),
            scripts=[Markup(_static(name)) for name in (*COMMON_SCRIPTS, *page.scripts)],
        )
    )


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("quartier.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=_number, exact=_exact)
    made.tests["numeric"] = lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool)
    )
    return made


def _number(value: Any) -> str:
    """A value as readers see it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float):
        return text(value)
    return str(value)


def _exact(value: float) -> str:
    """A number in full, as ``kpis.json`` has it; nothing if it is not defined."""
    return repr(float(value)) if math.isfinite(value) else ""


def _static(name: str) -> str:
    folder = resources.files("quartier.report").joinpath("static")
    return _inline(folder.joinpath(name).read_text(encoding="utf-8"))


def _inline(code: str) -> str:
    """Code that cannot end the element it stands in."""
    return code.replace("</script", "<\\/script")
