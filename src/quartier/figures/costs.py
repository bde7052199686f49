"""Costs, of one run or of several side by side."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

COSTS = ("redispatch_cost", "upper_cost", "lower_cost", "cost")
"""KPIs that are drawn: redispatch, both levels, and a neighbourhood's own costs."""


def costs(kpis: pd.DataFrame) -> go.Figure:
    """Costs in EUR as bars: a group of bars a cost, a bar a run.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns), and a column ``label`` for the KPIs.
    """
    made = style.figure(
        "Costs by level and neighbourhood", x="cost (EUR)", y="", unit="EUR", dates=False
    )
    rows = kpis[[str(name).split("[")[0] in COSTS for name in kpis.index]].iloc[::-1]
    runs = [name for name in rows if name != "label"]
    made.update_layout(
        barmode="group",
        height=120 + len(rows) * (24 + 18 * len(runs)),
        meta={"x": "cost", "y": "kpi", "unit": "EUR"},
    )
    made.update_yaxes(type="category")
    for number, run in enumerate(runs):
        made.add_trace(
            go.Bar(
                x=rows[run].to_numpy(float),
                y=rows["label"].tolist(),
                orientation="h",
                name=str(run),
                marker=style.filled(style.look(number)),
                text=[f"{value:,.0f}" for value in rows[run]],
                textposition="auto",
                hovertemplate="%{y}: %{x:,.2f} EUR<extra></extra>",
            )
        )
    return made
