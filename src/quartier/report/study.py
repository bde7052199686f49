"""``report.html`` of a study: a KPI over its keys by mechanism, who is best where, what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import studies
from quartier.quantities import shown
from quartier.report.blocks import Block, Choice, Note, Page, Section, Table
from quartier.report.page import write_page
from quartier.report.run_report import REPORT
from quartier.report.sections import block
from quartier.results.finished import FINISHED
from quartier.scoreboard import LINES, NOTHING, Line

MOST_OTHERS = 24
"""Most choices of further keys that the page offers."""
FEWEST_DRAWN = 3
"""Fewest seeds whose spread is drawn."""
BEYOND = (
    Line("overload_energy", "Overload energy, MWh"),
    Line("cap_violation_energy", "Beyond P_set, kWh"),
)
"""What studies show besides: by how much limits are passed."""


def write_study(
    folder: Path,
    about: Mapping[str, Any],
    keys: Sequence[str],
    runs: pd.DataFrame,
    kpis: pd.DataFrame,
) -> Path:
    """Write the page of a study into its folder.

    Parameters
    ----------
    about
        How it was asked for: ``scenario``, ``values``, ``coordinations``, ``seeds``.
    keys
        Those that are varied.
    runs, kpis
        Tables of the study.
    """
    failed = runs[~runs["status"].isin(FINISHED)]
    degraded = int((runs["status"] == "degraded").sum())
    told = []
    if len(failed):
        told.append(
            f"{len(failed)} of {len(runs)} runs have no KPIs; see the table of runs for why."
        )
    if degraded:
        told.append(f"{degraded} of {len(runs)} runs are degraded; their KPIs are in the means.")
    uncompared = int(runs["remark"].notna().sum())
    if uncompared:
        told.append(
            f"{uncompared} of {len(runs)} runs have no KPIs that compare: their baseline failed."
        )
    page = Page(
        title=f"Study of {about['scenario'].rpartition('/')[2]}",
        subtitle=", ".join([*keys, "mechanisms", "seeds"]),
        status="degraded" if told else "complete",
        facts={
            "Runs": str(len(runs)),
            "Mechanisms": ", ".join(about["coordinations"]),
            "Seeds": ", ".join(map(str, about["seeds"])),
            **{key: ", ".join(map(str, about["values"][key])) for key in keys},
        },
        warnings=told,
        sections=[*_sections(keys, kpis), *_spread(keys, runs, kpis), _runs_section(runs, kpis)],
    )
    return write_page(page, folder / REPORT)


def _sections(keys: Sequence[str], kpis: pd.DataFrame) -> Iterator[Section]:
    varies = kpis.groupby("kpi")["mean"].agg(lambda means: means.max() - means.min() > NOTHING)
    lines = [line for line in _lines() if line.kpi in varies.index]
    lines.sort(key=lambda line: not varies[line.kpi])  # what differs first
    if not lines:
        yield Section("kpis", "KPIs", [Note("No run came to its end: there are no figures.")])
        return
    if not keys:
        yield Section("kpis", "KPIs", [_table(kpis)])
        return
    lead = "Means over the seeds; bands are their 95 % intervals (Student's t), of several seeds."
    options = {
        line.label: list(_blocks(number, line, keys, kpis)) for number, line in enumerate(lines)
    }
    yield Section("kpis", "KPIs", [Choice("kpi-choice", "KPI", options)], lead)
    yield Section("table-part", "Table", [_table(kpis)])


def _spread(keys: Sequence[str], runs: pd.DataFrame, kpis: pd.DataFrame) -> Iterator[Section]:
    """How far single draws are from each other, where there are several."""
    if len(keys) > 1 or kpis["n"].max() < FEWEST_DRAWN:
        return
    known = set(kpis["kpi"])
    options: dict[str, list[Block]] = {}
    for number, line in enumerate(line for line in _lines() if line.kpi in known):
        rows = kpis[kpis["kpi"] == line.kpi]
        if (rows["greatest"] - rows["least"]).max() <= NOTHING:
            continue
        scale, unit, label = _as_shown(rows)
        own = runs.assign(value=scale * runs[line.kpi]).dropna(subset=["value"])
        draw = partial(studies.spread, own, keys[0] if keys else None, label, unit)
        options[line.label] = [block(f"spread-{number}", draw)]
    if options:
        lead = (
            "Every seed is a draw. A box holds the middle half of them, its line is the median, its"
            " whiskers reach to the draws at most one and a half boxes away; points are draws."
        )
        yield Section(
            "spread", "Spread over draws", [Choice("spread-choice", "KPI", options)], lead
        )


def _as_shown(rows: pd.DataFrame) -> tuple[float, str, str]:
    """Factor of a KPI's values, unit and label as they are shown."""
    scale, unit = shown(1.0, str(rows["unit"].iloc[0]))
    return scale, unit, str(rows["label"].iloc[0])


def _lines() -> Iterator[Line]:
    known = set()
    for lines in (*LINES.values(), BEYOND):
        for line in lines:
            if line.kpi not in known:
                known.add(line.kpi)
                yield line


def _blocks(number: int, line: Line, keys: Sequence[str], kpis: pd.DataFrame) -> Iterator[Block]:
    rows = kpis[kpis["kpi"] == line.kpi]
    scale, unit, label = _as_shown(rows)
    values = ["mean", "low", "high"]
    rows = rows.assign(**{name: scale * rows[name] for name in values})
    name = f"kpi-{number}"
    if len(keys) == 1:
        yield block(name, partial(studies.over, rows, keys[0], label, unit))
        return
    first, second, *others = keys
    pairs = {
        _told(others, chosen): list(
            _over_two(f"{name}-{k}", rows, (first, second), others, chosen, label, unit, line)
        )
        for k, chosen in enumerate(_choices(rows, others))
    }
    if others:
        yield Choice(f"{name}-others", ", ".join(others), pairs)
    else:
        yield from next(iter(pairs.values()))


def _choices(rows: pd.DataFrame, others: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(product(*(rows[key].unique() for key in others)))[:MOST_OTHERS]


def _told(others: Sequence[str], chosen: Sequence[Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in zip(others, chosen, strict=True))


def _over_two(
    name: str,
    rows: pd.DataFrame,
    keys: tuple[str, str],
    others: Sequence[str],
    chosen: Sequence[Any],
    label: str,
    unit: str,
    line: Line,
) -> Iterator[Block]:
    for key, value in zip(others, chosen, strict=True):
        rows = rows[rows[key] == value]
    mechanisms = list(dict.fromkeys(rows["coordination"]))
    if line.better is not None and len(mechanisms) > 1:
        low = line.better == "low"
        draw = partial(studies.best, rows, keys, f"Best: {label}", unit, low)
        yield block(f"{name}-best", draw, "The mechanism with the best mean, and that mean.")

    def one(mechanism: str) -> go.Figure:
        own = rows[rows["coordination"] == mechanism]
        return studies.heat(own, keys, f"{label}: {mechanism}", unit)

    yield Choice(
        f"{name}-mechanism",
        "Mechanism",
        {m: [block(f"{name}-heat-{k}", partial(one, m))] for k, m in enumerate(mechanisms)},
    )


def _table(kpis: pd.DataFrame) -> Table:
    return Table("kpi-table", "KPIs: means over the seeds", kpis.drop(columns="label"))


def _runs_section(runs: pd.DataFrame, kpis: pd.DataFrame) -> Section:
    about = runs.drop(columns=[name for name in runs if name in set(kpis["kpi"])])
    about = about.dropna(axis=1, how="all")
    return Section("runs", "Runs", [Table("runs-table", "Runs, and what went wrong", about)])
