"""`cohda`: agents negotiate their schedules, the DSO agent caps them, they negotiate again (M5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from quartier.agents import society
from quartier.agents.dso import DsoAgent
from quartier.agents.neighbourhood import KEPT_TO_KW
from quartier.agents.society import Society
from quartier.agents.strategies import records
from quartier.agents.unit import UnitAgent
from quartier.coordination import Plan, UnitPlan
from quartier.planning import plant_plan, room_per_rated, share_of, unit_plans
from quartier.problem import ConnectionTerms, Problem, State
from quartier.quantities import Array
from quartier.redispatch.rounds import KEPT_KW
from quartier.units import KINDS
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule


class Cohda:
    """COHDA inside the neighbourhoods, redispatch with P_set above them."""

    name = "cohda"

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let the agents of the gate live for the lead time; what they agreed on is the plan."""
        agents = self.society(problem, rng)
        society.run_apart(agents.live(problem.lead_s))
        units = dict(plans(problem, agents))
        return Plan(
            units=units,
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


def plans(problem: Problem, agents: Society) -> Iterator[tuple[str, UnitPlan]]:
    """What every unit shall do.

    Units whose agents did not commit follow their own rules; their renewable power is curtailed
    all the same, for P_set holds for the connection point.
    """
    for task in problem.neighbourhoods:
        speaker = agents.neighbourhoods[task.name]
        if not speaker.outcomes:
            continue
        curtailable = {unit.name for unit in task.units if KINDS[unit.kind].curtailable}
        done = carried_out(agents, task.name)
        room = room_per_rated(task.units, done.p_kw, speaker.terms.p_max_kw)
        for name, agent in agents.units[task.name].items():
            for unit, plan in unit_plans(
                agent.units, done.schedules[name], done.shares[name], room
            ):
                unplanned = not agent.history and unit not in curtailable
                yield unit, _own_rule(plan) if unplanned else plan
    for name, plant in agents.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def _own_rule(plan: UnitPlan) -> UnitPlan:
    """Leave a unit to itself, with what it is expected to do."""
    return UnitPlan(np.full_like(plan.p_kw, np.nan), plan.p_kw)


@dataclass(frozen=True)
class CarriedOut:
    """What the units of a neighbourhood will do."""

    schedules: Mapping[str, Schedule]
    """By agent, nothing curtailed."""
    shares: Mapping[str, Array]
    """Share of the renewable power that is curtailed, by agent, shape ``(T,)``."""
    p_kw: Array
    """Power at the connection point, shape ``(T,)``."""


def carried_out(agents: Society, name: str) -> CarriedOut:
    """What the agents of a neighbourhood committed to, and what those do that did not.

    Every agent curtails the share that it was told, plants without an agent that of their speaker.
    If that does not keep P_set, for somebody does otherwise than the speaker could know, the
    control at the connection point curtails what its meter shows.
    """
    speaker, members = agents.neighbourhoods[name], agents.units[name]
    schedules = _schedules(speaker.terms, members)
    shares = {
        title: agent.history[-1][2] if agent.history else speaker.curtailed_share
        for title, agent in members.items()
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


def _schedules(terms: ConnectionTerms, members: Mapping[str, UnitAgent]) -> dict[str, Schedule]:
    """What the agents committed to, and what the units of the others do beside them."""
    kept = {t: agent.history[-1][1].carried_out for t, agent in members.items() if agent.history}
    alone = {title: agent.units for title, agent in members.items() if title not in kept}
    rest_kw = np.sum([schedule.p_kw for schedule in kept.values()], axis=0) if kept else None
    kept |= own_rules(alone, terms.penalty_eur_per_kwh, rest_kw)
    return {title: kept[title] for title in members}


def trouble(problem: Problem, agents: Society) -> Iterator[str]:
    """What went wrong without stopping the plan."""
    for agent in agents.agents:
        if agent.failure is not None:
            yield f"agent {agent.title} failed: {agent.failure}"
    yield from _unheard(agents.dso)
    for name, speaker in agents.neighbourhoods.items():
        if not speaker.outcomes:
            yield f"{name}: no agreement within the lead time; its units follow their own rules"
            continue
        missing = sorted({agent for outcome in speaker.outcomes for agent in outcome.missing})
        if missing:
            yield f"{name}: not all agents committed: {', '.join(missing)}"
        excess_kw = speaker.terms.excess_kw(carried_out(agents, name).p_kw)
        if excess_kw.max() > KEPT_KW:
            yield f"{name}: P_set cannot be kept in every step"


def _unheard(dso: DsoAgent) -> Iterator[str]:
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
