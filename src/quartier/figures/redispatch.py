"""Redispatch: why caps were set, and how much they took away."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.frames import in_force

CONSUMPTION = " (consumption)"
PREVENTIVE = "preventive: "


def measures(redispatch: pd.DataFrame) -> pd.DataFrame:
    """Caps in force, one row a time, asset and side, with what they take from the offer.

    Adds ``element`` (the cause without its remarks), ``preventive``, ``consumption``, ``cut_kw``.
    """
    consumption = redispatch["reason_element"].str.endswith(CONSUMPTION)
    rows = redispatch.assign(consumption=consumption.fillna(False).astype(bool))
    rows = in_force(rows, ["time", "asset", "consumption"])
    reason = rows["reason_element"].fillna("not stated")
    sign = rows["consumption"].map({True: -1.0, False: 1.0})
    cut = (sign * (rows["offered_kw"] - rows["p_set_kw"])).clip(lower=0.0)
    return rows.assign(
        element=reason.str.removeprefix(PREVENTIVE).str.removesuffix(CONSUMPTION),
        preventive=reason.str.startswith(PREVENTIVE),
        cut_kw=cut,
    )


def causes(redispatch: pd.DataFrame, dt_h: float) -> go.Figure:
    """Energy that caps take from the offers, by overloaded element and asset.

    Parameters
    ----------
    redispatch
        Table of a run.
    dt_h
        Length of a step in hours.
    """
    made = style.figure(
        "Energy forbidden by P_set, by cause",
        x="energy (MWh)",
        y="",
        unit="MWh",
        dates=False,
    )
    rows = measures(redispatch)
    energy = rows.groupby(["asset", "element"])["cut_kw"].sum() * dt_h / 1000
    elements = energy.groupby("element").sum().sort_values().index
    made.update_layout(
        barmode="stack",
        height=140 + 48 * len(elements),
        meta={"x": "energy", "y": "overloaded_element", "unit": "MWh"},
    )
    made.update_yaxes(type="category", categoryarray=list(elements))
    for number, name in enumerate(rows["asset"].drop_duplicates()):
        values = energy[name].reindex(elements).fillna(0.0)
        made.add_trace(
            go.Bar(
                x=values.to_numpy(float),
                y=list(values.index),
                orientation="h",
                name=name,
                marker=style.filled(style.look(number)),
                hovertemplate=f"{name}: %{{x:.2f}} MWh because of %{{y}}<extra></extra>",
            )
        )
    return made
