"""What neighbourhoods drew of every carrier, as metered, beside the price of the plan (M10)."""

from __future__ import annotations

import pandas as pd

from quartier.kpi.run_data import RunData
from quartier.quantities import ELECTRICITY

KEYS = ["time", "neighbourhood", "carrier"]


def exchanged(run: RunData) -> pd.DataFrame:
    """Return what was drawn by time, neighbourhood and carrier.

    Returns
    -------
    DataFrame
        Columns ``drawn_kw`` (negative when fed in), ``tariff_eur`` (what nodes paid at their own
        tariffs; NaN of electricity) and ``price_eur_per_kwh`` of the plan, NaN where it has none.
    """
    return run.once(_exchanged)


def _exchanged(run: RunData) -> pd.DataFrame:
    points = run.connection_points
    power = pd.DataFrame(
        {
            "time": points["time"],
            "neighbourhood": points["name"].astype(str),
            "carrier": ELECTRICITY,
            "drawn_kw": -points["p_kw"],
            "tariff_eur": float("nan"),
        }
    )
    nodes = traded_nodes(run)
    others = pd.DataFrame(
        {
            "time": nodes["time"],
            "neighbourhood": nodes["node"].astype(str).str.split(".").str[0],
            "carrier": nodes["carrier"].astype(str),
            "drawn_kw": nodes["bought_kw"].fillna(0.0) - nodes["sold_kw"].fillna(0.0),
            "tariff_eur": nodes["cost_eur"],
        }
    )
    others = others.groupby(KEYS, as_index=False, sort=False).sum()
    rows = pd.concat([power, others], ignore_index=True) if len(others) else power
    prices = run.table("prices")[[*KEYS, "price_eur_per_kwh"]]
    prices = prices.astype({"neighbourhood": str, "carrier": str}).drop_duplicates(KEYS)
    return rows.merge(prices, on=KEYS, how="left")


def traded_nodes(run: RunData) -> pd.DataFrame:
    """Rows of the table ``nodes`` of those that can buy or sell."""
    nodes = run.table("nodes")
    return nodes[nodes["bought_kw"].notna() | nodes["sold_kw"].notna()]


def priced_nodes(run: RunData) -> pd.DataFrame:
    """Rows of :func:`exchanged` of other carriers than electricity that the plan prices."""
    rows = exchanged(run)
    return rows[(rows["carrier"] != ELECTRICITY) & rows["price_eur_per_kwh"].notna()]
