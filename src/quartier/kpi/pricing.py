"""KPIs of a player that prices carriers: profit, bills, local resources used (M10; seed 002)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from quartier.kpi.exchange import exchanged
from quartier.kpi.redispatch import Groups
from quartier.kpi.run_data import RunData
from quartier.kpi.settlement import balances, payments, pricing_of
from quartier.kpi.used import used
from quartier.problem import Pricing
from quartier.quantities import ELECTRICITY
from quartier.units.base import HEAT


def profit(run: RunData) -> float:
    """What the player gets from neighbourhoods less what it pays at markets in EUR (M10).

    Seed 002, eq. 3. Settled on what was executed.
    """
    return balances(payments(run)).get(Pricing.coordinator, 0.0)


def bill(run: RunData) -> Groups:
    """What a neighbourhood pays the player for all carriers, less what it gets, in EUR (eq. 4)."""
    found = dict.fromkeys(run.neighbourhoods, 0.0)
    for payment in payments(run):
        if payment.payee == Pricing.coordinator and payment.payer in found:
            found[payment.payer] += payment.eur
        if payment.payer == Pricing.coordinator and payment.payee in found:
            found[payment.payee] -= payment.eur
    return found


def saving(run: RunData) -> Groups:
    """What a neighbourhood pays less than it would without the player, at its tariffs, in EUR.

    Both as planned, at best, from where it stands at a gate; the sum over all gates. Of a window
    that the next gate plans anew in part, the share of its steps that is carried out counts.
    """
    solves = run.table("solves")
    found = {}
    for name in run.neighbourhoods:
        alone, planned = (
            solves[solves["problem"] == f"{prefix} {name}"].set_index("gate")["objective"]
            for prefix in ("individual", "response")
        )
        saved = (alone - planned).dropna()
        if len(saved):
            shares = [_carried_out(run, int(gate)) for gate in saved.index.astype(int)]
            found[name] = float(saved.to_numpy(dtype=float) @ np.array(shares))
    return found


def _carried_out(run: RunData, gate: int) -> float:
    """Share of the steps planned at a gate that pass before the next one."""
    gates, steps = run.setting("gates"), int(run.setting("horizon", "steps"))
    left = steps - gates["first"] - gate * (gates["every"] or 0)
    ahead = min(gates["horizon_steps"] or steps, left)
    return min(1.0, float(gates["every"] or steps) / float(ahead))


def exchange_imbalance(run: RunData) -> Groups:
    """Energy in kWh by which what some sell and others buy differs, of carriers without a market.

    0 where plans hold; else the player makes up for it at cap or floor.
    """
    rows = exchanged(run)
    total = rows.groupby(["carrier", "time"], sort=False)["drawn_kw"].sum().abs()
    return {
        carrier: float(total[carrier].sum()) * run.dt_h
        for carrier in pricing_of(run).balanced
        if carrier in total.index
    }


def contract_breach(run: RunData) -> Groups:
    """Energy in kWh that the player trades at a carrier's market beyond its contract (M10).

    As executed; only of carriers with a limit of what is bought or sold.
    """
    return {c: float(rows["beyond_kw"].sum()) * run.dt_h for c, rows in beyond_contracts(run)}


def beyond_contracts(run: RunData) -> Iterator[tuple[str, pd.DataFrame]]:
    """By carrier with a contract: ``drawn_kw`` of all and ``beyond_kw`` of the contract by time."""
    pricing, rows = pricing_of(run), exchanged(run)
    total = rows[rows["price_eur_per_kwh"].notna()].groupby(["carrier", "time"])["drawn_kw"].sum()
    for carrier in pricing.limited:
        if carrier in total.index:
            drawn = total[carrier]
            beyond = pricing.carriers[carrier].beyond_kw(drawn.to_numpy(dtype=float))
            yield carrier, pd.DataFrame({"drawn_kw": drawn, "beyond_kw": beyond})


def lruf(run: RunData) -> Groups:
    """Local resource utilisation factor by carrier (seed 002, eq. 25-27)."""
    return used(run)


def lruf_least(run: RunData) -> Groups:
    """Least LRUF of all plans that are as good as the one carried out, by carrier (M10).

    As planned: of plans that cost all neighbourhoods together as little and earn the player as much
    (to 1e-6 and 1e-4). Only where one gate plans all, and no store has a standing loss.
    """
    return _end(run, "least")


def lruf_greatest(run: RunData) -> Groups:
    """Greatest LRUF of all plans that are as good as the one carried out, as `lruf_least`."""
    return _end(run, "greatest")


def _end(run: RunData, name: str) -> Groups:
    solves, found = run.table("solves"), {}
    for carrier in (ELECTRICITY, HEAT):
        rows = solves[solves["problem"] == f"lruf[{carrier}], {name}"]
        whole = len(rows) == 1 and run.setting("gates")["every"] is None
        if whole and rows["objective"].notna().all():
            found[carrier] = float(rows["objective"].iloc[0])
    return found
