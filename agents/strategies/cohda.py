"""`cohda`: agents negotiate their schedules, the DSO agent caps them, they negotiate again (M5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from quartier.agents import society
from quartier.agents.dso import DsoAgent
from quartier.agents.neighbourhood import NeighbourhoodAgent
from quartier.agents.society import Society
from quartier.agents.strategies import records
from quartier.coordination import Plan, UnitPlan
from quartier.planning import plant_plan, room_per_rated, share_of, unit_plans
from quartier.problem import NeighbourhoodProblem, Problem, State
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
        expected = schedules(agents, task)
        p_kw, loose_kw = _sums(list(expected.values()))
        curtailed_kw = speaker.terms.curtailed_kw(p_kw, loose_kw)
        share = share_of(curtailed_kw, loose_kw)
        room = room_per_rated(task.units, p_kw - curtailed_kw, speaker.terms.p_max_kw)
        members = agents.units[task.name]
        planned = {
            unit: plan
            for name, agent in members.items()
            for unit, plan in unit_plans(agent.units, expected[name], share, room)
        }
        silent = {u.name for a in members.values() if not a.history for u in a.units}
        yield from {**planned, **_left_alone(task, planned, silent)}.items()
    for name, plant in agents.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def _left_alone(
    task: NeighbourhoodProblem, planned: Mapping[str, UnitPlan], silent: Collection[str]
) -> dict[str, UnitPlan]:
    """Leave units to themselves, with what they will do beside the plans of all others.

    Renewable units are curtailed all the same.
    """
    kinds = {unit.name: KINDS[unit.kind] for unit in task.units}
    alone = {name for name in silent if not kinds[name].curtailable}
    if not alone:
        return {}
    told = {unit: plan.command_kw for unit, plan in planned.items() if unit not in alone}
    found = own_rules(task.units, task.terms.penalty_eur_per_kwh, told).values()
    p_kw = {unit: values for schedule in found for unit, values in schedule.unit_p_kw.items()}
    return {name: UnitPlan(np.full_like(p_kw[name], np.nan), p_kw[name]) for name in sorted(alone)}


def schedules(agents: Society, task: NeighbourhoodProblem) -> dict[str, Schedule]:
    """What the agents of a neighbourhood will carry out: what they committed to, or own rules.

    Own rules look at what the others do, so they are followed beside what is committed.
    """
    members = agents.units[task.name]
    committed = {name: a.history[-1][1].carried_out for name, a in members.items() if a.history}
    if len(committed) == len(members):
        return committed
    told = {u: kw for schedule in committed.values() for u, kw in schedule.command_kw.items()}
    found = own_rules(task.units, task.terms.penalty_eur_per_kwh, told)
    return {name: committed.get(name, found[name]) for name in members}


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
    for task in problem.neighbourhoods:
        name, speaker = task.name, agents.neighbourhoods[task.name]
        if not speaker.outcomes:
            yield f"{name}: no agreement within the lead time; its units follow their own rules"
            continue
        missing = sorted({agent for outcome in speaker.outcomes for agent in outcome.missing})
        if missing:
            yield f"{name}: not all agents committed: {', '.join(missing)}"
        if _excess_kw(speaker, list(schedules(agents, task).values())) > KEPT_KW:
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
