"""How agents came to agree: objective over simulated time, messages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

MOST_AGENTS = 40
"""Agents with a bar of their own; the others share one."""
MOST_NEGOTIATIONS = 60
"""Negotiations that are drawn at most."""
NEGOTIATION = ["gate", "round", "neighbourhood"]
"""What tells negotiations apart."""
OTHERS = " others together"
BINS = 120
"""Most intervals of simulated time in which messages are counted."""


def objective(traces: pd.DataFrame) -> go.Figure:
    """Best objective known in every negotiation over simulated time, above its final value.

    The objective is cost and penalties in EUR. Rounds differ by more than what agents gain in any
    of them; so it is drawn as the distance to the value in the end, on an axis that is linear about
    0 and logarithmic beyond a cent (:func:`style.symlog`). ``customdata``: time,
    objective, distance.

    Parameters
    ----------
    traces
        Table of a run.
    """
    traces, title = _longest(traces)
    made = style.figure(
        title,
        x="simulated time in the negotiation (s)",
        y="objective less its final value (EUR)",
        unit="EUR",
        dates=False,
    )
    made.update_layout(meta={"x": "sim_time_s", "unit": "EUR"})
    largest = 0.0
    for number, (key, rows) in enumerate(traces.groupby(NEGOTIATION)):
        gate, round_, neighbourhood = key
        values = rows["objective"].to_numpy(float)
        above = values - values[-1]
        largest = max(largest, float(np.abs(above).max()))
        times = rows["sim_time_s"].to_numpy(float)
        made.add_trace(
            go.Scatter(
                x=times,
                y=style.symlog(above),
                name=f"{neighbourhood}, gate {gate}, round {round_}",
                mode="lines+markers",
                line={**style.line(number), "shape": "hv"},
                marker={"symbol": style.look(number).symbol, "size": 8},
                customdata=np.column_stack([times, values, above]).tolist(),
                hovertemplate="%{customdata[1]:.2f} EUR after %{x:.2f} s"
                "<br>%{customdata[2]:+.2f} EUR from its final value",
                meta={"columns": ["sim_time_s", "objective_eur", "above_final_eur"]},
            )
        )
    style.symlog_axis(made, largest)
    return made


def _longest(traces: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of the negotiations that are drawn, and what the figure is called."""
    title = "Objective over simulated time, above its final value (lower is better)"
    number = traces.groupby(NEGOTIATION).ngroup()
    counts = number.value_counts(sort=False).sort_index()
    if len(counts) <= MOST_NEGOTIATIONS:
        return traces, title
    kept = counts.nlargest(MOST_NEGOTIATIONS).index
    title += f": {MOST_NEGOTIATIONS} of {len(counts):,}, those that found better plans most often"
    return traces[number.isin(kept)], title


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
