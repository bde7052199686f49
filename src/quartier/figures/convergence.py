"""How prices came to rest: bound, cost, certified gap and imbalance, round by round (M9)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

MOST_GATES = 4
"""Most gates that are drawn, evenly chosen."""
LEAST = 1e-9
"""Share of the cost below which nothing is told apart."""


def costs(rounds: pd.DataFrame) -> go.Figure:
    """Cost of the plan, and the bound, above and below the cost of the plan taken, in percent.

    The axis is linear about 0 and logarithmic beyond 0.01 %.

    Parameters
    ----------
    rounds
        Table of a run.
    """
    made = style.figure(
        "Cost and bound by round",
        x="round",
        y="distance from the cost of the plan (%)",
        unit="%",
        dates=False,
    )
    made.update_layout(meta={"x": "round", "unit": "%"})
    largest = 0.0
    for number, (gate, rows) in enumerate(_gates(rounds)):
        final = float(rows["objective"].min())
        for name, dash in (("objective", "solid"), ("bound", "dot")):
            values = rows[name].to_numpy(float)
            percent = 100 * (values - final) / max(abs(final), LEAST)
            largest = max(largest, float(np.nanmax(np.abs(percent), initial=0.0)))
            label = "cost" if name == "objective" else "bound"
            made.add_trace(
                go.Scatter(
                    x=rows["round"].to_numpy(int),
                    y=style.symlog(percent),
                    name=f"{label}, gate {gate}",
                    mode="lines+markers",
                    line={**style.line(number), "dash": dash},
                    marker={"symbol": style.look(number).symbol, "size": 5},
                    customdata=np.column_stack([values, percent]).tolist(),
                    hovertemplate="round %{x}: %{customdata[0]:,.2f} EUR"
                    "<br>%{customdata[1]:+.4f} %",
                    meta={"columns": [f"{name}_eur", "above_final_percent"]},
                )
            )
    style.symlog_axis(made, largest)
    return made


def residuals(rounds: pd.DataFrame) -> go.Figure:
    """Certified gap, and power missing relative to what is traded, in percent on a log axis.

    Parameters
    ----------
    rounds
        Table of a run.
    """
    made = style.figure(
        "Certified gap and imbalance by round", x="round", y="share", unit="%", dates=False
    )
    made.update_layout(meta={"x": "round", "unit": "%"})
    made.update_yaxes(type="log", exponentformat="power")
    for number, (gate, rows) in enumerate(_gates(rounds)):
        for name, dash in (("gap", "solid"), ("residual", "dot")):
            values = 100 * rows[name].to_numpy(float)
            label = "certified gap" if name == "gap" else "power missing"
            made.add_trace(
                go.Scatter(
                    x=rows["round"].to_numpy(int),
                    y=np.where(values > 0, np.maximum(values, LEAST), np.nan),
                    name=f"{label}, gate {gate}",
                    mode="lines+markers",
                    line={**style.line(number), "dash": dash},
                    marker={"symbol": style.look(number).symbol, "size": 5},
                    hovertemplate="round %{x}: %{y:.2g} %",
                )
            )
    return made


def answer_times(rounds: pd.DataFrame) -> go.Figure:
    """Wall time of the slowest answer of every round, and whose it was.

    Parameters
    ----------
    rounds
        Table of a run.
    """
    made = style.figure(
        "Slowest answer by round", x="round", y="wall time (s)", unit="s", dates=False
    )
    made.update_layout(meta={"x": "round", "unit": "s"})
    for number, (gate, rows) in enumerate(_gates(rounds)):
        made.add_trace(
            go.Scatter(
                x=rows["round"].to_numpy(int),
                y=rows["wall_s"].to_numpy(float),
                name=f"gate {gate}",
                mode="lines+markers",
                line=style.line(number),
                marker={"symbol": style.look(number).symbol, "size": 5},
                customdata=rows[["slowest"]].astype(str).to_numpy().tolist(),
                hovertemplate="round %{x}: %{customdata[0]}, %{y:.3f} s",
                meta={"columns": ["slowest"]},
            )
        )
    return made


def _gates(rounds: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    gates = np.sort(rounds["gate"].unique())
    chosen = gates[np.unique(np.linspace(0, len(gates) - 1, MOST_GATES).round().astype(int))]
    for gate in chosen:
        yield int(gate), rounds[rounds["gate"] == gate].sort_values("round")
