"""KPIs of the neighbourhoods: energy, heat, vehicles, emissions, cost (M3, M8, M12)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from quartier.kpi.redispatch import Groups, unused_kw
from quartier.kpi.run_data import RunData, of_kinds, positive, ratio
from quartier.kpi.settlement import cost
from quartier.quantities import Array
from quartier.scenario.settings import StoreSettings
from quartier.units.base import ELECTRICITY, HEAT, UnitKind
from quartier.units.kinds import kind_of


def _sum(values: Array | pd.Series[float]) -> float:
    return float(np.nansum(np.asarray(values, dtype=float)))


def _import_kw(points: pd.DataFrame) -> Array:
    return positive(-points["p_kw"])


def _export_kw(points: pd.DataFrame) -> Array:
    return positive(points["p_kw"])


def _by_neighbourhood(run: RunData, value: Callable[[pd.DataFrame], float]) -> Groups:
    """A figure of each neighbourhood's rows in the table ``connection_points``."""
    points = run.connection_points
    return {name: value(points[points["name"] == name]) for name in run.neighbourhoods}


# -- energy ---------------------------------------------------------------------------------
def self_sufficiency(run: RunData) -> float | None:
    """1 - Σ import Δ / Σ demand Δ; demand without charging of electric stores (seed 001, table 1).

    Of an EV fleet, what it drives is demand; what stores lose of what they store is not.
    """
    share = ratio(_sum(_import_kw(run.connection_points)), float(run.summed(_totals)["drawn_kw"]))
    return None if share is None else 1 - share


def self_consumption(run: RunData) -> float | None:
    """Generation that is not exported / generation, of PV, wind and CHP (M12), not of stores."""
    generated = float(run.summed(_totals)["generated_kw"])
    kept = max(0.0, generated - _sum(_export_kw(run.connection_points)))
    return ratio(kept, generated)


def _totals(run: RunData) -> pd.Series[float]:
    """What units draw and generate, those aside that store electricity, and other sums."""
    units = run.units
    others = units[~of_kinds(units, _is_electric_store)]["p_kw"]
    figures = {
        "drawn_kw": _sum(positive(-others)) + _sum(positive(units["driving_kw"])),
        "generated_kw": _sum(positive(others)),
        "unused_kw": _sum(unused_kw(units)),
        "co2_kg": _sum(units["co2_kg"]),
    }
    return pd.Series(figures)


def _is_electric_store(kind: UnitKind) -> bool:
    """As kinds say of themselves; :attr:`UnitKind.holds` states what follows from it."""
    return kind.holds == ELECTRICITY


def imported(run: RunData) -> Groups:
    """Energy drawn from the grid in kWh, by neighbourhood (M8)."""
    return _by_neighbourhood(run, lambda rows: _sum(_import_kw(rows)) * run.dt_h)


def exported(run: RunData) -> Groups:
    """Energy fed into the grid in kWh, by neighbourhood (M8)."""
    return _by_neighbourhood(run, lambda rows: _sum(_export_kw(rows)) * run.dt_h)


def peak_import(run: RunData) -> Groups:
    """Greatest power drawn from the grid in kW, by neighbourhood (L1, M3).

    Negative if it feeds in at all times (L1 is not clipped).
    """
    return _by_neighbourhood(run, lambda rows: float((-rows["p_kw"]).max()))


def peak_export(run: RunData) -> Groups:
    """Greatest power fed into the grid in kW, by neighbourhood (M8)."""
    return _by_neighbourhood(run, lambda rows: float(rows["p_kw"].max()))


def export_avoidance(run: RunData) -> Groups:
    """Share of the baseline's exported energy that was not exported, by neighbourhood (M8)."""
    if run.baseline is None:
        return dict.fromkeys(run.neighbourhoods)
    before, after = exported(run.baseline), exported(run)
    return {name: _less(before.get(name), after[name]) for name in run.neighbourhoods}


def _less(before: float | None, after: float | None) -> float | None:
    if before is None or after is None or before <= 0:
        return None
    return (before - after) / before


# -- flexibility ------------------------------------------------------------------------------
def demand_flexibility_potential(run: RunData) -> float | None:
    """Σ_t (up + down)·Δ of the band of shiftable loads in the schedules offered, in kWh (M12).

    Shiftable are charging stations, heat pumps and electric heaters. The power by step stands in
    the table ``signals`` under ``shiftable_band[<neighbourhood>]``. The band is single-step, not
    jointly deliverable over steps, so the sum is no energy that could be had. Undefined if nothing
    was offered. Source: seed 001, table 1 (demand flexibility).
    """
    signals = run.table("signals")
    band = signals[signals["name"].str.startswith("shiftable_band[")]
    first = band.drop_duplicates(["time", "name"], keep="first")
    return _sum(first["value"]) * run.dt_h if len(first) else None


def demand_flexibility_used(run: RunData) -> float | None:
    """½ Σ |P - P_baseline| Δ of the shiftable loads in kWh (seed 001, table 1; M12).

    Vehicles, heat pumps and electric heaters, unit by unit; every kWh shifted leaves one step
    and enters another, hence the half.
    """
    if run.baseline is None:
        return None
    moved = _shiftable(run) - _shiftable(run.baseline)
    return _sum(moved.abs().to_numpy()) * run.dt_h / 2


def _shiftable(run: RunData) -> pd.DataFrame:
    """Power of shiftable units in kW, by time and unit."""
    return pd.concat(run.each(_shiftable_here))


def _shiftable_here(run: RunData) -> pd.DataFrame:
    units = run.units[of_kinds(run.units, lambda kind: kind.shiftable)]
    return units.pivot_table("p_kw", "time", "unit", observed=True)


# -- what must be served --------------------------------------------------------------------
def ev_energy_due(run: RunData) -> float:
    """Energy due to vehicles that leave within the run in kWh."""
    return _sum(run.table("ev_sessions")["due_kwh"])


def ev_energy_delivered(run: RunData) -> float:
    """Energy delivered to these vehicles in kWh."""
    return _sum(run.table("ev_sessions")["delivered_kwh"])


def ev_energy_missing(run: RunData) -> float:
    """Σ max(0, due - delivered) over the vehicles' stays in kWh: a hard requirement (M1)."""
    stays = run.table("ev_sessions")
    return _sum(positive(stays["due_kwh"] - stays["delivered_kwh"]))


def _kwh(run: RunData, column: str, carrier: str) -> float:
    """Energy of a column of the table ``nodes`` in kWh."""
    nodes = run.table("nodes")
    return _sum(nodes[nodes["carrier"] == carrier][column]) * run.dt_h


def heat_demand(run: RunData) -> float:
    """Heat demand in kWh."""
    return _kwh(run, "demand_kw", HEAT)


def heat_unserved(run: RunData) -> float:
    """Heat demand that was not served in kWh (M1)."""
    return _kwh(run, "unserved_kw", HEAT)


def heat_rejected(run: RunData) -> float:
    """Heat that nobody took in kWh (M1)."""
    return _kwh(run, "rejected_kw", HEAT)


def _by_carrier(run: RunData, column: str, but: str | None = None) -> Groups:
    """Energy of a column of the table ``nodes`` in kWh, by carrier that has any."""
    nodes = run.table("nodes")
    there = nodes[nodes[column].notna() & (nodes["carrier"] != but)]
    return {str(carrier): _kwh(run, column, carrier) for carrier in there["carrier"].unique()}


def demand(run: RunData) -> Groups:
    """Demand in kWh, by carrier other than electricity and heat."""
    return _by_carrier(run, "demand_kw", HEAT)


def unserved(run: RunData) -> Groups:
    """Demand that was not served in kWh, by carrier other than electricity and heat."""
    return _by_carrier(run, "unserved_kw", HEAT)


def rejected(run: RunData) -> Groups:
    """What nobody took in kWh, by carrier other than electricity and heat."""
    return _by_carrier(run, "rejected_kw", HEAT)


def bought(run: RunData) -> Groups:
    """Energy that nodes bought in kWh, by carrier of those that buy."""
    return _by_carrier(run, "bought_kw")


def sold(run: RunData) -> Groups:
    """Energy that nodes sold in kWh, by carrier of those that sell."""
    return _by_carrier(run, "sold_kw")


# -- emissions and cost -----------------------------------------------------------------------
def co2_local(run: RunData) -> float:
    """L3: emissions of all fuel burnt in the neighbourhoods in kg (M3; seed 001 eq. 15).

    With those of what nodes buy.
    """
    return float(run.summed(_totals)["co2_kg"]) + _sum(run.table("nodes")["co2_kg"])


def lower_cost(run: RunData) -> float:
    """Weighted objective of all neighbourhoods as executed in EUR (M3: L0 to L5).

    Their cost, plus curtailment, emissions, peak import and imported energy at the scenario's
    weights; less the worth of the flexibility in their plans, and of what their stores gained,
    where the scenario gives any.
    """
    weights: dict[str, float] = run.setting("objectives")
    curtailed_kwh = float(run.summed(_totals)["unused_kw"]) * run.dt_h
    peak_kw = sum(value or 0.0 for value in peak_import(run).values())
    return (
        sum(value or 0.0 for value in cost(run).values())
        + weights["curtailment_eur_per_kwh"] * curtailed_kwh
        + weights["co2_eur_per_kg"] * co2_local(run)
        + weights["peak_eur_per_kw"] * peak_kw
        + weights.get("imported_eur_per_kwh", 0.0) * sum(v or 0.0 for v in imported(run).values())
        - (flexibility_value(run) or 0.0)
        - (store_energy_value(run) or 0.0 if _stores(run).end == "value" else 0.0)
    )


def flexibility_value(run: RunData) -> float | None:
    """Worth of the flexibility in the neighbourhoods' plans in EUR: `Σ (up π_up + down π_dn) Δ`.

    At the weight of L2 and the prices of L5 (M3; seed 001 eq. 14, 21). The band is single-step, of
    the plan that was carried out, what is curtailed counted upwards. Undefined without a worth.
    """
    weight = float(run.setting("objectives").get("flexibility_eur_per_kwh", 0.0))
    signals, found = run.table("signals"), list[float]()
    for side in ("up", "down"):
        rows = signals[signals["name"].str.startswith(f"flexibility_{side}[")]
        band_kw = rows.drop_duplicates(["time", "name"], keep="last").set_index("time")["value"]
        price = run.signal(f"flexibility_{side}_eur_per_kwh").reindex(band_kw.index).fillna(0.0)
        found += (band_kw * (weight + price)).tolist()
    return sum(found) * run.dt_h if found else None


# -- energy left in the stores ------------------------------------------------------------------
def store_energy_difference(run: RunData) -> Groups:
    """Energy in the stores at the end less that at the start in kWh, by kind of store (M1).

    Of a flexible demand, what it is ahead of its profile, which is not valued.
    """
    start: dict[str, float] = run.result.manifest.get("start_energy_kwh", {})
    ends = run.joined(_last_of_stores).groupby("unit").last()
    gained = ends["energy_kwh"] - pd.Series(start, dtype=float)
    return {str(kind): _sum(rows) for kind, rows in gained.groupby(ends["kind"], observed=True)}


def _last_of_stores(run: RunData) -> pd.DataFrame:
    """Last energy of every store in kWh."""
    units = run.units
    stores = units[units["unit"].isin(run.result.manifest.get("start_energy_kwh", {}))]
    last = stores.sort_values("time").groupby("unit")[["kind", "energy_kwh"]].last()
    return last.reset_index()


def _stores(run: RunData) -> StoreSettings:
    return StoreSettings.model_validate(run.scenario.get("stores", {}))


def store_energy_value(run: RunData) -> float | None:
    """Value of the energy gained in stores in EUR; energy missing at the end is a debt.

    At the scenario's worth of what is left, if it says any (``stores.end: value``). Without it
    that of electric stores at the mean export price: what it would have earned, had it been fed
    in; other stores end at or above their start by the end-of-horizon rule and are not valued.
    """
    differences, stores = store_energy_difference(run).items(), _stores(run)
    if stores.end == "value":
        held = [(kind_of(kind).holds, value or 0.0) for kind, value in differences]
        worth = [(stores.worth(carrier) or 0.0) * value for carrier, value in held if carrier]
        return sum(worth) if worth else None
    gained = [value or 0.0 for kind, value in differences if _is_electric_store(kind_of(kind))]
    price = run.signal("export_eur_per_kwh")
    return None if not gained or price.empty else sum(gained) * float(price.mean())


PARTS = (_totals, _last_of_stores, _shiftable_here)
"""What is read from the parts of a run."""
