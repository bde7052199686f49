"""Tables of a study: a row a run, and means over seeds with their confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
"""Of the intervals of means over seeds (Student's t)."""
QUANTILES = {"least": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "greatest": 1.0}
"""How far single draws spread, by column of the table; between two draws linear."""
STATISTICS = ("n", "mean", "std", "low", "high", *QUANTILES)


def over_seeds(runs: pd.DataFrame, keys: Sequence[str], kpis: Sequence[str]) -> pd.DataFrame:
    """Mean, standard deviation and confidence interval of every KPI over the seeds.

    Parameters
    ----------
    runs
        A row a run, with a column a KPI; values that are not defined are NaN, and not counted.
    keys
        Columns that tell runs apart that differ in more than the seed.
    kpis
        Columns of KPIs.

    Returns
    -------
    pandas.DataFrame
        A row a choice of keys and KPI: ``n``, ``mean``, ``std``, ``low``, ``high``, and quantiles
        of the values (:data:`QUANTILES`). Of one seed there is no interval: it is NaN.
    """
    if runs.empty:
        return pd.DataFrame(columns=[*keys, "kpi", *STATISTICS])
    long = runs.melt(id_vars=list(keys), value_vars=list(kpis), var_name="kpi")
    grouped = long.groupby([*keys, "kpi"], sort=False, dropna=False)["value"]
    table = grouped.agg(n="count", mean="mean", std="std").reset_index()
    for name, share in QUANTILES.items():
        table[name] = grouped.quantile(share).to_numpy()
    table = table[table["n"] > 0].reset_index(drop=True)
    n = table["n"].to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        wide = stats.t.ppf((1 + CONFIDENCE) / 2, np.maximum(n - 1, 1)) / np.sqrt(n)
    half = np.where(n > 1, wide * table["std"].to_numpy(dtype=float), np.nan)
    low, high = table["mean"] - half, table["mean"] + half
    columns = pd.Index([*keys, "kpi", *STATISTICS])
    return table.assign(low=low, high=high).reindex(columns=columns)
