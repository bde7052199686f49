"""An agents' process: the agents of one neighbourhood, made as everywhere, played here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from quartier import hiccups
from quartier.agents.base import QuartierAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.network.codec import Malformed, decode, encode, plain
from quartier.agents.network.frames import (
    Advance,
    CloseGate,
    Done,
    Hear,
    OpenGate,
    Said,
)
from quartier.agents.network.homes import homes, rng_from
from quartier.agents.network.letters import Letters
from quartier.agents.network.troupe import Spoken, Troupe
from quartier.agents.stage import Stage
from quartier.coordination import Coordination
from quartier.instance import Instance
from quartier.problem import Problem, State

logger = logging.getLogger(__name__)


class GateOver(BaseException):
    """Ends a mechanism here when its agents have played: the plan is made by the orchestrator."""


class Host(Stage):
    """Asks the mechanism as the orchestrator does, and plays its agents of one neighbourhood."""

    coordinates: ClassVar[bool] = False

    def __init__(
        self, letters: Letters, instance: Instance, coordination: Coordination, neighbourhood: str
    ) -> None:
        self._letters, self._instance = letters, instance
        self._coordination, self._neighbourhood = coordination, neighbourhood
        self._pending: OpenGate | None = None

    def run(self) -> None:
        """Serve all gates of a run, until it is over."""
        while (work := self._pending or self._letters.receive()) is not None:
            self._pending = None
            if not isinstance(work, OpenGate):
                continue  # of a gate that was given up
            try:
                self._plan(work)
            except GateOver:
                continue
            except Exception as error:
                if self._letters.ended is not None:
                    raise self._letters.ended from None  # no failure of the agents
                logger.exception("the agents of %s failed", self._neighbourhood)
                self._letters.reply(
                    Done((), (), np.inf, failure=f"{type(error).__name__}: {error}")
                )

    def _plan(self, gate: OpenGate) -> None:
        start = self._instance.initial_state()
        state = State({**start.units, **gate.state.units}, gate.state.tap_pos)
        problem = self._instance.problem(
            gate.gate, gate.first, state, tap_is_fixed=gate.tap_is_fixed
        )
        if gate.memory and hasattr(self._coordination, "restore"):
            self._coordination.restore(plain(gate.memory))
        hiccups.take()
        logger.info("gate %d", gate.gate)
        self._coordination.plan(replace(problem, stage=self), state, rng_from(gate.rng))

    def perform(
        self, problem: Problem, agents: Sequence[QuartierAgent], medium: MeasuredCommunication
    ) -> None:
        """Play the agents that live here."""
        home = homes(problem)
        own = [agent for agent in agents if home.get(agent.title) == self._neighbourhood]
        asyncio.run(self._play(own))
        raise GateOver

    async def _play(self, own: Sequence[QuartierAgent]) -> None:
        async with Troupe(own) as troupe:
            self._letters.reply(_done(troupe))
            while (work := self._letters.receive()) is not None:
                if isinstance(work, OpenGate):
                    self._pending = work
                    return
                if isinstance(work, CloseGate):
                    left = {agent.title: _left(agent) for agent in own}
                    found = tuple(hiccups.take())
                    self._letters.reply(replace(_done(troupe), left=left, hiccups=found))
                    return
                if isinstance(work, Advance):
                    await troupe.advance(work.now_s)
                else:
                    await troupe.hear(work.now_s, _read(work))
                self._letters.reply(_done(troupe))


def _done(troupe: Troupe) -> Done:
    said, heard = troupe.collect()
    letters = tuple(Said(s, r, encode(content)) for s, r, content in said)
    return Done(letters, tuple(heard), troupe.next_s)


def _left(agent: QuartierAgent) -> dict[str, object]:
    return {name: encode(getattr(agent, name)) for name in agent.LEAVES}


def _read(work: Hear) -> list[Spoken]:
    """Read what others said; what is no message is dropped."""
    found = []
    for letter in work.messages:
        try:
            found.append((letter.sender, letter.receiver, decode(letter.content, object)))
        except Malformed as error:
            logger.warning("dropped a message of %s: %s", letter.sender, error)
    return found
