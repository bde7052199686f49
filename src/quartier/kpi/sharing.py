"""KPIs of sharing: what neighbourhoods give each other, and what they cost together (M8)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from quartier.kpi.run_data import RunData
from quartier.problem.sharing import pool_eur, shared_kw


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
    net = _powers(run).sum(axis=1)
    exported, imported = (
        np.asarray(run.signal(name).reindex(net.index), dtype=float)
        for name in ("export_eur_per_kwh", "import_eur_per_kwh")
    )
    return pool_eur(np.asarray(net, dtype=float), exported, imported, run.dt_h)
