"""KPIs on a page: tiles for those that decide, a table of all."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from quartier.kpi import KPIS
from quartier.quantities import shown
from quartier.report.blocks import Block, Custom, Note, Table
from quartier.results import Result

TILES = {
    "Congestion": (
        "overloads",
        "congestion_solved",
        "voltage_violations",
        "max_line_loading",
    ),
    "Redispatch": (
        "redispatch_energy",
        "redispatch_cost",
        "curtailed_energy",
        "cap_violation_energy",
    ),
    "Grid": ("min_voltage", "max_voltage", "max_transformer_loading", "losses"),
    "Neighbourhoods": (
        "self_sufficiency",
        "self_consumption",
        "ev_energy_missing",
        "heat_unserved",
    ),
    "Costs and emissions": (
        "profit",
        "system_cost",
        "cost",
        "upper_cost",
        "lower_cost",
        "co2_local",
    ),
    "Coordination": (
        "certified_gap",
        "negotiation_messages",
        "negotiation_agreement",
        "negotiation_sim_time",
        "wall_time_planning",
    ),
}
"""KPIs in tiles by heading."""

DEFINITIONS = {kpi.name: " ".join(kpi.definition.split()) for kpi in KPIS}
"""What a KPI is, by its name."""


@dataclass(frozen=True)
class Tile:
    """A KPI in large."""

    name: str
    label: str
    value: float
    unit: str
    hint: str


def kpi_blocks(result: Result) -> list[Block]:
    """Return tiles and table; a note where the run has no KPIs."""
    if not (result.dir / "kpis.json").exists():
        return [Note("There are no KPIs: the run did not come to its end.")]
    table = result.kpi_table
    known = table[table["value"].notna()]
    groups = {group: _tiles(known, names) for group, names in TILES.items()}
    return [
        Custom("tiles.html.j2", {"groups": {g: tiles for g, tiles in groups.items() if tiles}}),
        kpi_table(table),
    ]


def kpi_table(table: pd.DataFrame) -> Table:
    """Return the table of all KPIs; its cells are those of ``kpis.json``, shares in percent."""
    seen = [shown(*row) for row in zip(table["value"], table["unit"], strict=True)]
    values, units = zip(*seen, strict=True) if seen else ((), ())
    frame = pd.DataFrame({"label": table["label"], "value": values, "unit": units}, table.index)
    return Table(
        "kpi-table",
        f"All {len(frame)} KPIs",
        frame,
        headings={"label": "KPI", "value": "Value", "unit": "Unit"},
        lead="Values have five significant digits here, all digits in the CSV;"
        " – is a figure that is not defined for this run.",
        hints={name: definition(str(name)) for name in frame.index},
    )


def definition(name: str) -> str:
    """Definition of a KPI, also of a figure by group: ``import[nord]``."""
    return DEFINITIONS.get(name.split("[", maxsplit=1)[0], "")


def _tiles(table: pd.DataFrame, names: tuple[str, ...]) -> list[Tile]:
    rows = table.reindex([key for name in names for key in _keys(table, name)])
    return [
        Tile(name, row["label"], *shown(float(row["value"]), row["unit"]), definition(name))
        for name, row in zip(map(str, rows.index), rows.to_dict("records"), strict=True)
    ]


def _keys(table: pd.DataFrame, name: str) -> list[str]:
    """The KPI of a name; that of the only group where it is counted by group."""
    groups = [str(key) for key in table.index if str(key).split("[")[0] == name]
    return [name] if name in table.index else groups if len(groups) == 1 else []
