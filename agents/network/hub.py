"""The orchestrator's side: keeps the agents of no neighbourhood, the clock, and the log.

Simulated time goes on when every process has answered all that it was told and no message is under
way: that is counted, not guessed from silence. So a negotiation ends when the last message has been
heard, and waits as long as a process or a broker is away.
"""

from __future__ import annotations

import asyncio
import logging
import queue
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from quartier import hiccups
from quartier.agents import society
from quartier.agents.agenda import SAME_TIME_S
from quartier.agents.base import QuartierAgent
from quartier.agents.communication import Fate, MeasuredCommunication
from quartier.agents.network.codec import Malformed, decode, encode
from quartier.agents.network.frames import (
    Advance,
    CloseGate,
    Done,
    Hear,
    Hearing,
    OpenGate,
    Said,
    Work,
)
from quartier.agents.network.homes import homes, rng_state, states_for
from quartier.agents.network.office import Office
from quartier.agents.network.troupe import Spoken, Troupe
from quartier.agents.stage import Stage
from quartier.errors import RunFailed
from quartier.problem import Problem, State

logger = logging.getLogger(__name__)

HEARD_AT_ONCE = Fate(0.0)


class Hub(Stage):
    """Lets agents live in several processes.

    Parameters
    ----------
    wait_s
        Longest wall time in s that a process may be away.
    trouble
        Says why a process will not come back, if that is known.
    """

    def __init__(
        self, office: Office, wait_s: float, trouble: Callable[[], str | None] = lambda: None
    ) -> None:
        self.office = office
        self._wait_s, self._trouble = wait_s, trouble
        self._gate: OpenGate | None = None
        self._forgetful = False

    def open(
        self,
        gate: int,
        first: int,
        state: State,
        *,
        tap_is_fixed: bool,
        rng: np.random.Generator,
        memory: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what the agents of a gate are made from."""
        if memory is None and not self._forgetful:
            self._forgetful = True
            logger.warning(
                "the mechanism remembers what it has no snapshot() for: agents in processes of"
                " their own are made without it"
            )
        told = encode(memory or {})
        self._gate = OpenGate(gate, first, state, tap_is_fixed, rng_state(rng), told)

    def perform(
        self, problem: Problem, agents: Sequence[QuartierAgent], medium: MeasuredCommunication
    ) -> None:
        """Let all agents live for the gate's lead time."""
        assert self._gate is not None
        gate, self._gate = self._gate, None
        if gate.gate != problem.gate:
            raise RunFailed("the agents of another gate were asked for")
        performance = _Performance(self, problem, agents, medium)
        society.run_apart(performance.play(gate))

    def receive(self) -> tuple[str, Done] | None:
        """Return a reply and whose it is; None if there is none yet.

        Raises
        ------
        RunFailed
            If a process has been away for too long, or cannot go on.
        """
        try:
            return self.office.replies.get(timeout=0.1)
        except queue.Empty:
            pass
        trouble = self.office.trouble or self._trouble()
        absent = self.office.absent(self._wait_s)
        if trouble or absent:
            raise RunFailed(
                trouble
                or f"no process with the agents of {', '.join(absent)} was there for"
                f" {self._wait_s:g} s; start it with 'quartier agents', or wait longer with"
                " communication.network.wait_s"
            )
        return None


class _Performance:
    """A gate: who is where, and what is still awaited."""

    def __init__(
        self,
        hub: Hub,
        problem: Problem,
        agents: Sequence[QuartierAgent],
        medium: MeasuredCommunication,
    ) -> None:
        self._hub, self._problem, self._medium = hub, problem, medium
        self._home = homes(problem)
        self._agents = {agent.title: agent for agent in agents}
        self._here = [agent for agent in agents if agent.title not in self._home]
        self._next_s = dict.fromkeys(hub.office.lines, np.inf)
        self._awaited: dict[str, int] = dict.fromkeys(hub.office.lines, 0)
        self._now_s = 0.0

    async def play(self, gate: OpenGate) -> None:
        """Let everybody act until nothing happens any more, or the lead time is over."""
        for name in self._awaited:
            state = states_for(self._problem, name, gate.state)
            self._give(name, replace(gate, state=state))
        async with Troupe(self._here) as troupe:
            await self._until_quiet(troupe)
            while (due_s := min(troupe.next_s, *self._next_s.values())) <= self._problem.lead_s:
                self._now_s = max(self._now_s, due_s)
                await troupe.advance(self._now_s)
                for name, next_s in self._next_s.items():
                    if next_s <= self._now_s + SAME_TIME_S:
                        self._give(name, Advance(self._now_s))
                await self._until_quiet(troupe)
            for name in self._awaited:
                self._give(name, CloseGate())
            await self._until_quiet(troupe)

    def _give(self, name: str, work: Work) -> None:
        self._awaited[name] += 1
        self._hub.office.give(name, work)

    async def _until_quiet(self, troupe: Troupe) -> None:
        """Carry messages until nobody has said anything that was not heard."""
        await self._carry_own(troupe)
        while any(self._awaited.values()):
            found = self._hub.receive()
            if found is None:
                await asyncio.sleep(0)  # where a cancelled run ends
                continue
            name, done = found
            self._awaited[name] -= 1
            self._take(name, done)
            await self._route(troupe, self._read(name, done.said))
            await self._carry_own(troupe)

    async def _carry_own(self, troupe: Troupe) -> None:
        said, heard = troupe.collect()
        self._note(heard)
        await self._route(troupe, said)

    async def _route(self, troupe: Troupe, said: Iterable[Spoken]) -> None:
        """Hand messages over, those for one process together."""
        parcels: defaultdict[str | None, list[Spoken]] = defaultdict(list)
        for message in said:
            receiver = message[1]
            if receiver in self._agents:
                parcels[self._home.get(receiver)].append(message)
        for home, messages in parcels.items():
            if home is None:
                await troupe.hear(self._now_s, messages)
            else:
                letters = tuple(Said(s, r, encode(content)) for s, r, content in messages)
                self._give(home, Hear(self._now_s, letters))

    def _read(self, name: str, said: Iterable[Said]) -> Iterable[Spoken]:
        """Read messages; what is no message, or of somebody who lives elsewhere, is dropped."""
        for letter in said:
            if self._home.get(letter.sender) != name:
                self._hub.office.dropped["of somebody else"] += 1
                continue
            try:
                yield letter.sender, letter.receiver, decode(letter.content, object)
            except Malformed:
                self._hub.office.dropped["malformed"] += 1

    def _take(self, name: str, done: Done) -> None:
        if done.failure is not None:
            raise RunFailed(f"the process with the agents of {name} failed: {done.failure}")
        self._next_s[name] = done.next_s
        self._note(done.heard)
        for hiccup in done.hiccups:
            hiccups.note(hiccup)
        if done.left is not None:
            self._bring_home(name, done.left)

    def _note(self, heard: Iterable[Hearing]) -> None:
        for one in heard:
            self._medium.count(one.now_s, one.sender, one.receiver, one.measure, HEARD_AT_ONCE)

    def _bring_home(self, name: str, left: Any) -> None:
        """Put what agents leave on those that stand for them here."""
        for title, agent in self._agents.items():
            if self._home.get(title) == name:
                for attribute, hint in agent.LEAVES.items():
                    setattr(agent, attribute, decode(left[title][attribute], hint))
