"""KPIs of a market: what suppliers sell and gain, and the price (M9, M12)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quartier.kpi.exchange import exchanged
from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData
from quartier.problem.market import RESERVE


def supplied_energy(run: RunData) -> Groups:
    """Energy that a supplier served in kWh; negative: what the reserve took (M9)."""
    rows = run.table("supply").groupby("supplier", observed=True, sort=False)["p_kw"].sum()
    return {str(name): float(value) * run.dt_h for name, value in rows.items()}


def supplier_surplus(run: RunData) -> Groups:
    """What a supplier earns at the price less what its energy costs it in EUR (M9)."""
    rows = run.table("supply")
    gained = rows["p_kw"] * rows["price_eur_per_kwh"] * run.dt_h - rows["cost_eur"]
    found = gained.groupby(rows["supplier"], observed=True, sort=False).sum()
    return {str(name): float(value) for name, value in found.items()}


def unserved_by_suppliers(run: RunData) -> float:
    """Energy in kWh that suppliers lacked, and the reserve served at the ceiling of the price."""
    rows = run.table("supply")
    reserve = rows[rows["supplier"].astype(str).str.startswith(RESERVE)]
    return float(reserve["p_kw"].clip(lower=0.0).sum()) * run.dt_h


def _prices(run: RunData) -> pd.DataFrame:
    """Price, and power drawn, of every carrier with a price, neighbourhood and step."""
    rows = exchanged(run)
    return rows[rows["price_eur_per_kwh"].notna()]


def price_mean(run: RunData) -> Groups:
    """Mean price in EUR/kWh, weighted by what is drawn at it (M12)."""
    found = {}
    for carrier, rows in _prices(run).groupby("carrier", sort=False):
        drawn = rows["drawn_kw"].clip(lower=0.0)
        total = float(drawn.sum())
        if total > 0:
            found[str(carrier)] = float((rows["price_eur_per_kwh"] * drawn).sum()) / total
    return found


def price_spread(run: RunData) -> Groups:
    """Distance in EUR/kWh between 5 % and 95 % quantile of the price over the steps (M12)."""
    found = {}
    for carrier, rows in _prices(run).groupby("carrier", sort=False):
        low, high = np.quantile(rows.groupby("time")["price_eur_per_kwh"].mean(), [0.05, 0.95])
        found[str(carrier)] = float(high - low)
    return found
