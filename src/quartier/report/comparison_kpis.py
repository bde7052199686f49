"""KPIs of several runs on a page: those that decide with the best marked, and all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from quartier.quantities import shown
from quartier.report.blocks import Block, Custom, Table
from quartier.report.compared_runs import Compared
from quartier.report.kpis import definition
from quartier.scoreboard import (
    LINES,
    NOTHING,
    Cell,
    Line,
    cells,
    equal_to,
    figure,
    has_limits,
    keeping_limits,
    notes,
    shown_lines,
)

UPPER_COST = next(line for lines in LINES.values() for line in lines if line.kpi == "upper_cost")
LEAST_EUR = 0.01
"""A best value below is nothing to be relative to."""


@dataclass(frozen=True)
class Shown:
    """A value with how far it is from the best of its line."""

    cell: Cell
    exact: float
    gap: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the table: label, definition, values by run."""

    line: Line
    hint: str
    values: dict[str, Shown]


def kpi_blocks(compared: Compared) -> list[Block]:
    """Return the table that decides, its notes, and the table of all KPIs."""
    kpis, judged = compared.kpis, same_span(compared)
    groups = {
        group: [_row(line if judged else replace(line, better=None), kpis) for line in lines]
        for group, lines in shown_lines(kpis)
    }
    values = {
        "runs": list(kpis),
        "states": compared.states,
        "groups": groups,
        "notes": list(kpi_notes(compared)),
    }
    return [Custom("scoreboard.html.j2", values), all_kpis(kpis, judged)]


def same_span(compared: Compared) -> bool:
    """Whether all runs span the same time; otherwise no value is better than another."""
    manifests = [result.manifest for result in compared.results.values()]
    return len({(m["start"], m["end"]) for m in manifests}) == 1


def verdict(compared: Compared) -> str:
    """What the figures say in a few sentences: who keeps limits, who costs least, what is saved."""
    kpis = compared.kpis[list(compared.results)]
    good = [name for name in map(str, kpis) if name in keeping_limits(kpis)]
    told = [*_limits_told(kpis, good)]
    return " ".join([*told, *_costs_told(kpis, good)] if same_span(compared) else told)


def _limits_told(kpis: pd.DataFrame, good: list[str]) -> Iterator[str]:
    if not has_limits(kpis):
        return
    others = [name for name in map(str, kpis) if name not in good]
    if not others:
        yield "All runs keep the grid's limits in every step."
        return
    told = "; ".join(f"{name} ({_broken(kpis[name])})" for name in others)
    kept = f"by {', '.join(good)}, not by" if good else "by none:"
    yield f"The grid's limits are kept in every step {kept} {told}."


def _broken(values: pd.Series[float]) -> str:
    counts = {
        "overloads": "overloads",
        "voltage_violations": "voltage violations",
        "steps_not_converged": "steps without power flow",
    }
    return ", ".join(f"{values[k]:,.0f} {what}" for k, what in counts.items() if values[k] > 0)


def _costs_told(kpis: pd.DataFrame, good: list[str]) -> Iterator[str]:
    costs = {name: _value(kpis, "upper_cost", name) for name in good}
    costs = {name: value for name, value in costs.items() if not math.isnan(value)}
    if len(costs) > 1:
        best = min(costs, key=lambda name: costs[name])
        above = _value(kpis, "gap_to_bound", best)
        share = kpis.attrs["unit"].get("gap_to_bound") == "1" and not math.isnan(above)
        bound = f", {100 * above:.2f} % above the proven bound" if share else ""
        yield _least_told(equal_to(best, UPPER_COST, kpis[list(costs)]), len(costs), bound, kpis)
    saved = _value(kpis, "value_of_anticipation", "bilevel")
    if not math.isnan(saved) and {"individual", "bilevel"} <= set(good):
        verb = "saves" if saved >= 0 else "loses"
        yield f"Foreseeing the neighbourhoods' answers {verb} {figure(abs(saved))} EUR."


def _least_told(least: list[str], runs: int, bound: str, kpis: pd.DataFrame) -> str:
    """Who has the least upper cost; equal is what the table shows as equal."""
    cost = f"{cells(UPPER_COST, kpis)[least[0]].text} EUR{bound}"
    if len(least) == 1:
        return f"Of these, {least[0]} has the least upper cost, {cost}."
    if len(least) == runs:
        return f"Their upper costs are equal, {cost}."
    names = f"{', '.join(least[:-1])} and {least[-1]}"
    return f"Of these, {names} have the least upper cost, an equal {cost}."


def _value(kpis: pd.DataFrame, kpi: str, run: str) -> float:
    """A figure, NaN if there is none."""
    known = kpi in kpis.index and run in kpis
    return float(kpis[run].astype(float)[kpi]) if known else math.nan


def kpi_notes(compared: Compared) -> Iterator[str]:
    """What readers must know to judge the figures, as the terminal says it."""
    told = notes(compared.kpis, list(compared.results), compared.reference)
    first = next(told).removeprefix("* best").removeprefix("; ")
    if same_span(compared):
        kept = " of those that keep the grid's limits" if has_limits(compared.kpis) else ""
        yield f"★ best{kept}; small: how far the others are off."
    else:
        yield "No value is marked as the best: the runs do not span the same time."
    if first:
        yield first + "."
    yield from told
    if not compared.one_problem:
        yield (
            "Every run's redispatch cost is counted from its own offers, and there are no gaps:"
            " both need runs of one scenario and seed, each under another mechanism."
        )


def _row(line: Line, kpis: pd.DataFrame) -> Row:
    found = cells(line, kpis)
    exact = {str(name): float(value) for name, value in kpis.loc[line.kpi].items()}
    best = next((exact[name] for name, cell in found.items() if cell.is_best), math.nan)
    values = {
        n: Shown(cell, exact[n], _gap(line, cell, exact[n], best)) for n, cell in found.items()
    }
    return Row(line, definition(line.kpi), values)


def _gap(line: Line, cell: Cell, value: float, best: float) -> str:
    """How far a value is from the best, in percent of it; as it is where the best is nothing."""
    if line.percent or cell.is_best or not cell.counts or math.isnan(value - best):
        return ""
    above = value - best
    sign = "+" if above > 0 else "−"
    if abs(best) < LEAST_EUR:
        return f"{sign}{figure(abs(above))}" if abs(above) > NOTHING else ""
    share = abs(above / best) * 100
    return f"{sign}{share:#.2g} %" if share < 10 else f"{sign}{share:,.0f} %"


def all_kpis(kpis: pd.DataFrame, judged: bool) -> Table:
    """Return the table of all KPIs; its cells are those of ``compare.json``, shares in percent."""
    units, labels = kpis.attrs["unit"], kpis.attrs["label"]
    frame = pd.DataFrame({"label": [labels[k] for k in kpis.index]}, index=kpis.index)
    seen = [shown(1.0, units[k]) for k in kpis.index]
    frame = frame.join(kpis.mul([factor for factor, _ in seen], axis=0))
    frame["unit"] = [unit for _, unit in seen]
    lines = [line for _, shown in shown_lines(kpis) for line in shown]
    marks = {
        (line.kpi, name): "best"
        for line in lines
        for name, cell in cells(line, kpis).items()
        if judged and cell.is_best
    }
    return Table(
        "kpi-table",
        f"All {len(frame)} KPIs",
        frame,
        headings={"label": "KPI", "unit": "Unit"},
        lead="Values have five significant digits here, all digits in the CSV;"
        " – is a figure that is not defined for a run.",
        marks=marks,
        hints={name: definition(str(name)) for name in frame.index},
    )
