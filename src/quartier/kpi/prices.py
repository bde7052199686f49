"""KPIs of prices and answers: how many rounds, what they prove, what was said (M9, M12)."""

from __future__ import annotations

import pandas as pd

from quartier.kpi.run_data import RunData
from quartier.program import relative_gap


def _rounds(run: RunData) -> pd.DataFrame:
    return run.table("rounds")


def rounds(run: RunData) -> float | None:
    """Rounds of prices and answers that the gate with most of them took."""
    table = _rounds(run)
    return float(table["round"].max()) if len(table) else None


def certified_gap(run: RunData) -> float | None:
    """What the plan of a gate can be dearer than the best, at most, as proven: the worst gate (M9).

    (cost - best bound) / cost, known without anybody's model; None where some gate has no proof,
    for somebody never answered.
    """
    solves = run.table("solves")
    found = solves[solves["problem"].isin(_rounds(run)["mechanism"].unique())]
    gaps = [
        relative_gap(row["objective"], row["bound"])
        for row in found[["objective", "bound"]].to_dict("records")
    ]
    proven = bool(gaps) and not found["bound"].isna().any()
    return max(gaps) if proven else None


def numbers_exchanged(run: RunData) -> float | None:
    """Numbers in the messages of all: prices, targets, powers, costs, bounds, weights (M9).

    Whatever was sent counts, again or in vain; names and counters do not.
    """
    table = _rounds(run)
    return float(table["numbers"].sum()) if len(table) else None


def longest_answer(run: RunData) -> float | None:
    """Wall time in s that the slowest answer to a price took (M9)."""
    table = _rounds(run)
    return float(table["wall_s"].max()) if len(table) else None
