"""A market: which supplier serves what, and the price (seed 003)."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from quartier.figures import style
from quartier.figures.frames import wide


def supply(table: pd.DataFrame) -> go.Figure:
    """Power of every supplier, stacked; what the reserve takes is below zero.

    Parameters
    ----------
    table
        Table ``supply`` of a run.
    """
    made = style.figure("Who supplies", x="time (UTC)", y="power (kW)", unit="kW")
    powers = wide(table, "supplier", "p_kw")
    powers = powers[powers.abs().sum().sort_values(ascending=False).index]
    style.add_stack(made, powers)
    return made


def prices(table: pd.DataFrame, signals: pd.DataFrame) -> go.Figure:
    """Price that is paid, beside the one that was expected, in ct/kWh.

    Parameters
    ----------
    table, signals
        Tables ``prices`` and ``signals`` of a run.
    """
    made = style.figure("Price", x="time (UTC)", y="price (ct/kWh)", unit="ct/kWh")
    expected = signals[signals["name"] == "import_eur_per_kwh"]
    paid = table.groupby("time")["price_eur_per_kwh"].mean()
    series = {
        "expected": (expected.drop_duplicates("time").set_index("time")["value"], "dot"),
        "paid": (paid, "solid"),
    }
    for number, (name, (values, dash)) in enumerate(series.items()):
        made.add_trace(
            go.Scatter(
                x=style.utc(pd.DatetimeIndex(values.index)),
                y=100 * values.to_numpy(float),
                name=name,
                mode="lines",
                line={**style.line(number), "dash": dash, "shape": "hv"},
                hovertemplate="%{y:.3f} ct/kWh",
            )
        )
    made.update_layout(hovermode="x unified")
    return made
