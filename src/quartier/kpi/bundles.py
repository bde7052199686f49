"""KPIs of who offers bundles: of a year, whose days the days of the run stand for (M11; seed 004).

What is served is read from what happened: power of groups from their loads, of other carriers from
the balances of nodes; prices and sizes are those of the design. Every step counts as often as its
day stands for another (the thesis forgets these weights in its revenue).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData
from quartier.kpi.used import used
from quartier.problem.bundles import COMPETITOR, OPERATOR
from quartier.quantities import ELECTRICITY
from quartier.scenario.bundles_data import WEIGHT, need

OUTER, FUEL, CAPITAL, STATE = "outer grid", "other suppliers", "the capital", "the state"
"""Parties beside groups, operator and competitor; the state gets what emissions cost."""


def _hours(run: RunData) -> pd.Series[float]:
    """Hours of the year that each step stands for, by time."""
    return run.signal(WEIGHT) * run.dt_h


def _serves(run: RunData) -> dict[str, list[str]]:
    """Carriers that are needed, by the one that they are sold as."""
    sold = run.setting("problem", "sold")
    return {carrier: one["serves"] or [carrier] for carrier, one in sold.items()}


def served_kwh(run: RunData, group: str, carrier: str) -> float:
    """What the operator delivered to a group in a year of a carrier that it is sold, in kWh.

    Of what a node did not serve, each of its groups lacks the same share.
    """
    hours, found = _hours(run), 0.0
    for needed in _serves(run)[carrier]:
        if needed == ELECTRICITY:
            rows = run.units[run.units["unit"] == f"{run.neighbourhoods[0]}.{group}"]
            found -= float((rows.set_index("time")["p_kw"] * hours).sum())
            continue
        asked = run.signal(need(group, needed))
        nodes = run.table("nodes")
        rows = nodes[nodes["carrier"] == needed].set_index("time")
        lacking = (rows["unserved_kw"] / rows["demand_kw"].where(rows["demand_kw"] > 0)).fillna(0.0)
        found += float((asked * (1.0 - lacking.reindex(asked.index, fill_value=0.0)) * hours).sum())
    return found


def _bills(run: RunData) -> Iterator[tuple[str, str, str, float]]:
    """Group, carrier, supplier, and what is paid in a year in EUR."""
    hours = _hours(run)
    for row in run.table("offers").to_dict("records"):
        group, carrier, supplier = (str(row[key]) for key in ("group", "carrier", "supplier"))
        if supplier == COMPETITOR:
            needs = [need(group, c) for c in _serves(run)[carrier]]
            kwh = sum(float((run.signal(name) * hours).sum()) for name in needs)
        else:
            kwh = served_kwh(run, group, carrier)
        yield group, carrier, supplier, kwh * float(row["price_eur_per_kwh"])


def _operator(run: RunData) -> dict[str, float]:
    """What the operator pays in a year in EUR, by whom it pays."""
    hours = _hours(run)
    weights = hours / run.dt_h
    points = run.connection_points.set_index("time")
    drawn_kwh: pd.Series[float] = points["p_kw"].clip(upper=0.0).abs() * hours
    co2_kg = float((drawn_kwh * run.signal("co2_kg_per_kwh")).sum())
    for table in (run.table("nodes"), run.units):
        by_time = table.groupby("time")["co2_kg"].sum()
        co2_kg += float((by_time * weights.reindex(by_time.index)).sum())
    fuel = run.signal(f"unit_cost[{run.neighbourhoods[0]}]")
    return {
        OUTER: float((drawn_kwh * run.signal("import_eur_per_kwh")).sum()),
        FUEL: float((fuel * weights).sum()),
        CAPITAL: float(run.table("sizes")["annual_eur"].sum()),
        STATE: co2_kg * float(run.setting("problem", "co2_eur_per_kg")),
    }


def system_cost(run: RunData) -> float:
    """What serves all groups in a year in EUR: the operator's system, and what the competitor asks.

    Capital recovery and upkeep, fuel, power of the grid, emissions. What groups pay the operator
    cancels out; so profit and this cost are what all groups pay.
    """
    outside = sum(eur for *_, supplier, eur in _bills(run) if supplier == COMPETITOR)
    return operator_cost(run) + outside


def operator_cost(run: RunData) -> float:
    """What the operator pays in a year for its system in EUR."""
    return sum(_operator(run).values())


def profit(run: RunData) -> float:
    """What groups pay the operator less what its system costs, in EUR a year (M11)."""
    earned = sum(eur for *_, supplier, eur in _bills(run) if supplier != COMPETITOR)
    return earned - operator_cost(run)


def bill(run: RunData) -> Groups:
    """What a group pays in a year in EUR, to operator and competitor together."""
    found = dict.fromkeys(run.setting("problem", "groups"), 0.0)
    for group, _, _, eur in _bills(run):
        found[group] += eur
    return found


def bill_by_carrier(run: RunData) -> Groups:
    """What a group pays in a year in EUR by carrier: only the sum over a bundle is determined."""
    return {f"{group}.{carrier}": eur for group, carrier, _, eur in _bills(run)}


def bill_by_supplier(run: RunData) -> Groups:
    """What a group pays in a year in EUR for a bundle, by its name, and to the competitor."""
    found: dict[str, float] = {}
    for group, _, supplier, eur in _bills(run):
        key = f"{group}.{supplier}"
        found[key] = found.get(key, 0.0) + eur
    return found


def saving(run: RunData) -> Groups:
    """What a group pays less than the competitor would ask for everything, in EUR a year."""
    alone = _alone(run)
    return {group: alone[group] - eur for group, eur in bill(run).items() if eur is not None}


def _alone(run: RunData) -> dict[str, float]:
    """What the competitor would ask each group for all that it needs, in EUR a year."""
    hours, found = _hours(run), {}
    for group, asked in run.setting("problem", "groups").items():
        found[group] = sum(
            price * float((run.signal(need(group, c)) * hours).sum())
            for sold, price in asked["outside_eur_per_kwh"].items()
            for c in _serves(run)[sold]
            if c in asked["needs"]
        )
    return found


def worse_off(run: RunData) -> float:
    """What a group pays more than the competitor would ask, at most, in EUR a year: 0 is right."""
    return max(0.0, *(-(value or 0.0) for value in saving(run).values()))


def size(run: RunData) -> Groups:
    """How many there are of a unit as the scenario writes it, e.g. kW of one of 1 kW."""
    table = run.table("sizes")
    names = [str(name).rpartition(".")[2] for name in table["unit"]]
    return dict(zip(names, table["size"].tolist(), strict=True))


def money(run: RunData) -> Groups:
    """What one party pays another in a year in EUR, by ``payer>payee``."""
    found: dict[str, float] = {}
    for group, _, supplier, eur in _bills(run):
        payee = COMPETITOR if supplier == COMPETITOR else OPERATOR
        found[f"{group}>{payee}"] = found.get(f"{group}>{payee}", 0.0) + eur
    return found | {f"{OPERATOR}>{payee}": eur for payee, eur in _operator(run).items()}


def delivered(run: RunData) -> Groups:
    """What the operator delivers in a year in kWh, by carrier that it is sold as."""
    found = dict.fromkeys(_serves(run), 0.0)
    for row in run.table("offers").to_dict("records"):
        if row["supplier"] != COMPETITOR:
            found[row["carrier"]] += served_kwh(run, row["group"], row["carrier"])
    return found


def unserved_in_a_year(run: RunData) -> Groups:
    """What nodes lacked in a year in kWh, by carrier: 0 where the plan holds."""
    nodes, hours = run.table("nodes"), _hours(run)
    return {
        str(carrier): float((rows.set_index("time")["unserved_kw"] * hours).sum())
        for carrier, rows in nodes.groupby("carrier", sort=False)
    }


def lruf(run: RunData) -> Groups:
    """Local resource utilisation factor by carrier, of what is built (seed 002, eq. 25-27).

    As :func:`quartier.kpi.used.used` has it, each step weighted by its day.
    """
    return used(run, {n: s for n, s in size(run).items() if s is not None}, run.signal(WEIGHT))
