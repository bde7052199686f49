"""Who lives in which process, and what its agents are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from quartier.problem import Problem, Sharing, State


def homes(problem: Problem) -> Mapping[str, str]:
    """Neighbourhood by agent: its speaker has its name; whoever is missing lives with the DSO."""
    return {agent: one.name for one in problem.neighbourhoods for agent in (one.name, *one.agents)}


def states_for(problem: Problem, name: str, state: State) -> State:
    """Return what a neighbourhood's process must know of the state of units: that of its own.

    Where neighbourhoods share a pool, all own rules look at the pool's sum, so it is told of all.
    """
    if isinstance(problem.coupling, Sharing):
        return state
    own = {unit.name for one in problem.neighbourhoods if one.name == name for unit in one.units}
    return State(
        {unit: values for unit, values in state.units.items() if unit in own}, state.tap_pos
    )


def rng_state(rng: np.random.Generator) -> str:
    """Return all that a generator's draws and children follow from, as JSON."""
    seed = rng.bit_generator.seed_seq
    assert isinstance(seed, np.random.SeedSequence)
    return json.dumps(
        {
            "entropy": seed.entropy,
            "spawn_key": list(seed.spawn_key),
            "children": seed.n_children_spawned,
            "state": rng.bit_generator.state,
        }
    )


def rng_from(text: str) -> np.random.Generator:
    """Return a generator that draws and spawns as the one that :func:`rng_state` was told of."""
    found = json.loads(text)
    seed = np.random.SeedSequence(
        found["entropy"],
        spawn_key=tuple(found["spawn_key"]),
        n_children_spawned=found["children"],
    )
    bits = np.random.PCG64(seed)
    bits.state = found["state"]
    return np.random.Generator(bits)
