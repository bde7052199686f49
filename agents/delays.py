"""Delays of messages as the scenario has them: always the same, or drawn from a distribution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from quartier.scenario.communication import (
    Delay,
    Distribution,
    ExponentialDelay,
    LognormalDelay,
    NormalDelay,
    UniformDelay,
)

if TYPE_CHECKING:
    from quartier.quantities import Array

BATCH = 256
"""Numbers drawn together: one by one, scipy takes longer than all the rest of a message."""


def delays_s(delay: Delay, rng: np.random.Generator) -> Iterator[float]:
    """Yield the delays of one message after the other in s, without end."""
    while isinstance(delay, int | float):
        yield float(delay)
    while True:
        yield from drawn_s(delay, BATCH, rng).tolist()


def drawn_s(delay: Distribution, count: int, rng: np.random.Generator) -> Array:
    """Draw delays in s from a distribution, shape ``(count,)``."""
    if isinstance(delay, LognormalDelay):
        return np.asarray(np.exp(_logarithms(delay).rvs(count, random_state=rng)))
    return np.asarray(_distribution(delay).rvs(count, random_state=rng))


def shares(rng: np.random.Generator) -> Iterator[float]:
    """Yield numbers equally likely between 0 and 1, without end."""
    while True:
        yield from rng.random(BATCH).tolist()


def _distribution(delay: UniformDelay | NormalDelay | ExponentialDelay) -> Any:
    from scipy import stats  # takes half a second to import, and few scenarios need it

    if isinstance(delay, UniformDelay):
        return stats.uniform(delay.min_s, delay.max_s - delay.min_s)
    most = math.inf if delay.max_s is None else delay.max_s
    if isinstance(delay, NormalDelay):
        low, high = (delay.min_s - delay.mean_s, most - delay.mean_s)
        return stats.truncnorm(low / delay.sd_s, high / delay.sd_s, delay.mean_s, delay.sd_s)
    if delay.max_s is None:
        return stats.expon(delay.min_s, delay.mean_s)
    return stats.truncexpon((most - delay.min_s) / delay.mean_s, delay.min_s, delay.mean_s)


def _logarithms(delay: LognormalDelay) -> Any:
    """Normal distribution of the logarithm, from mean and standard deviation of the delay."""
    from scipy import stats

    variance = math.log1p((delay.sd_s / delay.mean_s) ** 2)
    mean, sd = math.log(delay.mean_s) - variance / 2, math.sqrt(variance)
    most = math.inf if delay.max_s is None else math.log(delay.max_s)
    return stats.truncnorm(-math.inf, (most - mean) / sd, mean, sd)
