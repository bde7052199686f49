"""What an agent believes that a neighbour knows of Ω and γ, in MO-COHDA (M6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from quartier.agents.cohda import Reference
from quartier.agents.counters import NONE
from quartier.agents.mo_messages import Track


@dataclass
class Acquaintance:
    """What a neighbour is believed to know."""

    entries: set[Reference] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    front: tuple[float, float, bytes] | None = None

    def lacks(self, agent: str, track: Track) -> bool:
        """Whether a track is newer than what the neighbour knows."""
        return track.version > self.versions.get(agent, NONE)

    def knows(self, entries: Iterable[Reference], tracks: Mapping[str, Track]) -> None:
        """Note what the neighbour has said or heard."""
        self.entries.update(entries)
        for agent, track in tracks.items():
            self.versions[agent] = max(track.version, self.versions.get(agent, NONE))

    def forget_candidates(self) -> None:
        """Begin anew; schedules stay known."""
        self.versions.clear()
        self.front = None


def references_of(tracks: Mapping[str, Track]) -> set[Reference]:
    """All choices that tracks refer to."""
    return {(agent, counter) for agent, track in tracks.items() for counter in track.counters}
