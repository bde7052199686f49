"""What mechanisms with prices share: agents that find one, the plan made of it, its tables (M9)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from quartier.agents import society
from quartier.agents.asking import AskingAgent
from quartier.agents.base import QuartierAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.messages import Negotiation, frozen
from quartier.agents.outcome import Held
from quartier.agents.price_taker import TakerAgent
from quartier.agents.strategies.records import Records
from quartier.agents.supplier import SupplierAgent
from quartier.coordination import Plan, UnitPlan
from quartier.optimisation.prices import Response, Suppliers
from quartier.planning import Row, plan_columns, plans_of
from quartier.problem import ConnectionTerms, NeighbourhoodProblem, Pooling, Problem, State, Supply
from quartier.program import relative_gap
from quartier.quantities import Array
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule


@dataclass(frozen=True)
class Market:
    """The market's agent, those that answer it, and the medium between them."""

    agent: AskingAgent
    takers: Mapping[str, TakerAgent[Any, Any]]
    medium: MeasuredCommunication
    published: Mapping[str, Response]
    """What each does if nobody plans for it."""
    suppliers: Mapping[str, SupplierAgent] = field(default_factory=dict, kw_only=True)
    supply: Supply | None = field(default=None, kw_only=True)
    """What others really ask and pay, all of them; nobody knows it. None: nobody else is there."""

    @property
    def agents(self) -> list[QuartierAgent]:
        """Everybody, in a fixed order."""
        return [self.agent, *self.takers.values(), *self.suppliers.values()]

    def done(self) -> dict[str, tuple[float, Array]]:
        """Cost in EUR, energy apart, and power of what every neighbourhood will do."""
        found = {}
        for name, taker in self.takers.items():
            planned, alone = taker.plan(), self.published[name]
            found[name] = (alone.cost_eur, alone.p_kw) if planned is None else taker.costs(planned)
        return found


class Pricing(ABC):
    """Prices at which all together, each by its own optimum, do what is good for all."""

    name: ClassVar[str]

    networked = False
    """Its agents live in one process only."""

    @abstractmethod
    def market(self, problem: Problem, rng: np.random.Generator) -> Market:
        """Make the agents of a gate."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let the market find its prices; what it awards is the plan, and settled at its price."""
        market = self.market(problem, rng)
        society.perform(problem, market.agents, market.medium)
        outcome = market.agent.outcome
        if outcome is None:
            reason = market.agent.failure or "no price was found within the lead time"
            nothing = {"problem": self.name, "status": "no price", "wall_s": market.agent.wall_s}
            unknown = dict.fromkeys(("objective", "bound", "gap"), np.nan)
            return Plan(
                records={"solves": [nothing | unknown]},
                degraded=(f"{reason}; all units follow their own rules",),
            )
        price = outcome.price_eur_per_kwh
        return Plan(
            units=dict(_units(market)),
            prices=pooling(problem).prices(market.takers, price),
            records=self.records(problem, market),
            degraded=tuple(_trouble(market)),
        )

    # -- tables -----------------------------------------------------------------------------------
    def records(self, problem: Problem, market: Market) -> Records:
        """What the agents leave in the tables."""
        tables: Records = {
            "rounds": [self._round(market, held) for held in market.agent.rounds],
            "negotiations": [self._negotiation(market)],
            "solves": list(self._solves(market)),
            "plans": plan_columns(problem, list(_planned(market))),
        }
        if market.medium.keep:
            tables["messages"] = market.medium.rows
        return {name: rows for name, rows in tables.items() if rows}

    def _round(self, market: Market, held: Held) -> Row:
        found = held.found
        traffic = market.medium.traffic[Negotiation(market.agent.title, found.number)]
        walls = {n: taker.wall_s.get(found.number, 0.0) for n, taker in market.takers.items()}
        slowest = max(walls, key=walls.__getitem__)
        return {
            "mechanism": self.name,
            "round": found.number,
            "bound": _or_nan(found.bound_eur),
            "objective": _or_nan(found.cost_eur),
            "gap": _or_nan(found.gap),
            "residual": found.residual,
            "imbalance_kwh": found.missing_kwh,
            "price_eur_per_kwh": float(found.price_eur_per_kwh.mean()),
            "answers": found.heard,
            "messages": traffic.messages,
            "numbers": traffic.numbers,
            "sim_time_s": held.ended_s,
            "wall_s": walls[slowest],
            "slowest": slowest,
        }

    def _negotiation(self, market: Market) -> Row:
        agent, outcome = market.agent, market.agent.outcome
        assert outcome is not None
        all_traffic = market.medium.traffic.values()
        return {
            "round": 0,
            "neighbourhood": agent.title,
            "mechanism": self.name,
            "agents": len(market.takers) + len(market.suppliers),
            "messages": sum(traffic.messages for traffic in all_traffic),
            "bytes": sum(traffic.payload_bytes for traffic in all_traffic),
            "sim_time_s": outcome.decided_s,
            "wall_s": agent.wall_s,
            "objective": outcome.cost_eur,
            "agreed": not (agent.unacknowledged or agent.attendance.failures),
        }

    def _solves(self, market: Market) -> Iterator[Row]:
        """What is proven of what will really be done, be it not what was awarded."""
        found = market.agent.certificate(market.done(), market.supply)
        status = "optimal" if found.is_enough else "feasible"
        yield {
            "problem": self.name,
            "status": status,
            "objective": found.cost_eur,
            "bound": _or_nan(found.bound_eur),
            "gap": _or_nan(relative_gap(found.cost_eur, found.bound_eur)),
            "wall_s": market.agent.wall_s,
        }
        for name, (cost, bound) in found.responses.items():
            yield {
                "problem": f"response {name}",
                "status": status,
                "objective": cost,
                "bound": bound,
                "follower_suboptimality": max(cost - bound, 0.0) / max(1.0, abs(cost)),
            }


def pooling(problem: Problem) -> Pooling:
    """What couples the neighbourhoods by one balance (TypeError: something else is asked)."""
    coupling = problem.coupling
    if not isinstance(coupling, Pooling):
        raise TypeError(f"the scenario asks for {coupling.kind!r}: no prices can answer that yet")
    return coupling


def suppliers_of(coupling: Pooling) -> tuple[Suppliers, dict[str, SupplierAgent]]:
    """What is known of suppliers before they are asked, and their agents."""
    owners, public = coupling.public
    agents = {
        name: SupplierAgent(name, own, coupling.coordinator) for name, own in coupling.asked.items()
    }
    return Suppliers(public, owners, agents), agents


def published(one: NeighbourhoodProblem, fee: Array) -> Response:
    """What a neighbourhood publishes before a market: what it costs is without its energy."""
    rules = own_rules(one.units, one.terms.penalty_eur_per_kwh)
    return by_rule(rules.values(), one.terms.at_price(np.zeros_like(fee), fee))


def by_rule(rules: Collection[Schedule], terms: ConnectionTerms) -> Response:
    """What all units do together if nobody plans for them, and what it costs under terms."""
    p_kw, loose_kw = (
        np.sum([getattr(rule, name) for rule in rules], axis=0)
        for name in ("p_kw", "curtailable_kw")
    )
    own = sum(terms.own_eur(rule) for rule in rules)
    cost = own + float(terms.cost_eur(p_kw, loose_kw))
    return Response(frozen(p_kw - terms.curtailed_kw(p_kw, loose_kw)), cost, -np.inf, whole=True)


def _units(market: Market) -> Iterator[tuple[str, UnitPlan]]:
    for taker in market.takers.values():
        planned = taker.plan()
        if planned is not None:
            yield from plans_of(taker.problem, planned)


def _planned(market: Market) -> Iterator[tuple[int, str, Array]]:
    """Round 0, unit and power: what was awarded, nothing curtailed."""
    for taker in market.takers.values():
        planned = taker.plan()
        schedules = () if planned is None else planned.schedules.values()
        for schedule in schedules:
            for unit, p_kw in schedule.unit_p_kw.items():
                yield 0, unit, p_kw


def _trouble(market: Market) -> Iterator[str]:
    """What went wrong without stopping the plan."""
    for name, taker in market.takers.items():
        if taker.failure is not None:
            yield f"agent {name} failed: {taker.failure}; its units follow their own rules"
        elif name in market.agent.never_heard():
            yield f"no answer from {name}: its units are expected to follow their own rules"
        elif taker.award is None:
            yield f"{name} never heard what it was awarded, and does what it answered last"

    for name, supplier in market.suppliers.items():
        if supplier.failure is not None:
            yield f"agent {name} failed: {supplier.failure}; what it said before counts"
        elif name in market.agent.never_heard():
            yield f"no answer from {name}: prices were found as if it had nothing"


def _or_nan(value: float) -> float:
    return value if np.isfinite(value) else np.nan
