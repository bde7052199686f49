"""KPIs of the grid: congestion, voltage, losses, emissions (M12; seed 001, table 1).

How many limits are passed in a step without a power flow is not known, and never none: counts,
energies and shares of limits are undefined as soon as a step of theirs did not converge.
"""

from __future__ import annotations

import pandas as pd

from quartier.kpi.grid_steps import grid_steps, read_steps
from quartier.kpi.run_data import RunData
from quartier.quantities import KW_PER_MW

OVERLOADS_OFFERED = "overloads_offered"
"""Signal of the DSO: elements above their limit with everything offered, by time."""
OVERLOAD_ENERGY_OFFERED = "overload_energy_offered"
"""Signal of the DSO: MWh above the limits with everything offered, by time."""
SLACK_POWER = "slack_p_mw"
"""Signal of the grid: power from the upper grid in MW, positive when imported."""
VOLTAGE_VIOLATIONS_OFFERED = "voltage_violations_offered"
"""Signal of the DSO: buses outside their band with everything offered, by time."""


def _solved(before: float | None, after: float | None) -> float | None:
    """``(before - after) / before``, undefined where nothing was congested (M12)."""
    if before is None or after is None:
        return None
    return (before - after) / before if before > 0 else None


def _diverged(run: RunData, rows: pd.DataFrame) -> bool:
    """Whether a step of some rows, by time, has no power flow."""
    steps = run.table("steps")
    failed = steps.loc[~steps["converged"].astype(bool), "time"]
    return bool(rows.index.isin(failed).any())


# -- congestion -----------------------------------------------------------------------------
def overloads(run: RunData) -> float | None:
    """O_after: pairs of element and step loaded above the element's own limit (M12).

    Lines and transformers; loading beyond ``redispatch.loading_tolerance_percent`` counts.
    """
    return _overloads(run, grid_steps(run))


def _overloads(run: RunData, rows: pd.DataFrame) -> float | None:
    return None if _diverged(run, rows) else float(rows["overloads"].sum())


def overload_energy(run: RunData) -> float | None:
    """Energy above the elements' own limits in MWh: Σ excess · rated power · Δ (M12)."""
    return _overload_mwh(run, grid_steps(run))


def _overload_mwh(run: RunData, rows: pd.DataFrame) -> float | None:
    if _diverged(run, rows):
        return None
    return float(rows["beyond_mva"].sum()) * run.dt_h


def overloads_offered(run: RunData) -> float | None:
    """O_before: pairs above the limit in the AC power flow with this run's first offers (M12)."""
    return _total(run, OVERLOADS_OFFERED)


def _total(run: RunData, signal: str) -> float | None:
    """Sum of a signal of the DSO; undefined if nobody redispatched or a step has no power flow."""
    values = run.signal(signal)
    return float(values.sum()) if len(values) and values.notna().all() else None


def _offered(run: RunData, signal: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the steps for which a signal says what was offered first."""
    return rows[rows.index.isin(run.signal(signal).index)]


def congestion_solved(run: RunData) -> float | None:
    """Share of overloads removed against the first offers (seed 001, table 1; M12).

    Steps before the first gate, for which nobody offered anything, are left out on both sides.
    """
    before = overloads_offered(run)
    if before is None:
        return None
    return _solved(before, _overloads(run, _offered(run, OVERLOADS_OFFERED, grid_steps(run))))


def congestion_solved_vs_uncontrolled(run: RunData) -> float | None:
    """Share of overloads removed against the baseline run (M12)."""
    if run.baseline is None:
        return None
    return _solved(overloads(run.baseline), overloads(run))


def congestion_solved_energy(run: RunData) -> float | None:
    """Share of overload energy removed against the first offers (M12), of the same steps."""
    before = _total(run, OVERLOAD_ENERGY_OFFERED)
    if before is None:
        return None
    rows = _offered(run, OVERLOAD_ENERGY_OFFERED, grid_steps(run))
    return _solved(before, _overload_mwh(run, rows))


def congestion_solved_energy_vs_uncontrolled(run: RunData) -> float | None:
    """Share of overload energy removed against the baseline run (M12)."""
    if run.baseline is None:
        return None
    return _solved(overload_energy(run.baseline), overload_energy(run))


def max_line_loading(run: RunData) -> float | None:
    """Greatest loading of a line in percent of its rated current."""
    return _greatest(grid_steps(run)["line_percent"])


def max_transformer_loading(run: RunData) -> float | None:
    """Greatest loading of a transformer in percent of its rated current."""
    return _greatest(grid_steps(run)["transformer_percent"])


def _greatest(values: pd.Series[float]) -> float | None:
    return float(values.max()) if values.notna().any() else None


# -- voltage --------------------------------------------------------------------------------
def voltage_violations(run: RunData) -> float | None:
    """Pairs of bus and step outside the bus' own band (M12).

    Voltage beyond ``redispatch.voltage_tolerance_pu`` counts.
    """
    return _outside(run, grid_steps(run))


def _outside(run: RunData, rows: pd.DataFrame) -> float | None:
    return None if _diverged(run, rows) else float(rows["outside"].sum())


def voltage_solved(run: RunData) -> float | None:
    """Share of voltage violations removed against the first offers (M12), of the same steps."""
    before = _total(run, VOLTAGE_VIOLATIONS_OFFERED)
    if before is None:
        return None
    rows = _offered(run, VOLTAGE_VIOLATIONS_OFFERED, grid_steps(run))
    return _solved(before, _outside(run, rows))


def voltage_solved_vs_uncontrolled(run: RunData) -> float | None:
    """Share of voltage violations removed against the baseline run (M12)."""
    if run.baseline is None:
        return None
    return _solved(voltage_violations(run.baseline), voltage_violations(run))


def min_voltage(run: RunData) -> float | None:
    """Lowest voltage of a bus in pu."""
    values = grid_steps(run)["vm_min_pu"]
    return float(values.min()) if values.notna().any() else None


def max_voltage(run: RunData) -> float | None:
    """Highest voltage of a bus in pu."""
    return _greatest(grid_steps(run)["vm_max_pu"])


# -- losses and emissions -------------------------------------------------------------------
def losses(run: RunData) -> float:
    """U1: losses of lines and transformers in MWh, three-phase (seed 001 eq. 1; M4)."""
    return float(run.summed(_lost)["loss_mw"]) * run.dt_h


def _lost(run: RunData) -> pd.Series[float]:
    lines, transformers = run.table("lines"), run.table("transformers")
    return lines[["loss_mw"]].sum() + transformers[["loss_mw"]].sum()


def co2_slack(run: RunData) -> float:
    """U2: emissions of imports over the slack in kg, Σ max(0, P_slack)·Δ·factor (M4).

    Seed 001 eq. 3 counts exports against imports; here only imports emit.
    """
    drawn_kwh = run.signal(SLACK_POWER).clip(lower=0.0) * KW_PER_MW * run.dt_h
    factor = run.signal("co2_kg_per_kwh").reindex(drawn_kwh.index)
    return float((drawn_kwh * factor).sum())


def co2_plants(run: RunData) -> float:
    """U2: emissions of the grid's own plants outside the neighbourhoods in kg (seed 001 eq. 3)."""
    return float(run.summed(_co2_of_plants)["co2_kg"])


def _co2_of_plants(run: RunData) -> pd.Series[float]:
    units = run.table("units")
    return units.loc[units["neighbourhood"].isna(), ["co2_kg"]].sum()


def steps_not_converged(run: RunData) -> float:
    """Steps for which the power flow found no solution; their rows are NaN."""
    return float((~run.table("steps")["converged"].astype(bool)).sum())


PARTS = (_lost, _co2_of_plants, read_steps)
"""What is read from the parts of a run that has a grid."""
