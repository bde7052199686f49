"""Makes mosaik's scheduler cheaper, without changing the order of anything."""

from __future__ import annotations

from mosaik import World
from mosaik.progress import Progress
from mosaik.tiered_time import TieredTime


class SettledProgress(Progress):
    """Looks at who waits for it only when time has passed.

    After every step mosaik sets the progress of every simulator, mostly to what it is, and each
    time asks all that wait for it: with a dozen simulators that took most of a step.
    """

    def set(self, time: TieredTime) -> None:
        """Set the progress, and wake whoever waited for it."""
        if time != self.time:
            super().set(time)


def settle(world: World) -> None:
    """Let the simulators of a world that has not run yet report progress only when they make it."""
    for runner in world.compile().values():
        runner.progress = SettledProgress(runner.progress.time)
