"""`uncontrolled`, `central` and `bilevel` of who offers bundles and sizes what serves them (M11).

Each has a design: sizes, and which group is served what by whom at which price. It is made once,
before anything is built; at the gates, set points of the days are read from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from quartier.centralised.bundles.offers import at_least_cost, at_once, by_cuts
from quartier.centralised.bundles.program import Offered
from quartier.centralised.bundles.technical import Technical
from quartier.coordination import Plan, UnitPlan
from quartier.optimisation.sized import Day
from quartier.planning import Row
from quartier.problem import Bundling, Design, Problem, State
from quartier.problem.bundles import COMPETITOR
from quartier.program import relative_gap
from quartier.quantities import ELECTRICITY, Array
from quartier.scenario.bundles_asked import CONNECTION
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.base import UnitData
from quartier.units.node import Node, Tariff
from quartier.units.size import begun_empty

FULL = 1e-6
"""Share of what is available by which less is curtailed by nobody's will."""


@dataclass(frozen=True)
class Served:
    """Who serves a group a carrier, and at which price."""

    supplier: str
    price_eur_per_kwh: float

    @property
    def by_competitor(self) -> bool:
        """Whether the operator does not."""
        return self.supplier == COMPETITOR


Terms = Mapping[tuple[int, str], Served]
"""By group and carrier that is sold."""


@dataclass(frozen=True)
class _Designed:
    """A design, and what gates need of it."""

    terms: Terms
    sizes: Mapping[str, float]
    begin_kwh: Mapping[str, float] = field(default_factory=dict)
    controls: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    """By unit and control, as one of a unit has them, shape ``(T,)``."""
    records: Mapping[str, list[Row]] = field(default_factory=dict)


class _Mechanism:
    """Designs once, and hands out the set points of the design gate by gate."""

    _found: _Designed

    def _designed(self, problem: Problem) -> _Designed:
        raise NotImplementedError

    def design(self, problem: Problem) -> Design:
        """Choose sizes, and whom to serve."""
        found, bundling = self._designed(problem), problem.asks(Bundling)
        self._found, self._asked = found, bundling
        served: dict[str, dict[str, Array]] = {}
        for carrier, sold in bundling.serves.items():
            for u, group in enumerate(bundling.offers.groups):
                terms = found.terms.get((u, sold))
                if terms is not None and not terms.by_competitor:
                    days = [day[carrier][u] for day in bundling.needs_kw if carrier in day]
                    if days:
                        served.setdefault(carrier, {})[group] = np.concatenate(days)
        return Design(found.sizes, found.begin_kwh, served)

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Hand out what the design has for the window."""
        window = slice(problem.first, problem.first + problem.horizon.steps)
        known = {unit.name: unit for one in problem.neighbourhoods for unit in one.units}
        plans = {
            name: _unit_plan(known[name], {n: v[window] for n, v in x.items()})
            for name, x in self._found.controls.items()
            if name in known
        }
        return Plan(units=plans, records=self._records() if problem.gate == 0 else {})

    def _records(self) -> dict[str, list[Row]]:
        found, asked = self._found, self._asked
        offers: list[Row] = [
            {
                "group": asked.offers.groups[u],
                "carrier": carrier,
                "supplier": terms.supplier,
                "price_eur_per_kwh": terms.price_eur_per_kwh,
                "need_kwh": asked.offers.need_kwh(u, carrier),
            }
            for (u, carrier), terms in found.terms.items()
        ]
        sizes: list[Row] = [
            {
                "unit": name,
                "size": found.sizes.get(name, 0.0),
                "annual_eur": one.annual_eur(asked.interest) * found.sizes.get(name, 0.0),
            }
            for name, one in asked.investments.items()
        ]
        return {**found.records, "offers": offers, "sizes": sizes}


def _unit_plan(unit: UnitData, x: Mapping[str, Array]) -> UnitPlan:
    """What a unit shall do."""
    kind = KINDS[unit.kind]
    flow = kind.flow(unit.parameters, x, unit.series, unit.horizon.dt_h)
    p_kw = np.broadcast_to(np.asarray(flow.p_kw, dtype=float), unit.horizon.steps)
    if kind.curtailable:
        available = unit.series["available_kw"]
        return UnitPlan(np.where(p_kw >= available * (1 - FULL), np.inf, p_kw), p_kw)
    command = np.nan if kind.command is None else flow.of(kind.command)
    return UnitPlan(np.broadcast_to(np.asarray(command, dtype=float), p_kw.shape), p_kw)


class UncontrolledBundles(_Mechanism):
    """Everybody buys everything from the competitor; nothing is built."""

    def _designed(self, problem: Problem) -> _Designed:
        bundling = problem.asks(Bundling)
        there = {name: one.least for name, one in bundling.investments.items()}
        return _Designed(_outside(bundling), there)


class CentralBundles(_Mechanism):
    """One owner of system and groups serves what costs less than the competitor asks (welfare).

    Bills only hand the cost round: groups pay what the system costs, each the same share of what
    the competitor would ask. So nobody pays more than outside, and the operator earns nothing.
    """

    def _designed(self, problem: Problem) -> _Designed:
        bundling = problem.asks(Bundling)
        found = at_least_cost(technical_of(problem), bundling.offers)
        terms, offers = dict(_outside(bundling)), bundling.offers
        served = {
            (u, c): terms[u, c].price_eur_per_kwh * offers.need_kwh(u, c)
            for u, c in terms
            if c not in offers.covers[found.covers[u]].outside
        }
        share = found.system_eur / max(sum(served.values()), FULL)
        for u, c in served:
            terms[u, c] = Served(bundling.coordinator, share * terms[u, c].price_eur_per_kwh)
        cost = found.system_eur + sum(
            float(offers.outside_eur[u, s]) for u, s in enumerate(found.covers)
        )
        rows: list[Row] = [_row("central", found, cost, found.bound_eur)]
        return _of(found, terms, {"solves": rows})


class BilevelBundles(_Mechanism):
    """The operator sets prices and sizes that earn it the most, as groups choose what costs least.

    `problem.method` says how it is solved: at once, or by cuts, with its bounds in every round.
    """

    def _designed(self, problem: Problem) -> _Designed:
        bundling = problem.asks(Bundling)
        way = by_cuts if bundling.method == "cuts" else at_once
        found = way(technical_of(problem), bundling.offers)
        rows = [_row("bilevel", found, found.profit_eur, found.bound_eur)]
        rows += _certificate(bundling, found)
        rounds: list[Row] = [
            {
                "mechanism": "bilevel",
                "round": number,
                "bound": upper,
                "objective": lower if np.isfinite(lower) else np.nan,
                "gap": relative_gap(-lower, -upper) if np.isfinite(lower) else np.nan,
                "answers": len(bundling.offers.groups),
                "messages": 0,
                "numbers": 0,
            }
            for number, (upper, lower) in enumerate(found.trace, start=1)
        ]
        records: dict[str, list[Row]] = {"solves": rows}
        return _of(
            found, _chosen(bundling, found), records | ({"rounds": rounds} if rounds else {})
        )


def _row(name: str, found: Offered, objective: float, bound: float) -> Row:
    return {
        "problem": name,
        "status": found.status,
        "objective": objective,
        "bound": bound,
        "gap": abs(bound - objective) / max(abs(objective), 1.0),
        "wall_s": found.wall_s,
    }


def _certificate(bundling: Bundling, found: Offered) -> Iterator[Row]:
    """Rows of ``solves``: what each group pays, and could pay at least at the prices."""
    least = bundling.offers.bills_eur(found.prices_eur_per_kwh, found.offered).min(axis=1)
    for group, paid, bound in zip(bundling.offers.groups, found.bills_eur, least, strict=True):
        yield {
            "problem": f"response {group}",
            "status": found.status,
            "objective": paid,
            "bound": float(bound),
            "follower_suboptimality": max(paid - float(bound), 0.0) / max(1.0, paid),
        }


def _of(found: Offered, terms: Terms, records: Mapping[str, list[Row]]) -> _Designed:
    """A design of an answer: its days one after the other."""
    controls = {
        unit: {
            name: np.concatenate([day[unit][name] for day in found.controls]) for name in controls
        }
        for unit, controls in found.controls[0].items()
    }
    return _Designed(terms, found.sizes, found.begin_kwh, controls, records)


def _outside(bundling: Bundling) -> dict[tuple[int, str], Served]:
    """What the competitor asks, of what is needed."""
    offers = bundling.offers
    return {
        (u, c): Served(COMPETITOR, float(offers.outside_eur_per_kwh[u, k]))
        for u in range(len(offers.groups))
        for k, c in enumerate(offers.carriers)
        if offers.demand_kwh[u, k] > 0
    }


def _chosen(bundling: Bundling, found: Offered) -> Terms:
    """What groups choose: bundles, and the rest from the competitor."""
    terms, offers = _outside(bundling), bundling.offers
    for u, cover in enumerate(found.covers):
        for b in offers.covers[cover].bundles:
            for c in offers.bundles[b]:
                if (u, c) in terms:
                    terms[u, c] = Served(offers.names[b], found.prices_eur_per_kwh[b, c])
    return terms


# -- the system that is sized ----------------------------------------------------------------------
def technical_of(problem: Problem) -> Technical:
    """The system of a problem over all typical days."""
    bundling = problem.asks(Bundling)
    return Technical(
        days=list(_days(problem)),
        investments=bundling.investments,
        needs_kw=bundling.needs_kw,
        interest=bundling.interest,
        co2_eur_per_kg=bundling.co2_eur_per_kg,
        tariff_of=bundling.serves,
        alike=True,
    )


def _days(problem: Problem) -> Iterator[Day]:
    bundling, (system,) = problem.asks(Bundling), problem.neighbourhoods
    units = [begun_empty(unit) for unit in system.units]
    steps = problem.horizon.steps // len(bundling.weights)
    prices = system.terms.import_eur_per_kwh
    for d, weight in enumerate(bundling.weights.tolist()):
        first = d * steps
        here = tuple(unit.window(first, steps, unit.state) for unit in units)
        grid = Tariff(prices[first : first + steps], np.inf, bundling.grid_co2_kg_per_kwh)
        nodes = {c: Node(c, c) for c in bundling.needs_kw[d]}
        nodes |= {node.carrier: node for node, _ in by_node(here)}
        nodes[ELECTRICITY] = Node(CONNECTION, ELECTRICITY, buy=grid)
        yield Day(weight, here, nodes)
