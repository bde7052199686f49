"""KPIs of prices of limits: what they pay whom, settled on executed energy (M9)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quartier.kpi.redispatch import Groups, limit_prices
from quartier.kpi.run_data import RunData


def paid_eur(run: RunData) -> dict[str, pd.Series[float]]:
    """What the grid operator pays each neighbourhood by time in EUR; negative: it is charged.

    ``Δ · price · (P - baseline)`` of what was executed. Of several gates, the last one's price
    holds. Nothing where limits had no prices.
    """
    rows = limit_prices(run)
    points, found = run.connection_points, dict[str, "pd.Series[float]"]()
    for name in rows["name"].unique():
        priced = rows[rows["name"] == name].set_index("time")
        p_kw = points[points["name"] == name].set_index("time")["p_kw"].reindex(priced.index)
        eur = run.dt_h * priced["price_eur_per_kwh"] * (p_kw - priced["baseline_kw"])
        found[str(name)] = eur.fillna(0.0)
    return found


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
