"""Small random studies: two or three buses, one or two neighbourhoods, any step length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import yaml

from quartier.gaps import SideBySide
from quartier.instance import build
from quartier.mechanism import mechanism
from quartier.progress import SilentProgress
from quartier.results import Result
from quartier.run import Clock, Story, as_asked
from quartier.scenario.load import load

START = "2016-05-02T10:00"


def write_study(folder: Path, seed: int, *, wants: bool = False) -> Path:
    """Write the study of a seed; return its folder.

    With ``wants``, neighbourhoods also want what is off by default, and the DSO may plan by minimum
    factors and keep a margin; all else is as without.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    steps, minutes = int(rng.integers(4, 9)), int(rng.choice([15, 30, 60]))
    buses = int(rng.integers(2, 4))
    _write_grid(folder / "grid.json", rng, buses)
    places = [f"n{k}" for k in range(int(rng.integers(1, 3)))]
    columns = {"load": rng.uniform(0.2, 1.0, steps), "heat": rng.uniform(0.3, 1.0, steps)}
    columns |= {f"sun{k}": rng.uniform(0.0, 1.0, steps) for k in range(2)}
    times = pd.date_range(START, periods=steps + 1, freq=f"{minutes}min", tz="Europe/Berlin")
    table = {name: np.append(values, values[-1]) for name, values in columns.items()}
    frame = pd.DataFrame({"time": [t.isoformat() for t in times], **table})
    frame.to_csv(folder / "s.csv", index=False)
    scenario = {
        "name": folder.name,
        "title": "A small random study",
        "horizon": {"start": START, "steps": steps, "step_minutes": minutes},
        "grid": {"json": "grid.json"},
        "signals": _signals(rng),
        "redispatch": {
            "taps": False,
            "price_eur_per_kwh": float(rng.choice([0.05, 0.1, 0.59])),
            "raise_price_eur_per_kwh": float(rng.choice([0.0, 0.3, 1.0])),
            "loss_price_eur_per_kwh": float(rng.choice([0.0, 0.06])),
        },
        "neighbourhoods": {
            name: _neighbourhood(rng, int(rng.integers(1, buses))) for name in places
        },
    }
    if wants:
        _add_wants(scenario, np.random.default_rng([seed, 1]))
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    return folder


def _add_wants(scenario: dict[str, Any], rng: np.random.Generator) -> None:
    """Imported energy (L1e), flexibility (L2, L5), ends of stores, minimum factors, a margin."""

    def one_of(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    scenario["objectives"] = {
        "imported_eur_per_kwh": one_of(0.0, 0.05),
        "flexibility_eur_per_kwh": one_of(0.0, 0.01),
    }
    for side in ("up", "down"):
        if price := one_of(0.0, 0.02, 0.15):
            scenario["signals"][f"flexibility_{side}_eur_per_kwh"] = price
    worth = {"end": "value", "value_eur_per_kwh": 0.1}
    scenario["stores"] = one_of({}, {"end": "free"}, worth)
    redispatch = scenario["redispatch"]
    redispatch["margin"] = one_of(0.0, 0.1)
    if rng.random() < 0.5:
        del redispatch["price_eur_per_kwh"]
        redispatch["minimum_factor"] = {"conventional_eur_per_kwh": 0.05}


def _write_grid(path: Path, rng: np.random.Generator, buses: int) -> None:
    net = pp.create_empty_network()
    for k in range(buses):
        pp.create_bus(net, 20.0, name=f"b{k}", min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0, vm_pu=1.0)
    for k in range(buses - 1):
        limit = float(rng.choice([20.0, 40.0, 100.0]))
        pp.create_line_from_parameters(
            net, k, k + 1, 5.0, 0.3, 0.3, 10.0, 0.06, name=f"l{k}", max_loading_percent=limit
        )
    net.line["max_loading_percent"] = net.line["max_loading_percent"].astype(float)
    for k in range(1, buses):
        pp.create_load(net, k, float(rng.uniform(0.0, 0.2)), 0.02, name=f"load{k}")
        if rng.random() < 0.5:
            p_mw = float(rng.uniform(0.2, 1.5))
            pp.create_sgen(net, k, p_mw, name=f"park{k}", type="PV")
    pp.to_json(net, str(path))


def _signals(rng: np.random.Generator) -> dict[str, Any]:
    spot = [float(rng.choice([-0.2, 0.0, 0.04, 0.08, 0.15])) for _ in range(2)]
    export = [
        {"from": "00:00", "eur_per_kwh": spot[0]},
        {"from": "12:00", "eur_per_kwh": spot[1]},
    ]
    dear = max(*spot, 0.0) + float(rng.choice([0.0, 0.2]))
    return {"export_eur_per_kwh": export, "import_eur_per_kwh": dear, "temperature": 8.0}


def _neighbourhood(rng: np.random.Generator, bus: int) -> dict[str, Any]:
    def share(column: str, power_kw: float) -> dict[str, Any]:
        return {"power_kw": power_kw, "profile": {"csv": "s.csv", "column": column, "unit": "1"}}

    units: dict[str, Any] = {
        "pv": {"kind": "pv", **share(f"sun{rng.integers(2)}", float(rng.uniform(300, 2000)))},
        "homes": {
            "kind": "household",
            "count": int(rng.integers(20, 400)),
            "energy_kwh_per_year": 3000,
            "profile": "H0-A",
        },
    }
    if rng.random() < 0.6:
        size = float(rng.choice([200.0, 1000.0, 4000.0]))
        units["battery"] = {
            "kind": "battery",
            "energy_kwh": size,
            "power_kw": size / 2,
            "start_soc": float(rng.uniform(0.2, 0.8)),
            "wear_eur_per_kwh": float(rng.choice([0.0, 0.02])),
        }
    if rng.random() < 0.4:
        units |= _heat(rng)
    return {
        "bus": f"b{bus}",
        "redispatch_price_eur_per_kwh": float(rng.choice([0.05, 0.1, 0.59])),
        "units": units,
    }


def _heat(rng: np.random.Generator) -> dict[str, Any]:
    demand = {"kind": "heat_demand", "energy_kwh_per_year": float(rng.uniform(2e5, 1.5e6))}
    chp = {
        "kind": "chp",
        "p_max_kw": 200.0,
        "p_min_kw": 100.0,
        "fuel_eur_per_kwh": 0.06,
        "min_down_h": float(rng.choice([0.0, 0.5, 1.1])),
    }
    boiler = {"kind": "boiler", "heat_max_kw": 1000.0, "fuel_eur_per_kwh": 0.06}
    pump = {"kind": "heat_pump", "power_kw": float(rng.uniform(50, 300))}
    found: dict[str, Any] = {"heat": {**demand, "profile": "bdew:MFH"}, "boiler": boiler}
    if rng.random() < 0.5:
        found["chp"] = chp
    if rng.random() < 0.3:
        found["pump"] = pump
    if rng.random() < 0.5:
        store = {"kind": "thermal_storage", "energy_kwh": 500.0, "power_kw": 200.0}
        found["tank"] = store
    return found


def run_study(
    folder: Path, mechanisms: Sequence[str], overrides: Sequence[str] = ()
) -> dict[str, Result]:
    """Run a study under each mechanism, on the same instance, without baseline and report."""
    loaded = load(folder, overrides)
    instance, found = build(loaded), {}
    for name in mechanisms:
        asked = as_asked(loaded, name, None)
        story = Story(asked, instance, Clock(), SilentProgress())
        planner = mechanism(name, "redispatch")
        with story.recorded(folder / "runs" / name, planner) as writer:
            story.execute(planner, writer)
            story.conclude(planner, writer, None)
        found[name] = Result.open(folder / "runs" / name)
    return found


TOLERANCE_EUR = 0.02
"""Absolute, for what the AC correction and the solvers leave,"""
TOLERANCE = 2e-3
"""and relative."""


def faults(runs: dict[str, Result]) -> list[str]:
    """What a study's runs break of what must hold on any grid (M4, M7)."""
    together = SideBySide(runs)
    kpis = {m: {k: e["value"] for k, e in f.items()} for m, f in together.figures().items()}
    upper = {m: k["upper_cost"] for m, k in kpis.items()}
    total = {m: k["upper_cost"] + k["lower_cost"] for m, k in kpis.items()}
    upper["bound"] = together.bound_eur
    found = [
        f"{a} costs {costs[a]:.4f}, more than {b} with {costs[b]:.4f}"
        for costs, a, b in (
            *((upper, "bound", name) for name in runs),
            (upper, "bilevel", "individual"),
            (total, "central", "individual"),
        )
        if costs[a] > costs[b] + TOLERANCE_EUR + TOLERANCE * abs(costs[b])
    ]
    robbed = kpis["bilevel"]["lower_cost"] - kpis["individual"]["lower_cost"]
    gained = upper["individual"] - upper["bilevel"]
    if gained < TOLERANCE_EUR / 2 and robbed > TOLERANCE_EUR:
        found += [f"bilevel takes {robbed:.4f} EUR from neighbourhoods for {gained:.4f} EUR"]
    for name, run in runs.items():
        found += [f"{name}: {text}" for text in _faults_of(run, kpis[name])]
    return found


def _faults_of(run: Result, kpis: dict[str, float]) -> Iterator[str]:
    if run.manifest["status"] != "complete":
        yield f"{run.manifest['status']}: {run.manifest['error']}"
    for name in ("overloads", "voltage_violations", "cap_violations"):
        if kpis[name]:
            yield f"{kpis[name]:g} {name}"
    signals, points = run.table("signals"), run.table("connection_points")
    offered = signals[signals["name"].isin(["overloads_offered", "voltage_violations_offered"])]
    caps = points[["p_set_min_kw", "p_set_max_kw"]]
    kept = run.manifest["scenario"]["redispatch"]["margin"]
    if not kept and not offered["value"].any() and caps.notna().any(axis=None):
        yield "P_set without need"
    if (caps["p_set_max_kw"] < 0).any() or (caps["p_set_min_kw"] > 0).any():
        yield "P_set demands power"
    units = run.table("units")
    apart = (units["p_kw"] - units["planned_kw"]).abs()
    if apart.max() > PLANNED_KW:
        row = units.loc[apart.idxmax()]
        yield f"{row.unit} does {row.p_kw:.2f} kW at {row.time}, planned {row.planned_kw:.2f}"


PLANNED_KW = 0.1
"""Distance of what is done from what was planned that is rounding."""
