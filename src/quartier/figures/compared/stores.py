"""Energy in stores of several runs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import storage, style
from quartier.figures.compared.panels import looks, panels


def stores(
    tables: Mapping[str, pd.DataFrame],
    neighbourhood: str,
    start_kwh: Mapping[str, Mapping[str, float]],
) -> go.Figure:
    """Energy at the end of every step: a panel a store, a line a run.

    Parameters
    ----------
    tables
        Table ``units`` by run.
    neighbourhood
        Name.
    start_kwh
        Energy at the start by run and unit, where known.
    """
    single = {
        run: storage.stores(units, neighbourhood, start_kwh.get(run)).data
        for run, units in tables.items()
    }
    names = list(dict.fromkeys(str(trace.name) for lines in single.values() for trace in lines))
    title = f"Energy in the stores of {neighbourhood}"
    made = panels(title, names, y="kWh", unit="kWh", height=190, same_y=False)
    made.update_layout(hovermode="x unified")
    made.update_yaxes(rangemode="tozero")
    for run, look in looks(tables).items():
        for trace in single[run]:
            row = names.index(trace.name) + 1
            trace.update(name=f"{run}: {trace.name}", legendgroup=run, line=style.line(look, 2.5))
            made.add_trace(trace, row=row, col=1)
    return made
