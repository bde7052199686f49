"""What a neighbourhood bids for an hour: its net power by the price of that hour (M9).

At a price π of hour t, others as forecast, the gain ``V(π) = max_x [π·Δ·b(x) + rest]`` is convex
and piecewise linear, and its slope Δ·b rises with π: that is the bid curve. The tangents from the
highest and the lowest price meet at a price; a solve there either lies on them, and the curve steps
from one slope to the other, or is a third tangent between them (Eisner and Severance 1976). A curve
of K steps takes 2K + 1 solves of one linear program, changed in place.

Whatever lies between two steps is a mix of two own plans: partial acceptance can be carried out.
With units that switch the curve rises as well, but what lies inside a step may be nothing that
can be done: then steps are accepted whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quartier.optimisation.own_optimum import GAP, NeighbourhoodModel, Solution
from quartier.optimisation.prices.opportunity import opportunity_prices
from quartier.optimisation.prices.response import Response
from quartier.problem import ConnectionTerms, NeighbourhoodProblem
from quartier.quantities import Array

SAME_KW = 1e-6
"""Powers closer than this, relative to what is bid, are one."""

EXACT = 1e-9
"""Distance from a tangent, relative to the gain, from which on it is another one."""

ROUNDING = 1e-12
"""Powers below this, relative to what is bid, are rounding errors."""

MOST_SOLVES = 200
"""Most solves for a bid; the curve is then as it is known."""


@dataclass(frozen=True)
class Bid:
    """Net power of an hour by its price, positive into the grid.

    Parameters
    ----------
    base_kw
        At the lowest price.
    price_eur_per_kwh, power_kw
        Steps, shape ``(K,)`` each: how much more it is above each price, prices ascending.
    whole
        Whether each step is accepted whole or not at all.
    """

    base_kw: float
    price_eur_per_kwh: Array
    power_kw: Array
    whole: bool = False

    @classmethod
    def fixed(cls, power_kw: float) -> Bid:
        """The same power at every price."""
        return cls(power_kw, np.zeros(0), np.zeros(0))

    def parts(
        self, filled_kw: Array, low: float, high: float
    ) -> Iterator[tuple[float, float, float]]:
        """The bid as what it buys up to a price (negative) and sells from a price on (positive).

        Parameters
        ----------
        filled_kw
            How much of each step was taken, shape ``(K,)``.
        low, high
            Between which the price stays, in EUR/kWh: what is sold, or bought, at any price.

        Yields
        ------
        price, power, accepted
            In EUR/kWh and kW.
        """
        ends = self._ends
        if ends[0] > 0:
            yield low, float(ends[0]), float(ends[0])
        if ends[-1] < 0:
            yield high, float(ends[-1]), float(ends[-1])
        taken = zip(self.price_eur_per_kwh, ends[:-1], ends[1:], filled_kw, strict=True)
        for price, begin, end, filled in taken:
            if begin < 0:
                top = min(end, 0.0)
                yield price, begin - top, min(begin + filled, 0.0) - top
            if end > 0:
                yield price, end - max(begin, 0.0), max(begin + filled, 0.0) - max(begin, 0.0)

    @property
    def _ends(self) -> Array:
        """Net power before the first step and after each, shape ``(K + 1,)``."""
        ends = self.base_kw + np.concatenate([[0.0], np.cumsum(self.power_kw)])
        ends[np.abs(ends) <= ROUNDING * np.abs(ends).max()] = 0.0
        return np.asarray(ends)

    @property
    def sells(self) -> NDArray[np.bool_]:
        """Whether each step ends above zero, where it sells; else it buys less, shape ``(K,)``."""
        return np.asarray(self._ends[1:] > 0)

    def at(self, price_eur_per_kwh: float) -> tuple[float, float]:
        """Least and most net power in kW at a price: they differ at a step."""
        below = self.power_kw[self.price_eur_per_kwh < price_eur_per_kwh].sum()
        upto = self.power_kw[self.price_eur_per_kwh <= price_eur_per_kwh].sum()
        return self.base_kw + float(below), self.base_kw + float(upto)


class Tangent(NamedTuple):
    """What is best at a price: net power, and the gain."""

    price: float
    power: float
    gain: float

    def at(self, price: float, dt_h: float) -> float:
        """The gain of the same plan at another price."""
        return self.gain + dt_h * self.power * (price - self.price)


Best = Callable[[float], Tangent]
"""What is best at a price."""


def exact(best: Best, low: float, high: float, dt_h: float, tolerance: float = EXACT) -> Bid:
    """The whole curve between two prices, by tangents that meet.

    Parameters
    ----------
    tolerance
        How far a solve may be off, relative to the gain.
    """
    left, right = best(low), best(high)
    steps: list[tuple[float, float]] = []
    waiting, solves = [(left, right)], 2
    while waiting:
        one, other = waiting.pop()
        power = other.power - one.power
        if power <= SAME_KW * (1.0 + abs(one.power) + abs(other.power)):
            continue
        meet = (one.at(0.0, dt_h) - other.at(0.0, dt_h)) / (dt_h * power)
        meet = min(max(meet, one.price), other.price)
        between = best(meet) if solves < MOST_SOLVES else one
        solves += 1
        same = tolerance * max(1.0, abs(between.gain))
        news = between.gain - max(one.at(meet, dt_h), other.at(meet, dt_h)) > same
        if news and one.power < between.power < other.power:
            waiting += [(one, between), (between, other)]
        else:
            steps.append((meet, power))
    return _bid(left.power, sorted(steps))


def sampled(best: Best, prices: list[float]) -> Bid:
    """The curve by its values at a few prices: up to each, what was best at it (Algorithm 1).

    As printed in seed 003: what is best at the dearest price is delivered from the next cheaper one
    on, and thresholds between two samples are missed.
    """
    powers = np.maximum.accumulate([best(price).power for price in sorted(prices)])
    steps = list(zip(sorted(prices)[:-1], np.diff(powers).tolist(), strict=True))
    least = SAME_KW * (1.0 + float(np.abs(powers).max()))
    return _bid(float(powers[0]), [(price, power) for price, power in steps if power > least])


def _bid(base_kw: float, steps: list[tuple[float, float]]) -> Bid:
    price, power = np.array(steps, dtype=float).reshape(-1, 2).T
    return Bid(base_kw, price, power)


class Bidder:
    """A neighbourhood's own program, asked hour by hour, what was settled before held.

    Parameters
    ----------
    problem
        Its units and objectives; its tariffs do not matter.
    fee_eur_per_kwh
        Fee on what it draws, shape ``(T,)``.
    lowest_eur_per_kwh, highest_eur_per_kwh
        Between which the price of each hour stays, shape ``(T,)``.
    look_ahead
        Steps ahead for which it believes the forecast; beyond, it expects the mean of those.
    """

    def __init__(
        self,
        problem: NeighbourhoodProblem,
        fee_eur_per_kwh: Array,
        lowest_eur_per_kwh: Array,
        highest_eur_per_kwh: Array,
        look_ahead: int,
    ) -> None:
        self.problem, self._fee, self._ahead = problem, fee_eur_per_kwh, look_ahead
        self._low, self._high = lowest_eur_per_kwh, highest_eur_per_kwh
        self._model = NeighbourhoodModel(problem)
        self.begin(np.zeros_like(fee_eur_per_kwh))

    @property
    def switches(self) -> bool:
        """Whether some unit switches."""
        return self._model.switches

    def begin(self, forecast_eur_per_kwh: Array) -> None:
        """Begin anew with a forecast of the prices, shape ``(T,)``."""
        self.price = np.array(forecast_eur_per_kwh, dtype=float)
        """What is known or expected of the price, shape ``(T,)``."""
        self._most, self._least = (
            np.array(kw) for kw in (self.problem.terms.p_max_kw, self.problem.terms.p_min_kw)
        )

    def settle(self, step: int, price_eur_per_kwh: float, power_kw: float | None) -> None:
        """Take in the price of an hour, and what was accepted; None: it may do as it likes."""
        self.price[step] = price_eur_per_kwh
        if power_kw is not None:
            self._most[step] = self._least[step] = power_kw

    # -- bids -----------------------------------------------------------------------------------
    def exact(self, step: int) -> Bid:
        """What it bids for an hour: the whole curve."""
        tolerance = GAP if self.switches else EXACT
        dt_h = self.problem.horizon.dt_h
        low, high = float(self._low[step]), float(self._high[step])
        found = exact(self._best(step), low, high, dt_h, tolerance)
        return replace(found, whole=self.switches)

    def sampled(self, step: int) -> Bid:
        """What it bids for an hour by Algorithm 1.

        Samples at the ceiling, at the lowest price that is forecast within the look-ahead, this
        hour's included, and at the opportunity costs of other carriers.
        """
        low, high = float(self._low[step]), float(self._high[step])
        cheapest = float(self.price[step : step + 1 + self._ahead].min())
        asked = [high, cheapest, *opportunity_prices(self.problem.units, step)]
        prices = sorted({min(max(price, low), high) for price in asked})
        return replace(sampled(self._best(step), prices), whole=self.switches)

    def _best(self, step: int) -> Best:
        """What is best at a price of an hour."""
        expected = self.price.copy()
        end = step + 1 + self._ahead
        if end < expected.size:
            expected[end:] = expected[step + 1 : end].mean() if self._ahead else expected[step]

        def best(price: float) -> Tangent:
            expected[step] = price
            power_kw, objective = self._model.net(self._terms(expected))
            return Tangent(price, float(power_kw[step]), -objective)

        return best

    def _terms(self, price: Array, *, free: bool = False) -> ConnectionTerms:
        terms = self.problem.terms.at_price(price.copy(), self._fee)
        return terms if free else replace(terms, p_max_kw=self._most, p_min_kw=self._least)

    # -- the end --------------------------------------------------------------------------------
    def response(self) -> tuple[Response, Solution]:
        """What it does at all that was settled, and the least that it could have come to.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        self._model.update(self._terms(self.price, free=True))
        bound = self._model.solve().bound_eur
        held, free, dt_h = self._terms(self.price), self.problem.terms, self.problem.horizon.dt_h
        self._model.update(held)
        done = self._model.solve()
        # Where a store would have had to waste energy, it deviates; that costs no penalty.
        beyond_kw = held.excess_kw(done.p_kw) - free.excess_kw(done.p_kw)
        off = float(self.price @ done.p_kw - free.penalty_eur_per_kwh * beyond_kw.sum())
        return Response(done.p_kw, done.cost_eur + dt_h * off, bound, self.switches), done
