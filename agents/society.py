"""Puts the agents of a gate into mango's simulated world and lets them do their work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import networkx as nx
import numpy as np
from mango import create_world
from mango.simulation.communication import CommunicationSimulation

from quartier.agents.agenda import Agenda
from quartier.agents.base import QuartierAgent
from quartier.agents.caller import CallerAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.der import DerAgent
from quartier.agents.dso import DsoAgent
from quartier.agents.fallback import own_rule_entry
from quartier.agents.messages import frozen
from quartier.agents.pool import PoolAgent
from quartier.agents.speaker import SpeakerAgent
from quartier.agents.stage import Stage
from quartier.agents.unit import UnitAgent
from quartier.planning import Forecast, assets_of, reactive_kvar
from quartier.problem import NeighbourhoodProblem, Problem
from quartier.scenario.communication import DSO
from quartier.units.sampling import own_rules
from quartier.units.schedule import Schedule

RING = 4
"""Neighbours of an agent on the ring, half of them on either side."""

T = TypeVar("T")

LAST_WORDS_S = 10.0
"""Longest wall time that interrupted agents have to come to an end."""
Links: TypeAlias = Mapping[str, list[str]]
"""Whom every agent talks to, by name."""
Forecasts: TypeAlias = Mapping[str, Forecast]
"""By connection point."""


@dataclass(frozen=True)
class Society:
    """All agents of a gate, and the medium between them."""

    dso: DsoAgent | None
    """None where nobody stands above the neighbourhoods."""
    speakers: Mapping[str, CallerAgent]
    """By neighbourhood."""
    units: Mapping[str, Mapping[str, UnitAgent]]
    """Unit agents by neighbourhood and name."""
    plants: Mapping[str, DerAgent]
    medium: MeasuredCommunication

    @property
    def agents(self) -> list[QuartierAgent]:
        """Everybody, in a fixed order."""
        of_units = [agent for group in self.units.values() for agent in group.values()]
        above = [] if self.dso is None else [self.dso]
        return [*above, *self.speakers.values(), *self.plants.values(), *of_units]

    async def live(self, seconds: float) -> None:
        """Let simulated time pass until nothing happens any more, or ``seconds`` are over."""
        await live(self.agents, self.medium, seconds)


async def live(
    agents: Sequence[QuartierAgent], medium: CommunicationSimulation, seconds: float
) -> None:
    """Let agents live in a simulated world until nothing happens, or ``seconds`` are over."""
    world = create_world(communication_sim=medium, record_messages=False)
    agenda = Agenda()
    for agent in agents:
        agent.agenda = agenda
        world.register(agent, suggested_aid=agent.title)
    async with world:
        await agenda.carry_out(world, medium, seconds)


def perform(
    problem: Problem, agents: Sequence[QuartierAgent], medium: MeasuredCommunication
) -> None:
    """Let the agents of a gate live for its lead time, wherever they do."""
    if isinstance(problem.stage, Stage):
        problem.stage.perform(problem, agents, medium)
    else:
        run_apart(live(agents, medium, problem.lead_s))


def is_coordinated_here(problem: Problem) -> bool:
    """Whether agents live here that are of no neighbourhood."""
    return problem.stage.coordinates if isinstance(problem.stage, Stage) else True


def build(
    problem: Problem,
    rng: np.random.Generator,
    unit_agent: type[UnitAgent] = UnitAgent,
    speaker_agent: type[SpeakerAgent] = SpeakerAgent,
) -> Society:
    """Make the agents that a problem calls for; every random draw comes from ``rng``.

    Parameters
    ----------
    unit_agent, speaker_agent
        What the agents of a neighbourhood's units and its speaker are.
    """
    speakers, units, expected = {}, {}, {}
    for neighbourhood in problem.neighbourhoods:
        rules = expected[neighbourhood.name] = own_rules(
            neighbourhood.units, neighbourhood.terms.penalty_eur_per_kwh
        )
        units[neighbourhood.name] = _unit_agents(problem, neighbourhood, rules, rng, unit_agent)
        speakers[neighbourhood.name] = speaker_agent(
            neighbourhood.name,
            neighbourhood.terms,
            {
                name: own_rule_entry(name, schedule, neighbourhood.terms)
                for name, schedule in rules.items()
            },
            problem.negotiation,
            frozen(reactive_kvar(neighbourhood)),
            DSO,
        )
    plants = {p.name: DerAgent(p, problem.plant_q_kvar[p.name], DSO) for p in problem.plants}
    medium = medium_of(problem, rng)
    dso = DsoAgent(
        DSO, problem.grid, assets_of(problem), problem.rounds, published(problem, expected)
    )
    return Society(dso, speakers, units, plants, medium)


def build_pool(problem: Problem, pool: NeighbourhoodProblem, rng: np.random.Generator) -> Society:
    """Make the agents that share a pool: those of all neighbourhoods, and one that calls them."""
    rules = own_rules(pool.units, pool.terms.penalty_eur_per_kwh)
    units = _unit_agents(problem, pool, rules, rng, UnitAgent)
    entries = {name: own_rule_entry(name, rule, pool.terms) for name, rule in rules.items()}
    speaker = PoolAgent(pool.name, pool.terms, entries, problem.negotiation)
    return Society(None, {pool.name: speaker}, {pool.name: units}, {}, medium_of(problem, rng))


def _unit_agents(
    problem: Problem,
    neighbourhood: NeighbourhoodProblem,
    rules: Mapping[str, Schedule],
    rng: np.random.Generator,
    unit_agent: type[UnitAgent],
) -> dict[str, UnitAgent]:
    """Make the agents of a neighbourhood's units, by name."""
    name, behind = neighbourhood.name, neighbourhood.agents
    links = small_world([name, *behind], problem.negotiation.shortcuts, rng)
    return {
        agent: unit_agent(
            agent, units, name, links[agent], problem.negotiation, child, own_rule=rules[agent]
        )
        for (agent, units), child in zip(behind.items(), rng.spawn(len(behind)), strict=True)
    }


def medium_of(problem: Problem, rng: np.random.Generator) -> MeasuredCommunication:
    """Make the medium of a gate."""
    return MeasuredCommunication(
        problem.communication, rng.spawn(1)[0], problem.gate, problem.record_messages
    )


def published(problem: Problem, expected: Mapping[str, Mapping[str, Schedule]]) -> Forecasts:
    """What the DSO may know of every connection point before it offers anything.

    What a plant has available, and in a neighbourhood what all units together do by their own
    rules: no unit's share in it, and no limits.
    """
    forecasts = {
        neighbourhood.name: Forecast(
            frozen(np.sum([rule.p_kw for rule in expected[neighbourhood.name].values()], axis=0)),
            frozen(reactive_kvar(neighbourhood)),
        )
        for neighbourhood in problem.neighbourhoods
    }
    for plant in problem.plants:
        q_kvar = problem.plant_q_kvar[plant.name]
        forecasts[plant.name] = Forecast(frozen(plant.series["available_kw"]), frozen(q_kvar))
    return forecasts


def small_world(
    names: list[str], shortcuts: float, rng: np.random.Generator, ring: int = RING
) -> Links:
    """Connect the names in a ring with shortcuts (Newman, Watts 1999)."""
    seed = int(rng.integers(2**32))
    if len(names) <= ring:
        graph = nx.complete_graph(len(names))
    else:
        graph = nx.newman_watts_strogatz_graph(len(names), ring, shortcuts, seed=seed)
    return {name: [names[j] for j in sorted(graph[i])] for i, name in enumerate(names)}


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in an event loop of its own, beside one that is running.

    mosaik's loop owns this thread while a simulator steps; the agents get another one.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []
    runner, ended = asyncio.Runner(), threading.Event()

    def target() -> None:
        try:
            with runner:
                outcome.append(runner.run(work))
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    threading.Thread(target=target, name="agents", daemon=True).start()
    try:
        ended.wait()  # not join(): interrupted, that takes the thread for ended (Python 3.11)
    except BaseException:
        # Python would abort if it ended while a solver runs in the other thread.
        _cancel(work, runner)
        ended.wait(LAST_WORDS_S)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


def _cancel(work: Coroutine[Any, Any, T], runner: asyncio.Runner) -> None:
    """Let what another thread's loop was started for end at its next wait, which ends the rest."""

    def cancel() -> None:
        for task in asyncio.all_tasks():
            if task.get_coro() is work:
                task.cancel()

    with suppress(RuntimeError):  # it has just ended by itself
        runner.get_loop().call_soon_threadsafe(cancel)
