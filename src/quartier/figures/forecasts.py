"""Forecasts that err, beside what happened."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

MOST_GATES = 100
"""Gates that are marked at most."""
MARK = {"color": style.GREY, "width": 1, "dash": "dot"}


def forecast(forecasts: pd.DataFrame, kind: str) -> go.Figure:
    """What was expected of all units of a kind at the last gate before, and what happened.

    Parameters
    ----------
    forecasts
        Table ``forecasts`` of a run.
    kind
        Kind of unit.
    """
    own = forecasts[forecasts["kind"] == kind]
    total = own.groupby("time")[["actual_kw", "forecast_kw"]].sum()
    title = f"{style.kind_label(kind)}: expected at the last gate, and what happened"
    made = style.figure(title, x="time (UTC)", y="power (kW)", unit="kW")
    made.update_layout(hovermode="x unified")
    for column, name, look in (
        ("actual_kw", "happened", style.SERIES["executed"]),
        ("forecast_kw", "expected", style.SERIES["offer"]),
    ):
        made.add_trace(
            go.Scatter(
                x=style.utc(pd.DatetimeIndex(total.index)),
                y=total[column].to_numpy(float),
                name=name,
                mode="lines",
                line={**style.line(look), "shape": "hv"},
                hovertemplate="%{y:,.1f} kW",
            )
        )
    gates = style.utc(pd.DatetimeIndex(own.drop_duplicates("gate")["time"].iloc[1:MOST_GATES]))
    mark = {"type": "line", "yref": "y domain", "y0": 0, "y1": 1, "line": MARK}
    made.update_layout(shapes=[{**mark, "x0": gate, "x1": gate} for gate in gates])
    made.update_yaxes(rangemode="tozero")
    return made
