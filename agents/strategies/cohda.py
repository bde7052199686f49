"""`cohda`: agents negotiate their schedules, the DSO agent caps them, they negotiate again (M5)."""

from __future__ import annotations

from collections.abc import Iterator

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
        share = curtailed_share(speaker)
        for agent in agents.units[task.name].values():
            if agent.history:
                yield from unit_plans(agent.units, agent.history[-1][1].carried_out, share)
    for name, plant in agents.plants.items():
        yield name, plant_plan(plant.available_kw, plant.p_max_kw)


def curtailed_share(speaker: NeighbourhoodAgent) -> Array:
    """Share of the available renewable power to curtail, shape ``(T,)``.

    Taken anew under the last P_set heard, so that it is kept even where the agents did not
    come to terms under it in time.
    """
    last = speaker.outcomes[-1]
    loose = last.curtailable_kw
    curtailed = speaker.terms.curtailed_kw(last.p_kw + last.curtailed_kw, loose)
    return share_of(curtailed, loose)


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
        if speaker.outcomes and speaker.terms.excess_kw(_kept(speaker)).max() > 0.01:
            yield f"{name}: P_set cannot be kept in every step"


def _kept(speaker: NeighbourhoodAgent) -> Array:
    last = speaker.outcomes[-1]
    return last.p_kw + last.curtailed_kw - curtailed_share(speaker) * last.curtailable_kw


def _unheard(dso: DsoAgent) -> Iterator[str]:
    if not dso.history:
        missing = sorted(dso.assets.keys() - dso.offers.keys())
        yield f"no redispatch: no offer from {', '.join(missing)} within the lead time"
        return
    yield from dso.rounds.trouble()
