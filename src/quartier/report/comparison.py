"""``report.html`` of several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from quartier.report.blocks import Note, Page, Section
from quartier.report.compared_runs import MADE_BY, Compared, of_comparison, of_folders
from quartier.report.comparison_sections import comparison_sections, difference_block
from quartier.report.page import write_page
from quartier.report.remarks import remarks
from quartier.report.run_report import REPORT
from quartier.report.thinning import MOST, shown_steps
from quartier.results import Comparison, Result
from quartier.results.comparison_plot import ComparisonPlot
from quartier.results.plot import Plot

WORST_FIRST = ("failed", "cancelled", "partial", "degraded")
FEW = 3
"""So many runs are counted instead of named."""
MOST_TOLD = 4
"""Differences of the runs that the header names."""
LONGEST_TOLD = 60
"""Characters of the values of a key that a note shows."""


def write_comparison(comparison: Comparison, path: Path | None = None) -> Path:
    """Write the page of a comparison, ``report.html`` in its folder unless a path is given.

    Returns
    -------
    Path
        The file; it is whole or not there.
    """
    page = comparison_page(of_comparison(comparison))
    return write_page(page, path or comparison.dir / REPORT)


def write_side_by_side(folders: Sequence[Path], path: Path) -> Path:
    """Write a page of finished runs, also of different scenarios, seeds and grids.

    Raises
    ------
    InputError
        With every reason why the runs cannot be compared.
    """
    return write_page(comparison_page(of_folders(folders)), path)


def comparison_page(compared: Compared) -> Page:
    """Return the page of several runs."""
    if not compared.results:
        told = Note("No run came to its end: there are no figures.")
        sections = [Section("kpis", "KPIs", [told])]
        return Page("Comparison", sections, status="failed", warnings=list(_missing(compared)))
    times, thinned = _shown(compared)
    plot = ComparisonPlot(compared.results, compared.kpis, compared.bound_eur, times)
    block, model = difference_block(compared, plot)
    return Page(
        title=f"{_title(compared)}: {len(compared.states)} runs side by side",
        subtitle=" · ".join(compared.states),
        status=_status(compared),
        facts=_facts(compared),
        warnings=[*_warnings(compared, plot), *thinned],
        sections=list(comparison_sections(compared, plot, block)),
        model=model,
        scripts=["comparison.js"],
    )


def _title(compared: Compared) -> str:
    scenarios = [result.manifest["scenario"] for result in compared.results.values()]
    titles = dict.fromkeys(str(s["title"] or s["name"]) for s in scenarios)
    return next(iter(titles)) if len(titles) == 1 else "Comparison"


def _status(compared: Compared) -> str:
    found = set(compared.states.values())
    return next((status for status in WORST_FIRST if status in found), "complete")


def _facts(compared: Compared) -> dict[str, str]:
    manifests = [result.manifest for result in compared.results.values()]
    names = [
        m["scenario"]["name"] + (f":{m['variant']}" if m.get("variant") else "") for m in manifests
    ]
    start = min(pd.Timestamp(m["start"]) for m in manifests)
    end = max(pd.Timestamp(m["end"]) for m in manifests)
    steps = dict.fromkeys(str(m["steps_written"]) for m in manifests)
    minutes = manifests[0]["scenario"]["horizon"]["step_minutes"]
    facts = {
        "Scenario": _different(names),
        "Seed": _different([str(m["seed"]) for m in manifests]),
        "Time (UTC)": f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
        "Steps": f"{' or '.join(steps)}, {minutes} min each",
    }
    if compared.bound_eur is not None:
        facts["Bound of the upper cost"] = f"{compared.bound_eur:,.2f} EUR"
    return facts


def _different(texts: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


# -- what readers must know -------------------------------------------------------------------
def _warnings(compared: Compared, plot: ComparisonPlot) -> Iterator[str]:
    yield from _missing(compared)
    yield from _differing(compared)
    yield from _spans(plot)
    neighbourhoods = {tuple(run.neighbourhoods) for run in plot.runs.values()}
    if len(neighbourhoods) > 1:
        yield "The runs have different neighbourhoods: figures of one leave other runs empty."
    if plot.has_grid and not plot.same_grid:
        yield "The runs have different grids: loadings compare, single lines do not."
    yield from _of_runs(compared)


def _missing(compared: Compared) -> Iterator[str]:
    for name, why in compared.missing.items():
        yield f"{name} has no figures: {why}"


def _differing(compared: Compared) -> Iterator[str]:
    """What else than the mechanism may be the reason of a difference."""
    told = {k: v for k, v in compared.differing.items() if k.split(".")[0] not in MADE_BY}
    if told:
        shown = [_key_told(key, list(told[key].values())) for key in list(told)[:MOST_TOLD]]
        more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        yield (
            f"The runs differ in more than the coordination: {', '.join(shown)}{more}. Figures show"
            " what all of it does together; see About the runs."
        )
    if len(told) < len(compared.differing):
        yield "The runs were made by different versions or code; see About the runs."


def _key_told(key: str, values: Sequence[str]) -> str:
    """A key and its values; lists and long texts are in the table only."""
    text = _different(values)
    is_list = any(value.startswith(("[", "{")) for value in values)
    return key if is_list or len(text) > LONGEST_TOLD else f"{key} ({text})"


def _spans(plot: ComparisonPlot) -> Iterator[str]:
    spans: dict[str, list[str]] = {}
    for name, times in plot.times.items():
        span = f"{times.min():%Y-%m-%d %H:%M} to {times.max() + plot.step:%Y-%m-%d %H:%M}"
        spans.setdefault(span, []).append(name)
    if len(spans) > 1:
        told = [
            f"{', '.join(names) if len(names) < FEW else f'{len(names)} runs'} {span}"
            for span, names in spans.items()
        ]
        yield (
            f"The runs do not span the same time ({'; '.join(told)}): axes span all of it, KPIs"
            " and sums count what each run has, differences the steps that both have."
        )
    for start, end in plot.breaks:
        yield (
            f"No run has a step between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC: axes"
            " leave that time out."
        )


def _of_runs(compared: Compared) -> Iterator[str]:
    """Warnings of the runs; what several say is said once."""
    said: dict[str, list[str]] = {}
    for name, result in compared.results.items():
        for text in _of_run(result):
            said.setdefault(text, []).append(name)
    for text, names in said.items():
        who = "all runs" if len(names) == len(compared.states) > 1 else ", ".join(names)
        yield f"{who}: {text}"


def _of_run(result: Result) -> list[str]:
    """Warnings of the manifest (absent in older folders), then those only in the log."""
    told = [str(text) for text in result.manifest.get("warnings", ())]
    others = [text for text in remarks(result) if not any(text.endswith(own) for own in told)]
    return [*told, *others]


# -- long runs --------------------------------------------------------------------------------
def _shown(compared: Compared) -> tuple[pd.DatetimeIndex | None, list[str]]:
    """Steps that are shown: the same of all runs, with every run's extremes.

    More than on the page of a run: here nothing is drawn by element and step.
    """
    plots = [Plot(result) for result in compared.results.values()]
    if not all(result.has_grid for result in compared.results.values()):
        return None, []
    shown = [shown_steps(plot, MOST).times for plot in plots]
    if all(times is None for times in shown):
        return None, []
    kept = pd.DatetimeIndex([], tz="UTC")
    for plot, times in zip(plots, shown, strict=True):
        every = plot.table("lines")["time"].unique() if times is None else times
        kept = kept.union(pd.DatetimeIndex(every))
    return kept, [
        f"The runs are long: figures over time show {len(kept):,} steps, evenly spread and with"
        " every run's highest loadings, voltages and powers. KPIs and sums count all steps."
    ]
