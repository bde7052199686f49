"""A market: which supplier serves what, at which price, who earns by it, and bids (seed 003)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from quartier.errors import InputError
from quartier.figures import style
from quartier.figures.frames import wide
from quartier.quantities import Array

MOST_PARTS = 14
"""Most areas of a stack; what is left is one more."""
OTHERS = "others"
SURPLUS, COST = "supplier_surplus[", "cost["
"""KPIs of who earns and who pays."""


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


def dispatch(table: pd.DataFrame, units: pd.DataFrame) -> go.Figure:
    """Power of every supplier, and of the units of all neighbourhoods by kind, stacked.

    Parameters
    ----------
    table, units
        Tables ``supply`` and ``units`` of a run.
    """
    made = style.figure("Dispatch by technology", x="time (UTC)", y="power (kW)", unit="kW")
    kind = units["kind"].astype(str)
    by_kind = units.groupby([units["time"], kind])["p_kw"].sum().unstack(fill_value=0)
    powers = wide(table, "supplier", "p_kw").join(by_kind.rename(columns=style.kind_label))
    powers = powers[powers.abs().sum().sort_values(ascending=False, kind="stable").index]
    powers = powers.loc[:, powers.abs().max() > 0]
    if powers.shape[1] > MOST_PARTS + 1:
        rest = powers.iloc[:, MOST_PARTS:].sum(axis=1)
        powers = powers.iloc[:, :MOST_PARTS].assign(**{OTHERS: rest})
    style.add_stack(made, powers)
    return made


def earnings(kpis: pd.DataFrame) -> go.Figure:
    """What each supplier earns above its cost, and what each neighbourhood pays, in EUR.

    Parameters
    ----------
    kpis
        Values by KPI (index) and run (columns).
    """
    made = style.figure("Who earns what", x="earned (EUR)", y="", unit="EUR", dates=False)
    of_suppliers, of_others = (
        kpis[[str(name).startswith(prefix) for name in kpis.index]].astype(float)
        for prefix in (SURPLUS, COST)
    )
    rows = pd.concat([of_suppliers, -of_others])
    rows = rows[rows.abs().max(axis=1) > 0]
    rows = rows.loc[rows.mean(axis=1).sort_values(kind="stable").index]
    names = [str(name).partition("[")[2].removesuffix("]") for name in rows.index]
    height = 120 + len(rows) * (16 + 10 * rows.shape[1])
    made.update_layout(
        barmode="group", height=height, meta={"x": "earned", "y": "party", "unit": "EUR"}
    )
    made.update_yaxes(type="category")
    for number, run in enumerate(rows):
        made.add_trace(
            go.Bar(
                x=rows[run].to_numpy(float),
                y=names,
                orientation="h",
                name=str(run),
                marker=style.filled(style.look(number)),
                hovertemplate="%{y}: %{x:+,.2f} EUR",
            )
        )
    return made


def prices_by_run(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Price that is paid, a line a run, in ct/kWh.

    Parameters
    ----------
    tables
        Tables ``prices`` by run.
    """
    made = style.figure("Price", x="time (UTC)", y="price (ct/kWh)", unit="ct/kWh")
    for number, (run, table) in enumerate(tables.items()):
        paid = table.groupby("time")["price_eur_per_kwh"].mean()
        made.add_trace(_line(paid, run, style.look(number)))
    made.update_layout(hovermode="x unified")
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
        made.add_trace(_line(values, name, replace(style.look(number), dash=dash)))
    made.update_layout(hovermode="x unified")
    return made


def bids(table: pd.DataFrame, paid: pd.DataFrame, time: pd.Timestamp | None) -> go.Figure:
    """What is sold from a price on and bought up to a price in an hour, and where they meet.

    Power without an end is drawn as far as it was accepted; what was accepted of blocks, which have
    no price by the hour, as one line.

    Parameters
    ----------
    table, paid
        Tables ``bids`` and ``prices`` of a run.
    time
        Start of the hour (UTC); None: the one with the highest price.

    Raises
    ------
    InputError
        If nobody bid then.
    """
    by_time = paid.groupby("time")["price_eur_per_kwh"].mean()
    at = by_time.idxmax() if time is None else time
    rows = table[table["time"] == at]
    if rows.empty:
        first, last = table["time"].min(), table["time"].max()
        raise InputError([f"nobody bid at {at}; bids are from {first} to {last}"])
    rows = rows[rows["gate"] == rows["gate"].max()]
    title = f"Bids and clearing at {at:%Y-%m-%d %H:%M} UTC"
    made = style.figure(title, x="power (kW)", y="price (ct/kWh)", unit="ct/kWh", dates=False)
    made.update_layout(meta={"x": "power", "unit": "ct/kWh"})
    traded = float(rows["accepted_kw"].clip(lower=0.0).sum())
    of_blocks = rows["block"].notna() if "block" in rows else pd.Series(False, index=rows.index)
    if of_blocks.any():
        traded = max(-float(rows[of_blocks]["accepted_kw"].sum()), 0.0)
        rows = rows[~of_blocks]
        made.add_trace(_upright(traded, 100 * rows["price_eur_per_kwh"].to_numpy(float)))
    power = rows["p_kw"].fillna(rows["accepted_kw"])
    for number, (name, sign) in enumerate((("sold from", 1.0), ("bought up to", -1.0))):
        own = rows[sign * power > 0]
        own = own.sort_values("price_eur_per_kwh", ascending=sign > 0, kind="stable")
        upto = (sign * power[own.index]).cumsum().to_numpy(float)
        price = 100 * own["price_eur_per_kwh"].to_numpy(float)
        begin = np.concatenate([[0.0], upto])[:-1]
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


def blocks(table: pd.DataFrame, paid: pd.DataFrame, dt_h: float) -> go.Figure:
    """How much dearer each block is at the prices paid than the best of its bidder, in EUR.

    What is accepted is at zero, unless it is whole; how much of it, its size says.

    Parameters
    ----------
    table, paid
        Tables ``bids`` and ``prices`` of a run.
    dt_h
        Length of a step in hours.

    Raises
    ------
    InputError
        If there are no blocks.
    """
    rows = table[table["block"].notna()] if "block" in table else table.iloc[:0]
    if rows.empty:
        raise InputError(["nobody bid blocks; that is market.clearing: day-ahead"])
    rows = rows[rows["gate"] == rows["gate"].max()]
    price = paid.assign(agent=paid["neighbourhood"].astype(str)).groupby(["time", "agent"])
    at = pd.MultiIndex.from_arrays([rows["time"], rows["agent"].astype(str)])
    own = price["price_eur_per_kwh"].mean().reindex(at).to_numpy(float)
    rows = rows.assign(worth=dt_h * rows["p_kw"] * own)
    by_block = rows.groupby(["agent", "block"], observed=True, sort=False)
    found = by_block.agg(cost=("block_eur", "first"), share=("share", "first"), w=("worth", "sum"))
    found = found.assign(net=found["cost"] - found["w"]).reset_index()
    dearer = found["net"] - found.groupby("agent", observed=True)["net"].transform("min")
    made = style.figure("Blocks", x="dearer than the best (EUR)", y="", unit="EUR", dates=False)
    made.update_layout(
        height=140 + 22 * found["agent"].nunique(),
        meta={"x": "dearer", "y": "agent", "unit": "EUR"},
    )
    made.update_yaxes(type="category")
    for number, (name, part) in enumerate(
        (("rejected", found["share"] <= 0), ("accepted", found["share"] > 0))
    ):
        own = found[part]
        made.add_trace(
            go.Scatter(
                x=dearer[part].to_numpy(float),
                y=own["agent"].astype(str),
                name=name,
                mode="markers",
                marker={
                    "size": (7 + 9 * own["share"]).tolist(),
                    "symbol": "circle" if number else "circle-open",
                    "color": style.line(number)["color"],
                },
                customdata=own[["block", "share"]].to_numpy(float).tolist(),
                hovertemplate="%{y}, block %{customdata[0]:.0f}: %{x:,.2f} EUR dearer,"
                " %{customdata[1]:.1%} accepted",
                meta={"columns": ["block", "share"]},
            )
        )
    return made


def _upright(power_kw: float, prices: Array) -> go.Scatter:
    """What is bought at any price, from the lowest to the highest."""
    return go.Scatter(
        x=[power_kw, power_kw],
        y=[float(prices.min()), float(prices.max())],
        name="accepted blocks draw",
        mode="lines",
        line=style.line(2),
        hovertemplate="%{x:.1f} kW",
    )


def _line(values: pd.Series[float], name: str, look: style.Look) -> go.Scatter:
    return go.Scatter(
        x=style.utc(pd.DatetimeIndex(values.index)),
        y=100 * values.to_numpy(float),
        name=name,
        mode="lines",
        line={**style.line(look), "shape": "hv"},
        hovertemplate="%{y:.3f} ct/kWh",
    )
