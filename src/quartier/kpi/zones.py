"""KPIs of zones of a market: prices, and what lines between them earn (M9).

Only runs with zones have them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData
from quartier.quantities import Array

FULL = 1e-6
"""Distance from its limit, relative to that, at which a line is full."""
SAME_EUR_PER_KWH = 1e-7
"""Prices closer than this are one."""


def congestion_rent(run: RunData) -> float:
    """What power on lines is dearer where it comes out in EUR, in all: flow times difference (M9).

    At executed flows and the prices that are paid. At prices of an optimum it is never negative.
    """
    return float(run.table("flows")["rent_eur"].sum())


def congestion_rent_by(run: RunData) -> Groups:
    """What power on a line is dearer where it comes out in EUR (M9)."""
    return _by_line(run.table("flows"), "rent_eur")


def hours_congested(run: RunData) -> Groups:
    """Hours in which a line is full, and its ends have different prices."""
    flows = run.table("flows")
    length = is_congested(flows, run.dt_h) * run.dt_h
    return _by_line(flows.assign(hours=length), "hours")


def is_congested(flows: pd.DataFrame, dt_h: float) -> Array:
    """Rows of the table ``flows`` in which the line is full, and its ends have different prices."""
    p_kw, rent = flows["p_kw"].to_numpy(float), flows["rent_eur"].to_numpy(float)
    limit = np.where(p_kw >= 0, flows["p_max_kw"], -flows["p_min_kw"].to_numpy(float))
    apart = np.abs(rent) > SAME_EUR_PER_KWH * np.abs(p_kw) * dt_h
    return np.asarray((np.abs(p_kw) >= limit * (1 - FULL)) & apart & (p_kw != 0), dtype=float)


def zone_price(run: RunData) -> Groups:
    """Mean price of electricity in a zone over the steps in EUR/kWh (M9)."""
    means = run.table("zones").groupby("zone", observed=True, sort=False)["price_eur_per_kwh"]
    return {str(zone): float(value) for zone, value in means.mean().items()}


def _by_line(flows: pd.DataFrame, column: str) -> Groups:
    sums = flows.groupby("line", observed=True, sort=False)[column].sum()
    return {str(line): float(value) for line, value in sums.items()}
