"""What the grid did in every step, over all its elements: what its KPIs are counted from.

A row a step instead of a row a step and element: of a year, some MB instead of a gigabyte.
"""

from __future__ import annotations

import pandas as pd

from quartier.kpi.run_data import RunData, positive

EXTREMES = {"line_percent", "transformer_percent", "vm_min_pu", "vm_max_pu"}
"""Columns that are no sums: unknown, not 0, where there is no value."""


def grid_steps(run: RunData) -> pd.DataFrame:
    """Loadings and voltages of all elements against their own limits, by step.

    Returns
    -------
    pandas.DataFrame
        By ``time``: ``overloads`` (lines and transformers above their own limit by more than
        ``redispatch.loading_tolerance_percent``), ``beyond_mva`` (rated power by which they are,
        summed), ``line_percent`` and ``transformer_percent`` (highest loading in
        percent of the rated current), ``outside`` (buses outside their own band by more than
        ``redispatch.voltage_tolerance_pu``), ``vm_min_pu``, ``vm_max_pu``.
    """
    return run.joined(read_steps).set_index("time")


def read_steps(run: RunData) -> pd.DataFrame:
    """The same of one part of a run, with ``time`` as a column."""
    lines = _loaded(run, "lines", run.limits.line)
    transformers = _loaded(run, "transformers", run.limits.transformer)
    both = lines.drop(columns="highest").add(transformers.drop(columns="highest"), fill_value=0.0)
    highest = {"line_percent": lines["highest"], "transformer_percent": transformers["highest"]}
    found = pd.concat([both, pd.DataFrame(highest), _voltages(run)], axis=1).sort_index()
    sums = [column for column in found if column not in EXTREMES]
    return found.fillna(dict.fromkeys(sums, 0.0)).rename_axis("time").reset_index()


def _loaded(run: RunData, table: str, limits: pd.DataFrame) -> pd.DataFrame:
    """Elements of a table above their own limit (plus tolerance), and the highest loading."""
    rows = run.table(table)[["time", "index", "loading_percent"]]
    rows = rows.join(limits, on="index")
    above = rows["loading_percent"] - rows["limit_percent"]
    tolerance = float(run.setting("redispatch", "loading_tolerance_percent"))
    excess = above.where(above > tolerance, 0.0)
    found = pd.DataFrame(
        {
            "overloads": (excess > 0).astype(float),
            "beyond_mva": positive(excess) / 100 * rows["rating_mva"],
            "highest": rows["loading_percent"],
        }
    ).groupby(rows["time"])
    return found[["overloads", "beyond_mva"]].sum().join(found["highest"].max())


def _voltages(run: RunData) -> pd.DataFrame:
    """Buses outside their own band (plus tolerance), lowest and highest voltage."""
    rows = run.table("buses")[["time", "bus", "vm_pu"]].join(run.limits.bus, on="bus")
    over, under = rows["vm_pu"] - rows["vm_max_pu"], rows["vm_min_pu"] - rows["vm_pu"]
    beyond = over.where(over > under, under)
    outside = beyond > float(run.setting("redispatch", "voltage_tolerance_pu"))
    by_time = rows["vm_pu"].groupby(rows["time"])
    return pd.DataFrame(
        {
            "outside": outside.astype(float).groupby(rows["time"]).sum(),
            "vm_min_pu": by_time.min(),
            "vm_max_pu": by_time.max(),
        }
    )
