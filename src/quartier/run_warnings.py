"""What a user should know of a run that came to its end and yet is not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from quartier.kpi import RunData
from quartier.kpi.grid import overloads, voltage_violations
from quartier.kpi.pricing import beyond_contracts
from quartier.problem import Pricing

LEAST_KW = 1e-3
"""Power not served that is worth a word: more than solvers and sums are off by."""


def warnings(run: RunData) -> Iterator[str]:
    """Say what was not served, what broke a contract, and what the grid did in spite of a plan.

    The status stays ``complete``: nothing failed, but a plan rests on forecasts and on gates.
    """
    if "nodes" in run.result.tables:
        yield from _unserved(run)
    if "redispatch" in run.result.tables:
        yield from _unforeseen(run)
    if run.problem == Pricing.kind:
        yield from _beyond(run)
    if "solves" in run.result.tables:
        yield from _contradictions(run)


def _beyond(run: RunData) -> Iterator[str]:
    """Contracts of a player that what was executed did not keep, with the worst step."""
    for carrier, rows in beyond_contracts(run):
        broken = rows[rows["beyond_kw"] > LEAST_KW]
        if broken.empty:
            continue
        time, worst = broken["beyond_kw"].idxmax(), broken.loc[broken["beyond_kw"].idxmax()]
        drawn = worst["drawn_kw"]
        verb, key = ("bought", "most_bought_kw") if drawn > 0 else ("sold", "most_sold_kw")
        yield (
            f"problem.carriers.{carrier}.{key}: the player traded"
            f" {broken['beyond_kw'].sum() * run.dt_h:.4g} kWh beyond its contract, in"
            f" {len(broken)} of {len(rows)} steps, the most at {time:%Y-%m-%d %H:%M} UTC: it"
            f" {verb} {abs(drawn):.6g} kW, {worst['beyond_kw']:.6g} kW more than it may"
        )


def _contradictions(run: RunData) -> Iterator[str]:
    """Bounds above the cost that they are bounds of: one of the two is wrong."""
    solves = run.table("solves")
    for row in solves[solves["gap"] < 0.0].to_dict("records"):
        yield (
            f"{row['problem']} at gate {row['gate']}: its bound {row['bound']:.6g} is beyond its"
            f" objective {row['objective']:.6g}; one of them is wrong, so trust no gap of it"
        )


def _unserved(run: RunData) -> Iterator[str]:
    """Nodes whose demand was not served, with the first step and the worst."""
    nodes = run.table("nodes")
    missing = nodes[nodes["unserved_kw"] > LEAST_KW]
    for (node, carrier), rows in missing.groupby(["node", "carrier"], sort=False):
        first, worst = rows.iloc[0], rows.loc[rows["unserved_kw"].idxmax()]
        yield (
            f"{node}: {rows['unserved_kw'].sum() * run.dt_h:.4g} kWh of {carrier} were not served,"
            f" in {len(rows)} steps, first at {first['time']:%Y-%m-%d %H:%M} UTC; at most"
            f" {worst['unserved_kw']:.4g} kW, at {worst['time']:%Y-%m-%d %H:%M} UTC"
        )


def _unforeseen(run: RunData) -> Iterator[str]:
    """Limits that were passed although the DSO's own power flow had found them kept."""
    found = [
        f"{count:g} {what}"
        for count, what in (
            (overloads(run), "overloads (element and step)"),
            (voltage_violations(run), "voltage violations (bus and step)"),
        )
        if count
    ]
    if found:
        yield (
            f"{' and '.join(found)} remained after redispatch: caps rest on forecasts, on what "
            "assets can still do, and on the steps that a gate plans"
        )
