"""A market: which supplier serves what, the price, and bids (seed 003)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.errors import InputError
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


def bids(table: pd.DataFrame, paid: pd.DataFrame, time: pd.Timestamp | str | None) -> go.Figure:
    """What is sold from a price on and bought up to a price in an hour, and where they meet.

    Power without an end is drawn as far as it was accepted.

    Parameters
    ----------
    table, paid
        Tables ``bids`` and ``prices`` of a run.
    time
        Start of the hour, in UTC unless it says otherwise; None: the one with the highest price.

    Raises
    ------
    InputError
        If nobody bid then.
    """
    by_time = paid.groupby("time")["price_eur_per_kwh"].mean()
    at = by_time.idxmax() if time is None else _utc(time)
    rows = table[table["time"] == at]
    if rows.empty:
        first, last = table["time"].min(), table["time"].max()
        raise InputError([f"nobody bid at {at}; bids are from {first} to {last}"])
    rows = rows[rows["gate"] == rows["gate"].max()]
    title = f"Bids and clearing at {at:%Y-%m-%d %H:%M} UTC"
    made = style.figure(title, x="power (kW)", y="price (ct/kWh)", unit="ct/kWh", dates=False)
    made.update_layout(meta={"x": "power", "unit": "ct/kWh"})
    power = rows["p_kw"].fillna(rows["accepted_kw"])
    for number, (name, sign) in enumerate((("sold from", 1.0), ("bought up to", -1.0))):
        own = rows[sign * power > 0]
        own = own.sort_values("price_eur_per_kwh", ascending=sign > 0, kind="stable")
        upto = (sign * power[own.index]).cumsum().to_numpy(float)
        price = 100 * own["price_eur_per_kwh"].to_numpy(float)
        begin = np.concatenate([[0.0], upto[:-1]])
        made.add_trace(
            go.Scatter(
                x=np.column_stack([begin, upto]).ravel(),
                y=np.repeat(price, 2),
                name=name,
                mode="lines",
                line=style.line(number),
                customdata=np.repeat(own["agent"].astype(str).to_numpy(), 2)[:, None].tolist(),
                hovertemplate="%{customdata[0]}: %{y:.3f} ct/kWh",
                meta={"columns": ["agent"]},
            )
        )
    traded = float(rows["accepted_kw"].clip(lower=0.0).sum())
    made.add_trace(
        go.Scatter(
            x=[traded],
            y=[100 * float(by_time[at])],
            name="cleared",
            mode="markers",
            marker={"symbol": "circle-open", "size": 12, "line": {"width": 2}},
            hovertemplate="%{x:.1f} kW at %{y:.3f} ct/kWh",
        )
    )
    return made


def _utc(time: pd.Timestamp | str) -> pd.Timestamp:
    stamp = pd.Timestamp(time)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
