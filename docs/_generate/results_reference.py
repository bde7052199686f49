"""The reference of the run folder, from the tables' own declaration."""

from __future__ import annotations

from citations import table

from quartier.quantities import unit_of
from quartier.results import TABLES
from quartier.results.described import ABOUT, meaning
from quartier.results.export import GRIDS
from quartier.results.tables import ColumnType

WORDS = {
    ColumnType.TIME: "time",
    ColumnType.TEXT: "text",
    ColumnType.NUMBER: "number",
    ColumnType.COUNT: "whole number",
    ColumnType.FLAG: "true or false",
}


def generated() -> str:
    """Return the generated part as Markdown."""
    return "\n".join(_section(name) for name in TABLES)


def _section(name: str) -> str:
    rows = [
        [f"`{column}`", WORDS[kind], unit_of(column) or "", meaning(name, column)]
        for column, kind in TABLES[name].items()
    ]
    head = ["column", "holds", "unit", "meaning"]
    return f"## `{name}`\n\n{ABOUT[name]} {_in_xarray(name)}\n\n{table(head, rows)}\n"


def _in_xarray(name: str) -> str:
    grid = GRIDS.get(name)
    if grid is None:
        return f"In xarray: rows over `{name}_row`."
    over = f"`time` and `{grid.dimension}`" if grid.dimension else "`time`"
    return f"In xarray: over {over}."
