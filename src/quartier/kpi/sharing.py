"""KPIs of sharing: what neighbourhoods give each other, and what they cost together (M8)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quartier.kpi.run_data import RunData
from quartier.problem.sharing import Sharing, shared_kw


def _powers(run: RunData) -> pd.DataFrame:
    """Power of the neighbourhoods in kW by time (index) and name (columns)."""
    return run.connection_points.pivot_table("p_kw", "time", "name", observed=True)


def shared_energy(run: RunData) -> float:
    """Energy that neighbourhoods give each other in kWh: min(Σ_n P_n⁺, Σ_n P_n⁻)·Δ (M8).

    Whether or not anybody settles it: of what is fed in, so much is drawn next door.
    """
    got = np.maximum(shared_kw(_powers(run).to_numpy(dtype=float)), 0.0)
    return float(got.sum()) * run.dt_h


def pool_cost(run: RunData) -> float:
    """What all neighbourhoods together would pay the outer grid in EUR (M8; seed 000 eq. 2).

    Where nobody settles inside the pool (``individual``), they pay more: ``system_cost`` has what
    they do pay.
    """
    powers = _powers(run)
    return float(pool_of(run, powers.index).outer_eur(powers.to_numpy(dtype=float)).sum())


def pool_of(run: RunData, times: pd.Index[pd.Timestamp]) -> Sharing:
    """The outer grid's tariffs at some times, and what the scenario says of fees in them."""
    exported, imported = (
        np.asarray(run.signal(name).reindex(times), dtype=float)
        for name in ("export_eur_per_kwh", "import_eur_per_kwh")
    )
    asked = run.scenario.get("problem")
    fees = (
        {k: v for k, v in asked.items() if k not in {"kind", "redispatch"}}
        if isinstance(asked, dict)
        else {}
    )
    return Sharing(run.dt_h, exported, imported, **(fees if run.problem == Sharing.kind else {}))


def internal_price(run: RunData) -> float | None:
    """Mean price of the energy shared in EUR/kWh, for those who draw it (M8)."""
    shares = run.table("shares")
    got = shares["shared_kw"].clip(lower=0.0) * shares["price_eur_per_kwh"].notna()
    total = float(got.sum())
    return float((got * shares["price_eur_per_kwh"]).sum()) / total if total > 0 else None


def worse_off(run: RunData) -> float | None:
    """The most that a neighbourhood's plan costs it above its own optimum at a gate in EUR (M8).

    From the same state, at the tariffs of the outer grid; as planned. None if a mechanism does not
    compare. At most the solver's tolerance: nobody is worse off.
    """
    planned, alone = (_by_neighbourhood(run, prefix) for prefix in ("response", "individual"))
    worse = (planned - alone).dropna()
    return None if worse.empty else float(worse.max())


def _by_neighbourhood(run: RunData, prefix: str) -> pd.Series[float]:
    """Objectives of the table ``solves`` by gate and neighbourhood."""
    solves = run.table("solves")
    rows = solves[solves["problem"].str.startswith(f"{prefix} ").fillna(False)]
    rows = rows.assign(problem=rows["problem"].str.removeprefix(f"{prefix} "))
    return rows.set_index(["gate", "problem"])["objective"]


def follower_suboptimality(run: RunData) -> float | None:
    """The most by which a neighbourhood could do better than its plan at the plan's price (M7, M8).

    Over all gates, relative to what it pays; None if there is no certificate.
    """
    found = run.table("solves")["follower_suboptimality"].max()
    return None if pd.isna(found) else float(found)
