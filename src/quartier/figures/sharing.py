"""Sharing: prices inside and outside the pool, who gives and gets, what it changes (seed 000)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.frames import wide

OUTER = {
    "export_eur_per_kwh": ("what the outer grid pays", style.Look(style.GREY, dash="dot")),
    "import_eur_per_kwh": ("what it asks, fees included", style.Look(style.GREY, dash="dash")),
}
"""The bounds of a price inside, by their signal."""
CT_PER_EUR = 100


def prices(shares: pd.DataFrame, signals: pd.DataFrame) -> go.Figure:
    """Price inside the pool between what the outer grid pays and asks, in ct/kWh.

    One line where all pay the same; otherwise one a neighbourhood (a rule after the fact lets who
    draws pay another price than who gives gets).

    Parameters
    ----------
    shares, signals
        Tables of a run.
    """
    title = "Price inside the pool"
    made = style.figure(title, x="time (UTC)", y="price (ct/kWh)", unit="ct/kWh")
    made.update_layout(hovermode="x unified")
    by_signal = wide(signals[signals["name"].isin(list(OUTER))], "name", "value")
    for name, (what, look) in OUTER.items():
        if name in by_signal:
            made.add_trace(_line(by_signal[name], what, look))
    inside = wide(shares, "neighbourhood", "price_eur_per_kwh").dropna(axis=1, how="all")
    one = inside.bfill(axis=1).iloc[:, 0] if inside.shape[1] else pd.Series(dtype=float)
    if inside.sub(one, axis=0).abs().max().max() <= 1e-9:
        inside = one.to_frame("inside")
    for number, one_name in enumerate(inside):
        made.add_trace(_line(inside[one_name], str(one_name), style.look(number)))
    return made


def shared(shares: pd.DataFrame, points: pd.DataFrame) -> go.Figure:
    """What each neighbourhood gets from the others (above zero) or gives, and the pool's rest.

    Parameters
    ----------
    shares, points
        Tables ``shares`` and ``connection_points`` of a run.
    """
    made = style.figure("Who shares with whom", x="time (UTC)", y="power (kW)", unit="kW")
    got = wide(shares, "neighbourhood", "shared_kw")
    style.add_stack(made, got)
    names = [str(name) for name in got]
    net = wide(points[points["name"].isin(names)], "name", "p_kw").sum(axis=1, min_count=1)
    made.add_trace(_line(net, "to (from) the outer grid", style.SERIES["executed"], "kW"))
    return made


def changes(kpis: pd.DataFrame, reference: str) -> go.Figure:
    """Change of what each neighbourhood and all together pay, in percent of a run (figure 5).

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns).
    reference
        The run that others are compared with.
    """
    title = f"Change of cost against {reference}"
    made = style.figure(title, x="", y="change (%)", unit="%", dates=False)
    costs = kpis[[str(n).startswith("cost[") or n == "system_cost" for n in kpis.index]].astype(
        float
    )
    base = costs[reference].abs().where(costs[reference].abs() > 1e-6)
    names = [str(n).removeprefix("cost[").removesuffix("]") for n in costs.index]
    labels = ["all together" if name == "system_cost" else name for name in names]
    for number, run in enumerate(name for name in costs if name != reference):
        change = costs[run] - costs[reference]
        made.add_trace(
            go.Bar(
                x=labels,
                y=(100 * change / base).to_numpy(float),
                name=str(run),
                marker=style.filled(style.look(number)),
                customdata=np.column_stack([change, costs[run]]),
                hovertemplate="%{x}: %{y:+.1f} %, by %{customdata[0]:+,.2f}"
                " to %{customdata[1]:,.2f} EUR",
            )
        )
    made.update_layout(barmode="group", meta={"x": "neighbourhood", "unit": "%"})
    made.update_xaxes(type="category")
    return made


def energy(kpis: pd.DataFrame) -> go.Figure:
    """Energy shared, imported and exported by all together in MWh, a bar a run (figure 6)."""
    made = style.figure("Energy by run", x="", y="energy (MWh)", unit="MWh", dates=False)
    shared_kwh = kpis.loc["shared_energy"].astype(float)
    parts = {"shared": shared_kwh}
    for way, what in (("import", "from the outer grid"), ("export", "to the outer grid")):
        own = kpis[[str(name).startswith(f"{way}[") for name in kpis.index]].astype(float)
        parts[what] = own.sum() - shared_kwh
    for number, (what, values) in enumerate(parts.items()):
        made.add_trace(
            go.Bar(
                x=[str(run) for run in values.index],
                y=values.to_numpy(float) / 1000,
                name=what,
                marker=style.filled(style.look(number)),
                hovertemplate="%{x}: %{y:.2f} MWh",
            )
        )
    made.update_layout(barmode="group", meta={"x": "run", "unit": "MWh"})
    made.update_xaxes(type="category")
    return made


def _line(
    values: pd.Series[float], name: str, look: style.Look, unit: str = "ct/kWh"
) -> go.Scatter:
    factor = CT_PER_EUR if unit == "ct/kWh" else 1
    return go.Scatter(
        x=style.utc(pd.DatetimeIndex(values.index)),
        y=factor * values.to_numpy(float),
        name=name,
        mode="lines",
        line={**style.line(look), "shape": "hv"},
        hovertemplate=f"%{{y:.2f}} {unit}",
    )
