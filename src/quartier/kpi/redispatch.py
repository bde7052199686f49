"""KPIs of redispatch: activations, caps kept, curtailment, the upper level's cost (M4, M12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd

from quartier.kpi.grid import co2_slack, losses
from quartier.kpi.run_data import RunData, positive, ratio
from quartier.quantities import KW_PER_MW, Array

TOLERANCE_KW = 0.01
"""Powers closer than this count as equal: what the solvers leave is below, a cap is above."""
BINDING_KW = 1.0
"""A connection point this close to its P_set is held by it."""

CONVENTIONAL = "conventional"
"""Kind of units whose reduction loses no renewable energy."""

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
    points = _offered(run)
    return ratio(float((points["called_kw"] > 0).sum()), float(len(points)))


def redispatch_calls(run: RunData) -> float:
    """Redispatch calls: unbroken spells of steps in which an asset is held below its offer."""
    active = (_offered(run).pivot_table("called_kw", "time", "name") > 0).to_numpy(dtype=bool)
    before = np.vstack([np.zeros_like(active[:1]), active[:-1]])
    return float((active & ~before).sum())


def redispatch_energy(run: RunData) -> float:
    """Energy that P_set takes from the offers in MWh (M12)."""
    return float(_offered(run)["called_kw"].sum()) * run.dt_h / KW_PER_MW


# -- caps -----------------------------------------------------------------------------------
def _beyond_kw(run: RunData) -> Array:
    """Power beyond P_set, by row of the table ``connection_points``, 0 where it is kept."""
    points = run.table("connection_points")
    over = positive(points["p_kw"] - points["p_set_max_kw"])
    under = positive(points["p_set_min_kw"] - points["p_kw"])
    beyond = over + under
    return np.where(beyond > TOLERANCE_KW, beyond, 0.0)


def cap_violations(run: RunData) -> float:
    """Pairs of connection point and step in which P_set was not kept (M12)."""
    return float((_beyond_kw(run) > 0).sum())


def cap_violation_energy(run: RunData) -> float:
    """Energy beyond P_set in kWh (M12)."""
    return float(_beyond_kw(run).sum()) * run.dt_h


# -- curtailment ----------------------------------------------------------------------------
def lost_kw(units: pd.DataFrame) -> Array:
    """Power not used, max(0, available - p), by row; 0 where nothing is available."""
    return positive(units["available_kw"] - units["p_kw"])


def renewables(run: RunData) -> pd.DataFrame:
    """Units whose available power is renewable, inside and outside the neighbourhoods."""
    units = run.table("units")
    return units[units["available_kw"].notna() & (units["kind"] != CONVENTIONAL)]


def curtailment_degree(run: RunData) -> float | None:
    """Σ max(0, available - p)Δ / Σ availableΔ of all renewable units (seed 001, table 1)."""
    units = renewables(run)
    return ratio(float(lost_kw(units).sum()), float(units["available_kw"].sum()))


def curtailment_degree_by(run: RunData) -> Groups:
    """Degree of curtailment by technology (kind of unit)."""
    units = renewables(run)
    return {
        str(kind): ratio(float(lost_kw(rows).sum()), float(rows["available_kw"].sum()))
        for kind, rows in units.groupby("kind", observed=True)
    }


def curtailed_energy(run: RunData) -> float:
    """Renewable energy lost in MWh, inside and outside the neighbourhoods ("Ausfallarbeit")."""
    return float(lost_kw(renewables(run)).sum()) * run.dt_h / KW_PER_MW


# -- cost of the upper level ------------------------------------------------------------------
def redispatch_cost(run: RunData) -> float:
    """U3: what redispatch costs the DSO in EUR (M4; seed 001 eq. 4-5, corrected).

    Renewable energy lost and conventional power lowered while P_set binds, at the asset's price
    (what an owner curtails for its own sake, as at negative prices, is no redispatch); reduction of
    load against the fixed offer p_off under a cap on consumption, at its own price. Energy that a
    cap drives into a store is not lost and costs nothing, unlike in the paper, whose (offered - p)
    charges it.
    """
    return (_lost_cost(run) + _raised_cost(run)) * run.dt_h


def _lost_cost(run: RunData) -> float:
    """Power lost under a binding P_set times the price of its asset, Σ in EUR/h."""
    units = run.table("units")
    asset = units["neighbourhood"].where(units["neighbourhood"].notna(), units["unit"])
    price = asset.map(_prices(run)).astype(float).fillna(_price(run, "price_eur_per_kwh"))
    places = pd.MultiIndex.from_arrays([units["time"], asset])
    caused = places.isin(_binding(run))
    return float((lost_kw(units) * price)[caused].sum())


def _binding(run: RunData) -> pd.MultiIndex:
    """Times and names of the connection points whose P_set on feed-in binds."""
    points = run.table("connection_points")
    at_cap = points["p_kw"] >= points["p_set_max_kw"] - BINDING_KW
    return pd.MultiIndex.from_frame(points.loc[at_cap, ["time", "name"]])


def _raised_cost(run: RunData) -> float:
    """Load reduced against p_off where consumption is capped, at its price, Σ in EUR/h."""
    points, offer_kw = run.table("connection_points"), run.fixed_offer_kw()
    capped = points["p_set_min_kw"] > offer_kw + TOLERANCE_KW
    raised = np.where(capped, positive(points["p_kw"] - offer_kw), 0.0)
    return float(raised.sum()) * _price(run, "raise_price_eur_per_kwh")


def _prices(run: RunData) -> dict[str, float]:
    """Prices of lowering, by neighbourhood and by plants that have their own."""
    places = run.setting("neighbourhoods")
    own = {name: place["redispatch_price_eur_per_kwh"] for name, place in places.items()}
    return {**run.setting("redispatch", "plant_prices"), **own}


def _price(run: RunData, name: str) -> float:
    return float(run.setting("redispatch", name))


def upper_cost(run: RunData) -> float:
    """Upper level in EUR: losses (U1) and CO2 of imports (U2) at their prices, redispatch (U3).

    The leader's objective (M4, M7); U2 has no price unless the scenario gives it one.
    """
    lost_eur = losses(run) * KW_PER_MW * _price(run, "loss_price_eur_per_kwh")
    co2_price = run.setting("redispatch").get("import_co2_eur_per_kg", 0.0)
    return lost_eur + (co2_slack(run) * co2_price if co2_price else 0.0) + redispatch_cost(run)
