"""`mo-cohda`: as `cohda`, but the agents negotiate a front of L1, L2, L3 (M3, M6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from quartier.agents import society
from quartier.agents.messages import Negotiation
from quartier.agents.mo_agents import SCOUTING, FrontSpeakerAgent, FrontUnitAgent
from quartier.agents.mo_messages import Front
from quartier.agents.society import Society
from quartier.agents.strategies import records
from quartier.agents.strategies.cohda import Cohda
from quartier.pareto import OBJECTIVES, as_costs
from quartier.planning import Row
from quartier.problem import Problem

UNDER_CAPS = "mo-cohda-capped"
"""Method of the front that was negotiated under P_set last: its chosen point is carried out."""


class MoCohda(Cohda):
    """MO-COHDA inside the neighbourhoods, redispatch with P_set above them."""

    name = "mo-cohda"

    def society(self, problem: Problem, rng: np.random.Generator) -> Society:
        """Make the agents of a gate."""
        return society.build(problem, rng, FrontUnitAgent, FrontSpeakerAgent)

    def records(self, problem: Problem, agents: Society) -> records.Records:
        """Add the fronts, and the hypervolume of those that were offered."""
        for name in agents.speakers:
            _count_scouting(agents, name)
        tables = records.collect(problem, agents, self.name)
        speakers = [
            speaker
            for speaker in agents.speakers.values()
            if isinstance(speaker, FrontSpeakerAgent) and speaker.fronts
        ]
        fronts = [row for speaker in speakers for row in _fronts(speaker)]
        sizes = [_hypervolume(problem, speaker) for speaker in speakers]
        tables["signals"] = [*tables.get("signals", ()), *sizes]
        return {**tables, **({"fronts": fronts} if fronts else {})}


def _count_scouting(agents: Society, neighbourhood: str) -> None:
    """Count the messages of scouting to the negotiation that they prepare."""
    scouting = agents.medium.traffic.pop(Negotiation(neighbourhood, SCOUTING), None)
    if scouting is not None:
        total = agents.medium.traffic[Negotiation(neighbourhood, 0)]
        total.messages += scouting.messages
        total.payload_bytes += scouting.payload_bytes


def _fronts(speaker: FrontSpeakerAgent) -> Iterator[Row]:
    """Rows of the front that the offer is a point of, and of the one under P_set, if any."""
    (_, offered, _), *later = speaker.fronts
    yield from _points(speaker.title, MoCohda.name, offered)
    if later:
        yield from _points(speaker.title, UNDER_CAPS, later[-1][1])


def _points(neighbourhood: str, method: str, front: Front) -> Iterator[Row]:
    for number, values in enumerate(as_costs(front.values).tolist()):
        for objective, value in zip(OBJECTIVES, values, strict=True):
            yield {
                "neighbourhood": neighbourhood,
                "method": method,
                "point": number,
                "objective": objective,
                "value": value,
                "chosen": number == front.chosen,
            }


def _hypervolume(problem: Problem, speaker: FrontSpeakerAgent) -> Row:
    """Hypervolume of the front offered, as the agents measured it."""
    return {
        "time": problem.horizon.times[0],
        "name": f"hypervolume[{speaker.title}]",
        "value": speaker.fronts[0][2],
        "unit": "1",
    }
