"""Stays of vehicles at charging stations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

COLUMNS = ("unit", "session", "arrival_utc", "departure_utc", "due_kwh", "delivered_kwh")
MOST_OUTLINED = 60
"""Stays with an outline; of more, outlines would hide the bars."""
MOST_STAYS = 1500
"""Stays that are drawn at most; of more, those with the most energy missing."""
_HOVER = (
    "%{customdata[0]}, stay %{customdata[1]}<br>%{customdata[2]} to %{customdata[3]} UTC"
    "<br>due %{customdata[4]:.2f} kWh, delivered %{customdata[5]:.2f} kWh<extra></extra>"
)


def ev_stays(sessions: pd.DataFrame) -> go.Figure:
    """Gantt chart of stays: how long, and which share of the energy due was delivered.

    Parameters
    ----------
    sessions
        Table ``ev_sessions`` of a run.
    """
    title, sessions = "Stays at charging stations", sessions.reset_index(drop=True)
    if len(sessions) > MOST_STAYS:
        title += f": {MOST_STAYS:,} of {len(sessions):,}, those with the most energy missing"
        missing_kwh = (sessions["due_kwh"] - sessions["delivered_kwh"]).clip(lower=0.0)
        sessions = sessions.loc[missing_kwh.nlargest(MOST_STAYS).index]
    made = style.figure(title, x="time (UTC)", y="", unit="kWh")
    neighbourhoods = sessions["unit"].str.split(".", n=1).str[0].unique()
    prefix = f"{neighbourhoods[0]}." if len(neighbourhoods) == 1 else ""
    rows = sessions.assign(row=sessions["unit"].str.removeprefix(prefix))
    rows = rows.sort_values(["arrival", "unit"], ascending=False, kind="stable")
    height = int(np.clip(150 + 16 * rows["unit"].nunique(), 260, 1100))
    made.update_layout(barmode="overlay", height=height, bargap=0.15)
    made.update_yaxes(type="category")
    share = (rows["delivered_kwh"] / rows["due_kwh"].where(rows["due_kwh"] > 0)).fillna(1.0)
    stay_ms = (rows["departure"] - rows["arrival"]).dt.total_seconds() * 1000
    missing = style.Look("#ffffff", pattern="/")
    made.add_trace(_bars(rows, stay_ms, "stay (hatched: share not delivered)", missing))
    delivered = style.Look(style.SKY)
    made.add_trace(_bars(rows, stay_ms * share.clip(0, 1), "share delivered", delivered))
    made.data[1].meta = {"csv": False}
    return made


def _bars(rows: pd.DataFrame, length_ms: Any, name: str, chosen: style.Look) -> go.Bar:
    data = zip(
        rows["unit"],
        rows["session"].tolist(),
        style.utc(rows["arrival"]),
        style.utc(rows["departure"]),
        rows["due_kwh"].tolist(),
        rows["delivered_kwh"].tolist(),
        strict=True,
    )
    outline = 1 if len(rows) <= MOST_OUTLINED else 0
    return go.Bar(
        base=style.utc(rows["arrival"]),
        x=length_ms.to_numpy(float),
        y=rows["row"].tolist(),
        orientation="h",
        name=name,
        marker={**style.filled(chosen), "line": {"width": outline, "color": style.INK}},
        customdata=[list(row) for row in data],
        hovertemplate=_HOVER,
        meta={"columns": list(COLUMNS)},
    )
