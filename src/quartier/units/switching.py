"""Units that switch on and off: their past, and which single steps could be switched over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units.base import Quantity

Flags = NDArray[np.bool_]


ROUNDING = 1e-6
"""Share of a step by which hours may miss a whole number of steps."""


def steps_left(hours: Quantity, least_h: Quantity, dt_h: float) -> Array:
    """Whole steps that a state still has to last, 0 once it has lasted its minimum time.

    The one place where minimum times meet the grid of steps.

    Parameters
    ----------
    hours
        For how long the state has lasted, any shape.
    least_h
        How long it has to last.
    """
    steps = np.ceil((least_h - np.asarray(hours)) / dt_h - ROUNDING)
    return np.asarray(np.maximum(steps, 0.0), dtype=float)


def steps_of(least_h: float, dt_h: float) -> int:
    """Steps that a minimum time lasts, at least one."""
    return max(1, int(steps_left(0.0, least_h, dt_h)))


def steps_before(state: Mapping[str, float], u: Any, dt_h: float) -> int:
    """Steps for which a unit has been on or off already, as far as its minimum time asks.

    Hours off the grid of steps (a unit that has just rested 1.1 h, in steps of 15 min) count as
    the steps that leave as much to come.
    """
    least_h = u.min_up_h if state["on"] > 0.5 else u.min_down_h
    return max(1, steps_of(least_h, dt_h) - int(steps_left(state["hours"], least_h, dt_h)))


@dataclass(frozen=True)
class History:
    """Controls of a unit in steps before and within the horizon.

    Parameters
    ----------
    x
        Controls ``on``, ``start`` and ``p_kw`` by step.
    state
        ``on``, ``p_kw`` and ``hours`` in that state before step 0.
    before
        Steps for which it has been in that state, see :func:`steps_before`.
    """

    x: Mapping[str, Any]
    state: Mapping[str, float]
    before: int

    @property
    def _since(self) -> int:
        """Step at which the state before the horizon began (negative)."""
        return -self.before

    def on(self, t: int) -> Quantity:
        """Whether it runs in step ``t``; before the horizon, a number."""
        if t >= 0:
            return self.x["on"][t]
        was_on = round(self.state["on"])
        return was_on if t >= self._since else 1 - was_on

    def start(self, t: int) -> Quantity:
        """Whether it starts in step ``t``; before the horizon, a number."""
        if t >= 0:
            return self.x["start"][t]
        return 1 if t == self._since and self.state["on"] > 0.5 else 0

    def p_kw(self, t: int) -> Quantity:
        """Power in step ``t``; before the horizon, that of the last step."""
        return self.x["p_kw"][t] if t >= 0 else self.state["p_kw"]


def run_lengths(on: Flags, before: int, was_on: bool) -> tuple[Array, Array]:
    """Steps that the state has lasted at the end of each step, and will last from it on.

    Parameters
    ----------
    on
        Shape ``(..., T)``.
    before, was_on
        Steps in the state before step 0, and which it was.

    Returns
    -------
    past, future
        Shape ``(..., T)``, the step itself counted; ``future`` is infinite where the run lasts
        to the end of the horizon, for nobody knows when it ends.
    """
    steps = on.shape[-1]
    past, future = np.empty(on.shape), np.empty(on.shape)
    past[..., 0] = np.where(on[..., 0] == was_on, before + 1, 1)
    for t in range(1, steps):
        past[..., t] = np.where(on[..., t] == on[..., t - 1], past[..., t - 1] + 1, 1)
    future[..., -1] = np.inf
    for t in range(steps - 2, -1, -1):
        future[..., t] = np.where(on[..., t] == on[..., t + 1], future[..., t + 1] + 1, 1)
    return past, future


def can_toggle(on: Flags, state: Mapping[str, float], u: Any, dt_h: float) -> Flags:
    """Steps that alone could be switched over without breaking a minimum time.

    Switching step ``t`` makes it one run with those neighbours that are in the other state, or a
    run of its own; what is left of its present run on either side must last long enough.
    """
    up, down = steps_of(u.min_up_h, dt_h), steps_of(u.min_down_h, dt_h)
    was_on, before = state["on"] > 0.5, steps_before(state, u, dt_h)
    past, future = run_lengths(on, before, was_on)
    least_now, least_then = np.where(on, up, down), np.where(on, down, up)
    ends = np.ones((*on.shape[:-1], 1))
    before_t = np.concatenate([ends * before, past[..., :-1]], axis=-1)
    after_t = np.concatenate([future[..., 1:], ends * np.inf], axis=-1)
    previous = np.concatenate([np.broadcast_to(was_on, ends.shape), on[..., :-1]], axis=-1)
    following = np.concatenate([on[..., 1:], ~on[..., -1:]], axis=-1)  # the end is open
    left_same, right_same = previous == on, following == on
    joined = 1 + np.where(left_same, 0, before_t) + np.where(right_same, 0, after_t)
    left_fine = ~left_same | (before_t >= least_now)
    right_fine = ~right_same | (after_t >= least_now)
    fine: Flags = (joined >= least_then) & left_fine & right_fine
    return fine
