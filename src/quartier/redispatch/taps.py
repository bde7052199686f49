"""The tap position: of single ones for the horizon that leave the least excess, the cheapest.

Every tap position is solved in AC with everything offered. What no asset can cure there
(:mod:`quartier.redispatch.screen`) rules positions out; a bound on what the others would cost,
from one limit at a time, orders them, so that few need to be cured in full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.grid.power_flow import GridState
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.cure import VIOLATED, Cured, cure
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.screen import most_change

WORSE = 2.0
"""By how much curing, which relieves what is worst, may at most add to the sum of all excess."""
CAUTION = 0.1
"""Share by which a bound may be wrong, as it takes the sensitivities of another tap position."""


@dataclass(frozen=True)
class Rank:
    """How good a tap position is; the least is best."""

    diverged: int
    """Steps without a power flow."""
    excess: float
    """Sum of all excess, in tolerances, that caps leave where they cannot cure it."""
    cost_eur: float
    """Redispatch and losses."""
    distance: int
    """Steps of the tap changer away from the present position."""

    def better_than(self, other: Rank) -> bool:
        """Compare; equal are excesses within a tolerance, and costs within a cent."""
        return self._key < other._key

    @property
    def _key(self) -> tuple[int, float, float, int]:
        return self.diverged, round(self.excess), round(self.cost_eur, 2), self.distance


def choose_tap(model: GridModel, offered: GridState, tap_min: int, tap_max: int) -> Cured:
    """Cure a state at the tap position that is best for all its steps together.

    Parameters
    ----------
    model
        The grid and the assets.
    offered
        AC power flow with everything offered at the present tap position. If it violates
        nothing, the tap stays.
    tap_min, tap_max
        Range of positions to choose from.
    """
    present = offered.tap_pos
    if offered.converged.all() and not (model.excess(offered) > VIOLATED).any():
        return cure(model, offered)
    states = _contenders(model, offered, tap_min, tap_max)
    slopes = _slopes(model, states)
    bounds = {tap: _bound(model, state, slopes, present) for tap, state in states.items()}
    best: tuple[Rank, Cured] | None = None
    for tap in sorted(states, key=lambda tap: bounds[tap]._key):
        if best is not None and best[0].better_than(bounds[tap]):
            break
        cured = cure(model, states[tap])
        rank = _rank(model, cured, present)
        if best is None or rank.better_than(best[0]):
            best = rank, cured
    assert best is not None
    return best[1]


def _contenders(
    model: GridModel, offered: GridState, tap_min: int, tap_max: int
) -> dict[int, GridState]:
    """Solve all tap positions, and drop those that leave more than another one has at all.

    In a large grid a state takes megabytes, and so do the slopes of all that is violated at a bad
    position; none of these is kept.
    """
    present, kept = offered.tap_pos, dict[int, tuple[tuple[int, float], GridState]]()
    least = (len(offered.converged) + 1, 0.0)
    for tap in sorted(range(tap_min, tap_max + 1), key=lambda tap: abs(tap - present)):
        state = offered if tap == present else model.solve(model.assets.offered_mw, tap)
        diverged = int((~state.converged).sum())
        excess = model.excess(state)
        total = float(excess[excess > VIOLATED].sum())
        least = min(least, (diverged, WORSE * total + VIOLATED))
        kept[tap] = (diverged, _hopeless(model, state, excess)), state
        kept = {tap: found for tap, found in kept.items() if found[0] <= least}
    return {tap: kept[tap][1] for tap in sorted(kept)}


def _hopeless(model: GridModel, state: GridState, excess: Array) -> float:
    """Bound from below the excess that all assets together leave, as :class:`Rank` counts it."""
    assets = model.assets
    reach = np.maximum(assets.offered_mw - assets.least_mw, assets.most_mw - assets.offered_mw)
    left = excess - most_change(model, state, assets.offered_mw, reach)
    return float(left[left > VIOLATED].sum())


def _rank(model: GridModel, cured: Cured, present: int) -> Rank:
    cost = float(model.assets.cost_eur(cured.p_mw).sum()) + _loss_cost(model, cured.state)
    left = np.where(cured.excess > VIOLATED, cured.excess, 0.0).sum()  # NaN: not converged
    diverged = int((~cured.state.converged).sum())
    return Rank(diverged, float(left), cost, abs(cured.state.tap_pos - present))


def _loss_cost(model: GridModel, state: GridState) -> float:
    price = model.settings.loss_price_eur_per_kwh * KW_PER_MW * model.assets.dt_h
    return float(np.nansum(state.loss_mw) * price)


@dataclass(frozen=True)
class _Slopes:
    """Change of the excess per MW, ``(T, K, A)``, of the elements with these numbers."""

    columns: NDArray[np.int64]
    values: Array


def _slopes(model: GridModel, states: dict[int, GridState]) -> _Slopes:
    """Sensitivities of all elements violated at any position, at the least violated one."""
    violated = {tap: model.excess(state) > VIOLATED for tap, state in states.items()}
    columns = np.flatnonzero(np.any([v.any(axis=0) for v in violated.values()], axis=0))
    middle = min(states, key=lambda tap: ((~states[tap].converged).sum(), violated[tap].sum()))
    steps = np.arange(model.assets.shape[0])
    values = model.slopes(states[middle], model.assets.offered_mw, steps, columns)
    return _Slopes(columns, values)


def _bound(model: GridModel, state: GridState, slopes: _Slopes, present: int) -> Rank:
    """Bound the rank of a tap position from below, one violated limit at a time.

    A limit alone is relieved most cheaply by the assets with the least cost per effect, in
    that order, up to the ends of their bands.
    """
    excess = model.excess(state)[:, slopes.columns]
    step, column = np.nonzero(excess > VIOLATED)
    gain, cost = _measures(model, step, slopes.values[step, column])
    order = np.argsort(np.divide(cost, gain, out=np.full_like(cost, np.inf), where=gain > 0))
    gain, cost = (np.take_along_axis(x, order, axis=1) for x in (gain, cost))
    need = excess[step, column][:, None] - (np.cumsum(gain, axis=1) - gain)
    share = np.clip(np.divide(need, gain, out=np.zeros_like(gain), where=gain > 0), 0.0, 1.0)
    least = np.zeros(len(excess))
    np.maximum.at(least, step, (share * cost).sum(axis=1))
    left = excess[step, column] - (1 + CAUTION) * gain.sum(axis=1)
    hopeless = float(left[left > VIOLATED].sum())
    total = float(least.sum()) + _loss_cost(model, state)
    distance = abs(state.tap_pos - present)
    diverged = int((~state.converged).sum())
    return Rank(diverged, hopeless, (1 - CAUTION) * total, distance)


def _measures(model: GridModel, step: NDArray[np.int64], slopes: Array) -> tuple[Array, Array]:
    """Greatest relief of limits by every asset and its cost, both ``(limits, A)``."""
    assets = model.assets
    lower = (assets.offered_mw - assets.least_mw)[step]
    upper = (assets.most_mw - assets.offered_mw)[step]
    down = slopes > 0
    gain = np.where(down, slopes * lower, -slopes * upper)
    cost = np.where(down, lower * assets.lower_price, upper * assets.raise_price) * assets.dt_h
    return gain, cost
