"""How many steps all simulators of a run take at once.

Between two gates nobody hears of anybody but within a step, in one direction. So one step of
mosaik's covers a block of time steps, and simulators hand each other arrays with one row a step.
No figure depends on how a run is cut into blocks.
"""

from __future__ import annotations

import time

GROWTH = 8
"""A run begins with one step; a block is at most so many times as long as those before."""
BLOCK_S = 1.0
"""Wall time that a block takes at most, unless one step takes longer."""


class Pace:
    """The length of the present block, which the planner sets and all others keep.

    Parameters
    ----------
    most
        Most steps in a block.
    """

    def __init__(self, most: int = 1) -> None:
        self.steps = 1
        """Steps of the present block."""
        self._most, self._longest = most, 1
        self._began = time.monotonic()

    @property
    def leave_s(self) -> float:
        """Wall time that a call may take beside the longest that a step may."""
        return BLOCK_S if self.steps > 1 else 0.0

    def begin(self, most: int) -> None:
        """Begin a block of ``most`` steps, or less where so many would take too long."""
        self.steps = max(1, min(most, self._longest))
        self._began = time.monotonic()

    def end(self) -> None:
        """Note how long the present block took, before anybody plans.

        A block of twice the steps takes less than twice the time, for a part is spent once a block:
        so blocks grow while there is time, whatever a step seems to take.
        """
        took_s = time.monotonic() - self._began
        factor = min(GROWTH, BLOCK_S / took_s) if took_s > 0.0 else GROWTH
        if factor >= 1.0:
            self._longest = max(self._longest, int(self.steps * factor))
        else:
            self._longest = int(self.steps * factor)
        self._longest = max(1, min(self._longest, self._most))
