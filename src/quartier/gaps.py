"""What runs must share to be compared: one reference offer, and gaps to one reference (M7, M12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from quartier.kpi import RunData, compute
from quartier.results import Result

LEAST_EUR = 0.01
"""Costs below are no reference to be relative to: the gap is then in EUR."""
REFERENCES = ("bilevel", "central", "individual", "cohda")
"""Whose offer is p_off, the first that there is: optimisers offer the followers' optimum without
caps, which is the same for all of them; agents come close to it."""
BOUNDED_BY = ("bilevel", "central")
"""Whose bound counts, the first that there is."""

COUNTED = ("redispatch_cost", "upper_cost", "money")
"""KPIs that count from p_off."""

Entry = dict[str, Any]
"""Value, unit and label of a KPI."""
Figures = dict[str, Entry]
"""KPIs of a mechanism by name."""


@dataclass(frozen=True)
class SideBySide:
    """Figures of several runs of one scenario.

    Parameters
    ----------
    results
        Runs that went on to their end, by mechanism.
    """

    results: Mapping[str, Result]

    @property
    def reference(self) -> str | None:
        """Mechanism whose offer is p_off for all; None if nobody offered."""
        order = (*REFERENCES, *self.results)
        return next((n for n in order if n in self.results and _offers(self.results[n])), None)

    @property
    def bound_eur(self) -> float | None:
        """Lower bound of the upper level's cost on the linear network; None if there is none."""
        runs = (self.results[name] for name in BOUNDED_BY if name in self.results)
        return next((bound for run in runs if (bound := bound_eur(run)) is not None), None)

    def figures(self) -> dict[str, Figures]:
        """KPIs by mechanism: those of its run, its costs against p_off, and its gaps.

        Where there are ``individual`` and ``bilevel``, the latter also has what foresight saves.
        """
        table = {name: self._counted(run) for name, run in self.results.items()}
        best = table.get("bilevel", {}).get("upper_cost", {}).get("value")
        bound = self.bound_eur
        for kpis in table.values():
            if "upper_cost" not in kpis:  # another problem: no grid operator, no gaps
                continue
            cost = kpis["upper_cost"]["value"]
            kpis["gap_to_bilevel"] = _gap_entry(cost, best, "Gap to bilevel")
            kpis["gap_to_bound"] = _gap_entry(cost, bound, "Gap to the bound")
        if {"individual", "bilevel"} <= {n for n, kpis in table.items() if "upper_cost" in kpis}:
            table["bilevel"] |= _anticipation(table["individual"], table["bilevel"])
        return table

    def _counted(self, result: Result) -> Figures:
        """KPIs of a run, with what counts reduced load counted from the reference's offer."""
        rows = result.kpi_table.astype(object)
        kpis = {str(name): _entry(row) for name, row in rows.to_dict("index").items()}
        reference = self.reference
        run = RunData(result, reference=None if reference is None else self.results[reference])
        anew = compute(run, COUNTED)
        kept = {n: e for n, e in kpis.items() if n in anew or n.partition("[")[0] not in COUNTED}
        return kept | anew


def gap(cost_eur: float, reference_eur: float) -> tuple[float, str]:
    """Return how far a cost is above its reference, and the unit of that (M12).

    (cost - reference) / reference, a share; where the reference is next to nothing, the difference
    in EUR.
    """
    above = cost_eur - reference_eur
    if abs(reference_eur) < LEAST_EUR:
        return above, "EUR"
    return above / abs(reference_eur), "1"


def bound_eur(result: Result) -> float | None:
    """Return the bound that a run's table ``solves`` states for its whole horizon, if it does.

    Problem ``bound`` of the first gate: the bounds of several windows make no bound of the run.
    """
    if "solves" not in result.tables or not _first_gate_is_all(result):
        return None
    solves = result.table("solves")
    rows = solves[(solves["problem"] == "bound") & (solves["gate"] == 0)]
    proven = rows["bound"].fillna(rows["objective"].where(rows["status"] == "optimal")).dropna()
    return float(proven.iloc[-1]) if len(proven) else None


def _first_gate_is_all(result: Result) -> bool:
    gates, steps = result.manifest["scenario"]["gates"], result.manifest["steps_expected"]
    ahead = gates["horizon_steps"]
    return gates["first"] == 0 and (ahead is None or ahead >= steps)


def _offers(result: Result) -> bool:
    """Whether anything was offered in a run."""
    return bool(result.table("connection_points")["offer_kw"].notna().any())


def _anticipation(individual: Mapping[str, Entry], bilevel: Mapping[str, Entry]) -> Figures:
    """What the DSO saves by foreseeing the neighbourhoods' answers (M7).

    Upper cost of ``individual`` less that of ``bilevel``, both as executed: in EUR, and as a share
    of what redispatch costs in ``individual``.
    """
    before, after = (kpis["upper_cost"]["value"] for kpis in (individual, bilevel))
    saved = None if before is None or after is None else before - after
    paid = individual["redispatch_cost"]["value"]
    share = saved / paid if saved is not None and paid and paid >= LEAST_EUR else None
    label = "Value of anticipation"
    return {
        "value_of_anticipation": {"value": saved, "unit": "EUR", "label": label},
        "value_of_anticipation_share": {
            "value": share,
            "unit": "1",
            "label": f"{label} as a share of the redispatch cost without it",
        },
    }


def _gap_entry(cost: float | None, reference: float | None, label: str) -> Entry:
    if cost is None or reference is None:
        return {"value": None, "unit": "1", "label": label}
    value, unit = gap(cost, reference)
    return {"value": value, "unit": unit, "label": label}


def _entry(row: Mapping[Any, Any]) -> Entry:
    value = None if pd.isna(row["value"]) else float(row["value"])
    return {"value": value, "unit": row["unit"], "label": row["label"]}
