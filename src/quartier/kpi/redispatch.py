"""KPIs of redispatch: activations, caps kept, curtailment, the upper level's cost (M4, M12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from quartier.kpi.grid import co2_slack, losses
from quartier.kpi.run_data import RunData, of_kinds, positive, ratio
from quartier.problem.upper_cost import grid_eur, lost_kw, redispatch_eur, reduced_kw
from quartier.quantities import KW_PER_MW, Array

TOLERANCE_KW = 0.01
"""Powers closer than this count as equal: what the solvers leave is below, a cap is above."""

Groups: TypeAlias = Mapping[str, float | None]
"""A figure by group, e.g. by technology or by neighbourhood."""


# -- activation -----------------------------------------------------------------------------
def _offered(run: RunData) -> pd.DataFrame:
    """Rows of connection points that made an offer, with ``called_kw``: what P_set takes away."""
    points = run.table("connection_points")
    points = points[points["offer_kw"].notna()]
    lowered = positive(points["offer_kw"] - points["p_set_max_kw"])
    raised = positive(points["p_set_min_kw"] - points["offer_kw"])
    called = lowered + raised
    return points.assign(called_kw=np.where(called > TOLERANCE_KW, called, 0.0))


def redispatch_activation_rate(run: RunData) -> float | None:
    """#{(i,t): P_set < offered - ε} / (N·T), caps on consumption likewise (seed 001, table 1)."""
    found = run.summed(_calls)
    return ratio(float(found["called"]), float(found["offered"]))


def _calls(run: RunData) -> pd.Series[float]:
    """Rows with an offer, those that P_set takes something from, and what it takes in kW."""
    called_kw = _offered(run)["called_kw"]
    figures = {"offered": len(called_kw), "called": (called_kw > 0).sum(), "kw": called_kw.sum()}
    return pd.Series(figures, dtype=float)


def redispatch_calls(run: RunData) -> float:
    """Redispatch calls: unbroken spells of steps in which an asset is held below its offer."""
    active = pd.concat(run.each(_held)).fillna(0.0).to_numpy(dtype=bool)
    before = np.vstack([np.zeros_like(active[:1]), active[:-1]])
    return float((active & ~before).sum())


def _held(run: RunData) -> pd.DataFrame:
    """1 where an asset is held below its offer, else 0, by time and asset."""
    return (_offered(run).pivot_table("called_kw", "time", "name") > 0).astype(float)


def redispatch_energy(run: RunData) -> float:
    """Energy that P_set takes from the offers in MWh (M12)."""
    return float(run.summed(_calls)["kw"]) * run.dt_h / KW_PER_MW


# -- caps -----------------------------------------------------------------------------------
def _beyond(run: RunData) -> pd.Series[float]:
    """Rows of the table ``connection_points`` with power beyond P_set, and how much in kW."""
    points = run.table("connection_points")
    over = positive(points["p_kw"] - points["p_set_max_kw"])
    under = positive(points["p_set_min_kw"] - points["p_kw"])
    beyond = over + under
    beyond = np.where(beyond > TOLERANCE_KW, beyond, 0.0)
    return pd.Series({"rows": (beyond > 0).sum(), "kw": beyond.sum()}, dtype=float)


def cap_violations(run: RunData) -> float:
    """Pairs of connection point and step in which P_set was not kept (M12)."""
    return float(run.summed(_beyond)["rows"])


def cap_violation_energy(run: RunData) -> float:
    """Energy beyond P_set in kWh (M12)."""
    return float(run.summed(_beyond)["kw"]) * run.dt_h


# -- curtailment ----------------------------------------------------------------------------
def unused_kw(units: pd.DataFrame) -> Array:
    """Power not used, max(0, available - p), by row; 0 where nothing is available."""
    return positive(units["available_kw"] - units["p_kw"])


def renewables(run: RunData) -> pd.DataFrame:
    """Units whose available power is renewable, inside and outside the neighbourhoods."""
    units = run.table("units")
    return units[units["available_kw"].notna() & of_kinds(units, lambda kind: kind.renewable)]


def _curtailed(run: RunData) -> pd.DataFrame:
    """Power available and not used in kW, summed over steps, by technology (kind of unit)."""
    units = renewables(run)
    found = units[["available_kw"]].assign(unused_kw=unused_kw(units))
    return found.groupby(units["kind"].astype(str)).sum()


def curtailment_degree(run: RunData) -> float | None:
    """Σ max(0, available - p)Δ / Σ availableΔ of all renewable units (seed 001, table 1)."""
    total = run.summed(_curtailed).sum()
    return ratio(float(total["unused_kw"]), float(total["available_kw"]))


def curtailment_degree_by(run: RunData) -> Groups:
    """Degree of curtailment by technology (kind of unit)."""
    found = run.summed(_curtailed)
    degrees = zip(found["unused_kw"], found["available_kw"], strict=True)
    return {str(kind): ratio(*pair) for kind, pair in zip(found.index, degrees, strict=True)}


def curtailed_energy(run: RunData) -> float:
    """Renewable energy lost in MWh, inside and outside the neighbourhoods ("Ausfallarbeit")."""
    return float(run.summed(_curtailed)["unused_kw"].sum()) * run.dt_h / KW_PER_MW


# -- cost of the upper level ------------------------------------------------------------------
def redispatch_cost(run: RunData) -> float:
    """U3: what redispatch costs the DSO in EUR (M4; seed 001 eq. 4-5, corrected).

    By :mod:`quartier.problem.upper_cost`: renewable energy lost beyond what the fixed offer p_off
    itself curtails, and conventional power lowered, at the connection point's price; load that
    P_set takes off p_off at its own price. Energy that a cap drives into a store is not lost and
    costs nothing, unlike in the paper, whose (offered - p) charges it.
    """
    return float(run.summed(_compensated)["all"].sum())


def redispatch_paid(run: RunData) -> dict[str, float]:
    """U3 by connection point in EUR; not where prices of limits pay for it already."""
    found = run.summed(_compensated)["unpriced"]
    return {str(name): float(eur) for name, eur in found.items()}


def _compensated(run: RunData) -> pd.DataFrame:
    """U3 by connection point in EUR: ``all``, and ``unpriced`` where limits have no price."""
    asked, unpriced = _asked(run), _unpriced(run)
    rows = run.table("connection_points").reset_index().groupby("name").indices
    found = {
        name: (asked.eur(own, run.dt_h), asked.eur(own, run.dt_h, unpriced))
        for name, own in rows.items()
    }
    columns = ["all", "unpriced"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns, dtype=float)


def limit_prices(run: RunData) -> pd.DataFrame:
    """Rows of the table ``congestion`` that hold: of several gates, the last one's."""
    rows = run.table("congestion").sort_values("gate", kind="stable")
    rows = rows.drop_duplicates(["time", "name"], keep="last")
    return rows[rows["price_eur_per_kwh"].notna()]


def _unpriced(run: RunData) -> Array:
    """1 where a connection point has no price of limits, else 0, by row."""
    points, priced = run.table("connection_points"), limit_prices(run)
    keys = pd.MultiIndex.from_frame(points[["time", "name"]].astype({"name": str}))
    known = pd.MultiIndex.from_frame(priced[["time", "name"]].astype({"name": str}))
    return np.asarray(~keys.isin(known), dtype=float)


@dataclass(frozen=True)
class _Asked:
    """What the DSO asked for: powers in kW and prices in EUR/kWh, by row of connection points."""

    lost: Array
    reduced: Array
    price: Array
    raise_price: float

    def eur(self, rows: Any, dt_h: float, share: Array | None = None) -> float:
        """U3 of some rows (their positions) in EUR, of each its share."""
        parts = (self.lost, self.reduced)
        lost, reduced = (p[rows] if share is None else p[rows] * share[rows] for p in parts)
        return redispatch_eur(lost, self.price[rows], reduced, self.raise_price, dt_h)


def _asked(run: RunData) -> _Asked:
    points = run.table("connection_points")
    offers = run.fixed_offers()
    available, used = _available_kw(run, points)
    # Who neither offered anything nor was told a limit was asked for nothing.
    asked = offers["offer_kw"].notna() | points["p_set_max_kw"].notna()
    own = np.where(asked, offers["offer_curtailed_kw"].fillna(0.0), np.inf)
    p_min = points["p_set_min_kw"].fillna(-np.inf)
    powers = (points["p_kw"], offers["offer_kw"], p_min)
    reduced = reduced_kw(*(power.to_numpy(dtype=float) for power in powers))
    own_price = points["name"].map(_prices(run)).astype(float)
    price = own_price.fillna(_price(run, "price_eur_per_kwh"))
    return _Asked(
        lost=lost_kw(available, used, own),
        reduced=np.nan_to_num(reduced),
        price=np.asarray(price, dtype=float),
        raise_price=_price(run, "raise_price_eur_per_kwh"),
    )


def _available_kw(run: RunData, points: pd.DataFrame) -> tuple[Array, Array]:
    """Power that the plants behind every connection point could feed in, and do, by row."""
    units = run.table("units")
    units = units[units["available_kw"].notna() & units["p_kw"].notna()]
    name = units["neighbourhood"].astype(object)
    name = name.where(name.notna(), units["unit"].astype(object))
    sums = units.groupby([units["time"], name.rename("name")])[["available_kw", "p_kw"]].sum()
    found = sums.reindex(pd.MultiIndex.from_frame(points[["time", "name"]])).fillna(0.0)
    return found["available_kw"].to_numpy(), found["p_kw"].to_numpy()


def _prices(run: RunData) -> dict[str, float]:
    """Prices of lowering, by neighbourhood and by plants that have their own."""
    neighbourhoods = run.setting("neighbourhoods")
    own = {name: n["redispatch_price_eur_per_kwh"] for name, n in neighbourhoods.items()}
    by_factor: dict[str, float] = run.result.manifest.get("plant_prices", {})
    return {**run.setting("redispatch", "plant_prices"), **by_factor, **own}


def _price(run: RunData, name: str) -> float:
    return float(run.setting("redispatch", name))


def upper_cost(run: RunData) -> float:
    """Upper level in EUR: losses (U1) and CO2 of imports (U2) at their prices, redispatch (U3).

    The leader's objective (M4, M7); U2 has no price unless the scenario gives it one.
    """
    co2_price = run.setting("redispatch").get("import_co2_eur_per_kg", 0.0)
    co2_kg = co2_slack(run) if co2_price else 0.0
    loss_kwh = losses(run) * KW_PER_MW
    grid = grid_eur(loss_kwh, _price(run, "loss_price_eur_per_kwh"), co2_kg, co2_price)
    return grid + redispatch_cost(run)


PARTS = (_calls, _held, _beyond, _curtailed, _compensated)
"""What is read from the parts of a run."""
