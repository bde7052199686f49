"""What agents say and what they will do later, in few steps of mango's simulated world.

mango gives every message and every timer a task of its own, and looks at all of them at every step
of its world: with hundreds of agents, that took most of the time. Here timers wait in one heap,
and messages that are said at the same time are handed over together.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

from mango import AgentAddress
from mango.simulation.world import SimulationWorld

from quartier.agents.shelf import Shelf

SAME_TIME_S = 1e-9
"""Simulated times in s that are closer than this are the same."""


class Agenda:
    """Timers and outgoing messages of all agents of a world, in order."""

    def __init__(self) -> None:
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._outbox: list[tuple[str, str, Any]] = []
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

    async def carry_out(self, world: SimulationWorld, seconds: float) -> None:
        """Let simulated time pass until nothing happens any more, or ``seconds`` are over."""
        end_s = world.clock.time + seconds
        await self._post(world)
        while True:
            due_s = min(self.next_s, end_s)
            rest_s = max(due_s - world.clock.time, 0.0)
            if await world.step(max_advance_time_s=rest_s) is None:
                if self.next_s > end_s:
                    return
                world.clock.set_time(world.clock.time + rest_s)  # nothing arrives until then
                self.work(world.clock.time + SAME_TIME_S)
            await self._post(world)

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

    async def _post(self, world: SimulationWorld) -> None:
        for sender, receiver, content in self.collect():
            await world.send_message(content, AgentAddress(world.addr, receiver), sender)
