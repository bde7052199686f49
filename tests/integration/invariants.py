"""What must hold of any run, whatever its problem and mechanism, read from its tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from quartier.kpi.run_data import RunData
from quartier.kpi.settlement import UNIT_COST, balances, cost, payments
from quartier.results import Result

KW, EUR = 1e-5, 1e-6
"""What rounding and a solver's tolerance leave."""
CAPPED_KW = 0.1
"""What linearising a grid leaves of a cap."""
Units = dict[str, dict[str, Any]]


class _Run:
    """A run, with empty tables for those that it has not."""

    def __init__(self, result: Result) -> None:
        self.data = RunData(result, None)
        self.table, self.manifest, self.kpis = self.data.table, result.manifest, result.kpis


def broken(result: Result) -> list[str]:
    """What a run breaks, a sentence each."""
    run, found = _Run(result), []
    for check in (_ending, _limits, _stores, _points, _nodes, _caps, _grid, _sessions):
        found += [f"{check.__name__[1:]}: {text}" for text in check(run)]
    data = run.data
    if data.problem != "bundles":
        for money in (_costs, _market, _shares):
            found += [f"{money.__name__[1:]}: {text}" for text in money(run, data)]
    total = balances(payments(data)) if data.problem != "bundles" else {}
    if abs(sum(total.values())) > EUR * (1 + sum(map(abs, total.values()))):
        found.append(f"money: parties together gain {sum(total.values()):g} EUR")
    return found


def _settings(run: _Run) -> Units:
    hoods = run.manifest["scenario"]["neighbourhoods"]
    named = {}
    for hood, settings in hoods.items():
        for name, unit in settings["units"].items():
            one = unit.get("agents") == "aggregated" or unit["count"] == 1
            names = [name] if one else [f"{name}-{k + 1}" for k in range(unit["count"])]
            named |= {f"{hood}.{each}": unit for each in names}
    return named


def _dt_h(run: _Run) -> float:
    return float(run.manifest["scenario"]["horizon"]["step_minutes"]) / 60


def _worst(what: str, excess: pd.Series[float], allowed: float = KW) -> Iterator[str]:
    if len(excess) and not excess.max() <= allowed:  # NaN is none
        yield f"{what} by {excess.max():g} in {excess.idxmax()}"


# -- how it ended ------------------------------------------------------------------------------
def _ending(run: _Run) -> Iterator[str]:
    told = run.manifest
    if told["status"] not in {"complete", "degraded"} or (
        told["status"] == "degraded" and not told["error"]
    ):
        yield f"{told['status']}: {told['error']}"
    units, steps = run.table("units"), told["steps_expected"]
    if len(units) != steps * units["unit"].nunique():
        yield f"{len(units)} rows of units in {steps} steps"
    for column in ("p_kw", "q_kvar", "heat_kw", "fuel_kw", "co2_kg"):
        if not np.isfinite(units[column]).all():
            yield f"{column} is not finite"
    wrong = [k for k, v in run.kpis.items() if isinstance(v, float) and np.isinf(v)]
    if wrong:
        yield f"KPIs are infinite: {wrong}"


# -- units -------------------------------------------------------------------------------------
_LOADS = {"household", "interruptible_load", "heat_demand"}
_DRAWING = {"heat_pump", "electric_heater", "electrolyser", "ev_station", "flexible_demand"}


def _bounds(kind: str, u: dict[str, Any]) -> tuple[float, float]:
    """Least and most electric power of a unit in kW."""
    if kind in _LOADS:
        return -np.inf, 0.0
    if kind in {"battery", "pumped_hydro"}:
        return -u["power_kw"], u["power_kw"]
    if kind in _DRAWING:
        return -u["power_kw"], 0.0
    return 0.0, u["p_max_kw"] if kind == "chp" else np.inf


def _limits(run: _Run) -> Iterator[str]:
    if run.manifest["scenario"]["problem"]["kind"] == "bundles":
        return  # units have the sizes of the plan
    settings = _settings(run)
    for (name, kind), rows in run.table("units").groupby(["unit", "kind"]):
        u, p = settings.get(str(name), {}), rows["p_kw"]  # plants of the grid have no settings
        low, high = _bounds(str(kind), u)
        yield from _worst(f"{name} is above its limit", p - high)
        yield from _worst(f"{name} is below its limit", low - p)
        if kind in {"pv", "wind"}:
            yield from _worst(f"{name} makes more than there is", p - rows["available_kw"])
        if kind == "chp":
            yield from _worst(f"{name} is below its least", (u["p_min_kw"] - p)[p.abs() > KW])
        if kind == "thermal_storage":
            yield from _worst(f"{name} moves too much", rows["heat_kw"].abs() - u["power_kw"])
        for efficiency, power in _burnt(str(kind), u, rows):
            yield from _worst(f"{name} burns else", (power - efficiency * rows["fuel_kw"]).abs())
        if kind == "boiler":
            yield from _worst(f"{name} makes too much", rows["heat_kw"] - u["heat_max_kw"])


def _burnt(kind: str, u: dict[str, Any], rows: pd.DataFrame) -> list[tuple[float, Any]]:
    """Efficiencies of a burner and what it makes by them."""
    if kind == "boiler":
        return [(u["efficiency"], rows["heat_kw"])]
    if kind != "chp":
        return []
    return [
        (u["electric_efficiency"], rows["p_kw"]),
        (u["thermal_efficiency"], rows["heat_kw"]),
    ]


def _stores(run: _Run) -> Iterator[str]:
    dt_h, table = _dt_h(run), run.table("units")
    power = {"battery": "p_kw", "pumped_hydro": "p_kw", "thermal_storage": "heat_kw"}
    for name, start in run.manifest["start_energy_kwh"].items():
        rows, u = table[table["unit"] == name].sort_values("time"), _settings(run).get(name)
        if (
            u is None
            or "energy_kwh" not in u
            or run.manifest["scenario"]["problem"]["kind"] == "bundles"
        ):
            continue
        energy = np.concatenate([[start], rows["energy_kwh"]])
        low, high = (u["energy_kwh"] * u[f"{end}_soc"] for end in ("min", "max"))
        lost = (1 - u["standing_loss_per_h"] * dt_h) ** np.arange(len(energy))
        floor = np.minimum(low, energy[0] * lost)  # what stands still loses
        yield from _worst(f"{name} is too full", pd.Series(energy - high), 1e-4)
        if u["standing_loss_per_h"] == 0.0:
            yield from _worst(f"{name} is too empty", pd.Series(floor - energy), 1e-4)
        yield from _worst(f"{name} is below nothing", pd.Series(-energy), 1e-4)
        if u["kind"] in power:
            p = rows[power[u["kind"]]].to_numpy()
            gained = (
                u["charge_efficiency"] * np.maximum(-p, 0)
                - np.maximum(p, 0) / u["discharge_efficiency"]
            )
            kept = (1 - u["standing_loss_per_h"] * dt_h) * energy[:-1]
            off = np.abs(energy[1:] - kept - dt_h * gained)
            yield from _worst(f"{name}'s balance is open", pd.Series(off))


def _sessions(run: _Run) -> Iterator[str]:
    stays = run.table("ev_sessions")
    if len(stays):
        yield from _worst("a vehicle gets too much", stays["delivered_kwh"] - stays["due_kwh"])
        cars = run.table("units").query("kind == 'ev_station'")
        charged = -cars.groupby("unit")["p_kw"].sum() * _dt_h(run)
        got = stays.groupby("unit")["delivered_kwh"].sum().reindex(charged.index, fill_value=0.0)
        yield from _worst("what charges is no vehicle's", (charged - got).abs())


# -- balances ----------------------------------------------------------------------------------
def _points(run: _Run) -> Iterator[str]:
    hoods = run.manifest["scenario"]["neighbourhoods"]
    points = run.table("connection_points")
    points = points[points["name"].isin(list(hoods))].set_index(["time", "name"])["p_kw"]
    made = run.table("units").groupby(["time", "neighbourhood"])["p_kw"].sum()
    made = made.reindex(points.index, fill_value=0.0)  # in a system may be nothing
    share = pd.Series({n: s["connection_efficiency"] for n, s in hoods.items()})
    at = share.reindex(made.index.get_level_values(1)).to_numpy()
    metered = pd.Series(np.where(made > 0, made * at, made / at), made.index)
    yield from _worst("a connection point is not what is behind it", (metered - points).abs())


def _nodes(run: _Run) -> Iterator[str]:
    nodes, units, scenario = run.table("nodes"), run.table("units"), run.manifest["scenario"]
    if nodes.empty:
        return
    nodes = nodes.fillna({"bought_kw": 0.0, "sold_kw": 0.0})
    for column in ("unserved_kw", "rejected_kw", "bought_kw", "sold_kw"):
        yield from _worst(f"{column} is negative", -nodes[column])
    for (name, carrier), table in nodes.groupby(["node", "carrier"]):
        hood = str(name).partition(".")[0]
        own = units[units["neighbourhood"] == hood]
        said = scenario["neighbourhoods"][hood]["nodes"].get(str(name).partition(".")[2], {})
        share = said.get("efficiency", 1.0)
        rows = table.set_index("time")
        if carrier == "heat":
            made = own.query("kind != 'heat_demand'").groupby("time")["heat_kw"].sum()
        elif carrier == "gas":
            made = -own.groupby("time")["fuel_kw"].sum()
        else:
            continue
        inside = rows["bought_kw"] * share - rows["sold_kw"] / share
        left = rows["demand_kw"] - rows["unserved_kw"] + rows["rejected_kw"]
        made = made.reindex(rows.index, fill_value=0.0)
        yield from _worst(f"{name}'s balance is open", (made + inside - left).abs())


def _caps(run: _Run) -> Iterator[str]:
    if run.manifest["status"] != "complete":
        return
    points = run.table("connection_points")
    yield from _worst(
        "P_set is exceeded", (points["p_kw"] - points["p_set_max_kw"]).dropna(), CAPPED_KW
    )
    yield from _worst(
        "P_set is undercut", (points["p_set_min_kw"] - points["p_kw"]).dropna(), CAPPED_KW
    )


def _grid(run: _Run) -> Iterator[str]:
    if not isinstance(run.manifest["scenario"]["grid"], dict):
        return
    steps = run.table("steps").set_index("time")
    if not steps["converged"].all():
        yield f"{(~steps['converged']).sum()} steps did not converge"
    slack = run.table("signals").query("name == 'slack_p_mw'").set_index("time")["value"]
    injected = run.table("buses").groupby("time")["p_mw"].sum()
    losses = run.table("lines").groupby("time")["loss_mw"].sum()
    yield from _worst("the grid's balance is open", (slack - losses + injected).abs())


# -- money -------------------------------------------------------------------------------------
def _signal(run: _Run, name: str) -> pd.Series[float]:
    rows = run.table("signals").query("name == @name")
    return rows.set_index("time")["value"]


def _costs(run: _Run, data: RunData) -> Iterator[str]:
    """The KPI of a neighbourhood's cost is its own, and its power at its tariff or price."""
    points, prices, shares = (run.table(t) for t in ("connection_points", "prices", "shares"))
    buying, selling = (_signal(run, f"{w}_eur_per_kwh") for w in ("import", "export"))
    nodes, units = run.table("nodes"), run.table("units")
    for name, told in cost(data).items():
        p = points[points["name"] == name].set_index("time")["p_kw"]
        paid = (-p.clip(upper=0) * buying - p.clip(lower=0) * selling) * _dt_h(run)
        if len(prices):
            own = prices.query("neighbourhood == @name and carrier == 'electricity'")
            at = own.drop_duplicates("time").set_index("time")["price_eur_per_kwh"].reindex(p.index)
            paid = (-p * at * _dt_h(run)).where(at.notna(), paid)
            if (prices["carrier"] != "electricity").any():
                continue
        if len(shares) and "cost_eur" in shares:
            own = shares.query("neighbourhood == @name").drop_duplicates("time").set_index("time")
            allocated = own["cost_eur"].reindex(p.index)
            paid = paid.where(allocated.isna(), allocated)
        if run.manifest["scenario"]["problem"].get("grid_fee_eur_per_kwh"):
            continue
        fuel = _signal(run, f"{UNIT_COST}[{name}]").sum()
        expected = float(paid.sum() + fuel)
        if abs(expected - told) > EUR * (1 + abs(told)):
            yield f"cost[{name}] is {told:.9g}, its tables come to {expected:.9g}"
        yield from _own_cost(run, str(name), nodes, units, fuel)


def _own_cost(
    run: _Run, name: str, nodes: pd.DataFrame, units: pd.DataFrame, told: float
) -> Iterator[str]:
    settings, dt_h, found = _settings(run), _dt_h(run), 0.0
    for unit, rows in units[units["neighbourhood"] == name].groupby("unit"):
        u = settings[str(unit)]
        if u.get("start_eur") or u["kind"] in {"interruptible_load", "ev_fleet"}:
            return
        found += (u.get("fuel_eur_per_kwh") or 0.0) * rows["fuel_kw"].sum() * dt_h
        found += u.get("wear_eur_per_kwh", 0.0) * rows["p_kw"].clip(lower=0).sum() * dt_h
    if len(nodes):
        found += nodes.loc[nodes["node"].str.startswith(f"{name}."), "cost_eur"].sum()
    if abs(found - told) > EUR * (1 + abs(told)):
        yield f"unit_cost[{name}] is {told:.9g}, its tables come to {found:.9g}"


def _shares(run: _Run, data: RunData) -> Iterator[str]:
    """What is handed out is what the pool cost outside, step by step."""
    shares = run.table("shares")
    if not len(shares) or "cost_eur" not in shares or shares["cost_eur"].isna().all():
        return
    names = list(run.manifest["scenario"]["neighbourhoods"])
    points = run.table("connection_points")
    p = points[points["name"].isin(names)].groupby("time")["p_kw"].sum()
    buying, selling = (_signal(run, f"{w}_eur_per_kwh") for w in ("import", "export"))
    outer = (-p.clip(upper=0) * buying - p.clip(lower=0) * selling) * _dt_h(run)
    handed = shares.groupby("time")["cost_eur"].sum(min_count=1)  # none before the first gate
    yield from _worst(
        "what is handed out is not what it cost", (handed - outer).dropna().abs(), EUR
    )


def _market(run: _Run, data: RunData) -> Iterator[str]:
    if data.problem != "market":
        return
    scenario, supply, dt_h = run.manifest["scenario"], run.table("supply"), _dt_h(run)
    suppliers = scenario["problem"]["suppliers"]
    names = list(scenario["neighbourhoods"])
    points = run.table("connection_points")
    p = points[points["name"].isin(names)].groupby("time")["p_kw"].sum()
    given = supply.groupby("time")["p_kw"].sum()
    yield from _worst("supply is not what is drawn", (given + p).abs())
    for name, rows in supply.groupby("supplier"):
        if name in suppliers:
            most = sum(block["power_kw"] for block in suppliers[name]["blocks"])
            yield from _worst(f"{name} gives more than it has", rows["p_kw"] - most)
            yield from _worst(f"{name} takes", -rows["p_kw"])
    prices = run.table("prices")
    if len(prices):
        at = prices.drop_duplicates(["time", "neighbourhood"])
        at = at.set_index(["time", "neighbourhood"])["price_eur_per_kwh"]
        drawn = points[points["name"].isin(names)].set_index(["time", "name"])["p_kw"]
        paid = -(drawn * at.reindex(drawn.index)).sum() * dt_h
        got = (supply["p_kw"] * supply["price_eur_per_kwh"]).sum() * dt_h
        rent = run.table("flows")["rent_eur"].sum() if data.has_zones else 0.0
        if at.reindex(drawn.index).notna().all() and abs(paid - got - rent) > EUR * (1 + abs(paid)):
            yield f"neighbourhoods pay {paid:g}, suppliers get {got:g}, lines {rent:g} EUR"
    if data.has_zones:
        flows = run.table("flows")
        yield from _worst("a line carries too much", flows["p_kw"] - flows["p_max_kw"])
        yield from _worst("a line carries too much back", flows["p_min_kw"] - flows["p_kw"])
        zones = run.table("zones")
        off = zones["supplied_kw"] + zones["imported_kw"] - zones["drawn_kw"]
        yield from _worst("a zone's balance is open", off.abs())
