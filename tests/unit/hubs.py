"""Random neighbourhoods with a heat hub: several units of a kind, odd parameters, any step."""

from __future__ import annotations

import numpy as np

from quartier.problem import NeighbourhoodProblem
from quartier.quantities import Array
from quartier.units.base import UnitData

from . import factories

STEPS = 10
MAKERS = ("chp", "thermal_storage", "heat_pump", "electric_heater", "boiler")


def neighbourhood(seed: int) -> NeighbourhoodProblem:
    """The neighbourhood of a seed, its prices among them."""
    rng = np.random.default_rng(seed)
    dt_h = float(rng.choice([5, 15, 60])) / 60
    kinds = ["heat_demand", "pv", "household", "ev_station"]
    kinds += [kind for kind in MAKERS for _ in range(rng.integers(0, 3))]
    kinds += ["battery"] * int(rng.integers(0, 3))
    units = tuple(_unit(kind, k, dt_h, rng) for k, kind in enumerate(kinds))
    return NeighbourhoodProblem("place", 1, units[0].horizon, units, _terms(dt_h, rng), 0.1)


def _unit(kind: str, number: int, dt_h: float, rng: np.random.Generator) -> UnitData:
    more = _PARAMETERS[kind](rng) if kind in _PARAMETERS else {}
    name = f"place.{kind}-{number}"
    return factories.unit(kind, name, STEPS, dt_h, seed=int(rng.integers(1000)), **more)


def _terms(dt_h: float, rng: np.random.Generator):
    export = rng.choice([-0.2, 0.0, 0.06, 0.1], STEPS)
    return factories.terms(
        STEPS,
        dt_h,
        export_eur_per_kwh=export,
        import_eur_per_kwh=export + float(rng.choice([0.0, 0.2])) + 0.1,
        p_max_kw=float(rng.choice([np.inf, 300.0, 0.0])),
        peak_eur_per_kw=float(rng.choice([0.0, 0.3])),
        co2_eur_per_kg=0.05,
    )


def _chp(rng: np.random.Generator) -> dict[str, float]:
    most = float(rng.uniform(30, 150))
    found = {
        "p_max_kw": most,
        "p_min_kw": most * float(rng.choice([0.0, 0.3, 1.0])),
        "fuel_eur_per_kwh": float(rng.uniform(0.02, 0.09)),
        "start_eur": float(rng.choice([0.0, 3.0])),
        "min_up_h": float(rng.choice([0.0, 0.4, 1.1])),
        "min_down_h": float(rng.choice([0.0, 0.7, 1.1])),
    }
    return found | ({"ramp_kw_per_h": float(rng.uniform(50, 300))} if rng.random() < 0.3 else {})


def _store(rng: np.random.Generator) -> dict[str, float]:
    low, start, high = np.sort(rng.uniform(0, 1, 3))
    energy = float(rng.uniform(50, 1500))
    return {
        "energy_kwh": energy,
        "power_kw": energy * float(rng.uniform(0.1, 1.0)),
        "min_soc": float(low),
        "start_soc": float(start),
        "max_soc": float(high),
        "standing_loss_per_h": float(rng.choice([0.0, 0.01])),
        "charge_efficiency": float(rng.choice([0.9, 1.0])),
    }


_PARAMETERS = {
    "pv": lambda rng: {},
    "battery": _store,
    "thermal_storage": _store,
    "chp": _chp,
    "boiler": lambda rng: {
        "heat_max_kw": float(rng.uniform(20, 200)),
        "efficiency": float(rng.uniform(0.7, 1.0)),
        "fuel_eur_per_kwh": float(rng.uniform(0.02, 0.12)),
    },
    "heat_pump": lambda rng: {
        "power_kw": float(rng.uniform(5, 40)),
        "cop": float(rng.uniform(2, 4.5)),
    },
    "electric_heater": lambda rng: {"power_kw": float(rng.uniform(10, 80))},
}


def powers(units, controls) -> dict[str, tuple[Array, Array]]:
    """Power and heat by unit, from controls of shape ``(T,)``."""
    found = {}
    for unit in units:
        kind, x = factories.KINDS[unit.kind], controls[unit.name]
        flow = kind.flow(unit.parameters, x, unit.series, unit.horizon.dt_h)
        shape = (unit.horizon.steps,)
        found[unit.name] = (
            np.broadcast_to(flow.p_kw, shape),
            np.broadcast_to(flow.heat_kw, shape),
        )
    return found
