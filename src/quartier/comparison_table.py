"""The table that a comparison prints: the figures that decide, the best of each marked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from quartier.terminal import NOTHING, WIDE, figure, new_console

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from quartier.results import Comparison

LIMITS = ("overloads", "voltage_violations", "steps_not_converged")
"""KPIs that are zero where the grid's limits are kept."""
UNLIMITED = 10_000
"""Characters that no table needs."""


@dataclass(frozen=True)
class Line:
    """A line of the table: a KPI, what it is called there, and which value is the better one."""

    kpi: str
    label: str
    better: Literal["low", "high"] | None = "low"
    percent: bool = False
    """Whether a share is shown in percent."""
    needs_limits: bool = True
    """Whether a value says little where the grid's limits are not kept."""
    always: bool = True
    """Whether it is shown even if it is zero for all."""


LINES: dict[str, tuple[Line, ...]] = {
    "Grid": (
        Line("overloads", "Overloads", needs_limits=False),
        Line("voltage_violations", "Voltage violations", needs_limits=False),
        Line("steps_not_converged", "No power flow, steps", needs_limits=False, always=False),
        Line("max_line_loading", "Line loading max, %", None, needs_limits=False),
    ),
    "Grid operator": (
        Line("upper_cost", "Upper cost, EUR"),
        Line("gap_to_bilevel", "Gap to bilevel, %", percent=True),
        Line("gap_to_bound", "Gap to bound, %", percent=True),
        Line("value_of_anticipation", "Anticipation saves, EUR", None),
        Line("value_of_anticipation_share", "... of redispatch, %", None, percent=True),
        Line("redispatch_cost", "Redispatch, EUR"),
        Line("losses", "Losses, MWh"),
        Line("curtailed_energy", "Curtailed, MWh"),
        Line("redispatch_calls", "Redispatch calls", None),
        Line("cap_violations", "P_set not kept", always=False),
    ),
    "Neighbourhoods": (
        Line("lower_cost", "Lower cost, EUR"),
        Line("store_energy_value", "Left in stores, EUR", None, always=False),
        Line("self_sufficiency", "Self-sufficiency, %", "high", percent=True),
        Line("co2_local", "CO2, kg"),
        Line("ev_energy_missing", "EV missing, kWh", always=False),
        Line("heat_unserved", "Heat unserved, kWh", always=False),
    ),
    "Process": (
        Line("negotiation_messages", "Messages", None, needs_limits=False),
        Line("wall_time_planning", "Planning time, s", None, needs_limits=False),
    ),
}
"""Lines by group; all other KPIs are in the files."""


def print_comparison(comparison: Comparison) -> None:
    """Print the table, in several parts if the terminal is too narrow for all mechanisms."""
    console = new_console()
    names = list(comparison.coordinations)
    while names:
        count = len(names)
        while count > 1 and not _fits(console, _table(console, comparison, names[:count])):
            count -= 1
        console.print(_table(console, comparison, names[:count]))
        names = names[count:]
    for note in _notes(comparison):
        console.print(note)


def _fits(console: Console, table: Table) -> bool:
    """Whether nothing of a table needs to be cut."""
    from rich.measure import Measurement

    anything = console.options.update(max_width=UNLIMITED)
    return Measurement.get(console, anything, table).maximum <= console.width


def _table(console: Console, comparison: Comparison, names: Sequence[str]) -> Table:
    """A column per mechanism; on a wide terminal, one with the KPIs' names in the files."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    keys = ["in the files"] if console.width >= WIDE else []
    table = Table(*["", *names, *keys], box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "right" if 0 < number <= len(names) else "left"
    table.add_row("Run", *(_state(comparison, name) for name in names))
    for group, lines in LINES.items():
        shown = [line for line in lines if _is_shown(line, comparison.kpis)]
        if shown:
            table.add_section()
            table.add_row(_bold(group))
        for line in shown:
            cells = _cells(line, comparison)
            table.add_row(line.label, *(cells[n] for n in names), *([line.kpi] if keys else []))
    return table


def _bold(text: str, style: str = "bold") -> Text:
    from rich.text import Text

    return Text(text, style)


def _state(comparison: Comparison, name: str) -> Text:
    """How the run of a mechanism ended; ``reused`` if it was there before and is complete."""
    run = comparison.runs[name]
    if run.status == "complete":
        return _bold(("reused" if run.reused else "new") + " ", "")
    return _bold(run.status + " ", "yellow" if run.has_figures else "red")


def _is_shown(line: Line, kpis: pd.DataFrame) -> bool:
    if line.kpi not in kpis.index:
        return False
    values = kpis.loc[line.kpi].dropna()
    return (line.always and len(values) > 0) or bool((values.abs() > NOTHING).any())


def keeping_limits(kpis: pd.DataFrame) -> frozenset[str]:
    """Mechanisms under which the grid's limits were kept in every step."""
    return frozenset(str(n) for n, column in kpis.items() if (column.reindex(LIMITS) == 0).all())


def _cells(line: Line, comparison: Comparison) -> dict[str, Text]:
    """A line's values as text: the best with a star, in brackets where limits are not kept."""
    kpis = comparison.kpis
    good = keeping_limits(kpis) if line.needs_limits else frozenset(kpis.columns)
    scale = 100.0 if line.percent and kpis.attrs["unit"][line.kpi] == "1" else 1.0
    values = {str(name): scale * float(value) for name, value in kpis.loc[line.kpi].items()}
    texts = {name: _shown(value, line, scale) for name, value in values.items()}
    best = _best(line, {name: value for name, value in values.items() if name in good})
    marked = {name for name in good if best is not None and texts[name] == texts[best]}
    if len({texts[name] for name in good if not math.isnan(values[name])}) < 2:
        marked = set()
    return {
        name: _cell(text, name in marked, name in good or math.isnan(values[name]))
        for name, text in texts.items()
    }


def _best(line: Line, values: dict[str, float]) -> str | None:
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    if line.better is None or not known:
        return None
    return (min if line.better == "low" else max)(known, key=lambda name: known[name])


def _shown(value: float, line: Line, scale: float) -> str:
    if line.percent and scale == 1.0 and not math.isnan(value):
        return f"{figure(value)} EUR"
    if line.percent and not math.isnan(value) and abs(value) < 1000:
        return f"{round(value, 2) + 0.0:.2f}"
    whole = math.isnan(value) or abs(value) >= 1000 or value == round(value)
    return figure(value) if whole or abs(value) < NOTHING else f"{value:#.4g}"


def _cell(text: str, is_best: bool, counts: bool) -> Text:
    if is_best:
        return _bold(f"{text}*", "bold green")
    return _bold(f"{text} ", "") if counts else _bold(f"({text})", "dim")


def _notes(comparison: Comparison) -> Iterator[str]:
    """What a reader needs to know to judge the figures."""
    kpis = comparison.kpis
    ended = [name for name in comparison.coordinations if comparison.runs[name].has_figures]
    good = keeping_limits(kpis[ended])
    yield "* best" + ("" if len(good) == len(ended) else "; ( ) leaves the grid's limits violated")
    if "gap_to_bilevel" in kpis.index and kpis.loc["gap_to_bilevel"].notna().any():
        yield (
            "Upper cost: losses and redispatch as executed on the AC grid. Gaps: to that of"
            " bilevel, and to a bound that is proven for the linear network, not for AC."
        )
    if "value_of_anticipation" in kpis.index and kpis.loc["value_of_anticipation"].notna().any():
        yield (
            "Anticipation: what bilevel saves the grid operator against individual, where it does"
            " not foresee the neighbourhoods' answers."
        )
    reference = comparison.manifest.get("reference_offer")
    if reference:
        yield f"Reduced load is counted from the same offer p_off for all, that of {reference}."
