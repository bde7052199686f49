"""KPIs of forecasts that err: by how much what was planned with was off (M12)."""

from __future__ import annotations

import pandas as pd

from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData, ratio


def forecast_error(run: RunData) -> Groups:
    """Mean absolute error of forecasts, as a share of what happened, by kind of unit.

    Of every step counts the forecast of the last gate before: ``Σ abs(expected - happened) /
    Σ happened`` over all steps and units of the kind.
    """
    sums = _sums(run)
    return {str(kind): ratio(row["off"], row["actual_kw"]) for kind, row in sums.iterrows()}


def forecast_error_energy(run: RunData) -> Groups:
    """Energy in kWh by which forecasts were off, by kind of unit: ``Σ abs(expected - happened) Δ``.

    Of every step counts the forecast of the last gate before.
    """
    sums = _sums(run)
    return {str(kind): float(run.dt_h * off) for kind, off in sums["off"].items()}


def forecast_bias_energy(run: RunData) -> Groups:
    """Energy in kWh that was expected too much, by kind of unit: ``Σ (expected - happened) Δ``."""
    sums = _sums(run)
    return {str(kind): float(run.dt_h * off) for kind, off in sums["bias"].items()}


def _sums(run: RunData) -> pd.DataFrame:
    """What was off by kind of unit, in kW over all steps."""
    return run.summed(_part_sums)


def _part_sums(run: RunData) -> pd.DataFrame:
    table = run.table("forecasts")
    bias = table["forecast_kw"] - table["actual_kw"]
    rows = table[["kind", "actual_kw"]].assign(off=bias.abs(), bias=bias)
    return rows.groupby("kind").sum()
