"""Connection points of several runs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from quartier.figures.compared.panels import panels
from quartier.figures.schedules import add_point


def points(tables: Mapping[str, pd.DataFrame], name: str) -> go.Figure:
    """Offer, P_set and result of a connection point: a panel a run, on shared axes.

    Parameters
    ----------
    tables
        Table ``connection_points`` by run.
    name
        Name of a neighbourhood or a plant; runs without it have an empty panel.
    """
    title = f"Power at the connection point of {name}"
    made = panels(title, list(tables), y="kW", unit="kW")
    made.update_layout(hovermode="x unified")
    for row, (run, table) in enumerate(tables.items(), 1):
        one = go.Figure()
        add_point(one, table[table["name"] == name])
        for trace in one.data:
            series = str(trace.name).replace("P_set: ", "P_set ")
            group = "band" if series.startswith("band") else series
            trace.update(name=f"{series}: {run}", legendgroup=group, showlegend=row == 1)
            made.add_trace(trace, row=row, col=1)
    return made
