"""Zones of a market: what power costs in each, and what lines between them carry (M9)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.frames import wide
from quartier.quantities import Array

CT_PER_EUR = 100.0


def prices(table: pd.DataFrame) -> go.Figure:
    """Price in every zone in ct/kWh.

    Parameters
    ----------
    table
        Table ``zones`` of a run.
    """
    made = style.figure("Price by zone", x="time (UTC)", y="price (ct/kWh)", unit="ct/kWh")
    paid = wide(table, "zone", "price_eur_per_kwh")
    for number, zone in enumerate(dict.fromkeys(table["zone"].astype(str))):
        values, look = CT_PER_EUR * paid[zone].to_numpy(float), style.look(number)
        made.add_trace(_line(paid.index, values, zone, look, "%{y:.3f} ct/kWh"))
    made.update_layout(hovermode="x unified")
    return made


def flows(table: pd.DataFrame) -> go.Figure:
    """Power that every line carried in kW, positive from its start to its end, with its limits.

    Parameters
    ----------
    table
        Table ``flows`` of a run.
    """
    made = style.figure("Lines between zones", x="time (UTC)", y="power (kW)", unit="kW")
    for number, (name, own) in enumerate(table.groupby("line", sort=False, observed=True)):
        look, first = style.look(number), own.iloc[0]
        times = pd.DatetimeIndex(own["time"])
        title = f"{name}: {first['start']} to {first['end']}"
        made.add_trace(_line(times, own["p_kw"].to_numpy(float), title, look, "%{y:,.1f} kW"))
        for column, end in (("p_max_kw", "most"), ("p_min_kw", "most back")):
            limit = own[column].to_numpy(float)
            trace = _line(times, limit, f"{name}: {end}", look, "%{y:,.1f} kW")
            made.add_trace(trace.update(line={"dash": "dot", "width": 1}, opacity=0.6))
    made.update_layout(hovermode="x unified")
    return made


def _line(
    times: pd.Index[pd.Timestamp], values: Array, name: str, look: style.Look, hover: str
) -> go.Scatter:
    return go.Scatter(
        x=style.utc(pd.DatetimeIndex(times)),
        y=np.asarray(values),
        name=name,
        mode="lines",
        line={**style.line(look), "shape": "hv"},
        hovertemplate=hover,
    )
