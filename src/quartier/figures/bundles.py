"""What is built, how offers were found, and who gives and takes each carrier (seed 004, 7-15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.quantities import ELECTRICITY
from quartier.units.base import GAS, HEAT
from quartier.units.kinds import kind_of

COLUMNS = {ELECTRICITY: ("p_kw", 1.0), HEAT: ("heat_kw", 1.0), GAS: ("fuel_kw", -1.0)}
"""Column of the table ``units`` with a carrier, and its sign."""
NOTHING_KW = 1e-6


def sizes(table: pd.DataFrame) -> go.Figure:
    """How many of each unit are built, and what they cost in a year.

    Parameters
    ----------
    table
        Table ``sizes`` of a run.
    """
    made = style.figure("Sizes", x="", y="size (kW, kWh)", unit="", dates=False)
    names = [str(name).rpartition(".")[2] for name in table["unit"]]
    made.add_trace(
        go.Bar(
            x=names,
            y=table["size"].to_numpy(float),
            name="size",
            marker=style.filled(style.look(0)),
            customdata=table[["annual_eur"]].to_numpy(float).tolist(),
            hovertemplate="%{y:,.1f}, %{customdata[0]:,.0f} EUR a year",
            meta={"columns": ["annual_eur"]},
        )
    )
    return made


def gains(kpis: pd.DataFrame) -> go.Figure:
    """What each group pays less than the competitor would ask, and what the operator earns.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns).
    """
    made = style.figure("Who gains", x="", y="EUR a year", unit="EUR", dates=False)
    made.update_layout(barmode="group", meta={"x": "party", "unit": "EUR"})
    rows = kpis[[str(name).startswith("saving[") for name in kpis.index]]
    rows = pd.concat([rows, kpis.loc[["profit"]]]).astype(float)
    names = [str(name).removeprefix("saving[").removesuffix("]") for name in rows.index]
    for number, run in enumerate(rows):
        made.add_trace(
            go.Bar(
                x=[*names[:-1], "the operator"],
                y=rows[run].to_numpy(float),
                name=str(run),
                marker=style.filled(style.look(number)),
                hovertemplate="%{y:,.0f} EUR",
            )
        )
    return made


def bounds(rounds: pd.DataFrame) -> go.Figure:
    """Upper and lower bound of the profit after every round of cuts (seed 004, figures 12-15).

    Parameters
    ----------
    rounds
        Table of a run.
    """
    made = style.figure(
        "Upper and lower bound", x="round", y="profit (EUR a year)", unit="EUR", dates=False
    )
    made.update_layout(meta={"x": "round", "unit": "EUR"})
    rows = rounds.sort_values("round")
    for number, (column, name) in enumerate(
        (("bound", "upper bound"), ("objective", "lower bound"))
    ):
        made.add_trace(
            go.Scatter(
                x=rows["round"].to_numpy(int),
                y=rows[column].to_numpy(float),
                name=name,
                mode="lines+markers",
                line=style.line(number),
                marker={"symbol": style.look(number).symbol, "size": 7},
                hovertemplate="round %{x}: %{y:,.0f} EUR",
            )
        )
    return made


def balance(
    tables: Mapping[str, pd.DataFrame], carrier: str, units: Mapping[str, Mapping[str, Any]]
) -> go.Figure:
    """Who gives a carrier (above zero) and who takes it, stacked.

    Parameters
    ----------
    tables
        Tables ``units``, ``nodes`` and ``connection_points`` of a run, as far as there are any.
    units
        Parameters of units as the scenario writes them, by name.
    """
    made = style.figure(f"Balance of {carrier}", x="time (UTC)", y="power (kW)", unit="kW")
    powers = pd.DataFrame(dict(_powers(tables, carrier, units)))
    style.add_stack(made, powers.loc[:, powers.abs().max() > NOTHING_KW])
    return made


def carriers(tables: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Carriers that have a balance in a run."""
    nodes = tables.get("nodes")
    found = () if nodes is None else tuple(map(str, nodes["carrier"].unique()))
    return (ELECTRICITY, *found)


def _powers(
    tables: Mapping[str, pd.DataFrame], carrier: str, units: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Powers of units, then of what is outside."""
    table, total = tables["units"], 0.0
    stores: list[str] = []
    for full, rows in table.groupby("unit", sort=False, observed=True):
        name, kind = str(full).partition(".")[2], kind_of(str(rows["kind"].iloc[0]))
        by_time = rows.set_index("time")
        if kind.holds == carrier and carrier not in COLUMNS:
            stores.append(name)
        elif (power := _of_unit(by_time, carrier, kind, _written(units, name))) is not None:
            total = total + power
            yield name, power
    if carrier == ELECTRICITY:
        yield "grid", -tables["connection_points"].set_index("time")["p_kw"]
        return
    nodes = tables["nodes"]
    node = nodes[nodes["carrier"] == carrier].set_index("time").fillna(0.0)
    outside = {
        "bought": node["bought_kw"] - node["sold_kw"] + node["unserved_kw"],
        "demand": -node["demand_kw"],
        "rejected": -node["rejected_kw"],
    }
    if stores:
        yield " and ".join(stores), -(total + sum(outside.values()))
    yield from outside.items()


def _written(units: Mapping[str, Any], name: str) -> Any:
    """What describes a unit; several of a description have its name with a number."""
    return units.get(name, units.get(name.rpartition("-")[0]))


def _of_unit(
    rows: pd.DataFrame, carrier: str, kind: Any, parameters: Mapping[str, Any] | None
) -> Any:
    """Power of a unit of a carrier by time, None if it has nothing to do with it."""
    if carrier in COLUMNS:
        column, sign = COLUMNS[carrier]
        return sign * rows[column]
    if parameters is None or carrier not in (*kind.gives, *kind.takes):
        return None
    own = kind.Parameters.model_validate(parameters)
    own = own.model_copy(update={name: 0.0 for name, value in own if value is None})
    flow = kind.flow(own, dict.fromkeys((c.name for c in kind.controls), 1.0), {}, 1.0)
    for driver, (column, sign) in COLUMNS.items():
        if np.any(flow.of(driver)):
            return sign * rows[column] * (flow.of(carrier) / flow.of(driver))
    return None
