"""Zones of a market: what power costs in each, and what lines between them carry (M9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.frames import wide
from quartier.quantities import Array

CT_PER_EUR = 100.0
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
LINES = "lines"
"""Who sells in a zone what lines bring in, and buys what they take out."""


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


def prices_by_run(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Price in every zone in ct/kWh, a colour a run and a dash a zone.

    Parameters
    ----------
    tables
        Tables ``zones`` by run.
    """
    made = style.figure("Price by zone", x="time (UTC)", y="price (ct/kWh)", unit="ct/kWh")
    for number, (run, table) in enumerate(tables.items()):
        paid = wide(table, "zone", "price_eur_per_kwh")
        for place, zone in enumerate(dict.fromkeys(table["zone"].astype(str))):
            values = CT_PER_EUR * paid[zone].to_numpy(float)
            look = replace(style.look(number), dash=DASHES[place % len(DASHES)])
            name = f"{run}, {zone}"
            made.add_trace(_line(paid.index, values, name, look, "%{y:.3f} ct/kWh"))
    made.update_layout(hovermode="x unified")
    return made


def in_one(
    bids: pd.DataFrame, zones: pd.DataFrame, homes: Mapping[str, str], time: pd.Timestamp | None
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Bids of the zone where power is dearest, those of lines included, and prices there.

    Parameters
    ----------
    bids, zones
        Tables of a run.
    homes
        Zone by neighbourhood and supplier; of others, the last word of their name is it.
    time
        Start of the hour (UTC); None: the one with the highest price.

    Returns
    -------
    bids, zones, zone
        Rows of the zone, and its name.
    """
    at = zones if time is None else zones[zones["time"] == time]
    zone = str((at if len(at) else zones).sort_values("price_eur_per_kwh").iloc[-1]["zone"])
    agents = bids["agent"].astype(str)
    own = bids[[homes.get(name, name.split()[-1]) == zone for name in agents]]
    here = zones[zones["zone"].astype(str) == zone]
    brought = here[["time", "price_eur_per_kwh"]].assign(agent=LINES)
    brought = brought.assign(p_kw=here["imported_kw"], accepted_kw=here["imported_kw"])
    gates = own.groupby("time")["gate"].max()
    brought = brought.assign(gate=brought["time"].map(gates)).dropna()
    brought = brought[brought["p_kw"] != 0]
    kept = [name for name in own.columns if name in brought]  # lines bid no blocks
    return pd.concat([own.astype({"agent": str}), brought[kept]]), here, zone


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
