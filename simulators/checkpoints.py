"""Checkpoints of an execution: what all that takes part needs to go on from a step."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from quartier.errors import InputError
from quartier.results.checkpoint import write_checkpoint
from quartier.simulators.execution import Execution
from quartier.simulators.time_based import Snapshot

logger = logging.getLogger(__name__)

EVERY_S = 60.0
"""Wall time between two checkpoints, unless the scenario asks for more of them."""


class Kept(Protocol):
    """What gives and takes what goes from one step to the next."""

    def snapshot(self) -> Snapshot:
        """What is needed to go on."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from there."""
        ...


class Checkpoints:
    """Writes checkpoints of one execution, after steps in which everybody has had a turn.

    Parameters
    ----------
    execution
        The execution; its scenario says when there is one besides the usual.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._settings = execution.instance.scenario.checkpoints
        self._simulators: dict[str, Kept] = {}
        self._written_at = time.monotonic()
        self._forgetful = False

    def join(self, name: str, simulator: Kept) -> None:
        """Let a simulator take part."""
        self._simulators[name] = simulator

    def after_step(self) -> None:
        """Write a checkpoint if it is time to; everybody has executed the journal's steps."""
        execution = self._execution
        steps = execution.journal.steps
        if not self._is_due(steps, execution.instance.horizon.steps):
            return
        if execution.instance.scenario.simulators:
            self._say_once("no checkpoints: what simulators of one's own remember is not known")
            return
        memory = memory_of(execution)
        if memory is None:
            self._say_once(
                f"no checkpoints before the last gate: {execution.name} remembers what it has no "
                "snapshot() for"
            )
            return
        execution.writer.flush()
        write_checkpoint(
            execution.writer.directory,
            {
                "steps": steps,
                "horizon_steps": execution.instance.horizon.steps,
                "parts": execution.writer.parts,
                "journal": execution.journal.snapshot(),
                "rng": generator_state(execution.rng),
                "coordination": memory,
                "simulators": {name: s.snapshot() for name, s in self._simulators.items()},
            },
        )
        self._written_at = time.monotonic()

    def next_after(self, step: int) -> int:
        """Step before which the scenario asks for a checkpoint next; the end if for none."""
        every, last = self._settings.every_steps, self._execution.instance.horizon.steps
        return last if every is None else min(last, (step // every + 1) * every)

    def _is_due(self, steps: int, last: int) -> bool:
        if steps == last:
            return self._settings.at_end
        every = self._settings.every_steps
        if every is not None and steps % every == 0:
            return True
        return time.monotonic() - self._written_at >= EVERY_S

    def _say_once(self, why: str) -> None:
        if not self._forgetful:
            logger.warning(why)
        self._forgetful = True


# -- whoever plans --------------------------------------------------------------------------
def memory_of(execution: Execution) -> Snapshot | None:
    """What whoever plans remembers; nothing after the last gate; None if it cannot tell."""
    coordination, steps = execution.coordination, execution.journal.steps
    if not any(gate >= steps for gate in execution.instance.gates()):
        return {}
    return told_by(coordination)


def told_by(coordination: object) -> Snapshot | None:
    """What a mechanism says that it remembers; None if it remembers something and cannot tell."""
    if hasattr(coordination, "snapshot"):
        found: Snapshot = coordination.snapshot()
        return found
    return None if getattr(coordination, "__dict__", None) else {}


def continued(execution: Execution, kept: Mapping[str, Any]) -> Execution:
    """Return an execution that goes on from a checkpoint.

    Raises
    ------
    InputError
        If something is missing in the checkpoint.
    """
    try:
        if kept["coordination"] and hasattr(execution.coordination, "restore"):
            execution.coordination.restore(kept["coordination"])
        return replace(
            execution,
            rng=generator_at(kept["rng"]),
            journal=type(execution.journal)(**kept["journal"]),
            first_step=int(kept["steps"]),
            start=kept["simulators"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            [f"the checkpoint lacks something ({error}); delete it, then the run begins anew"]
        ) from error


# -- random draws ---------------------------------------------------------------------------
def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """All that the next draws of a generator, and of those it spawns, follow from."""
    seed = rng.bit_generator.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        raise TypeError(f"a generator seeded by {type(seed).__name__} cannot be kept")
    sequence = {
        "entropy": seed.entropy,
        "spawn_key": list(seed.spawn_key),
        "n_children_spawned": seed.n_children_spawned,
    }
    return {"seed": sequence, "state": rng.bit_generator.state}


def generator_at(kept: Mapping[str, Any]) -> np.random.Generator:
    """Return the generator that a state was taken of.

    Raises
    ------
    InputError
        If the state is no generator's.
    """
    try:
        bits = np.random.PCG64(np.random.SeedSequence(**kept["seed"]))
        bits.state = kept["state"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError([f"the checkpoint's random generator cannot be read: {error}"]) from error
    return np.random.Generator(bits)
