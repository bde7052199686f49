"""`price-response` on redispatch: prices of limits, answered by each one's own optimum (M9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quartier.agents import society
from quartier.agents.base import QuartierAgent
from quartier.agents.congestion import PricingDso
from quartier.agents.congestion_taker import CongestionTaker
from quartier.agents.der import DerAgent
from quartier.agents.messages import frozen
from quartier.agents.strategies.cohda import unheard
from quartier.agents.strategies.pricing import Market, Pricing, by_rule
from quartier.agents.strategies.records import Records
from quartier.coordination import Plan, UnitPlan
from quartier.planning import (
    Row,
    assets_of,
    before_rows,
    plan_columns,
    plans_of,
    plant_plan,
    reactive_kvar,
    redispatch_rows,
    solve_rows,
)
from quartier.problem import Problem, State
from quartier.quantities import Array
from quartier.redispatch.priced_caps import cap_rows
from quartier.redispatch.rounds import KEPT_KW
from quartier.scenario.communication import DSO
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule

Rules = Mapping[str, Schedule]


@dataclass(frozen=True)
class Congestion(Market):
    """The DSO's agent, those that answer it, and the medium between them."""

    dso: PricingDso
    plants: Mapping[str, DerAgent]

    @property
    def agents(self) -> list[QuartierAgent]:
        """Everybody, in a fixed order."""
        return [self.dso, *self.takers.values(), *self.plants.values()]

    def done(self) -> dict[str, tuple[float, Array]]:
        """Cost in EUR and power of what every neighbourhood that made an offer will do."""
        assert self.dso.desk.search is not None
        found = dict[str, tuple[float, Array]]()
        for name, alone in self.dso.desk.search.published.items():
            taker = self.takers[name]
            assert isinstance(taker, CongestionTaker)
            found[name] = taker.account or (alone.cost_eur - taker.base_eur, alone.p_kw)
        return found


class CongestionPrices(Pricing):
    """Prices at which neighbourhoods, each by its own optimum, keep what the grid can bear."""

    name = "price-response"

    dso_type: type[PricingDso] = PricingDso
    taker_type: type[CongestionTaker] = CongestionTaker

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let the DSO find prices of what is congested; P_set is the safe end of it."""
        market = self.market(problem, rng)
        society.perform(problem, market.agents, market.medium)
        dso = market.dso
        return Plan(
            units=dict(_units(market)),
            offers=dso.offers,
            caps=dso.caps,
            tap_pos=dso.rounds.tap_pos,
            records=self.records(problem, market),
            degraded=tuple(_trouble(market)),
        )

    def market(self, problem: Problem, rng: np.random.Generator) -> Congestion:
        """Make the agents of a gate."""
        rules = {
            one.name: own_rules(one.units, one.terms.penalty_eur_per_kwh)
            for one in problem.neighbourhoods
        }
        published = {
            one.name: by_rule(rules[one.name].values(), one.terms) for one in problem.neighbourhoods
        }
        settings, factor = problem.grid.settings, problem.grid.co2_kg_per_kwh
        nothing = np.zeros(problem.horizon.steps)
        dso = self.dso_type(
            DSO,
            problem.grid,
            assets_of(problem),
            problem.rounds,
            society.published(problem, rules),
            problem.market,
            problem.negotiation.patience_s,
            problem.lead_s,
            published,
            nothing if factor is None else settings.import_co2_eur_per_kg * factor,
        )
        takers = {
            one.name: self.taker_type(one, frozen(reactive_kvar(one)), DSO)
            for one in problem.neighbourhoods
        }
        plants = {p.name: DerAgent(p, problem.plant_q_kvar[p.name], DSO) for p in problem.plants}
        medium = society.medium_of(problem, rng)
        return Congestion(dso.desk, {**takers}, medium, published, dso, plants)

    # -- tables -----------------------------------------------------------------------------------
    def records(self, problem: Problem, market: Market) -> Records:
        """What the agents leave in the tables."""
        assert isinstance(market, Congestion)
        history, desk = market.dso.history, market.dso.desk
        found: dict[str, Any] = {}
        if desk.outcome is not None:
            found = {**super().records(problem, market)}
        elif market.medium.keep:
            found = {"messages": market.medium.rows}
        found["solves"] = [*solve_rows(history), *found.get("solves", ())]
        found["signals"] = list(before_rows(problem, history))
        found["plans"] = plan_columns(problem, list(_planned(market)))
        found["redispatch"] = list(self._caps(problem, market))
        found["congestion"] = list(self._prices(problem, market))
        return {name: rows for name, rows in found.items() if rows}

    def _caps(self, problem: Problem, market: Congestion) -> Iterator[Row]:
        """Who is capped: plants as the plan has it, or everybody by the redispatch."""
        dso = market.dso
        if not dso.is_priced:
            issued = dso.history if not dso.is_pricing else ()
            yield from redispatch_rows(issued)
            return
        search = dso.desk.search
        assert search is not None
        yield from cap_rows(search, problem.horizon, dso.offers, dso.caps)
        yield from redispatch_rows(dso.history[1:])

    def _prices(self, problem: Problem, market: Congestion) -> Iterator[Row]:
        """What a kWh other than p_off is paid, besides the tariffs; none where P_set holds."""
        dso = market.dso
        for name, taker in market.takers.items():
            planned = taker.planned
            done_kw = market.published[name].p_kw if planned is None else planned.p_kw
            told, limits = np.full((2, problem.horizon.steps), np.nan)
            baseline = dso.offers[name].p_kw if name in dso.offers else told
            search = dso.desk.search
            if dso.is_priced and search is not None and name in search.published:
                assert dso.desk.outcome is not None
                y = dso.desk.outcome.price_eur_per_kwh
                told, limits = search.told(name, y), search.scarcity(name, y)
            elif dso.offers and not dso.rounds.any_caps:
                told = limits = np.zeros(problem.horizon.steps)
            for row in zip(problem.horizon.times, baseline, done_kw, told, limits, strict=True):
                yield {
                    "time": row[0],
                    "name": name,
                    "baseline_kw": float(row[1]),
                    "planned_kw": float(row[2]),
                    "price_eur_per_kwh": float(row[3]),
                    "limits_eur_per_kwh": float(row[4]),
                }


def _units(market: Congestion) -> Iterator[tuple[str, UnitPlan]]:
    for taker in market.takers.values():
        planned = taker.planned
        if planned is not None:
            assert isinstance(taker, CongestionTaker)
            yield from plans_of(taker.problem, planned, taker.terms if taker.is_capped else None)
    for name, plant in market.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def _planned(market: Congestion) -> Iterator[tuple[int, str, Array]]:
    """Round 0, unit and power: what was offered; round 1: what is done, nothing curtailed."""
    for taker in market.takers.values():
        assert isinstance(taker, CongestionTaker)
        for number, solution in ((0, taker.offered), (1, taker.planned)):
            for schedule in () if solution is None else solution.schedules.values():
                for unit, p_kw in schedule.unit_p_kw.items():
                    yield number, unit, p_kw


def _trouble(market: Congestion) -> Iterator[str]:
    """What went wrong without stopping the plan."""
    dso = market.dso
    if dso.failure is not None:
        yield f"agent {dso.title} failed: {dso.failure}"
    elif dso.desk.search is not None and not dso.is_priced:
        yield "prices led to no plan that keeps all limits: P_set holds"
    yield from unheard(dso)
    for name, taker in market.takers.items():
        assert isinstance(taker, CongestionTaker)
        planned = taker.planned
        if taker.failure is not None:
            yield f"agent {name} failed: {taker.failure}; its units follow their own rules"
        elif planned is None:
            yield f"{name} was never asked: its units follow their own rules"
        elif dso.is_priced and name in dso.offers and taker.award is None:
            yield f"{name} never heard what it was awarded, and does what it answered last"
        elif taker.is_capped and taker.terms.excess_kw(planned.p_kw).max() > KEPT_KW:
            yield f"{name}: P_set cannot be kept in every step"
    for name, plant in market.plants.items():
        if plant.failure is not None:
            yield f"agent {name} failed: {plant.failure}"
