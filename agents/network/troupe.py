"""Agents in one process, a state machine: told the same in the same order, it does the same.

What agents of a troupe say to each other is heard at once, in order; what they say to others is
collected. Simulated time passes when it is told: it stands while anybody still has something to
say, so that no result depends on how fast a machine or a network is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from mango import AgentAddress, create_world
from mango.simulation.communication import SimpleCommunicationSimulation

from quartier.agents.agenda import SAME_TIME_S, Agenda
from quartier.agents.base import QuartierAgent
from quartier.agents.communication import measure_of
from quartier.agents.network.frames import Hearing
from quartier.errors import RunFailed

Spoken = tuple[str, str, Any]
"""Sender, receiver, message."""


class Troupe:
    """Some agents in a mango container; enter it before anything else.

    Parameters
    ----------
    order
        Sender and receiver of all messages in the order in which they are to be heard; None: as
        they are said.
    """

    def __init__(
        self, agents: Sequence[QuartierAgent], order: Iterator[tuple[str, str]] | None = None
    ) -> None:
        self.agents = {agent.title: agent for agent in agents}
        self._order = order
        self._agenda = Agenda()
        self._abroad: list[Spoken] = []
        self._heard: list[Hearing] = []

    async def __aenter__(self) -> Troupe:
        """Make everybody ready, at simulated time 0."""
        self._world = create_world(
            communication_sim=SimpleCommunicationSimulation(), record_messages=False
        )
        for agent in self.agents.values():
            agent.agenda = self._agenda
            self._world.register(agent, suggested_aid=agent.title)
        await self._world.__aenter__()
        await self._world.step(step_size_s=0.0)
        await self._settle()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let everybody go."""
        await self._world.__aexit__(kind, error, trace)

    @property
    def next_s(self) -> float:
        """Simulated time at which somebody has something to do, infinite if nobody has."""
        return self._agenda.next_s

    async def advance(self, now_s: float) -> None:
        """Let simulated time pass, and do what is due."""
        self._set_time(now_s)
        self._agenda.work(now_s + SAME_TIME_S)
        await self._settle()

    async def hear(self, now_s: float, messages: Sequence[Spoken]) -> None:
        """Hear what others said, one after the other."""
        self._set_time(now_s)
        for message in messages:
            if message[1] in self.agents:
                await self._deliver(*message)
        await self._settle()

    def collect(self) -> tuple[list[Spoken], list[Hearing]]:
        """Take what was said to agents elsewhere, and what was heard, since this was asked last."""
        said, self._abroad = self._abroad, []
        heard, self._heard = self._heard, []
        return said, heard

    def _set_time(self, now_s: float) -> None:
        self._world.clock.set_time(max(now_s, self._world.clock.time))

    async def _settle(self) -> None:
        """Let agents hear each other until nobody says anything more."""
        if self._order is not None:
            await self._settle_in_order(self._order)
            return
        while spoken := self._agenda.collect():
            for message in spoken:
                if message[1] in self.agents:
                    await self._deliver(*message)
                else:
                    self._abroad.append(message)

    async def _settle_in_order(self, order: Iterator[tuple[str, str]]) -> None:
        waiting: defaultdict[tuple[str, str], deque[Any]] = defaultdict(deque)
        count = 0
        while True:
            for sender, receiver, content in self._agenda.collect():
                waiting[sender, receiver].append(content)
                count += 1
            if not count:
                return
            pair = next(order, None)
            if pair is None or not waiting[pair]:
                raise RunFailed(
                    "the record of messages is not of this scenario, seed and version: "
                    + ("it ends too early" if pair is None else f"{pair[0]} says nothing then")
                )
            await self._deliver(*pair, waiting[pair].popleft())
            count -= 1

    async def _deliver(self, sender: str, receiver: str, content: Any) -> None:
        now_s = float(self._world.clock.time)
        self._heard.append(Hearing(now_s, sender, receiver, measure_of(content)))
        await self._world.send_message(content, AgentAddress(self._world.addr, receiver), sender)
        await self._world.step(step_size_s=0.0)
