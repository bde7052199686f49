"""How agents came to agree: objective over simulated time, messages, fronts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

MOST_AGENTS = 40
"""Agents with a bar of their own; the others share one."""
OTHERS = " others together"
BINS = 120
"""Most intervals of simulated time in which messages are counted."""

CHOSEN = ("hexagram", "star", "star-diamond")
"""Symbols of the chosen points of several methods."""
OBJECTIVES = {
    "peak_import_kw": "peak import (kW)",
    "flexibility_kw": "flexibility (kW)",
    "co2_kg": "CO2 (kg)",
    "redispatch_cost_eur": "redispatch cost (EUR)",
    "losses_kwh": "grid losses (kWh)",
    "co2_slack_kg": "CO2 of imports (kg)",
}


def objective(traces: pd.DataFrame) -> go.Figure:
    """Best objective known in every negotiation over simulated time: cost and penalties in EUR.

    Parameters
    ----------
    traces
        Table of a run.
    """
    made = style.figure(
        "Objective over simulated time (lower is better)",
        x="simulated time in the negotiation (s)",
        y="objective (EUR)",
        unit="EUR",
        dates=False,
    )
    made.update_layout(meta={"x": "sim_time_s", "unit": "EUR"})
    for number, (key, rows) in enumerate(traces.groupby(["gate", "round", "neighbourhood"])):
        gate, round_, neighbourhood = key
        made.add_trace(
            go.Scatter(
                x=rows["sim_time_s"].to_numpy(float),
                y=rows["objective"].to_numpy(float),
                name=f"{neighbourhood}, gate {gate}, round {round_}",
                mode="lines+markers",
                line={**style.line(number), "shape": "hv"},
                marker={"symbol": style.look(number).symbol, "size": 8},
                hovertemplate="%{y:.2f} after %{x:.2f} s",
            )
        )
    return made


def messages(table: pd.DataFrame) -> go.Figure:
    """Messages sent by agent and kind, lost ones apart.

    Parameters
    ----------
    table
        Table ``messages`` of a run.
    """
    counts = by_agent(table)
    agents = list(counts.groupby("sender")["messages"].sum().sort_values().index)
    agents.sort(key=lambda name: not name.endswith(OTHERS))
    made = style.figure(
        "Messages by sender and kind", x="messages", y="", unit="messages", dates=False
    )
    made.update_layout(
        barmode="stack",
        height=int(np.clip(140 + 18 * len(agents), 260, 900)),
        meta={"x": "messages", "y": "sender", "unit": "messages"},
    )
    made.update_yaxes(type="category", categoryarray=agents)
    for number, (kind, rows) in enumerate(counts.groupby("kind")):
        made.add_trace(
            go.Bar(
                x=rows["messages"].to_numpy(int),
                y=rows["sender"].tolist(),
                orientation="h",
                name=str(kind),
                marker=style.filled(style.look(number)),
                hovertemplate="%{y}: %{x} messages<extra></extra>",
            )
        )
    return made


def by_agent(table: pd.DataFrame) -> pd.DataFrame:
    """Count messages: ``sender, kind, messages``; small senders beyond the most share a row."""
    total = table["sender"].value_counts()
    few = set(total.index[:MOST_AGENTS])
    rest = f"{len(total) - MOST_AGENTS}{OTHERS}"
    sender = table["sender"].where(table["sender"].isin(few), rest)
    kind = table["kind"].where(table["delivered"], table["kind"] + " (lost)")
    counts = table.groupby([sender, kind.rename("kind")]).size()
    return counts.rename("messages").reset_index()


def message_times(table: pd.DataFrame) -> go.Figure:
    """Messages over simulated time by kind, counted in equal intervals.

    Parameters
    ----------
    table
        Table ``messages`` of a run.
    """
    last = float(table["sim_time_s"].max())
    width = max(last / BINS, 0.05)
    made = style.figure(
        f"Messages over simulated time, counted every {width:.3g} s",
        x="simulated time (s)",
        y="messages sent",
        unit="messages",
        dates=False,
    )
    made.update_layout(meta={"x": "sim_time_s", "unit": "messages"}, hovermode="x unified")
    bins = (table["sim_time_s"] // width).astype(int).rename("bin")
    counts = table.groupby([bins, "kind"]).size().unstack("kind", fill_value=0)
    counts = counts.reindex(range(int(bins.max()) + 1), fill_value=0)
    for number, kind in enumerate(counts):
        made.add_trace(
            go.Scatter(
                x=counts.index.to_numpy(float) * width,
                y=counts[kind].to_numpy(int),
                name=str(kind),
                mode="lines",
                line={**style.line(number), "shape": "hv"},
                hovertemplate="%{y}",
            )
        )
    return made


def front(fronts: pd.DataFrame, neighbourhood: str) -> go.Figure:
    """Points of a neighbourhood's front, the chosen one as a star.

    The first two objectives are the axes, a third is the size of the markers.

    Parameters
    ----------
    fronts
        Table of a run.
    neighbourhood
        Name.
    """
    own = fronts[fronts["neighbourhood"] == neighbourhood]
    names = own["objective"].drop_duplicates().tolist()
    keys = ["gate", "method", "point", "chosen"]
    points = own.pivot_table(index=keys, columns="objective", values="value").reset_index()
    x, y = names[0], names[min(1, len(names) - 1)]
    larger = (
        f"; larger markers: more {OBJECTIVES.get(names[2], names[2])}" if len(names) > 2 else ""
    )
    made = style.figure(
        f"Front of {neighbourhood}{larger}",
        x=OBJECTIVES.get(x, x),
        y=OBJECTIVES.get(y, y),
        unit="",
        dates=False,
    )
    sizes = _sizes(points[names[2]]) if len(names) > 2 else pd.Series(10.0, index=points.index)
    groups = points.groupby(["gate", "method", "chosen"])
    for number, ((gate, method, chosen), rows) in enumerate(groups):
        of = "chosen" if chosen else "points"
        made.add_trace(
            go.Scatter(
                x=rows[x].to_numpy(float),
                y=rows[y].to_numpy(float),
                mode="markers",
                name=f"{of}, {method}, gate {gate}",
                marker={
                    "size": (sizes[rows.index] + (8 if chosen else 0)).tolist(),
                    "symbol": CHOSEN[number % len(CHOSEN)] if chosen else "circle-open",
                    "color": style.VERMILION if chosen else style.look(number).colour,
                    "line": {"width": 2},
                },
                customdata=rows[["point", *names]].to_numpy(float).tolist(),
                hovertemplate=_front_hover(names),
                meta={"columns": ["point", *names]},
            )
        )
    return made


def _sizes(values: pd.Series[float]) -> pd.Series[float]:
    """Diameter of markers in pixels, 8 to 22."""
    span = float(values.max() - values.min())
    return 8 + 14 * (values - values.min()) / span if span > 0 else values * 0 + 12


def _front_hover(names: list[str]) -> str:
    rows = [
        f"{OBJECTIVES.get(name, name)}: %{{customdata[{number}]:.2f}}"
        for number, name in enumerate(names, start=1)
    ]
    return "<br>".join(["point %{customdata[0]}", *rows]) + "<extra></extra>"
