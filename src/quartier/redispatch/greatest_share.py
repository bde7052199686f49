"""The greatest share of a headroom that a limit admits, in many steps at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array

Steps: TypeAlias = NDArray[np.int64]
Excess: TypeAlias = Callable[[Array, Steps], tuple[Array, NDArray[np.int64]]]
"""Excess and the element that causes it, of shares in some steps."""

ROUNDS = 40
"""Most trials."""
CLOSE = 0.2
"""Excess below the limit at which a search ends, in tolerances."""
NARROW = 1e-6
"""Width of the bracket at which a search ends."""
FIRST = 1e-4
"""Share that is tried first: if that is too much, there is no headroom."""


@dataclass
class _Bracket:
    """Shares in which the limit lies, arrays over the steps still searched.

    ``low_excess`` and ``high_excess`` are weighed as regula falsi (Illinois) wants them.
    """

    steps: Steps
    low: Array
    high: Array
    low_excess: Array
    high_excess: Array
    reached: Array
    """Excess at ``low``."""
    side: Array
    """Which end moved last: -1 low, 1 high, 0 none."""

    def trial(self) -> Array:
        """Where to look next: the secant's root, or the middle if that is no help."""
        rise = self.high_excess - self.low_excess
        with np.errstate(invalid="ignore", divide="ignore"):
            secant = self.low - self.low_excess * (self.high - self.low) / rise
        inside = (secant > self.low) & (secant < self.high)
        return np.where(inside, secant, (self.low + self.high) / 2)

    def move(self, trial: Array, excess: Array) -> None:
        """Move an end to the trial; halve the weight of an end that stays a second time."""
        fits = excess <= 0
        self.high_excess = np.where(fits & (self.side < 0), self.high_excess / 2, self.high_excess)
        self.low_excess = np.where(~fits & (self.side > 0), self.low_excess / 2, self.low_excess)
        self.low = np.where(fits, trial, self.low)
        self.low_excess = np.where(fits, excess, self.low_excess)
        self.reached = np.where(fits, excess, self.reached)
        self.high = np.where(fits, self.high, trial)
        self.high_excess = np.where(fits, self.high_excess, excess)
        self.side = np.where(fits, -1.0, 1.0)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Go on with some of the steps."""
        for name, values in vars(self).items():
            setattr(self, name, values[chosen])


def greatest_share(
    excess: Excess, moving: NDArray[np.bool_], most: float
) -> tuple[Array, NDArray[np.int64]]:
    """Find in every step the greatest share in ``0 .. most`` whose excess is at most 0.

    The excess is taken to be at most 0 at share 0, and to have one root. A share returned was
    itself found admissible.

    Parameters
    ----------
    excess
        Excess over the limits of shares in given steps.
    moving
        Steps to search; the others get ``most``.

    Returns
    -------
    share, element
        Shape of ``moving``; the element that limits the share, -1 where none does.
    """
    share = np.full(moving.size, most)
    limiting = np.full(moving.size, -1)
    bracket = _start(excess, np.flatnonzero(moving), most, share, limiting)
    for _ in range(ROUNDS):
        bracket.keep((bracket.reached < -CLOSE) & (bracket.high - bracket.low > NARROW))
        if not bracket.steps.size:
            break
        trial = bracket.trial()
        value, element = excess(trial, bracket.steps)
        bracket.move(trial, value)
        share[bracket.steps] = bracket.low
        limiting[bracket.steps[value > 0]] = element[value > 0]
    return share, limiting


def _start(
    excess: Excess, steps: Steps, most: float, share: Array, limiting: NDArray[np.int64]
) -> _Bracket:
    """Try the greatest share and a tiny one; what is left lies in between."""
    over, element = excess(np.full(steps.size, most), steps)
    steps, element, over = steps[over > 0], element[over > 0], over[over > 0]
    limiting[steps] = element
    first = np.full(steps.size, FIRST)
    under, element = excess(first, steps)
    limiting[steps[under > 0]] = element[under > 0]
    share[steps] = np.where(under > 0, 0.0, first)
    inside = under <= 0
    high = np.full(steps.size, most)
    bracket = _Bracket(steps, first, high, under, over, under, np.zeros(steps.size))
    bracket.keep(inside)
    return bracket
