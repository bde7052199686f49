"""Costs of several runs by what they are made of, and the energy that is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.compared.panels import run_ticks

ROW_PX = 46
"""Height of a run's bar with the room around it."""
NOTHING_MWH = 1e-6
"""What is left of a difference of large powers."""
ROOM = 0.3
"""Room for the sum beside the longest bar, as a share of all bars' span."""
UPPER = {
    "redispatch": style.Look(style.VERMILION, "/"),
    "losses": style.Look(style.SKY),
    "CO2 of imports": style.Look(style.GREY, "."),
}
LOWER = {
    "fuel, wear and energy traded": style.Look(style.SKY),
    "CO2": style.Look(style.GREY, "."),
    "own curtailment and peak": style.Look(style.YELLOW, "x"),
}
"""Parts of the costs of both levels."""


def upper_parts(kpis: pd.DataFrame, prices: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Upper cost in EUR by run (index) and part (columns); parts add up to the KPI.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns).
    prices
        By run: ``loss_eur_per_kwh``, ``import_co2_eur_per_kg``.
    """
    loss, co2 = (
        pd.Series({run: prices[run][name] for run in map(str, kpis.columns)})
        for name in ("loss_eur_per_kwh", "import_co2_eur_per_kg")
    )
    parts = {
        "redispatch": kpis.loc["redispatch_cost"],
        "losses": kpis.loc["losses"] * 1000 * loss,
        "CO2 of imports": kpis.loc["co2_slack"] * co2,
    }
    return pd.DataFrame(parts, index=kpis.columns).astype(float)


def lower_parts(kpis: pd.DataFrame, co2_eur_per_kg: Mapping[str, float]) -> pd.DataFrame:
    """Lower cost in EUR by run (index) and part (columns); parts add up to the KPI.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns).
    co2_eur_per_kg
        Weight of emissions by run.
    """
    paid = kpis[[str(name).startswith("cost[") for name in kpis.index]].sum(min_count=1)
    co2 = kpis.loc["co2_local"] * pd.Series(co2_eur_per_kg)
    parts = {
        "fuel, wear and energy traded": paid,
        "CO2": co2,
        "own curtailment and peak": kpis.loc["lower_cost"] - paid - co2,
    }
    return pd.DataFrame(parts, index=kpis.columns).astype(float)


def split(
    title: str,
    parts: pd.DataFrame,
    looks: Mapping[str, style.Look],
    *,
    what: str = "cost",
    unit: str = "EUR",
    marks: Mapping[str, float] | None = None,
) -> go.Figure:
    """Stacked bars with their sums as diamonds: a bar a run, an area a part.

    Parameters
    ----------
    title
        What is split.
    parts
        Values by run (index) and part (columns); parts that are zero everywhere are left out.
    looks
        Look by part.
    what, unit
        Of the values.
    marks
        Values to compare with, drawn as vertical lines, by what they are.
    """
    made = style.figure(title, x=f"{what} ({unit})", y="", unit=unit, dates=False)
    meta = {"x": what, "y": "run", "unit": unit}
    made.update_layout(barmode="relative", bargap=0.35, height=120 + ROW_PX * len(parts), meta=meta)
    ticks = run_ticks(map(str, parts.index))
    made.update_yaxes(type="category", autorange="reversed", showgrid=False, **ticks)
    runs = [str(run) for run in parts.index]
    for name in (part for part in parts if (parts[part].abs() > 0).any()):
        made.add_trace(_bars(runs, parts[name], str(name), unit, looks[str(name)]))
    sums = parts.sum(axis=1, min_count=1)
    _sums(made, runs, sums, unit)
    _numbers(made, runs, sums, parts.clip(lower=0).sum(axis=1))
    made.update_xaxes(range=_span(parts, list((marks or {}).values())))
    for number, (name, value) in enumerate((marks or {}).items()):
        _mark(made, runs, name, value, style.DASHES[1 + number])
    return made


def _span(parts: pd.DataFrame, marks: Sequence[float]) -> list[float]:
    """Range of the axis: all bars and marks, with room for the numbers at the right."""
    low = min(0.0, *parts.clip(upper=0).sum(axis=1), *marks)
    high = max(0.0, *parts.clip(lower=0).sum(axis=1), *marks)
    span = high - low or 1.0
    return [low - 0.03 * span if low < 0 else 0.0, high + ROOM * span]


def _bars(
    runs: Sequence[str], values: pd.Series[float], name: str, unit: str, look: style.Look
) -> go.Bar:
    return go.Bar(
        x=values.to_numpy(float),
        y=list(runs),
        orientation="h",
        name=name,
        marker=style.filled(look),
        hovertemplate=f"%{{y}}: {name} %{{x:,.4~g}} {unit}<extra></extra>",
        meta={"role": "part"},
    )


def _sums(made: go.Figure, runs: Sequence[str], values: pd.Series[float], unit: str) -> None:
    made.add_trace(
        go.Scatter(
            x=values.to_numpy(float),
            y=list(runs),
            mode="markers",
            name="sum",
            marker={"symbol": "diamond", "size": 9, "color": style.INK},
            hovertemplate=f"%{{y}}: %{{x:,.4~g}} {unit}<extra></extra>",
            meta={"role": "sum"},
        )
    )


def _numbers(
    made: go.Figure, runs: Sequence[str], sums: pd.Series[float], ends: pd.Series[float]
) -> None:
    """The sums as text, right of the bars."""
    made.add_trace(
        go.Scatter(
            x=ends.to_numpy(float),
            y=list(runs),
            mode="text",
            text=[f"   <b>{number(value)}</b>" for value in sums],
            textposition="middle right",
            cliponaxis=False,
            hoverinfo="skip",
            meta={"role": "number", "csv": False},
        )
    )


def _mark(made: go.Figure, runs: Sequence[str], name: str, value: float, dash: str) -> None:
    """A vertical line through all bars."""
    made.add_trace(
        go.Scatter(
            x=[value] * len(runs),
            y=list(runs),
            mode="lines",
            name=f"{name}: {number(value)}",
            line={"color": style.INK, "dash": dash, "width": 2},
            hovertemplate=f"{name}: %{{x:,.4~g}}<extra></extra>",
            meta={"role": "mark"},
        )
    )


def number(value: float) -> str:
    """A number as it stands beside a bar: three significant digits or all whole ones."""
    if pd.isna(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def curtailment(tables: Mapping[str, pd.DataFrame], dt_h: float) -> pd.DataFrame:
    """Energy available and not used in MWh, by run (index) and kind of unit (columns).

    Parameters
    ----------
    tables
        Table ``units`` by run.
    dt_h
        Length of a step in hours.
    """
    rows = {}
    for run, units in tables.items():
        able = units[units["available_kw"].notna()]
        lost = (able["available_kw"] - able["p_kw"]).clip(lower=0.0)
        rows[run] = lost.groupby(able["kind"].astype(str)).sum() * dt_h / 1000
    table = pd.DataFrame(rows).T.reindex(list(tables)).fillna(0.0)
    return table.where(table > NOTHING_MWH, 0.0)


def curtailment_figure(energy_mwh: pd.DataFrame) -> go.Figure:
    """Stacked bars of what :func:`curtailment` returns."""
    looks = style.kind_looks(energy_mwh.columns)
    labels = style.kind_labels(energy_mwh.columns)
    named = {labels[kind]: look for kind, look in looks.items()}
    parts = energy_mwh.rename(columns=labels)
    return split("Curtailment by technology", parts, named, what="energy", unit="MWh")
