"""KPIs of money: who pays whom, settled on what was executed (M8, M12).

A neighbourhood buys what it draws and sells what it feeds in: at the price that the plan sets for
it, from and to the coordinator; without one, at the outer grid's tariffs. So do its nodes with
other carriers. The coordinator buys or sells outside what the neighbourhoods with a price come to
together: on a market from suppliers, where lines between zones get their rent, and a player that
prices several carriers at the market of each. A grid operator pays for redispatch, and buys the
losses; where limits have prices, neighbourhoods pay them for what they feed in, or get them for
what they do other than p_off. Every euro paid is received by somebody; what has a price as a weight
only (curtailment, peaks, CO2) is no money, but for prices of limits: they come out of objectives,
weights in them (docs: congestion).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from quartier.kpi.congestion import paid_eur
from quartier.kpi.exchange import exchanged, priced_nodes, traded_nodes
from quartier.kpi.grid import losses
from quartier.kpi.redispatch import Groups, redispatch_paid
from quartier.kpi.run_data import RunData
from quartier.kpi.sharing import pool_of
from quartier.problem import COUPLINGS, Market, PricedCarrier, Pricing, Redispatch
from quartier.problem.sharing import OUTER
from quartier.quantities import ELECTRICITY, KW_PER_MW
from quartier.scenario.pricing_checks import wholesale

PLANTS = "other plants"
"""Party: all plants outside the neighbourhoods together."""
SUPPLIERS = "other suppliers"
"""Party that nodes of other carriers than electricity buy from and sell to."""
LINES = "transmission lines"
"""Party: all lines between zones together."""
UNIT_COST = "unit_cost"
"""Signal by neighbourhood: fuel, wear, starts and trade of nodes in a step in EUR."""


@dataclass(frozen=True)
class Payment:
    """What one party pays another over the run in EUR; negative where a price is."""

    payer: str
    payee: str
    reason: str
    """``energy``, ``nodes``, ``redispatch``, ``congestion``, ``rent`` or ``losses``."""
    eur: float


def payments(run: RunData) -> list[Payment]:
    """All payments of a run; 0 EUR where one could have been due, so that runs compare."""
    return run.once(_payments)


def _payments(run: RunData) -> list[Payment]:
    found = [*_energy(run), *_nodes(run)]
    if Redispatch.kind in run.problems:
        found += _redispatch(run)
    return found


def _energy(run: RunData) -> Iterator[Payment]:
    imported, exported = run.signal("import_eur_per_kwh"), run.signal("export_eur_per_kwh")
    coordinator = COUPLINGS[run.problem].coordinator
    prices, shares = run.table("prices"), run.table("shares")
    prices = prices[prices["carrier"] == ELECTRICITY]
    pool: dict[str, pd.Series[float]] = {}
    for name in run.neighbourhoods:
        rows = run.connection_points
        p_kw = rows[rows["name"] == name].set_index("time")["p_kw"]
        price = _of(prices, name, "price_eur_per_kwh", p_kw)
        allocated = _of(shares, name, "cost_eur", p_kw)
        at_tariffs = p_kw.where(price.isna() & allocated.isna(), 0.0)
        yield from _traded(run, name, OUTER, at_tariffs, imported, exported)
        if price.notna().any():
            fee = pool_of(run, p_kw.index).inside_fee_eur_per_kwh
            yield from _traded(run, name, coordinator, p_kw, price + fee, price)
        if allocated.notna().any():
            yield Payment(name, coordinator, "energy", float(allocated.clip(lower=0.0).sum()))
            yield Payment(coordinator, name, "energy", float(-allocated.clip(upper=0.0).sum()))
        if price.notna().any() or allocated.notna().any():
            pool[name] = p_kw - at_tariffs
    yield from _of_nodes(run, coordinator)
    if run.problem == Pricing.kind:
        yield from _markets(run, coordinator)
    elif run.problem == Market.kind:
        yield from _supplied(run, coordinator)
    elif pool:
        yield from _pool_trade(run, coordinator, pd.DataFrame(pool))


def _of(table: pd.DataFrame, name: str, column: str, like: pd.Series[float]) -> pd.Series[float]:
    """A column of a neighbourhood, at the times of a series."""
    rows = table[table["neighbourhood"] == name].drop_duplicates("time")
    return rows.set_index("time")[column].reindex(like.index)


def _of_nodes(run: RunData, coordinator: str) -> Iterator[Payment]:
    """What nodes buy and sell at prices of the plan."""
    for (name, _), rows in priced_nodes(run).groupby(["neighbourhood", "carrier"], sort=False):
        price = rows["price_eur_per_kwh"]
        yield from _traded(run, str(name), coordinator, -rows["drawn_kw"], price, price)


def pricing_of(run: RunData) -> Pricing:
    """What a player knew of its carriers, over the whole run."""
    steps, found = int(run.connection_points["time"].nunique()), {}
    for carrier, asked in run.setting("problem", "carriers").items():
        market = asked["wholesale_eur_per_kwh"] is not None
        found[carrier] = PricedCarrier(
            np.full(steps, float(asked["floor_eur_per_kwh"])),
            np.full(steps, float(asked["cap_eur_per_kwh"])),
            np.asarray(run.signal(wholesale(carrier)), dtype=float) if market else None,
            *(
                np.inf if asked[name] is None else float(asked[name])
                for name in ("most_bought_kw", "most_sold_kw")
            ),
        )
    return Pricing(run.dt_h, found, str(run.setting("problem", "mode")))


def market_of(carrier: str) -> str:
    """Party that a player trades a carrier with outside."""
    return f"{carrier} market"


def _markets(run: RunData, coordinator: str) -> Iterator[Payment]:
    """What the player buys and sells at markets for all that have a price."""
    pricing, rows = pricing_of(run), exchanged(run)
    rows = rows[rows["price_eur_per_kwh"].notna()]
    every = pd.Index(run.connection_points["time"].unique())
    for carrier in pricing.carriers:
        drawn = rows[rows["carrier"] == carrier].groupby("time")["drawn_kw"].sum()
        paid = pricing.outer_eur(carrier, drawn.reindex(every, fill_value=0.0).to_numpy(float))
        market = market_of(carrier)
        yield Payment(coordinator, market, "energy", float(np.maximum(paid, 0.0).sum()))
        yield Payment(market, coordinator, "energy", float(np.maximum(-paid, 0.0).sum()))


def _pool_trade(run: RunData, coordinator: str, p_kw: pd.DataFrame) -> Iterator[Payment]:
    """What the coordinator buys and sells outside, with the fees of what is drawn inside."""
    pool, powers = pool_of(run, p_kw.index), p_kw.to_numpy(dtype=float)
    sold = np.maximum(powers.sum(axis=1), 0.0) * pool.export_eur_per_kwh * run.dt_h
    yield Payment(coordinator, OUTER, "energy", float((pool.outer_eur(powers) + sold).sum()))
    yield Payment(OUTER, coordinator, "energy", float(sold.sum()))


def _supplied(run: RunData, coordinator: str) -> Iterator[Payment]:
    """What the market pays its suppliers at the price, and gets of a reserve that takes."""
    supply = run.table("supply")
    paid = supply["p_kw"] * supply["price_eur_per_kwh"] * run.dt_h
    for name in supply["supplier"].unique():
        own = paid[supply["supplier"] == name]
        given = supply.loc[own.index, "p_kw"] >= 0
        yield Payment(coordinator, str(name), "energy", float(own[given].sum()))
        yield Payment(str(name), coordinator, "energy", float(-own[~given].sum()))
    if run.has_zones:
        rent = run.table("flows")["rent_eur"]
        yield Payment(coordinator, LINES, "rent", float(rent.clip(lower=0.0).sum()))
        yield Payment(LINES, coordinator, "rent", float(-rent.clip(upper=0.0).sum()))


def _nodes(run: RunData) -> Iterator[Payment]:
    """What nodes buy at their tariffs, less what they sell; of those that can."""
    nodes, settled = traded_nodes(run), priced_nodes(run)
    for name in run.neighbourhoods:
        rows = nodes[nodes["node"].astype(str).str.startswith(f"{name}.")]
        if len(rows):
            elsewhere = settled[settled["neighbourhood"] == name]["tariff_eur"].sum()
            yield Payment(name, SUPPLIERS, "nodes", float(rows["cost_eur"].sum() - elsewhere))


def _traded(
    run: RunData,
    party: str,
    other: str,
    p_kw: pd.Series[float],
    buying: pd.Series[float],
    selling: pd.Series[float],
) -> Iterator[Payment]:
    """What a party pays for what it draws, and gets for what it feeds in; kW and EUR/kWh."""
    bought, sold = p_kw.clip(upper=0).abs() * buying, p_kw.clip(lower=0) * selling
    yield Payment(party, other, "energy", float(bought.sum()) * run.dt_h)
    yield Payment(other, party, "energy", float(sold.sum()) * run.dt_h)


def _redispatch(run: RunData) -> Iterator[Payment]:
    coordinator = Redispatch.coordinator
    price = float(run.setting("redispatch", "loss_price_eur_per_kwh"))
    yield Payment(coordinator, OUTER, "losses", losses(run) * KW_PER_MW * price)
    paid = redispatch_paid(run)
    for name in run.neighbourhoods:
        yield Payment(coordinator, name, "redispatch", paid.pop(name, 0.0))
    yield Payment(coordinator, PLANTS, "redispatch", sum(paid.values()))
    for name, eur in paid_eur(run).items():
        yield Payment(coordinator, name, "congestion", float(eur.clip(lower=0.0).sum()))
        yield Payment(name, coordinator, "congestion", float(-eur.clip(upper=0.0).sum()))


def balances(found: Sequence[Payment]) -> dict[str, float]:
    """What each party gets less what it pays in EUR; the sum over all parties is 0."""
    total: dict[str, float] = {}
    for payment in found:
        total[payment.payee] = total.get(payment.payee, 0.0) + payment.eur
        total[payment.payer] = total.get(payment.payer, 0.0) - payment.eur
    return total


# -- KPIs -----------------------------------------------------------------------------------
def cost(run: RunData) -> dict[str, float]:
    """What a neighbourhood pays in EUR: fuel, wear, starts, and energy at its prices (M8).

    Of what its nodes buy and sell, too, at the prices of the plan where it has any.

    Without the calculatory weights of its objectives, without what it gets for redispatch, and
    before the value of the energy left in its stores.
    """
    energy = balances([*_energy(run)])
    return {name: own_cost(run, name) - energy.get(name, 0.0) for name in run.neighbourhoods}


def own_cost(run: RunData, name: str) -> float:
    """Fuel, wear, starts of a neighbourhood, and trade of its nodes at tariffs, in EUR."""
    settled = priced_nodes(run)
    elsewhere = float(settled[settled["neighbourhood"] == name]["tariff_eur"].sum())
    return float(np.nansum(run.signal(f"{UNIT_COST}[{name}]"))) - elsewhere


def system_cost(run: RunData) -> float:
    """Costs of all in EUR: fuel, wear, starts, trade of nodes, and what the outer grid gets (M12).

    What parties pay each other cancels out. Not for redispatch: what plants outside the
    neighbourhoods sell is no payment here, so curtailing them would seem to cost nothing. Of a
    market, what suppliers pay for what they served counts, not what they are paid. Of a player that
    prices carriers, what the markets of all carriers get. Before the value of the energy left in
    stores, as :func:`cost`.
    """
    own = sum(own_cost(run, name) for name in run.neighbourhoods)
    if run.problem == Market.kind:
        return own + float(run.table("supply")["cost_eur"].sum())
    found = balances(payments(run))
    if run.problem == Pricing.kind:
        carriers = run.setting("problem", "carriers")
        return own + sum(found.get(market_of(carrier), 0.0) for carrier in carriers)
    return own + found.get(OUTER, 0.0)


def leader_cost(run: RunData) -> float:
    """What the coordinator pays less what it gets in EUR (eq. 6): 0 at a price that is right."""
    return 0.0 - balances(payments(run)).get(COUPLINGS[run.problem].coordinator, 0.0)


def cost_change(run: RunData) -> dict[str, float]:
    """What a neighbourhood pays more than in the baseline in EUR (seed 000, figure 5)."""
    if run.baseline is None:
        return {}
    before = cost(run.baseline)
    return {name: value - before[name] for name, value in cost(run).items()}


def system_cost_change(run: RunData) -> float | None:
    """Change of the cost of all together against the baseline, relative to it (figure 5)."""
    if run.baseline is None:
        return None
    before = system_cost(run.baseline)
    return (system_cost(run) - before) / abs(before) if before else None


def money(run: RunData) -> Groups:
    """What one party pays another in EUR, by ``payer>payee`` (M12).

    Pairs that could not owe each other anything are left out: nobody pays a coordinator whose plan
    sets no price.
    """
    total: dict[str, float] = {}
    for payment in payments(run):
        pair = f"{payment.payer}>{payment.payee}"
        total[pair] = total.get(pair, 0.0) + payment.eur
    return total
