"""The case of M11 (seed 004) from ``bundles.json``: assumptions, not measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from quartier.centralised.bundles.technical import Investment, Technical
from quartier.optimisation.sized import Day
from quartier.problem.bundles import Bundles, Rule
from quartier.quantities import Horizon
from quartier.units import KINDS
from quartier.units.base import COOLING, ELECTRICITY, GAS, HEAT, HYDROGEN, UnitData
from quartier.units.node import Node, Tariff

DATA = json.loads((Path(__file__).parent / "bundles.json").read_text(encoding="utf-8"))
CARRIERS = (ELECTRICITY, HEAT, HYDROGEN)
NEEDS = (ELECTRICITY, HEAT, COOLING, HYDROGEN)
ETA = DATA["efficiencies"]
UNLIMITED_KW = 100.0
"""Power of a kWh of tank, which has no limit of its own."""
UNITS = {
    "pv": ("pv", {"power_kw": 1.0}),
    "chp": (
        "chp",
        {"p_max_kw": 1.0, "electric_efficiency": ETA["chp_e"], "thermal_efficiency": ETA["chp_h"]},
    ),
    "el": ("electrolyser", {"power_kw": 1.0, "efficiency": ETA["el"]}),
    "gb": ("boiler", {"heat_max_kw": 1.0, "efficiency": ETA["gb"]}),
    "eb": ("electric_heater", {"power_kw": 1.0, "efficiency": ETA["eb"]}),
    "hfc": (
        "fuel_cell",
        {
            "power_kw": 1.0,
            "electric_efficiency": ETA["hfc_e"],
            "thermal_efficiency": ETA["hfc_h"],
        },
    ),
    "hst": (
        "hydrogen_tank",
        {
            "energy_kwh": 1.0,
            "power_kw": UNLIMITED_KW,
            "charge_efficiency": ETA["hst_c"],
            "discharge_efficiency": ETA["hst_d"],
        },
    ),
    "bss": (
        "battery",
        {
            "energy_kwh": 1.0,
            "power_kw": ETA["bss_rate"],
            "charge_efficiency": ETA["bss_c"],
            "discharge_efficiency": ETA["bss_d"],
            "standing_loss_per_h": ETA["bss_loss"],
            "max_soc": 1.0,
            "wear_eur_per_kwh": 0.0,
        },
    ),
    # The capacity of a chiller is that of its cold.
    "ac": ("absorption_chiller", {"power_kw": 1.0 / ETA["ac"], "cop": ETA["ac"]}),
}


def unit(name: str, horizon: Horizon, pv_kw: np.ndarray) -> UnitData:
    """One unit; fuel is drawn from the node of gas, and paid there."""
    kind_name, values = UNITS[name]
    kind = KINDS[kind_name]
    if GAS in kind.takes:
        values = {**values, "fuel_eur_per_kwh": 0.0, "fuel_co2_kg_per_kwh": 0.0}
    if kind.stores:
        values = {**values, "min_soc": 0.0, "start_soc": 0.0}
    parameters = kind.Parameters(kind=kind_name, **values)
    series = {"available_kw": pv_kw} if kind.curtailable else {}
    state = dict(kind.initial(parameters))
    return kind.bounded(UnitData(name, parameters, None, name, horizon, series=series, state=state))


def coarse(values: list, hours: int) -> np.ndarray:
    """Means over ``hours`` of hourly values in the last axis."""
    whole = np.array(values, dtype=float)
    return whole.reshape(*whole.shape[:-1], -1, hours).mean(axis=-1)


def day_of(data: dict, hours: int = 1) -> Day:
    """A typical day in steps of some hours."""
    steps = 24 // hours
    horizon = Horizon(pd.Timestamp("2023-01-01", tz="UTC"), steps, float(hours))
    grid = Tariff(
        coarse(data["grid_eur_per_kwh"], hours), co2_kg_per_kwh=DATA["grid_co2_kg_per_kwh"]
    )
    gas = Tariff(np.full(steps, DATA["gas_eur_per_kwh"]), co2_kg_per_kwh=DATA["gas_co2_kg_per_kwh"])
    nodes = {carrier: Node(carrier, carrier) for carrier in (HEAT, COOLING, HYDROGEN)}
    nodes |= {ELECTRICITY: Node("grid", ELECTRICITY, buy=grid), GAS: Node("gas", GAS, buy=gas)}
    pv_kw = coarse(data["pv_kw_per_kwp"], hours)
    units = tuple(unit(name, horizon, pv_kw) for name in UNITS)
    return Day(data["weight_days"], units, nodes, {HYDROGEN: (GAS, share_of_hydrogen())})


def share_of_hydrogen() -> float:
    return float(DATA["hydrogen_share_of_energy"])


def technical(days: int = 4, hours: int = 1, groups: int = 3, only: int | None = None) -> Technical:
    """The system of ``days`` typical days; ``only`` the first of them stand for the year."""
    chosen = DATA["days"][str(days)][:only]
    found = [day_of(day, hours) for day in chosen]
    factor = 365 / sum(day.weight for day in found)
    return Technical(
        days=[replace(day, weight=factor * day.weight) for day in found],
        investments={
            name: Investment(one["capex"], one["life_a"], one["om_per_a"], one["cap_max"])
            for name, one in DATA["devices"].items()
        },
        needs_kw=[
            {carrier: coarse(day[f"{carrier}_kw"], hours)[:groups] for carrier in NEEDS}
            for day in chosen
        ],
        interest=DATA["interest"],
        co2_eur_per_kg=DATA["co2_eur_per_kg"],
        tariff_of={COOLING: HEAT},
    )


def offers(count: int, rule: Rule = "mandatory", groups: int = 3, **changes) -> Bundles:
    """The first bundles of the case, offered to its first groups."""
    needs = DATA["kwh_per_year_per_household"]
    households = np.array(DATA["households"], dtype=float)
    columns = [
        households * np.array(needs[name])
        for name in ("electricity", "heat_and_cooling", "hydrogen")
    ]
    return Bundles(
        **{
            "groups": tuple(DATA["groups"])[:groups],
            "carriers": CARRIERS,
            "bundles": tuple(map(tuple, DATA["bundles"][:count])),
            "demand_kwh": np.column_stack(columns)[:groups],
            "outside_eur_per_kwh": np.array(DATA["competitor_eur_per_kwh"])[:groups],
            "most_eur_per_kwh": np.array(DATA["r_max_eur_per_kwh"]),
            "discount": DATA["alpha"],
            "rule": rule,
            **changes,
        }
    )
