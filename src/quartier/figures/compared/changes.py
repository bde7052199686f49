"""What a run does differently from another: power of units, B minus A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import groups, style
from quartier.figures.frames import group_name

LEAST_KW = 0.05
"""Groups of units whose power differs less in every step are not drawn."""
POINT = "connection point"


def power(units: pd.DataFrame, points: pd.DataFrame, neighbourhood: str) -> pd.DataFrame:
    """Power in kW by time (index) and group of units (columns), the connection point's last.

    Parameters
    ----------
    units, points
        Tables ``units`` and ``connection_points`` of a run.
    neighbourhood
        Name.
    """
    own = units[units["neighbourhood"] == neighbourhood]
    names = {
        unit: group_name(unit).removeprefix(f"{neighbourhood}.") for unit in own["unit"].unique()
    }
    group = own["unit"].map(names).rename("group")
    table = own["p_kw"].groupby([own["time"], group]).sum(min_count=1).unstack("group")
    at_point = points[points["name"] == neighbourhood].set_index("time")["p_kw"]
    return table.assign(**{POINT: at_point.reindex(table.index)})


def difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    names: tuple[str, str],
    neighbourhood: str,
    kind_of: Mapping[str, str],
) -> go.Figure:
    """Power of units in a run less that in another, stacked, with that of the connection point.

    Parameters
    ----------
    first, second
        What :func:`power` returns, of A and of B; steps that only one has are left out.
    names
        Names of A and B.
    neighbourhood
        Its name.
    kind_of
        Kind by group of units, of both runs.
    """
    title = f"Power in {neighbourhood}: {names[1]} minus {names[0]}"
    made = empty(title)
    change = less(second, first)
    order = differing([first, second])
    drawn = traces(order, pd.DatetimeIndex(change.index), kind_of)
    for group, trace in zip(order, drawn, strict=True):
        made.add_trace(trace.update(y=change[group].to_numpy(float)))
    return made


def differing(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Groups of units that do not do the same in all runs, and the connection point, last.

    Parameters
    ----------
    tables
        What :func:`power` returns, of every run.
    """
    changes = [less(second, first) for first, second in combinations(tables, 2)]
    found = dict.fromkeys(
        str(group)
        for change in changes
        for group in change
        if group != POINT and change[group].abs().max() > LEAST_KW
    )
    return [*found, POINT]


def less(second: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """Differences of powers; groups that only one of them has count as 0 in the other."""
    times = first.index.intersection(second.index)
    columns = [group for group in first if group != POINT]
    columns += [group for group in second if group not in columns and group != POINT]
    parts = [table.reindex(columns=[*columns, POINT], fill_value=0.0) for table in (second, first)]
    return parts[0].reindex(times) - parts[1].reindex(times)


def empty(title: str) -> go.Figure:
    """The figure without its series."""
    made = style.figure(title, x="time (UTC)", y="difference of power (kW)", unit="kW")
    made.update_layout(barmode="relative", bargap=0, hovermode="x unified", height=440)
    return made


def traces(
    order: list[str], times: pd.DatetimeIndex, kind_of: Mapping[str, str]
) -> list[go.Bar | go.Scatter]:
    """Series without values: bars a group of units, a line for the connection point, the last."""
    labels, looks = groups.labels(kind_of), groups.looks(kind_of)
    made: list[go.Bar | go.Scatter] = []
    common = {"x": style.utc(times), "hovertemplate": "%{y:.1f} kW"}
    width = style.step_ms(times)
    for group in (name for name in order if name != POINT):
        look = style.filled(looks[group])
        made.append(go.Bar(name=labels[group], marker=look, offset=0, width=width, **common))
    line = {**style.line(style.SERIES["executed"], 1.5), "shape": "hv"}
    made.append(go.Scatter(name=POINT, mode="lines", line=line, **common))
    return made
