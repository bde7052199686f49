"""`cohda`: agents negotiate their schedules, the DSO agent caps them, they negotiate again (M5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from quartier.agents import society
from quartier.agents.caller import KEPT_TO_KW
from quartier.agents.dso import DsoAgent
from quartier.agents.society import Society
from quartier.agents.strategies import records
from quartier.agents.unit import UnitAgent
from quartier.coordination import Plan, UnitPlan
from quartier.planning import plant_plan, room_per_rated, unit_plans
from quartier.problem import (
    ConnectionTerms,
    Market,
    NeighbourhoodProblem,
    Problem,
    Sharing,
    State,
    Supply,
)
from quartier.quantities import Array, share_of
from quartier.redispatch.rounds import KEPT_KW
from quartier.units import KINDS
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule


class Cohda:
    """COHDA inside the neighbourhoods, redispatch with P_set above them."""

    name = "cohda"

    networked = True
    """Its agents may live in several processes."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let the agents of the gate live for the lead time; what they agreed on is the plan."""
        agents = self.society(problem, rng)
        society.perform(problem, agents.agents, agents.medium)
        assert agents.dso is not None
        return Plan(
            units=dict(plans(problem, agents)),
            offers=agents.dso.offers,
            caps=agents.dso.caps,
            tap_pos=agents.dso.rounds.tap_pos,
            records=self.records(problem, agents),
            degraded=tuple(trouble(problem, agents)),
        )

    def society(self, problem: Problem, rng: np.random.Generator) -> Society:
        """Make the agents of a gate."""
        return society.build(problem, rng)

    def records(self, problem: Problem, agents: Society) -> records.Records:
        """What the agents' process leaves in the tables."""
        return records.collect(problem, agents, self.name)


class SharingCohda(Cohda):
    """COHDA among the agents of all neighbourhoods, about what they come to together (eq. 2).

    What the pool costs is handed out after the fact, by the scenario's rule.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let all agents negotiate about the pool's power."""
        sharing = problem.asks(Sharing)
        together = replace(problem, neighbourhoods=(pooled(problem),))
        agents = society.build_pool(problem, together.neighbourhoods[0], rng)
        society.perform(problem, agents.agents, agents.medium)
        return Plan(
            units=dict(plans(together, agents)),
            allocation=sharing.allocation,
            records=self.records(together, agents),
            degraded=tuple(trouble(together, agents)),
        )


class MarketCohda(Cohda):
    """COHDA among the agents of all neighbourhoods, about what suppliers ask for all together.

    The market tells everybody the blocks of all suppliers, not whose they are. No price is set: all
    pay that of the block that serves last.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let all agents negotiate about what is served."""
        market = problem.asks(Market)
        one = pooled(problem, market.coordinator)
        together = replace(
            problem, neighbourhoods=(replace(one, terms=served_by(one.terms, market)),)
        )
        agents = society.build_pool(problem, together.neighbourhoods[0], rng)
        society.perform(problem, agents.agents, agents.medium)
        return Plan(
            units=dict(plans(together, agents)),
            records=self.records(together, agents),
            degraded=tuple(trouble(together, agents)),
        )


def served_by(terms: ConnectionTerms, market: Market) -> ConnectionTerms:
    """Terms of all neighbourhoods together: blocks of suppliers, beyond them the reserve."""
    _, public = market.public
    return replace(
        terms,
        export_eur_per_kwh=public.lowest_eur_per_kwh,
        import_eur_per_kwh=public.highest_eur_per_kwh,
        served=Supply.together([*market.asked.values()]),
    )


def pooled(problem: Problem, name: str = Sharing.coordinator) -> NeighbourhoodProblem:
    """Return all neighbourhoods as one, whose connection point is the pool's; heat stays local."""
    first, *_ = problem.neighbourhoods
    return replace(
        first,
        name=name,
        units=tuple(unit for one in problem.neighbourhoods for unit in one.units),
    )


def plans(problem: Problem, agents: Society) -> Iterator[tuple[str, UnitPlan]]:
    """What every unit shall do.

    Units whose agents did not commit follow their own rules; their renewable power is curtailed
    all the same, for P_set holds for the connection point.
    """
    for neighbourhood in problem.neighbourhoods:
        speaker = agents.speakers[neighbourhood.name]
        if not speaker.outcomes:
            continue
        done, unit_agents = carried_out(agents, neighbourhood), agents.units[neighbourhood.name]
        room = room_per_rated(neighbourhood.units, done.p_kw, speaker.terms.p_max_kw)
        planned = {
            unit: plan
            for name, agent in unit_agents.items()
            for unit, plan in unit_plans(agent.units, done.schedules[name], done.shares[name], room)
        }
        silent = {u.name for a in unit_agents.values() if not a.history for u in a.units}
        yield from {**planned, **_left_alone(neighbourhood, planned, silent)}.items()
    for name, plant in agents.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def _left_alone(
    neighbourhood: NeighbourhoodProblem, planned: Mapping[str, UnitPlan], silent: Collection[str]
) -> dict[str, UnitPlan]:
    """Leave units to themselves, with what they will do beside the plans of all others.

    Renewable units are curtailed all the same.
    """
    kinds = {unit.name: KINDS[unit.kind] for unit in neighbourhood.units}
    alone = {name for name in silent if not kinds[name].curtailable}
    if not alone:
        return {}
    told = {unit: plan.command_kw for unit, plan in planned.items() if unit not in alone}
    found = own_rules(neighbourhood.units, neighbourhood.terms.penalty_eur_per_kwh, told).values()
    p_kw = {unit: values for schedule in found for unit, values in schedule.unit_p_kw.items()}
    return {name: UnitPlan(np.full_like(p_kw[name], np.nan), p_kw[name]) for name in sorted(alone)}


@dataclass(frozen=True)
class CarriedOut:
    """What the units of a neighbourhood will do."""

    schedules: Mapping[str, Schedule]
    """By agent, nothing curtailed."""
    shares: Mapping[str, Array]
    """Share of the renewable power that is curtailed, by agent, shape ``(T,)``."""
    p_kw: Array
    """Power at the connection point, shape ``(T,)``."""


def carried_out(agents: Society, neighbourhood: NeighbourhoodProblem) -> CarriedOut:
    """What the agents of a neighbourhood committed to, and what those do that did not.

    Every agent curtails the share that it was told, plants without an agent that of their speaker.
    If that does not keep P_set, for somebody does otherwise than the speaker could know, the
    control at the connection point curtails what its meter shows.
    """
    speaker, unit_agents = agents.speakers[neighbourhood.name], agents.units[neighbourhood.name]
    schedules = _schedules(neighbourhood, unit_agents)
    shares = {
        title: agent.history[-1][2] if agent.history else speaker.curtailed_share
        for title, agent in unit_agents.items()
    }
    loose_kw = {title: (1 - shares[title]) * own.curtailable_kw for title, own in schedules.items()}
    p_kw = np.sum(
        [own.p_kw - own.curtailable_kw + loose_kw[title] for title, own in schedules.items()],
        axis=0,
    )
    left_kw = np.sum(list(loose_kw.values()), axis=0)
    more_kw = np.minimum(np.maximum(p_kw - speaker.terms.p_max_kw, 0.0), left_kw)
    more_kw[more_kw <= KEPT_TO_KW] = 0.0
    more = share_of(more_kw, left_kw)
    shares = {title: share + more * (1 - share) for title, share in shares.items()}
    return CarriedOut(schedules, shares, p_kw - more_kw)


def _schedules(
    neighbourhood: NeighbourhoodProblem, unit_agents: Mapping[str, UnitAgent]
) -> Mapping[str, Schedule]:
    """What the agents committed to, and what the units of the others do beside them.

    Own rules look at what the others do, so they are followed beside what is committed.
    """
    kept = {
        t: agent.history[-1][1].carried_out for t, agent in unit_agents.items() if agent.history
    }
    if len(kept) == len(unit_agents):
        return kept
    told = {u: kw for schedule in kept.values() for u, kw in schedule.command_kw.items()}
    found = own_rules(neighbourhood.units, neighbourhood.terms.penalty_eur_per_kwh, told)
    return {title: kept.get(title, found[title]) for title in unit_agents}


def trouble(problem: Problem, agents: Society) -> Iterator[str]:
    """What went wrong without stopping the plan."""
    for agent in agents.agents:
        if agent.failure is not None:
            yield f"agent {agent.title} failed: {agent.failure}"
    if agents.dso is not None:
        yield from unheard(agents.dso)
    for neighbourhood in problem.neighbourhoods:
        name, speaker = neighbourhood.name, agents.speakers[neighbourhood.name]
        if not speaker.outcomes:
            yield f"{name}: no agreement within the lead time; its units follow their own rules"
            continue
        missing = sorted({agent for outcome in speaker.outcomes for agent in outcome.missing})
        if missing:
            yield f"{name}: not all agents committed: {', '.join(missing)}"
        excess_kw = speaker.terms.excess_kw(carried_out(agents, neighbourhood).p_kw)
        if excess_kw.max() > KEPT_KW:
            yield f"{name}: P_set cannot be kept in every step"


def unheard(dso: DsoAgent) -> Iterator[str]:
    """Who did not answer the DSO, and what its redispatch could not cure."""
    silent = sorted(dso.assets.keys() - dso.offers.keys())
    if not dso.history:
        why = f"no offer from {', '.join(silent)}" if silent else "it was not decided"
        yield f"no redispatch: {why} within the lead time"
        return
    if silent:
        yield f"no offer from {', '.join(silent)}: the DSO counted on its forecast"
    unheard = sorted(dso.unheard | dso.waiting)
    if unheard:
        yield f"no answer to P_set from {', '.join(unheard)}: it may not be kept"
    yield from dso.rounds.trouble()
