"""What agents say and what they will do later, beside the steps of mango's simulated world.

mango gives every timer a task of its own, and looks at all tasks and all inboxes at every step of
its world: with hundreds of agents, that took most of the time. Here timers, and messages on their
way, wait in heaps. Only whoever got a message is woken, by mango's inbox; mango's simulated
communication says when messages arrive.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from mango import Agent
from mango.simulation.communication import CommunicationSimulation, MessagePackage
from mango.simulation.world import SimulationWorld

from quartier.agents.shelf import Shelf

logger = logging.getLogger(__name__)

SAME_TIME_S = 1e-9
"""Simulated times in s that are closer than this are the same."""


class Agenda:
    """Timers and outgoing messages of all agents of a world, in order."""

    def __init__(self) -> None:
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._outbox: list[tuple[str, str, Any]] = []
        self._mail: list[tuple[float, int, MessagePackage]] = []
        self._shelves: dict[int, Shelf] = {}

    def shelf(self, steps: int) -> Shelf:
        """Return where schedules of so many steps stand that the agents tell each other."""
        return self._shelves.setdefault(steps, Shelf(steps))

    def enter(self, time_s: float, work: Callable[[], None]) -> None:
        """Do something at a simulated time."""
        heapq.heappush(self._timers, (time_s, next(self._number), work))

    def send(self, sender: str, receiver: str, content: Any) -> None:
        """Hand a message to the medium as soon as all agents have done what they do now."""
        self._outbox.append((sender, receiver, content))

    async def carry_out(
        self, world: SimulationWorld, medium: CommunicationSimulation, seconds: float
    ) -> None:
        """Let simulated time pass until nothing happens any more, or ``seconds`` are over."""
        await world.step(step_size_s=0.0)  # makes everybody ready
        end_s = world.clock.time + seconds
        while True:
            self._post(medium, world.clock.time)
            due_s = min(self.next_s, end_s)
            heard_s = self._mail[0][0] if self._mail else math.inf
            if heard_s <= due_s:
                world.clock.set_time(max(heard_s, world.clock.time))
                await self._deliver(world.agents, world.clock.time)
            elif self.next_s <= end_s:
                world.clock.set_time(max(due_s, world.clock.time))
                self.work(world.clock.time + SAME_TIME_S)
            else:
                return

    @property
    def next_s(self) -> float:
        """Simulated time of the next timer, infinite if there is none."""
        return self._timers[0][0] if self._timers else math.inf

    def work(self, until_s: float) -> None:
        """Do what is due."""
        while self.next_s <= until_s:
            heapq.heappop(self._timers)[2]()

    def collect(self) -> list[tuple[str, str, Any]]:
        """Take what was said since this was asked last: sender, receiver, message."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def _post(self, medium: CommunicationSimulation, now_s: float) -> None:
        """Hand messages to the medium, which says when they arrive, if they do."""
        said = [MessagePackage(a, b, now_s, (content, {})) for a, b, content in self.collect()]
        if not said:
            return
        fates = medium.calculate_communication(now_s, said).package_results
        for message, fate in zip(said, fates, strict=True):
            if fate.reached:
                heapq.heappush(self._mail, (now_s + fate.delay_s, next(self._number), message))

    async def _deliver(self, agents: Mapping[str, Agent], until_s: float) -> None:
        """Put what arrives into mango's inboxes, and let whoever got something read it all."""
        readers: dict[str, Agent] = {}
        while self._mail and self._mail[0][0] <= until_s:
            message = heapq.heappop(self._mail)[2]
            reader = agents.get(message.receiver_id)
            if reader is None:
                logger.warning("nobody is called %s: a message is lost", message.receiver_id)
                continue
            readers[message.receiver_id] = reader
            reader.inbox.put_nowait((0, message.content[0], {"sender_id": message.sender_id}))
        for reader in readers.values():
            await reader.inbox.join()
