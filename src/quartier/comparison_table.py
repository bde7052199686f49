"""The table that a comparison prints: the figures that decide, the best of each marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quartier.scoreboard import Cell, cells, notes, shown_lines
from quartier.terminal import WIDE, new_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from quartier.results import Comparison

UNLIMITED = 10_000
"""Characters that no table needs."""


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
    ended = [name for name in comparison.coordinations if comparison.runs[name].has_figures]
    for note in notes(comparison.kpis, ended, comparison.manifest.get("reference_offer")):
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
    for group, lines in shown_lines(comparison.kpis):
        table.add_section()
        table.add_row(_bold(group))
        for line in lines:
            found = cells(line, comparison.kpis)
            values = (_cell(found[name]) for name in names)
            table.add_row(line.label, *values, *([line.kpi] if keys else []))
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


def _cell(cell: Cell) -> Text:
    """The best with a star, in brackets where limits are not kept."""
    if cell.is_best:
        return _bold(f"{cell.text}*", "bold green")
    return _bold(f"{cell.text} ", "") if cell.counts else _bold(f"({cell.text})", "dim")
