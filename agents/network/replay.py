"""Plays a recorded run again in one process: who heard whom in which order, as it was recorded."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from quartier.agents import society
from quartier.agents.base import QuartierAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.network.hub import HEARD_AT_ONCE
from quartier.agents.network.troupe import Troupe
from quartier.agents.stage import Stage
from quartier.problem import Problem


class Replay(Stage):
    """Lets all agents live here, and hear each other in a recorded order.

    Parameters
    ----------
    messages
        Table ``messages`` of a run over a network.
    """

    def __init__(self, messages: pd.DataFrame) -> None:
        self._messages = messages

    def perform(
        self, problem: Problem, agents: Sequence[QuartierAgent], medium: MeasuredCommunication
    ) -> None:
        """Let all agents live for the gate's lead time."""
        society.run_apart(self._play(problem, agents, medium))

    async def _play(
        self, problem: Problem, agents: Sequence[QuartierAgent], medium: MeasuredCommunication
    ) -> None:
        rows = self._messages[self._messages["gate"] == problem.gate]
        order = zip(rows["sender"], rows["receiver"], strict=True)
        async with Troupe(agents, order) as troupe:
            while (now_s := troupe.next_s) <= problem.lead_s:
                await troupe.advance(now_s)
                for one in troupe.collect()[1]:
                    medium.count(one.now_s, one.sender, one.receiver, one.measure, HEARD_AT_ONCE)
