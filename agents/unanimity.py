"""Whether all agents say that they are settled, and on the same (M6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from quartier.agents.counters import NONE, Counters
from quartier.agents.messages import Settled


class Unanimity:
    """What agents said last of being settled.

    They are unanimous if all have the same γ and the same Ω, for then nobody can tell another one
    anything new. Ω is the same if its counters add up to the same and are nowhere older than what
    their own agents say: nobody can know a newer choice than its own agent.
    """

    def __init__(self) -> None:
        self._said: dict[str, Settled] = {}
        self._dissenter = ""
        """Who dissented when all were asked last: asked first, most have not to be asked again."""

    def heard(self, name: str, settled: Settled) -> None:
        """Note what an agent says."""
        self._said[name] = settled

    def holds(
        self, names: Iterable[str], lost: Collection[str], here: Settled, omega: Counters
    ) -> bool:
        """Whether all are settled on what is known here, but those that are not counted on.

        Parameters
        ----------
        names, lost
            Who takes part, and who is not counted on.
        here
            What a listener would say.
        omega
            Newest choices that are known here.
        """
        first = self._dissenter
        if first and first not in lost and self._dissents(first, here, omega):
            return False
        present = (name for name in names if name not in lost)
        self._dissenter = next((n for n in present if self._dissents(n, here, omega)), "")
        return not self._dissenter

    def _dissents(self, name: str, here: Settled, omega: Counters) -> bool:
        one = self._said.get(name)
        return (
            one is None
            or (one.value, one.author, one.known) != (here.value, here.author, here.known)
            or one.own not in (NONE, omega.get(one.agent))
        )
