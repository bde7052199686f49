"""Balances of nodes: what is taken, bought and sold, and what is not served or rejected."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

SHOWN = {
    "demand_kw": ("demand", "solid"),
    "bought_kw": ("bought", "dash"),
    "sold_kw": ("sold", "dot"),
    "unserved_kw": ("not served", "dashdot"),
    "rejected_kw": ("rejected", "longdash"),
}
"""What a column is called, and the dash of its line."""

NOTHING_KW = 1e-6


def nodes(table: pd.DataFrame, neighbourhood: str) -> go.Figure:
    """Powers at a neighbourhood's nodes: a colour a node, a dash a quantity.

    Parameters
    ----------
    table
        Table ``nodes`` of a run.
    neighbourhood
        Name.
    """
    title = f"Nodes of {neighbourhood}"
    made = style.figure(title, x="time (UTC)", y="power (kW)", unit="kW")
    made.update_layout(hovermode="x unified")
    made.update_yaxes(rangemode="tozero")
    own = of_neighbourhood(table, neighbourhood)
    for number, (node, rows) in enumerate(own.groupby("node", sort=False, observed=True)):
        name = str(node).removeprefix(f"{neighbourhood}.")
        carrier = str(rows["carrier"].iloc[0])
        name = name if name == carrier else f"{name} ({carrier})"
        for column, (what, dash) in SHOWN.items():
            if rows[column].max() > NOTHING_KW:
                made.add_trace(_line(rows, column, f"{name}: {what}", style.look(number), dash))
    return made


def of_neighbourhood(table: pd.DataFrame, neighbourhood: str) -> pd.DataFrame:
    """Rows of a neighbourhood's nodes."""
    return table[table["node"].astype(str).str.startswith(f"{neighbourhood}.")]


def _line(rows: pd.DataFrame, column: str, name: str, look: style.Look, dash: str) -> go.Scatter:
    return go.Scatter(
        x=style.utc(rows["time"]),
        y=rows[column].to_numpy(float),
        name=name,
        mode="lines",
        line={**style.line(look), "dash": dash, "shape": "hv"},
        hovertemplate="%{y:.1f} kW",
    )
