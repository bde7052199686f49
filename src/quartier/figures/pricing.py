"""Prices of a player with their bounds, and who gains by them (seed 002, figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style

DASHES = ("solid", "dash", "dashdot", "longdash")
"""By neighbourhood, where their prices differ."""
CT_PER_EUR = 100.0


def prices(
    table: pd.DataFrame, signals: pd.DataFrame, carriers: Mapping[str, Mapping[str, Any]]
) -> go.Figure:
    """Prices by carrier, between floor and cap, beside the market's price.

    Parameters
    ----------
    table, signals
        Tables ``prices`` and ``signals`` of a run.
    carriers
        What the scenario says of each carrier: ``cap_eur_per_kwh`` and ``floor_eur_per_kwh``.
    """
    made = style.figure("Prices of the player", x="time (UTC)", y="price (ct/kWh)", unit="ct/kWh")
    made.update_layout(hovermode="x unified")
    for number, (carrier, asked) in enumerate(carriers.items()):
        look = style.look(number)
        rows = table[table["carrier"] == carrier]
        times = pd.DatetimeIndex(rows["time"].unique())
        for name, values, dash in _apart(rows):
            made.add_trace(_line(times, values, f"{carrier}{name}", look, dash))
        wholesale = signals[signals["name"] == f"wholesale_eur_per_kwh[{carrier}]"]
        if len(wholesale):
            paid = wholesale.drop_duplicates("time").set_index("time")["value"].reindex(times)
            made.add_trace(_line(times, paid.to_numpy(float), f"{carrier}: market", look, "dot"))
        for end in ("floor", "cap"):
            flat = np.full(len(times), float(asked[f"{end}_eur_per_kwh"]))
            trace = _line(times, flat, f"{carrier}: {end}", look, "dot")
            made.add_trace(trace.update(line={"width": 0.8}, opacity=0.6))
    return made


def _apart(rows: pd.DataFrame) -> Iterator[tuple[str, Any, str]]:
    """Ending of the name, values and dash: of all neighbourhoods, or of each if they differ."""
    by_name = {
        str(name): own["price_eur_per_kwh"].to_numpy(float)
        for name, own in rows.groupby("neighbourhood", sort=False, observed=True)
    }
    first = next(iter(by_name.values()), np.zeros(0))
    if all(np.array_equal(values, first) for values in by_name.values()):
        yield "", first, DASHES[0]
        return
    for number, (name, values) in enumerate(by_name.items()):
        yield f": {name}", values, DASHES[number % len(DASHES)]


def _line(
    times: pd.DatetimeIndex, values: Any, name: str, look: style.Look, dash: str
) -> go.Scatter:
    return go.Scatter(
        x=style.utc(times),
        y=CT_PER_EUR * values,
        name=name,
        mode="lines",
        line={**style.line(look), "dash": dash, "shape": "hv"},
        hovertemplate="%{y:.2f} ct/kWh",
    )


def curve(table: pd.DataFrame, carrier: str) -> go.Figure:
    """Profit of the player over the cap of a carrier, a line a series.

    Parameters
    ----------
    table
        A row a run: ``series``, ``cap_eur_per_kwh`` and ``profit`` in EUR.
    """
    x = f"cap of {carrier} (ct/kWh)"
    made = style.figure("Profit by the cap", x=x, y="profit (EUR)", unit="EUR", dates=False)
    for number, (name, rows) in enumerate(table.groupby("series", sort=False)):
        look, points = style.look(number), rows.sort_values("cap_eur_per_kwh")
        made.add_trace(
            go.Scatter(
                x=CT_PER_EUR * points["cap_eur_per_kwh"].to_numpy(float),
                y=points["profit"].to_numpy(float),
                name=str(name),
                mode="lines+markers",
                line=style.line(look),
                marker={"symbol": look.symbol, "size": 7},
                hovertemplate="%{x:.2f} ct/kWh: %{y:,.1f} EUR",
            )
        )
    return made


def gains_by_run(kpis: pd.DataFrame) -> go.Figure:
    """What each neighbourhood saves and the player earns, a bar a run.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns).
    """
    made = style.figure("Who gains", x="", y="EUR", unit="EUR", dates=False)
    for number, run in enumerate(kpis):
        every = _saved(kpis[run].dropna())
        made.add_trace(
            go.Bar(
                x=list(every),
                y=list(every.values()),
                name=str(run),
                marker=style.filled(style.look(number)),
                hovertemplate="%{y:.1f} EUR",
            )
        )
    return made


def gains(kpis: pd.Series[float]) -> go.Figure:
    """What each neighbourhood saves against its tariffs, and what the player earns.

    Parameters
    ----------
    kpis
        KPIs of a run by key.
    """
    made = style.figure("Who gains", x="", y="EUR", unit="EUR")
    every = _saved(kpis)
    made.add_trace(
        go.Bar(
            x=list(every),
            y=list(every.values()),
            name="gains",
            marker=style.filled(style.look(0)),
            hovertemplate="%{y:.1f} EUR",
        )
    )
    return made


def _saved(kpis: pd.Series[float]) -> dict[str, float]:
    """What each neighbourhood saves against its tariffs, and what the player earns, in EUR."""
    saved = {
        str(key).removeprefix("saving[").removesuffix("]"): float(value)
        for key, value in kpis.items()
        if str(key).startswith("saving[")
    }
    return {**saved, "the player": float(kpis["profit"])}
