"""``report.html`` of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from quartier.report.blocks import Custom, Page
from quartier.report.explorer import explorer
from quartier.report.page import write_page
from quartier.report.remarks import remarks
from quartier.report.sections import run_sections
from quartier.report.thinning import Part, Shown, shown_elements, shown_steps
from quartier.results import Result
from quartier.results.plot import Plot

REPORT = "report.html"
OF_ALL = {"connection_points", "units"}
"""Tables that every run has that came to its end."""
NEEDED = {"lines", "buses", *OF_ALL}
"""Tables without which there is no map; not every grid has a transformer."""

logger = logging.getLogger(__name__)


def write_report(result: Result) -> Path:
    """Write ``report.html`` into the run folder, also of a run that is not finished.

    Parameters
    ----------
    result
        A run.

    Returns
    -------
    Path
        The file; it is whole or not there.
    """
    return write_page(run_page(result), result.dir / REPORT)


def run_page(result: Result) -> Page:
    """Return the page of a run."""
    has_grid = (
        result.tables and set(result.tables) >= NEEDED and (result.dir / "grid.json").exists()
    )
    part, shown, failed = Part(None), Shown(None), []
    block: Custom | None = None
    model: dict[str, Any] = {}
    plot = Plot(result)
    try:
        if has_grid:
            part = shown_elements(plot)
            shown = shown_steps(Plot(result, elements=part.elements))
            plot = Plot(result, shown.times, part.elements)
            block, model = explorer(plot)
    except Exception as error:
        logger.exception("the map cannot be drawn")
        failed = [f"The map cannot be drawn: {type(error).__name__}: {error}; see log.txt."]
    manifest = result.manifest
    scenario = manifest["scenario"]
    return Page(
        title=f"{scenario['title'] or scenario['name']}",
        subtitle=" ".join(str(scenario.get("description") or "").split()),
        status=result.status if result.status != "running" else "partial",
        facts=_facts(result),
        warnings=[*remarks(result), *failed, *filter(None, [part.note, shown.note])],
        sections=list(run_sections(result, plot, block)),
        model=model,
        scripts=["explorer.js"] if block else [],
    )


def _facts(result: Result) -> dict[str, str]:
    manifest = result.manifest
    start, end = (pd.Timestamp(manifest[key]) for key in ("start", "end"))
    variant = manifest.get("variant")
    name = manifest["scenario"]["name"] + (f":{variant}" if variant else "")
    minutes = manifest["scenario"]["horizon"]["step_minutes"]
    return {
        "Scenario": name,
        "Coordination": str(manifest["coordination"]),
        "Seed": str(manifest["seed"]),
        "Time (UTC)": f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
        "Steps": f"{manifest['steps_written']} of {manifest['steps_expected']}, {minutes} min each",
    }
