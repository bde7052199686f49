"""KPIs of prices of limits: what they pay whom, settled on executed energy (M9)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quartier.kpi.redispatch import Groups, limit_prices
from quartier.kpi.run_data import RunData


def paid_eur(run: RunData) -> dict[str, pd.Series[float]]:
    """What the grid operator pays each neighbourhood by time in EUR; negative: it is charged.

    ``Δ [Σ_k λ_k (a_k - a_k-1) + λ_K (P - a_K-1)]``: every gate k < K pays its own price for what it
    planned (a_k) other than the gate before, the last one for what was executed (P). a_-1 is p_off,
    fixed: the offer at the first gate that covers the step. Nothing where limits had no prices at
    the last gate: P_set held, and what is lost under it is compensated against p_off.
    """
    rows, held = _positions(run), limit_prices(run)
    points, found = run.connection_points, dict[str, "pd.Series[float]"]()
    for name in held["name"].unique():
        own = rows[rows["name"] == name]
        last = own.drop_duplicates("time", keep="last").set_index("time")
        last = last.loc[held.loc[held["name"] == name, "time"]]
        p_kw = points[points["name"] == name].set_index("time")["p_kw"].reindex(last.index)
        eur = run.dt_h * last["price_eur_per_kwh"] * (p_kw - last["before_kw"])
        replaced = own[own.duplicated("time", keep="last")]
        each = replaced["price_eur_per_kwh"] * (replaced["planned_kw"] - replaced["before_kw"])
        earlier = run.dt_h * each.groupby(replaced["time"]).sum()
        found[str(name)] = (eur + earlier.reindex(eur.index, fill_value=0.0)).fillna(0.0)
    return found


def _positions(run: RunData) -> pd.DataFrame:
    """Rows of all gates with a price; ``before_kw``: what is settled already, at first p_off."""
    rows, key = run.table("congestion").sort_values("gate", kind="stable"), ["time", "name"]
    offered = rows.groupby(key, observed=True)["baseline_kw"].transform("first")
    rows = rows.assign(before_kw=offered)[rows["price_eur_per_kwh"].notna()]
    planned = rows.groupby(key, observed=True)["planned_kw"].shift()
    return rows.assign(before_kw=planned.fillna(rows["before_kw"]))


def congestion_payments(run: RunData) -> Groups:
    """What a neighbourhood gets from the grid operator at the prices of limits in EUR (M9).

    For what it does other than p_off, beside its tariffs: who gives way is paid for it, and for the
    renewable energy that it loses. In no other cost: what parties pay each other cancels out.
    """
    return {name: float(eur.sum()) for name, eur in paid_eur(run).items()}


def congestion_cost(run: RunData) -> float | None:
    """What the grid operator pays all neighbourhoods at the prices of limits in EUR (M9)."""
    found = paid_eur(run)
    return float(np.sum([eur.sum() for eur in found.values()])) if found else None
