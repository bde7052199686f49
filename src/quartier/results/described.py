"""What tables and columns mean, in words: for the reference page and for other tools."""

from __future__ import annotations

from quartier.quantities import unit_of
from quartier.results.tables import TABLES, ColumnType, Declared

ABOUT: dict[str, str] = {
    "units": "What every unit did: those of the neighbourhoods, and plants outside them.",
    "connection_points": "Power where neighbourhoods and plants meet the grid; offer, band, P_set.",
    "nodes": "Balance of every node: heat hubs, and nodes of other carriers than electricity.",
    "ev_sessions": "Stays of vehicles that left within the run.",
    "buses": "Voltages and injections of the grid.",
    "lines": "Lines of the grid.",
    "transformers": "Transformers of the grid.",
    "steps": "Whether the power flow of a step found a solution.",
    "signals": "Prices, emission factors and whatever else KPIs need, by name.",
    "prices": "What a plan lets a neighbourhood pay and get, where it sets a price.",
    "congestion": "What limits of the grid did to the price of a kWh at a neighbourhood.",
    "redispatch": "Every cap that the DSO set, and why.",
    "plans": "Power that was planned, at every gate and in every round.",
    "solves": "What solvers said of their problems.",
    "negotiations": "Every negotiation: a neighbourhood, a gate, a round.",
    "traces": "How the best objective fell while agents negotiated.",
    "rounds": "Every round of prices and answers, or pass of an auction.",
    "bids": "Bids of an auction: what they buy up to a price and sell from it on; or blocks.",
    "fronts": "Points of the front of several objectives.",
    "supply": "What suppliers of a market served.",
    "shares": "Energy shared among neighbourhoods.",
    "messages": "Every message, with `record.messages: true`.",
}
"""A sentence about every table."""

MEANING: dict[str, str] = {
    "accepted_kw": "what of it was accepted",
    "agent": "neighbourhood or supplier that bids",
    "agents": "agents that took part",
    "agreed": "whether all living agents committed to the same candidate",
    "answers": "neighbourhoods and suppliers that answered before the round ended",
    "arrival": "start of the step in which the vehicle arrives",
    "asset": "connection point that the cap is for",
    "available_kw": "power that a renewable unit could feed in",
    "baseline_kw": "p_off of this gate; the first gate's is what the price is not paid for",
    "block": "number of a block of all hours; none: a bid for the hour alone",
    "block_eur": "what the block costs in all hours, energy apart",
    "bound": "proven bound on the objective",
    "bus": "index of the bus in the grid",
    "bought_kw": "power bought from outside",
    "bytes": "size in bytes",
    "carrier": "what the node balances, or what is priced",
    "chosen": "whether this point was carried out",
    "co2_kg": "emissions of fuel burnt in the step",
    "converged": "whether there is a solution; if not, the step's other values are NaN",
    "cost_eur": "cost of the reduction if nothing of it is stored",
    "delay_s": "simulated time from sending to delivery",
    "delivered": "whether the message arrived",
    "delivered_kwh": "energy charged during the stay",
    "demand_kw": "what is taken whatever anybody plans",
    "departure": "start of the step in which the vehicle is gone",
    "driving_kw": "power that vehicles drive out of their store",
    "due_kwh": "energy due at departure",
    "energy_kwh": "energy in the store at the end of the step",
    "flex_down_kw": "power by which the offer could be lowered in this step alone",
    "flex_up_kw": "power by which the offer could be raised in this step alone",
    "follower_suboptimality": "relative distance of the followers from their own optimum",
    "fuel_kw": "fuel burnt (lower heating value)",
    "gap": "relative gap between objective and bound",
    "gate": "number of the gate, from 0",
    "heat_kw": "heat given to the hub (negative: taken)",
    "i_ka": "greatest current of the two ends",
    "imbalance_kwh": "energy missing or left over if all did what they answered last",
    "index": "index in the grid",
    "iterations": "iterations of the power flow",
    "kind": "kind",
    "limits_eur_per_kwh": "the part of the price that limits make; the rest is losses",
    "loading_percent": "loading in percent of the rated current",
    "loss_mw": "losses",
    "lost_to": "what the message was lost to",
    "mechanism": "coordination mechanism",
    "messages": "messages sent",
    "method": "how the front was found",
    "name": "name",
    "node": "name of the node",
    "neighbourhood": "neighbourhood; none for plants outside them",
    "numbers": "numbers sent, repeated and lost ones included",
    "objective": "objective in EUR, penalties included",
    "offer_kw": "power offered to the DSO",
    "offer_curtailed_kw": "renewable power that the offer itself curtails",
    "offered_kw": "power that the asset had offered",
    "p_from_mw": "active power that enters the line at its first bus",
    "p_hv_mw": "active power that enters the transformer on its high-voltage side",
    "p_kw": "active power, positive into the grid",
    "p_mw": "net active power fed in",
    "p_set_kw": "the cap: most feed-in, or with `(consumption)` in the reason the least power",
    "p_set_max_kw": "P_set: most feed-in; none where there is no cap",
    "p_set_min_kw": "P_set: least (most negative) power; none where there is no cap",
    "planned_kw": "power that was planned for the step",
    "point": "number of the point",
    "price_eur_per_kwh": "price of the energy shared",
    "problem": "what was solved",
    "q_kvar": "reactive power, positive into the grid",
    "q_mvar": "net reactive power fed in",
    "reason_element": "element of the grid that the cap protects",
    "receiver": "who the message is for",
    "rejected_kw": "what nobody took",
    "residual": "power missing at the price, relative to what is traded",
    "round": "round of redispatch, 0 before the first",
    "sender": "who sent the message",
    "sensitivity": "change of the element per MW of the asset: % per MW, or pu per MW",
    "session": "number of the stay at this unit, from 0",
    "share": "part of a block that was accepted",
    "shared_kw": "power got from the other neighbourhoods",
    "sim_time_s": "simulated time",
    "sold_kw": "power sold to outside",
    "status": "what the solver said",
    "supplier": "name of the supplier",
    "tap_pos": "tap position",
    "time": "start of the interval (UTC)",
    "unit": "name of the unit",
    "unserved_kw": "what was not served",
    "va_degree": "angle of the voltage",
    "tries": "times that the solver was started on a problem that it did not solve at once",
    "value": "value",
    "vm_pu": "voltage",
    "wall_s": "wall time, the one figure that differs from run to run",
}
"""What a column means, by its name."""

ELSEWHERE: dict[tuple[str, str], str] = {
    ("connection_points", "kind"): "`neighbourhood` or `der` (a plant)",
    ("connection_points", "name"): "name of the neighbourhood or plant",
    ("units", "kind"): "kind of unit",
    ("signals", "unit"): "unit of measure",
    ("signals", "name"): "name of the signal",
    ("redispatch", "kind"): "kind of the asset: `neighbourhood` or `der`",
    ("messages", "kind"): "type of the message",
    ("fronts", "objective"): "name of the objective",
    ("fronts", "value"): "value of the objective",
    ("lines", "name"): "name of the line",
    ("transformers", "name"): "name of the transformer",
    ("nodes", "cost_eur"): "what is paid for what is bought, less what is earned",
    ("nodes", "co2_kg"): "emissions of what is bought",
    ("nodes", "price_eur_per_kwh"): "price of what is bought",
    ("solves", "objective"): "objective of the solution",
    ("prices", "price_eur_per_kwh"): "price of what is drawn and of what is fed in",
    ("prices", "neighbourhood"): "neighbourhood",
    ("shares", "neighbourhood"): "neighbourhood",
    ("supply", "p_kw"): "power served, positive into the balance; negative: taken",
    ("supply", "price_eur_per_kwh"): "price that the supplier is paid",
    ("supply", "cost_eur"): "what it costs the supplier",
    ("bids", "p_kw"): "power bid: sold if positive, bought if negative; none: without an end",
    ("bids", "price_eur_per_kwh"): "least price to sell, or most to buy; none: a block's",
    ("congestion", "name"): "neighbourhood",
    ("congestion", "price_eur_per_kwh"): "what it gets for a kWh fed in beyond the baseline",
    ("rounds", "bound"): "least that a plan can cost; none if somebody did not answer the price",
    ("rounds", "gap"): "certified gap of the cheapest plan and the best bound so far",
    ("rounds", "messages"): "messages sent, repeated and lost ones included",
    ("rounds", "objective"): "cost of a plan made of all answers so far",
    ("rounds", "price_eur_per_kwh"): "mean of the price over the steps",
    ("rounds", "round"): "round, from 1",
    ("rounds", "sim_time_s"): "simulated time at its end, since the gate began",
    ("rounds", "slowest"): "who gave it; it differs from run to run, too",
    ("rounds", "wall_s"): "wall time of the slowest answer",
    ("shares", "price_eur_per_kwh"): "price of the plan, or what a kWh came to after the fact",
    ("shares", "cost_eur"): "what the neighbourhood pays the pool after the fact, if it does",
    ("negotiations", "neighbourhood"): "neighbourhood",
    ("traces", "neighbourhood"): "neighbourhood",
    ("fronts", "neighbourhood"): "neighbourhood",
}
"""Columns that mean something else in a certain table."""


def unit_in(word: str) -> str | None:
    """Unit of a column of a mechanism's own, from what it was declared to hold."""
    return None if word in {"1", *(kind.value for kind in ColumnType)} else word


def meaning(table: str, column: str) -> str:
    """What a column of a table means."""
    return ELSEWHERE.get((table, column), MEANING.get(column, ""))


def described(variable: str, own: Declared | None = None) -> tuple[str, str | None]:
    """Meaning and unit of ``<table>_<column>``; no meaning if it is no such variable of ours."""
    for table, names in (own or {}).items():
        word = names.get(variable.removeprefix(f"{table}_"))
        if variable.startswith(f"{table}_") and word is not None:
            return "", unit_in(word)
    for table, columns in TABLES.items():
        column = variable.removeprefix(f"{table}_")
        if column != variable and column in columns:
            return meaning(table, column).replace("`", ""), unit_of(column)
    return "", unit_of(variable)
