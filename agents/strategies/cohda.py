"""`cohda`: agents negotiate their schedules, the DSO agent caps them, they negotiate again (M5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from quartier.agents import society
from quartier.agents.dso import DsoAgent
from quartier.agents.neighbourhood import NeighbourhoodAgent
from quartier.agents.society import Society
from quartier.agents.strategies import records
from quartier.coordination import Plan, UnitPlan
from quartier.planning import plant_plan, room_per_rated, share_of, unit_plans
from quartier.problem import Problem, State
from quartier.quantities import Array
from quartier.redispatch.rounds import KEPT_KW
from quartier.units import KINDS
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
        expected = schedules(agents, task.name)
        p_kw, loose_kw = _sums(list(expected.values()))
        curtailed_kw = speaker.terms.curtailed_kw(p_kw, loose_kw)
        share = share_of(curtailed_kw, loose_kw)
        room = room_per_rated(task.units, p_kw - curtailed_kw, speaker.terms.p_max_kw)
        for name, agent in agents.units[task.name].items():
            for unit, plan in unit_plans(agent.units, expected[name], share, room):
                unplanned = not agent.history and unit not in curtailable
                yield unit, _own_rule(plan) if unplanned else plan
    for name, plant in agents.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def _own_rule(plan: UnitPlan) -> UnitPlan:
    """Leave a unit to itself, with what it is expected to do."""
    return UnitPlan(np.full_like(plan.p_kw, np.nan), plan.p_kw)


def schedules(agents: Society, name: str) -> dict[str, Schedule]:
    """What the agents of a neighbourhood will carry out: what they committed to, or own rules."""
    speaker = agents.neighbourhoods[name]
    return {
        agent.title: agent.history[-1][1].carried_out
        if agent.history
        else speaker.reference(agent.title)
        for agent in agents.units[name].values()
    }


def _sums(expected: Sequence[Schedule]) -> tuple[Array, Array]:
    """Power and curtailable power together."""
    p_kw = np.sum([schedule.p_kw for schedule in expected], axis=0)
    loose_kw = np.sum([schedule.curtailable_kw for schedule in expected], axis=0)
    return p_kw, loose_kw


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
        if _excess_kw(speaker, list(schedules(agents, name).values())) > KEPT_KW:
            yield f"{name}: P_set cannot be kept in every step"


def _excess_kw(speaker: NeighbourhoodAgent, expected: Sequence[Schedule]) -> float:
    """Greatest power beyond P_set in any step, after curtailment."""
    p_kw, loose_kw = _sums(expected)
    net_kw = p_kw - speaker.terms.curtailed_kw(p_kw, loose_kw)
    return float(speaker.terms.excess_kw(net_kw).max())


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
