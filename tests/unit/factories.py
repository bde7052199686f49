"""Units and terms by hand, with synthetic series, for tests of units and optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from quartier.problem import ConnectionTerms
from quartier.quantities import Array, Horizon
from quartier.units import KINDS
from quartier.units.base import (
    COOLING,
    HEAT,
    HYDROGEN,
    HeatParameters,
    Session,
    Source,
    UnitData,
    UnitParameters,
)
from quartier.units.node import Node

START = pd.Timestamp("2016-07-24T23:00", tz="UTC")

PARAMETERS = {
    "pv": {"power_kw": 900.0},
    "wind": {"power_kw": 2300.0},
    "plant": {"power_kw": 350.0, "profile": "BM1"},
    "conventional": {"power_kw": 350.0, "profile": "BM1"},
    "household": {"energy_kwh_per_year": 2900.0},
    "interruptible_load": {"profile": "bdew:H0", "energy_kwh_per_year": 1e6, "share": 0.4},
    "ev_station": {"power_kw": 22.0},
    "battery": {"energy_kwh": 1000.0, "power_kw": 500.0},
    "heat_demand": {"energy_kwh_per_year": 900_000.0},
    "chp": {
        "p_max_kw": 150.0,
        "p_min_kw": 60.0,
        "fuel_eur_per_kwh": 0.07,
        "start_eur": 3.0,
        "min_up_h": 1.5,
        "min_down_h": 1.0,
    },
    "thermal_storage": {"energy_kwh": 1500.0, "power_kw": 500.0},
    "heat_pump": {"power_kw": 60.0},
    "electric_heater": {"power_kw": 80.0},
    "boiler": {"heat_max_kw": 500.0, "fuel_eur_per_kwh": 0.07},
    "solar_thermal": {"power_kw": 150.0},
    "electrolyser": {"power_kw": 100.0},
    "hydrogen_tank": {"energy_kwh": 400.0, "power_kw": 60.0},
    "fuel_cell": {"power_kw": 30.0},
    "reformer": {"hydrogen_max_kw": 150.0, "fuel_eur_per_kwh": 0.07},
    "flexible_demand": {"power_kw": 60.0, "band_kwh": 80.0, "energy_kwh_per_year": 300_000.0},
    "ev_fleet": {
        "energy_kwh": 2000.0,
        "power_kw": 400.0,
        "v2g_kw": 150.0,
        "driving_kwh_per_year": 120_000.0,
    },
    "pumped_hydro": {"energy_kwh": 3000.0, "power_kw": 500.0},
    "absorption_chiller": {"power_kw": 60.0},
}
"""Parameters of a unit, as in the scenario fliegerhorst where it has it; others are made up."""


def parameters_of(kind: str, **changes) -> dict:
    """Parameters of one unit of a kind: those above, or any that its model accepts."""
    needed = {
        name: made_up(name, field.annotation)
        for name, field in KINDS[kind].Parameters.model_fields.items()
        if field.is_required() and name != "kind"
    }
    return {"kind": kind, **needed, **PARAMETERS.get(kind, {}), **changes}


def made_up(name: str, annotation) -> object:
    """A value for a parameter: a profile for a source, else a number of the size of its name."""
    if annotation == Source:
        return "BM1"
    sizes = {"eur_per_kwh": 0.07, "efficiency": 0.8, "energy_kwh": 500.0, "kw": 100.0}
    return next((size for ending, size in sizes.items() if name.endswith(ending)), 1.0)


def nodes_of(kind: str, parameters: UnitParameters, steps: int) -> dict[str, Node]:
    """Heat hub, and others with a demand, as far as the unit has to do with them."""
    demand_kw = 20.0 + 10.0 * np.sin(np.arange(steps) / 9.0)
    known = {
        HEAT: Node("heat", HEAT),
        HYDROGEN: Node("h2", HYDROGEN, demand_kw=demand_kw),
        COOLING: Node("cold", COOLING, demand_kw=demand_kw),
    }
    return {c: known[c] for c in KINDS[kind].served(parameters) if c in known}


def has_hub(kind: str) -> bool:
    """Whether units of a kind share a heat balance."""
    return issubclass(KINDS[kind].Parameters, HeatParameters)


def makes_hydrogen(kind: str, **extra) -> bool:
    """Whether a unit of a kind is at a node of hydrogen; ``extra`` overrides its parameters."""
    parameters = KINDS[kind].Parameters(**parameters_of(kind, **extra))
    return HYDROGEN in KINDS[kind].served(parameters)


def horizon(steps: int = 130, dt_h: float = 0.25) -> Horizon:
    """Intervals from midnight."""
    return Horizon(START, steps, dt_h)


def profile(
    kind: str, parameters: UnitParameters, hours: Array, rng: np.random.Generator
) -> dict[str, Array]:
    """Series of a kind over hours of the day."""
    day = 2 * np.pi * hours / 24
    sun = np.clip(-np.cos(day), 0.0, None) ** 1.5
    gusts = np.clip(0.6 + 0.3 * np.sin(hours / 5.0) + 0.1 * rng.standard_normal(len(hours)), 0, 1)
    load = 0.25 + 0.2 * np.clip(-np.cos(day - 1.5), 0, None) + 0.05 * rng.random(len(hours))
    series: dict[str, dict[str, Array]] = {
        "pv": {"available_kw": 900.0 * sun},
        "wind": {"available_kw": 2300.0 * gusts},
        "plant": {"available_kw": np.full(len(hours), 300.0)},
        "conventional": {"available_kw": np.full(len(hours), 280.0)},
        "household": {"load_kw": load, "q_kvar": -0.3 * load},
        "heat_demand": {
            "demand_kw": 100.0 + 60.0 * np.cos(day - 1.0) + 10.0 * rng.random(len(hours))
        },
        "heat_pump": {"temperature_degc": 8.0 - 6.0 * np.cos(day)},
        "solar_thermal": {"available_kw": 120.0 * sun},
        "flexible_demand": {"load_kw": 100.0 * load},
    }
    return series.get(kind) or {
        name: (request.rated_kw or 50.0) * gusts
        for name, request in KINDS[kind].requests(parameters).items()
    }


def sessions(steps: int, dt_h: float, rng: np.random.Generator) -> tuple[Session, ...]:
    """Stays in the afternoon and overnight, with gaps."""
    found, t = [], int(rng.integers(0, max(2, int(8 / dt_h))))
    while True:
        stay = int(rng.integers(int(2 / dt_h), int(11 / dt_h)))
        if t + stay > steps:
            return tuple(found)
        max_kw = float(rng.choice([11.0, 22.0]))
        due = float(rng.uniform(0.2, 0.9)) * min(max_kw * stay * dt_h, 60.0)
        found.append(Session(t, t + stay, due, max_kw))
        t += stay + int(rng.integers(0, int(6 / dt_h)))


def unit(
    kind: str, name: str | None = None, steps: int = 130, dt_h: float = 0.25, seed: int = 1, **extra
) -> UnitData:
    """A unit of a kind, ready for a horizon; ``extra`` overrides its parameters."""
    rng = np.random.default_rng(seed)
    behaviour = KINDS[kind]
    parameters = behaviour.Parameters(**parameters_of(kind, **extra))
    state = behaviour.initial(parameters)
    data = UnitData(
        name=name or f"place.{kind}",
        parameters=parameters,
        neighbourhood="place",
        agent="heat"
        if has_hub(kind)
        else "h2"
        if makes_hydrogen(kind, **extra)
        else (name or kind),
        horizon=horizon(steps, dt_h),
        nodes=nodes_of(kind, parameters, steps),
        series=profile(kind, parameters, np.arange(steps) * dt_h, rng),
        state=dict(state),
        sessions=sessions(steps, dt_h, rng) if behaviour.sessions else (),
        start_energy_kwh=0.0 if behaviour.sessions else state.get("energy_kwh", 0.0),
    )
    return behaviour.bounded(data)


def with_state(data: UnitData, **state: float) -> UnitData:
    """The unit in another state."""
    return KINDS[data.kind].bounded(replace(data, state={**data.state, **state}))


def heat_hub(*kinds: str, **changes) -> tuple[UnitData, ...]:
    """A heat demand and what serves it."""
    return tuple(unit(kind, **changes) for kind in ("heat_demand", *kinds))


FLIEGERHORST_HUB = ("chp", "thermal_storage", "boiler")


def agents_of(kind: str, own: Mapping[str, object] = {}, **changes) -> tuple[UnitData, ...]:
    """Units of one agent that a unit of the kind can act in: a hub, a node of hydrogen, or both.

    ``own`` overrides parameters of the kind alone, as far as they say what it has to do with.
    """
    helpers = [k for k in ("electrolyser", "hydrogen_tank", "reformer") if k != kind]
    hydrogen = [unit(k, **changes) for k in helpers] if makes_hydrogen(kind, **own) else []
    if not has_hub(kind):
        return (unit(kind, **changes), *hydrogen)
    helpers = [k for k in ("thermal_storage", "boiler") if k != kind]
    mine = [] if kind == "heat_demand" else [kind]
    return (*heat_hub(*mine, *helpers, **changes), *hydrogen)


def rounded(data: UnitData) -> UnitData:
    """The unit with series of few digits, the same on any machine."""
    series = {name: np.round(values, 3) for name, values in data.series.items()}
    stays = tuple(replace(s, due_kwh=round(s.due_kwh, 3)) for s in data.sessions)
    return KINDS[data.kind].bounded(replace(data, series=series, sessions=stays))


def terms(steps: int = 130, dt_h: float = 0.25, **changes) -> ConnectionTerms:
    """Time-of-use prices, no caps; ``changes`` may hold numbers for arrays."""
    hours = (np.arange(steps) * dt_h) % 24
    evening, noon = (hours >= 17) & (hours < 21), (hours >= 11) & (hours < 15)
    values = {
        "export_eur_per_kwh": np.where(evening, 0.10, np.where(noon, 0.03, 0.06)),
        "import_eur_per_kwh": np.where(evening, 0.38, np.where(hours < 6, 0.26, 0.31)),
        "p_max_kw": np.inf,
        "p_min_kw": -np.inf,
    } | {name: changes.pop(name) for name in list(changes) if name in ARRAYS}
    numbers = {
        "curtailment_eur_per_kwh": 0.10,
        "co2_eur_per_kg": 0.0,
        "peak_eur_per_kw": 0.0,
        "penalty_eur_per_kwh": 10.0,
    } | changes
    arrays = {name: np.broadcast_to(np.asarray(v, float), steps) for name, v in values.items()}
    return ConnectionTerms(dt_h=dt_h, **arrays, **numbers)


ARRAYS = ("export_eur_per_kwh", "import_eur_per_kwh", "p_max_kw", "p_min_kw")
