"""Sharing by season: what it changes for whom, and how much is shared (seed 000, figures 5-6)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

DIVERGING = [
    [0.0, "#2166ac"],
    [0.25, "#92c5de"],
    [0.5, "#ffffff"],
    [0.75, "#f4a582"],
    [1.0, "#b2182b"],
]
"""Blue where a cost falls, red where it rises, as in the source; light where it hardly changes."""
MOST_PERCENT = 100.0
"""Change at which a colour is darkest."""
ROW_PX = 40


def changes(costs_eur: pd.DataFrame, reference: str) -> go.Figure:
    """Change of cost in percent by neighbourhood (rows), season and mechanism (figure 5).

    Parameters
    ----------
    costs_eur
        Neighbourhoods (index) by season and mechanism (columns).
    reference
        Mechanism that changes are counted from; every season has it.
    """
    made = style.figure(
        f"Change of cost against {reference} by season", x="", y="", unit="%", dates=False
    )
    pairs = [(str(pair[0]), str(pair[1])) for pair in costs_eur.columns]
    columns = [pair for pair in pairs if pair[1] != reference]
    cost = costs_eur[columns].to_numpy(dtype=float)
    before = costs_eur[[(season, reference) for season, _ in columns]].to_numpy(dtype=float)
    size = np.where(np.abs(before) > 1e-6, np.abs(before), np.nan)
    change = 100 * (cost - before) / size
    made.add_trace(
        go.Heatmap(
            x=[[season for season, _ in columns], [mechanism for _, mechanism in columns]],
            y=[str(name) for name in costs_eur.index],
            z=change,
            zmin=-MOST_PERCENT,
            zmax=MOST_PERCENT,
            colorscale=DIVERGING,
            colorbar={"title": {"text": "%"}, "thickness": 12},
            text=[[_percent(value) for value in row] for row in change],
            texttemplate="%{text}",
            customdata=np.dstack([before, cost]),
            hovertemplate="%{y}, %{x}: %{text}<br>%{customdata[0]:,.2f} to"
            " %{customdata[1]:,.2f} EUR<extra></extra>",
            xgap=2,
            ygap=2,
            name="change",
        )
    )
    made.update_layout(
        height=150 + ROW_PX * len(costs_eur),
        meta={"x": "season", "y": "neighbourhood", "unit": "%"},
    )
    made.update_xaxes(type="multicategory", showgrid=False)
    made.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return made


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.1f} %" if abs(value) < 100 else f"{value:+,.0f} %"


def energy(shared_kwh: pd.Series[float]) -> go.Figure:
    """Energy shared in MWh by season, a bar a mechanism (figure 6).

    Parameters
    ----------
    shared_kwh
        By season and mechanism.
    """
    made = style.figure("Energy shared by season", x="", y="energy (MWh)", unit="MWh", dates=False)
    table = shared_kwh.unstack(sort=False)
    for number, mechanism in enumerate(table):
        made.add_trace(
            go.Bar(
                x=[str(season) for season in table.index],
                y=table[mechanism].to_numpy(float) / 1000,
                name=str(mechanism),
                marker=style.filled(style.look(number)),
                hovertemplate="%{x}: %{y:.2f} MWh",
            )
        )
    made.update_layout(barmode="group", meta={"x": "season", "unit": "MWh"})
    made.update_xaxes(type="category")
    return made
