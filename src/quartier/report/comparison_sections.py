"""The sections of a comparison page, from KPIs to how the runs were made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import seasons as of_seasons
from quartier.figures import style
from quartier.figures.compared import changes
from quartier.figures.frames import label
from quartier.kpi import seasons
from quartier.report.blocks import Block, Choice, Custom, Figure, Note, Section, Table
from quartier.report.compared_runs import Compared
from quartier.report.comparison_kpis import kpi_blocks, verdict
from quartier.report.priced_runs import is_priced, pricing_section
from quartier.report.sections import EARNED, GAINED, block
from quartier.results.comparison_plot import ComparisonPlot
from quartier.scoreboard import keeping_limits, shown_lines


def comparison_sections(
    compared: Compared, plot: ComparisonPlot, difference: Custom
) -> Iterator[Section]:
    """Yield the sections in the order of the page."""
    yield Section("kpis", "KPIs", kpi_blocks(compared), verdict(compared))
    if plot.shares:
        yield sharing_section(compared, plot)
    if plot.has_suppliers:
        yield market_section(plot)
    if is_priced(compared):
        yield pricing_section(compared)
    yield bundles_section(plot) if plot.has_bundles else costs_section(plot)
    if plot.any_grid:
        yield grid_section(plot)
    yield points_section(plot)
    yield differences_section(difference)
    yield stores_section(plot)
    yield about_section(compared)


def by_neighbourhood(
    plot: ComparisonPlot, name: str, draw: Callable[[str], go.Figure], lead: str
) -> Block:
    """Return a figure a neighbourhood, of which the reader chooses one."""
    options = {
        neighbourhood: [block(f"{name}-{number}", partial(draw, neighbourhood), lead)]
        for number, neighbourhood in enumerate(plot.neighbourhoods)
    }
    return Choice(f"{name}-choice", "Neighbourhood", options)


def sharing_section(compared: Compared, plot: ComparisonPlot) -> Section:
    """What sharing changes, and how much is shared; by season where runs tell several apart."""
    lead = "Below zero a neighbourhood pays less, or earns more. Hovering shows the amounts."
    energy = "All neighbourhoods together; what is shared is neither imported nor exported."
    spans = "horizon" in {key.partition(".")[0] for key in compared.differing}
    one_span = [] if spans else [block("cost-changes", plot.cost_changes, lead, eager=True)]
    blocks = [*one_span, *_by_season(compared)]
    return Section(
        "sharing-part", "Sharing", [*blocks, block("shared-energy", plot.shared_energy, energy)]
    )


def market_section(plot: ComparisonPlot) -> Section:
    """The prices of all runs on one axis, and who gains by which."""
    lead = "Below zero a neighbourhood pays less, or earns more. Hovering shows the amounts."
    return Section(
        "market-part",
        "Market",
        [
            block("market-prices", plot.market_prices, "What all pay and get.", eager=True),
            block("cost-changes", plot.cost_changes, lead),
            block("earnings", plot.earnings, EARNED),
        ],
    )


def bundles_section(plot: ComparisonPlot) -> Section:
    """Who gains by which mechanism."""
    return Section("bundles-part", "Bundles", [block("gains", plot.gains, GAINED, eager=True)])


def _by_season(compared: Compared) -> Iterator[Block]:
    if not seasons.several(compared.results):
        return
    table = seasons.by_season(compared.results)
    costs, shared = table.drop(index=seasons.SHARED), table.T[seasons.SHARED]
    lead = (
        "Blue pays less than for itself, red more. Winter is from 1 November to 20 March, summer"
        " from 15 May to 14 September, as in BDEW's load profiles."
    )
    yield block("season-changes", lambda: of_seasons.changes(costs, seasons.REFERENCE), lead)
    yield block("season-energy", lambda: of_seasons.energy(shared))


def costs_section(plot: ComparisonPlot) -> Section:
    """Costs of both levels by what they are made of, and energy lost."""
    upper = (
        "What the grid operator pays, by what it is for; the diamond is the sum. A run that leaves"
        " the grid's limits violated is cheap and yet no solution."
    )
    lower = "What the neighbourhoods pay, below zero they earn; the diamond is the sum."
    lost = "Energy that was available and not used, whoever decided so, in the whole grid."
    return Section(
        "costs-part",
        "Costs and curtailment",
        [
            block("upper-cost", plot.upper_cost, upper, eager=True),
            block("lower-cost", plot.lower_cost, lower),
            _costs_table(plot),
            block("curtailment", plot.curtailment, lost),
        ],
    )


def _costs_table(plot: ComparisonPlot) -> Table:
    """All parts and sums of both figures in numbers."""
    rows = {}
    for level, parts in plot.cost_parts().items():
        for part in parts:
            rows[f"{level}: {part}"] = parts[part]
        rows[f"{level} cost"] = parts.sum(axis=1, min_count=1)
    frame = pd.DataFrame(rows).T
    frame.insert(0, "part", [f"{name[0].upper()}{name[1:]}" for name in rows])
    return Table("costs-table", "Both costs in EUR", frame, {"part": ""})


def grid_section(plot: ComparisonPlot) -> Section:
    """Congestion, loadings and voltages."""
    strip = (
        "Highest loading of a line or transformer at every step, in percent of its own limit:"
        " darker is more, crosses are overloads."
    )
    if not plot.has_grid:
        return Section("grid", "Grid", [Note("Not every run has a grid: none is shown.")])
    blocks: list[Block] = [
        block("congestion", plot.congestion, strip),
        block("highest-loading", plot.loading),
        _elements(plot),
        block("voltages", plot.voltages, "At every step the bus nearest to its limit."),
    ]
    return Section("grid", "Grid", blocks, "All runs share the axes.")


def _elements(plot: ComparisonPlot) -> Block:
    if not plot.same_grid:
        return Note("The runs have different grids: single lines cannot be compared.")
    grid = next(iter(plot.runs.values())).grid
    options: dict[str, list[Block]] = {}
    for kind, index in plot.elements():
        name = label(kind, index, getattr(grid, f"{kind}s").at[index, "name"])
        lead = "One of the elements that are most loaded in any of the runs."
        options[name] = [Figure(f"element-{kind}-{index}", plot.element(kind, index), lead)]
    return Choice("elements-choice", "Line or transformer", options)


def points_section(plot: ComparisonPlot) -> Section:
    """Power and caps at the connection points."""
    lead = "Every run has its own panel; all share the axes. Power is positive when fed in."
    drawn = by_neighbourhood(plot, "points", plot.points, lead)
    return Section("points-part", "Connection points", [drawn])


def differences_section(difference: Custom) -> Section:
    """What one run does differently from another."""
    lead = "Choose two runs. Above zero, units feed in more, or draw less, in B than in A."
    return Section("differences", "Differences", [difference], lead)


def stores_section(plot: ComparisonPlot) -> Section:
    """Energy in stores."""
    drawn = by_neighbourhood(plot, "stores", plot.stores, "Energy at the end of every step.")
    return Section("stores-part", "Storage", [drawn])


def about_section(compared: Compared) -> Section:
    """In what the runs differ, and how they were made."""
    rows: dict[str, dict[str, str]] = {}
    for name, result in compared.results.items():
        manifest = result.manifest
        wall = sum((manifest.get("wall_times_s") or {}).values())
        rows[name] = {
            "Coordination": str(manifest["coordination"]),
            "Status": result.status,
            "Seed": str(manifest["seed"]),
            "First step (UTC)": f"{pd.Timestamp(manifest['start']):%Y-%m-%d %H:%M}",
            "Steps": str(manifest["steps_written"]),
            "Overrides": ", ".join(manifest["overrides"]) or "none",
            "Run folder": result.dir.resolve().name,
            "Wall time": f"{wall:.1f} s",
        }
    made = _table("about-table", "How the runs were made", pd.DataFrame(rows))
    if not compared.differing:
        told: Block = Note("The runs differ in nothing but the coordination.")
    else:
        frame = pd.DataFrame(compared.differing).T[list(compared.results)]
        told = _table("differing-table", "In what the runs differ besides the coordination", frame)
    return Section("about", "About the runs", [told, made])


def _table(name: str, title: str, frame: pd.DataFrame) -> Table:
    frame.insert(0, "what", frame.index)
    return Table(name, title, frame, {"what": ""})


# -- differences ----------------------------------------------------------------------------
def difference_block(compared: Compared, plot: ComparisonPlot) -> tuple[Custom, dict[str, Any]]:
    """Return the block in which readers choose two runs, and what its script reads."""
    first, second = default_pair(compared.kpis[list(compared.results)])
    neighbourhood = plot.neighbourhoods[0]
    title = f"Power in {neighbourhood}: {second} minus {first}"
    figure = Figure("difference", _framed(plot, title), "Units without a difference are left out.")
    values = {
        "runs": list(compared.results),
        "first": first,
        "second": second,
        "places": list(plot.neighbourhoods),
        "told": "",
    }
    model = {
        "least_kw": changes.LEAST_KW,
        "thinned": plot.thinned,
        "dt_h": next(iter(plot.runs.values())).dt_h,
        "places": {name: _powers(plot, name) for name in plot.neighbourhoods},
        "lines": _lines(compared.kpis),
    }
    return Custom("difference.html.j2", values, [figure]), {"difference": model}


def default_pair(kpis: pd.DataFrame) -> tuple[str, str]:
    """Return the first run and the one with the least upper cost of those that keep limits."""
    names = [str(name) for name in kpis]
    good = [name for name in names[1:] if name in keeping_limits(kpis)]
    decides = "upper_cost" if "upper_cost" in kpis.index else "system_cost"
    costs = kpis.loc[decides].reindex(good).dropna()
    return names[0], str(costs.idxmin()) if len(costs) else names[-1]


def _framed(plot: ComparisonPlot, title: str) -> go.Figure:
    """The figure whose series the script makes."""
    return plot.over_time(changes.empty(title))


def _powers(plot: ComparisonPlot, neighbourhood: str) -> dict[str, Any]:
    """Series without values, and powers by run, all over the same groups and times."""
    tables = {run: plot.power(run, neighbourhood) for run in plot.runs}
    tables = {run: table for run, table in tables.items() if len(table)}
    times = pd.DatetimeIndex(sorted(set().union(*(table.index for table in tables.values()))))
    order, kind_of = changes.differing(list(tables.values())), plot.kinds(neighbourhood)
    power = {
        run: style.single(table.reindex(columns=order, fill_value=0.0).reindex(times).to_numpy().T)
        for run, table in tables.items()
    }
    series = [trace.to_plotly_json() for trace in changes.traces(order, times, kind_of)]
    return {"traces": series, "power": power}


def _lines(kpis: pd.DataFrame) -> list[dict[str, Any]]:
    units = kpis.attrs["unit"]
    return [
        {
            "kpi": line.kpi,
            "label": line.label,
            "scale": 100 if line.percent and units[line.kpi] == "1" else 1,
            "values": {str(name): float(value) for name, value in kpis.loc[line.kpi].items()},
        }
        for _, lines in shown_lines(kpis)
        for line in lines
    ]
