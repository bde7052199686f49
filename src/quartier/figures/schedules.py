"""Schedules: what units did, and what was offered, allowed and kept at a connection point."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import groups, style
from quartier.figures.frames import group_name

POWER = "power (kW), fed in above 0"


def schedule(units: pd.DataFrame, points: pd.DataFrame, neighbourhood: str) -> go.Figure:
    """Power of a neighbourhood's units by kind, stacked, with offer, band, P_set and result.

    Parameters
    ----------
    units, points
        Tables ``units`` and ``connection_points`` of a run.
    neighbourhood
        Name.
    """
    made = style.figure(f"Schedule of {neighbourhood}", x="time (UTC)", y=POWER, unit="kW")
    made.update_layout(barmode="relative", bargap=0, hovermode="x unified", height=460)
    add_stack(made, units[units["neighbourhood"] == neighbourhood])
    add_point(made, points[points["name"] == neighbourhood])
    return made


def add_stack(made: go.Figure, units: pd.DataFrame) -> None:
    """Add the power of units by kind as stacked bars, each as wide as a step."""
    looks = style.kind_looks(sorted(units["kind"].astype(str).unique()))
    units = units[units.groupby("kind")["p_kw"].transform(lambda p: p.abs().max()) > 0]
    by_kind = units.groupby(["kind", "time"], sort=True)["p_kw"].sum()
    counts = units.groupby("kind")["unit"].nunique()
    labels = style.kind_labels(map(str, counts.index))
    for kind in style.stacked(labels):
        rows = by_kind.loc[kind]
        several = f" ({counts[kind]})" if counts[kind] > 1 else ""
        made.add_trace(_bars(rows, f"{labels[kind]}{several}", looks[kind]))


def _bars(values: pd.Series[float], name: str, chosen: style.Look) -> go.Bar:
    index = pd.DatetimeIndex(values.index)
    return go.Bar(
        x=style.utc(index),
        y=values.to_numpy(float),
        name=name,
        offset=0,
        width=style.step_ms(index),
        marker=style.filled(chosen),
        hovertemplate="%{y:.1f} kW",
    )


def add_point(made: go.Figure, point: pd.DataFrame) -> None:
    """Add offer, band, P_set and result of a connection point as lines.

    Parameters
    ----------
    made
        Figure over time in kW.
    point
        Rows of the table ``connection_points`` of one name, in the order of time.
    """
    times = style.utc(point["time"])
    offer = point["offer_kw"]
    if (point[["flex_up_kw", "flex_down_kw"]].max() > 0).any():
        _add_band(made, times, offer - point["flex_down_kw"], offer + point["flex_up_kw"])
    lines = (
        ("offer", "offer", offer),
        ("executed", "result at the connection point", point["p_kw"]),
        ("cap", "P_set: at most", point["p_set_max_kw"]),
        ("floor", "P_set: at least", point["p_set_min_kw"]),
    )
    for key, name, values in lines:
        if values.notna().any():
            made.add_trace(_step_line(times, values, name, key))


def _step_line(times: list[str], values: pd.Series[float], name: str, role: str) -> go.Scatter:
    width = 3 if role in {"cap", "floor"} else 2
    return go.Scatter(
        x=times,
        y=values.to_numpy(float),
        name=name,
        mode="lines",
        line={**style.line(style.SERIES[role], width), "shape": "hv"},
        hovertemplate="%{y:.1f} kW",
        meta={"role": role},
    )


def _add_band(
    made: go.Figure, times: list[str], low: pd.Series[float], high: pd.Series[float]
) -> None:
    common = {"mode": "lines", "legendgroup": "band", "hovertemplate": "%{y:.1f} kW"}
    edge = {"color": "rgba(0,114,178,0.45)", "width": 0.5, "shape": "hv"}
    made.add_trace(
        go.Scatter(
            x=times,
            y=low.to_numpy(float),
            name="band offered: lower end",
            line=edge,
            showlegend=False,
            **common,
        )
    )
    made.add_trace(
        go.Scatter(
            x=times,
            y=high.to_numpy(float),
            name="band offered: upper end",
            line=edge,
            fill="tonexty",
            fillcolor=style.SERIES["band"].colour,
            **common,
        )
    )


def asset(points: pd.DataFrame, name: str, available: pd.DataFrame | None = None) -> go.Figure:
    """Offer, P_set and result of one connection point over time.

    Parameters
    ----------
    points
        Table ``connection_points`` of a run.
    name
        Name of a neighbourhood or a plant.
    available
        Rows of the table ``units`` of a plant, for the power it had available.
    """
    made = style.figure(f"Offer, P_set and result of {name}", x="time (UTC)", y=POWER, unit="kW")
    made.update_layout(hovermode="x unified")
    if available is not None and available["available_kw"].notna().any():
        values, times = available["available_kw"], style.utc(available["time"])
        made.add_trace(_step_line(times, values, "available", "available"))
    add_point(made, points[points["name"] == name])
    return made


def reaction(plans: pd.DataFrame, units: pd.DataFrame, neighbourhood: str) -> go.Figure:
    """Change of a neighbourhood's plan under its P_set, by unit: plan less what was offered.

    Parameters
    ----------
    plans, units
        Tables of a run.
    neighbourhood
        Name.
    """
    title = f"Answer of {neighbourhood} to P_set: plan less what was offered"
    made = style.figure(title, x="time (UTC)", y="change of power (kW)", unit="kW")
    made.update_layout(barmode="relative", bargap=0, hovermode="x unified")
    change = plan_change(plans, units, neighbourhood)["change_kw"].unstack("group")
    change = change.loc[:, change.abs().max() > 0.05]
    kind_of = groups.kinds(units, neighbourhood)
    labels, looks = groups.labels(kind_of), groups.looks(kind_of)
    for group in change:
        name = str(group).removeprefix(f"{neighbourhood}.")
        made.add_trace(_bars(change[group], labels[name], looks[name]))
    return made


def plan_change(plans: pd.DataFrame, units: pd.DataFrame, neighbourhood: str) -> pd.DataFrame:
    """Plan when offered and plan in the end, in kW by ``time`` and ``group`` of units.

    What was offered is the first round of the gate in force. The plan in the end is
    ``units.planned_kw``, because curtailment is decided after the last round: ``plans`` holds
    renewables with all that they have available.

    Returns
    -------
    pandas.DataFrame
        Columns ``first_kw, last_kw, change_kw``.
    """
    own = plans[plans["unit"].str.startswith(f"{neighbourhood}.")]
    own = own[own["gate"] == own.groupby("time")["gate"].transform("max")]
    first = _by_group(own[own["round"] == own.groupby("time")["round"].transform("min")], "p_kw")
    inside = units[(units["neighbourhood"] == neighbourhood) & units["planned_kw"].notna()]
    both = pd.DataFrame({"first_kw": first, "last_kw": _by_group(inside, "planned_kw")})
    change = both[both.index.isin(first.index)].fillna(0.0)
    return change.assign(change_kw=change["last_kw"] - change["first_kw"])


def _by_group(rows: pd.DataFrame, column: str) -> pd.Series[float]:
    group = rows["unit"].map({unit: group_name(unit) for unit in rows["unit"].unique()})
    return rows[column].groupby([rows["time"], group.rename("group")]).sum()
