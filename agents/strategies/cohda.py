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
from quartier.planning import plant_plan, share_of, unit_plans
from quartier.problem import Problem, State
from quartier.quantities import Array
from quartier.units.schedule import Schedule


class Cohda:
    """COHDA inside the neighbourhoods (M6), redispatch with P_set above them (M4, M5)."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let the agents of the gate live for the lead time; what they agreed on is the plan."""
        agents = society.build(problem, rng)
        society.run_apart(agents.live(problem.lead_s))
        units = dict(plans(problem, agents))
        return Plan(
            units=units,
            offers=agents.dso.offers,
            caps=agents.dso.caps,
            tap_pos=agents.dso.rounds.tap_pos,
            records=records.collect(problem, agents),
            degraded=tuple(trouble(problem, agents)),
        )


def plans(problem: Problem, agents: Society) -> Iterator[tuple[str, UnitPlan]]:
    """What every unit shall do; units whose agents did not commit follow their own rules."""
    for task in problem.neighbourhoods:
        speaker = agents.neighbourhoods[task.name]
        if not speaker.outcomes:
            continue
        share = curtailed_share(speaker, committed(agents, task.name))
        for agent in agents.units[task.name].values():
            if agent.history:
                yield from unit_plans(agent.units, agent.history[-1][1].carried_out, share)
    for name, plant in agents.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def committed(agents: Society, name: str) -> list[Schedule]:
    """Schedules that the agents of a neighbourhood will carry out."""
    group = agents.units[name].values()
    return [agent.history[-1][1].carried_out for agent in group if agent.history]


def curtailed_share(speaker: NeighbourhoodAgent, schedules: Sequence[Schedule]) -> Array:
    """Share of the available renewable power to curtail, shape ``(T,)``.

    Taken from what will be carried out, under the last P_set heard: so it is kept even where
    some agents did not come to terms under it in time.
    """
    p_kw, loose_kw = _sums(schedules)
    return share_of(speaker.terms.curtailed_kw(p_kw, loose_kw), loose_kw)


def _sums(schedules: Sequence[Schedule]) -> tuple[Array, Array]:
    """Power and curtailable power together."""
    p_kw = np.sum([schedule.p_kw for schedule in schedules], axis=0)
    loose_kw = np.sum([schedule.curtailable_kw for schedule in schedules], axis=0)
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
        elif not all(outcome.agreed for outcome in speaker.outcomes):
            yield f"{name}: not all agents committed"
        if committed(agents, name) and _excess_kw(speaker, committed(agents, name)) > 0.01:
            yield f"{name}: P_set cannot be kept in every step"


def _excess_kw(speaker: NeighbourhoodAgent, schedules: Sequence[Schedule]) -> float:
    """Greatest power beyond P_set in any step, after curtailment."""
    p_kw, loose_kw = _sums(schedules)
    net_kw = p_kw - speaker.terms.curtailed_kw(p_kw, loose_kw)
    return float(speaker.terms.excess_kw(net_kw).max())


def _unheard(dso: DsoAgent) -> Iterator[str]:
    if not dso.history:
        missing = sorted(dso.assets.keys() - dso.offers.keys())
        yield f"no redispatch: no offer from {', '.join(missing)} within the lead time"
        return
    yield from dso.rounds.trouble()
