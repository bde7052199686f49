"""Small random scenarios over all problems and mechanisms, and what must hold of their runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from quartier.coordination import COORDINATIONS
from tests.integration.studies import _write_grid

CASES = Path(__file__).parents[1] / "cases"
START = "2016-05-02T10:00"
PAIRS = tuple((p, m) for m, answered in COORDINATIONS.items() for p in answered)
"""Problem and mechanism, all that there are."""

Rng = np.random.Generator
Data = dict[str, Any]


def _any(rng: Rng, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _column(name: str, unit: str = "kW") -> Data:
    return {"csv": "s.csv", "column": name, "unit": unit}


def _kw(rng: Rng, most: float = 60.0) -> float:
    """A rated power: ordinary, tiny, or odd."""
    return float(_any(rng, round(float(rng.uniform(5, most)), 3), 0.01, most, 1 / 3))


def write(folder: Path, seed: int) -> tuple[str, str]:
    """Write the scenario of a seed; return its problem and mechanism."""
    rng, (problem, mechanism) = np.random.default_rng(seed), PAIRS[seed % len(PAIRS)]
    folder.mkdir(parents=True, exist_ok=True)
    if problem == "bundles":
        scenario = _bundles(rng, folder)
    else:
        scenario = _scenario(rng, folder, problem, mechanism)
    scenario |= {"name": f"random-{seed}", "coordination": mechanism, "seed": seed}
    text = yaml.safe_dump(scenario, sort_keys=False)
    (folder / "scenario.yaml").write_text(text, encoding="utf-8")
    return problem, mechanism


def _series(rng: Rng, folder: Path, steps: int, minutes: int) -> None:
    times = pd.date_range(START, periods=steps + 1, freq=f"{minutes}min", tz="Europe/Berlin")
    shapes = {
        "load": rng.uniform(0, 40, steps + 1),
        "calm": np.zeros(steps + 1),
        "sun": rng.uniform(0, 1, steps + 1) * rng.integers(0, 2, steps + 1),
        "heat": rng.uniform(0, 30, steps + 1) * rng.integers(0, 2, steps + 1),
        "price": rng.choice([-0.3, -0.01, 0.0, 0.05, 0.1, 0.4], steps + 1),
    }
    frame = pd.DataFrame({"time": [t.isoformat() for t in times], **shapes})
    frame.to_csv(folder / "s.csv", index=False)


def _scenario(rng: Rng, folder: Path, problem: str, mechanism: str) -> Data:
    steps, minutes = int(rng.integers(1, 6)), int(_any(rng, 15, 30, 60))
    _series(rng, folder, steps, minutes)
    on_grid = problem == "redispatch" or (problem == "sharing" and rng.random() < 0.25)
    buses = int(rng.integers(2, 4))
    if on_grid:
        _write_grid(folder / "grid.json", rng, buses)
    names = [f"n{k}" for k in range(int(rng.integers(1, 4)))]
    hoods = {name: _neighbourhood(rng, problem, mechanism) for name in names}
    if on_grid:
        hoods = {name: {"bus": f"b{rng.integers(1, buses)}"} | one for name, one in hoods.items()}
    scenario: Data = {
        "problem": _problem(rng, problem, mechanism, hoods),
        "horizon": {"start": START, "steps": steps, "step_minutes": minutes},
        "gates": _any(rng, {}, {"every": 2, "horizon_steps": 3}, {"first": 1}, {"every": 1}),
        "grid": {"json": "grid.json"} if on_grid else "none",
        "signals": _signals(rng, problem),
        "objectives": {"curtailment_eur_per_kwh": float(_any(rng, 0.5, 1.0))},
        "optimisation": {"time_limit_s": 20.0},
        "neighbourhoods": hoods,
    }
    if mechanism in {"cohda", "mo-cohda"}:
        scenario["communication"] = {"loss": float(_any(rng, 0.0, 0.0, 0.2))}
    if on_grid and rng.random() < 0.3:
        scenario["redispatch"] = {"taps": False, "threshold_kw": 0.0}
    if problem in {"pricing", "bundles"} or scenario["gates"].get("first", 0) >= steps:
        scenario.pop("gates")
    return scenario


def _signals(rng: Rng, problem: str) -> Data:
    if problem == "pricing":
        return {"import_eur_per_kwh": 0.4, "export_eur_per_kwh": 0.0, "temperature": 5.0}
    if problem == "market":
        price = _any(rng, 0.1, _column("price", "EUR/kWh"))
        return {"import_eur_per_kwh": price, "export_eur_per_kwh": price, "temperature": 5.0}
    above = float(_any(rng, 0.0, 0.05, 0.3))
    market = _column("price", "EUR/kWh")
    given = _any(
        rng,
        {"import_eur_per_kwh": 0.3, "export_eur_per_kwh": float(_any(rng, 0.3, 0.08, 0.0, -0.1))},
        {
            "import_eur_per_kwh": {"market": market, "plus_eur_per_kwh": above},
            "export_eur_per_kwh": market,
        },
    )
    return {**given, "temperature": float(_any(rng, -15.0, 8.0, 30.0))}


def _problem(rng: Rng, problem: str, mechanism: str, hoods: Data) -> Any:
    if problem == "sharing":
        allocations = ("retrospective", "equal", "proportional", "shapley")
        return {
            "kind": "sharing",
            "allocation": _any(rng, *allocations),
            "price": _any(rng, "max-min", "lowest", "highest"),
            "redispatch": False,
        }
    if problem == "market":
        return _market(rng, hoods, zones=mechanism != "cohda")
    if problem == "pricing":
        carriers = {
            "electricity": {
                "cap_eur_per_kwh": float(_any(rng, 0.4, 0.2)),
                "wholesale_eur_per_kwh": _any(rng, 0.1, _column("price", "EUR/kWh")),
            },
            "gas": {"cap_eur_per_kwh": 0.1, "wholesale_eur_per_kwh": float(_any(rng, 0.0, 0.04))},
        }
        return {
            "kind": "pricing",
            "mode": _any(rng, "uniform", "individual"),
            "carriers": carriers,
        }
    return problem


def _market(rng: Rng, hoods: Data, *, zones: bool) -> Data:
    def supplier() -> Data:
        blocks = [
            {"power_kw": _kw(rng, 100), "price_eur_per_kwh": float(_any(rng, 0.0, 0.1, 0.1, 0.4))}
            for _ in range(int(rng.integers(1, 4)))
        ]
        profile = {"profile": _column("sun", "1")} if rng.random() < 0.3 else {}
        return {"blocks": blocks, **profile}

    suppliers = {f"s{k}": supplier() for k in range(int(rng.integers(1, 4)))}
    asked: Data = {"kind": "market", "suppliers": suppliers}
    if zones and rng.random() < 0.4:
        places = ["north", "south"]
        for member in (*suppliers.values(), *hoods.values()):
            member["zone"] = _any(rng, *places)
        suppliers["s0"]["zone"], hoods["n0"]["zone"] = rng.permutation(places).tolist()
        line = {"from": "north", "to": "south", "capacity_kw": float(_any(rng, 0.0, 5.0, 500.0))}
        asked |= {"zones": places, "lines": {"link": line}}
    return asked


# -- neighbourhoods ----------------------------------------------------------------------------
def _store(rng: Rng, kind: str) -> Data:
    soc = sorted(rng.uniform(0, 1, 3))
    lowest, start, highest = _any(rng, (0.1, 0.5, 0.9), (0.0, 0.0, 1.0), tuple(map(float, soc)))
    return {
        "kind": kind,
        "energy_kwh": _kw(rng, 80),
        "power_kw": _kw(rng),
        "min_soc": lowest,
        "max_soc": highest,
        "start_soc": start,
        "charge_efficiency": float(_any(rng, 1.0, 0.9)),
        "discharge_efficiency": float(_any(rng, 1.0, 0.8)),
        "standing_loss_per_h": float(_any(rng, 0.0, 0.05)),
    }


def _neighbourhood(rng: Rng, problem: str, mechanism: str) -> Data:
    linear = problem == "pricing" and mechanism == "bilevel"
    units: Data = {"home": {"kind": "household", "profile": _column(_any(rng, "load", "calm"))}}
    may = {
        "pv": lambda: {"kind": "pv", "power_kw": _kw(rng), "profile": _column("sun", "1")},
        "wind": lambda: {"kind": "wind", "power_kw": _kw(rng), "profile": _column("sun", "1")},
        "battery": lambda: _store(rng, "battery") | {"wear_eur_per_kwh": float(_any(rng, 0, 0.02))},
        "hydro": lambda: _store(rng, "pumped_hydro"),
        "cars": lambda: {
            "kind": "ev_station",
            "power_kw": _kw(rng, 22),
            "sessions_per_day": float(_any(rng, 0.0, 2.0, 8.0)),
            "count": int(_any(rng, 1, 3)),
            "stay_h_mean": float(_any(rng, 1.0, 6.0)),
            "arrival_h_mean": 11.0,
        },
        "shift": lambda: {
            "kind": "flexible_demand",
            "power_kw": 90.0,
            "band_kwh": float(_any(rng, 0.0, 10.0, 50.0)),
            "energy_kwh_per_year": 50_000.0,
            "profile": _column("load", "1"),
        },
        "cut": lambda: {
            "kind": "interruptible_load",
            "profile": _column("load"),
            "share": float(_any(rng, 0.0, 0.3, 1.0)),
            "incentive_eur_per_kwh": float(_any(rng, 0.0, 0.05)),
        },
    }
    only = {"pv", "wind", "battery", "cut"} if linear else set(may)
    units |= {name: make() for name, make in may.items() if name in only and rng.random() < 0.35}
    found: Data = {"units": units}
    gas = problem == "pricing" or rng.random() < 0.3
    if gas or rng.random() < 0.5:
        units |= _heat(rng, gas=gas, linear=linear)
    if gas:
        price = 0.1 if problem == "pricing" else float(_any(rng, 0.0, 0.06))
        found["nodes"] = {"gas": {"carrier": "gas", "buy": {"price_eur_per_kwh": price}}}
    if rng.random() < 0.15 and problem not in {"pricing"}:
        units |= {
            "split": {"kind": "electrolyser", "power_kw": _kw(rng)},
            "tank": _store(rng, "hydrogen_tank") | {"charge_efficiency": 1.0},
        }
        h2 = {"carrier": "hydrogen", "demand": float(_any(rng, 0.0, 5.0))}
        h2 |= {"sell": {"price_eur_per_kwh": float(_any(rng, 0.0, 0.2)), "max_kw": 10}}
        found.setdefault("nodes", {})["hydrogen"] = h2
    return found


def _heat(rng: Rng, *, gas: bool, linear: bool) -> Data:
    fuel = {} if gas else {"fuel_eur_per_kwh": float(_any(rng, 0.0, 0.06))}
    chp = {"kind": "chp", "p_max_kw": 20.0, **fuel}
    if not linear:
        chp |= {
            "p_min_kw": float(_any(rng, 0.0, 8.0, 20.0)),
            "start_eur": float(_any(rng, 0.0, 1.0)),
            "min_up_h": float(_any(rng, 0.0, 1.0)),
            "min_down_h": float(_any(rng, 0.0, 1.5)),
        }
    found: Data = {
        "heat": {"kind": "heat_demand", "profile": _column(_any(rng, "heat", "calm"))},
        "boiler": {"kind": "boiler", "heat_max_kw": float(_any(rng, 40.0, 5.0)), **fuel},
    }
    may: Data = {
        "chp": chp,
        "pump": {"kind": "heat_pump", "power_kw": _kw(rng, 20)},
        "rod": {"kind": "electric_heater", "power_kw": _kw(rng, 20)},
        "roof": {"kind": "solar_thermal", "power_kw": _kw(rng), "profile": _column("sun", "1")},
        "tank": _store(rng, "thermal_storage"),
    }
    if linear:
        found["boiler"]["heat_max_kw"] = 40.0
    return found | {name: unit for name, unit in may.items() if rng.random() < 0.35}


def _bundles(rng: Rng, folder: Path) -> Data:
    """The case ``bundles`` with other numbers."""
    case: Data = yaml.safe_load((CASES / "bundles" / "scenario.yaml").read_text("utf-8"))
    shutil.copy(CASES / "bundles" / "s.csv", folder / "s.csv")
    asked, system = case["problem"], case["neighbourhoods"]["system"]
    asked["discount"] = float(_any(rng, 1.0, 0.9, 0.5))
    asked["rule"] = _any(rng, "mandatory", "optional", "none")
    for sold in asked["sold"].values():
        sold["most_eur_per_kwh"] = float(_any(rng, 0.05, 0.25, 0.6))
    asked["groups"]["town"]["outside_eur_per_kwh"] = {
        "electricity": float(_any(rng, 0.1, 0.3)),
        "heat": float(_any(rng, 0.05, 0.1, 0.3)),
    }
    days = int(rng.integers(1, 365))
    asked["days"] = [days, 365 - days]
    asked["sizes"]["boiler"]["capital_eur"] = float(_any(rng, 0.0, 40.0, 4_000.0))
    if rng.random() < 0.5:
        system["units"]["rod"] = {"kind": "electric_heater", "power_kw": 1}
        asked["sizes"]["rod"] = {"capital_eur": 10, "life_years": 20, "upkeep_eur": 0}
    if rng.random() < 0.5:
        store = {"kind": "thermal_storage", "energy_kwh": 1, "power_kw": 0.5, "start_soc": 0.5}
        system["units"]["tank"] = store
        asked["sizes"]["tank"] = {"capital_eur": float(_any(rng, 0, 5)), "life_years": 20}
    return case
