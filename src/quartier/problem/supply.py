"""What the others ask and pay for power: blocks of it, each at a price (M9).

The outer grid of a pool is two blocks without an end: it sells at one tariff, and buys at the
other. A supplier with a piecewise-linear cost is a block a piece.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.quantities import Array


@dataclass(frozen=True)
class Part:
    """Power that something gives or moves at a price; arrays have shape ``(T,)``.

    What it takes, or moves back, is negative.
    """

    price_eur_per_kwh: Array
    least_kw: Array
    most_kw: Array
    balances: tuple[tuple[float, slice], ...]
    """Which balances a kW of it changes, and by how much."""

    def matrix(self, size: int) -> sparse.csr_array:
        """What a kW of each step adds to each of all balances, shape ``(size, T)``."""
        steps = self.price_eur_per_kwh.size
        entries = np.repeat([factor for factor, _ in self.balances], steps)
        rows = np.concatenate([np.arange(size)[where] for _, where in self.balances])
        columns = np.tile(np.arange(steps), len(self.balances))
        return sparse.csr_array((entries, (rows, columns)), shape=(size, steps))


@dataclass(frozen=True)
class Supply:
    """Blocks of power that can be had, or given away, at a price; arrays have shape ``(S, T)``.

    A block gives any power from ``least_kw <= 0`` to ``most_kw >= 0``; what it takes is negative.
    It costs nothing to leave a block alone, so no block may pay more for what it takes than another
    one asks for what it gives.
    """

    dt_h: float
    price_eur_per_kwh: Array
    least_kw: Array
    most_kw: Array

    @classmethod
    def together(cls, parts: Sequence[Supply]) -> Supply:
        """Blocks of several (at least one), one after the other."""
        names = ("price_eur_per_kwh", "least_kw", "most_kw")
        return cls(
            parts[0].dt_h,
            *(np.concatenate([getattr(part, name) for part in parts]) for name in names),
        )

    def of(self, blocks: NDArray[np.int64]) -> Supply:
        """Some of the blocks, by their numbers."""
        kept = (self.price_eur_per_kwh[blocks], self.least_kw[blocks], self.most_kw[blocks])
        return Supply(self.dt_h, *kept)

    def alone(self, blocks: NDArray[np.int64]) -> Supply:
        """Some of the blocks as their owner knows them: in every step, shape ``(S, T)``."""
        rows = (self.price_eur_per_kwh, self.least_kw, self.most_kw)
        return Supply(self.dt_h, *(self.own(values)[blocks] for values in rows))

    def joined(self, others: Mapping[str, Supply]) -> Supply:
        """Blocks of others, by their name and as they know them, and then these."""
        return Supply.together([*others.values(), self])

    @property
    def size(self) -> int:
        """Number of balances: one a step, and zone if there are any."""
        return int(self.price_eur_per_kwh.shape[1])

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.size

    # -- where neighbourhoods are balanced ------------------------------------------------------
    def balances_of(self, name: str) -> slice:
        """Balances that a neighbourhood is part of, a step each: all of them, without zones."""
        return slice(0, self.size)

    def seen(self, name: str, values: Array) -> Array:
        """What of a price, or another figure of every balance, concerns a neighbourhood."""
        return values[self.balances_of(name)]

    def placed_kw(self, name: str, p_kw: Array) -> Array:
        """What a neighbourhood's power, shape ``(T,)``, adds to every balance."""
        return p_kw

    def needed_kw(self, powers: Mapping[str, Array]) -> Array:
        """What neighbourhoods together need of others at every balance, by their power."""
        return np.asarray(-np.sum([self.placed_kw(n, p_kw) for n, p_kw in powers.items()], axis=0))

    def traders(self, names: Collection[str]) -> Array | int:
        """How many are part of each balance, what is not named counted as one."""
        return len(names) + 1

    def everywhere(self, values: Array) -> Array:
        """A figure of every step, shape ``(T,)``, at every balance."""
        return values

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Blocks, and what else changes balances."""
        every = slice(0, self.size)
        rows = zip(self.price_eur_per_kwh, self.least_kw, self.most_kw, strict=True)
        return tuple(Part(*row, ((1.0, every),)) for row in rows)

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """What a kW of every part and step adds to every balance."""
        return sparse.csr_array(sparse.hstack([part.matrix(self.size) for part in self.parts]))

    def own(self, values: Array) -> Array:
        """What of a figure of every block and balance is at the block's own, shape ``(S, T)``."""
        return values

    def asked(self, step: int) -> tuple[Array, Array, Array]:
        """Price, least and most of every block in a step, shape ``(S,)`` each."""
        rows = (self.price_eur_per_kwh, self.least_kw, self.most_kw)
        price, least, most = (self.own(values)[:, step] for values in rows)
        return price, least, most

    @cached_property
    def lowest_eur_per_kwh(self) -> Array:
        """Price below which somebody would take power without end, shape ``(T,)``."""
        endless = np.isinf(self.least_kw)
        return np.asarray(np.where(endless, self.price_eur_per_kwh, -np.inf).max(axis=0))

    @cached_property
    def highest_eur_per_kwh(self) -> Array:
        """Price above which somebody would give power without end, shape ``(T,)``."""
        endless = np.isinf(self.most_kw)
        return np.asarray(np.where(endless, self.price_eur_per_kwh, np.inf).min(axis=0))

    @property
    def middle_eur_per_kwh(self) -> Array:
        """A price to begin with: halfway between the lowest and the highest, shape ``(T,)``."""
        low, high = self.lowest_eur_per_kwh, self.highest_eur_per_kwh
        least, most = self.price_eur_per_kwh.min(axis=0), self.price_eur_per_kwh.max(axis=0)
        return (np.where(np.isinf(low), least, low) + np.where(np.isinf(high), most, high)) / 2

    def kept(self, price_eur_per_kwh: Array) -> Array:
        """The nearest price at which nobody gives or takes without end, shape ``(T,)``."""
        low, high = self.lowest_eur_per_kwh, self.highest_eur_per_kwh
        return np.asarray(np.clip(price_eur_per_kwh, low, high))

    def worth_eur(self, price_eur_per_kwh: Array) -> float:
        """Least of cost less revenue at a price, summed over all: its part of the bound L."""
        margin = self.price_eur_per_kwh - price_eur_per_kwh
        with np.errstate(invalid="ignore"):  # nothing, of a block without an end
            given = np.where(margin < 0, self.most_kw * margin, 0.0)
            taken = np.where(margin > 0, self.least_kw * margin, 0.0)
        return float((given + taken).sum()) * self.dt_h

    def missing_kw(self, price_eur_per_kwh: Array, needed_kw: Array) -> Array:
        """What is missing from a need if all do at a price what suits them best, shape ``(T,)``.

        Whoever is indifferent at the price does what is needed.
        """
        margin = self.price_eur_per_kwh - price_eur_per_kwh
        least = np.where(margin < 0, self.most_kw, self.least_kw).sum(axis=0)
        most = np.where(margin > 0, self.least_kw, self.most_kw).sum(axis=0)
        return np.asarray(needed_kw - np.clip(needed_kw, least, most))

    # -- in the order of their prices -----------------------------------------------------------
    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self.price_eur_per_kwh, axis=0, kind="stable")

    def _sorted(self, values: Array) -> Array:
        return np.take_along_axis(values, self._order, axis=0)

    @cached_property
    def _merit(self) -> tuple[Array, Array, Array, Array, Array]:
        """Price, least, most, and the total power at which each begins to give, and to take."""
        price, least, most = (
            self._sorted(values) for values in (self.price_eur_per_kwh, self.least_kw, self.most_kw)
        )
        zero = np.zeros((1, price.shape[1]))
        above = np.concatenate([zero, np.cumsum(most, axis=0)[:-1]])
        below = np.concatenate([np.cumsum(least[::-1], axis=0)[:-1][::-1], zero])
        return price, least, most, above, below

    def dispatch_kw(self, needed_kw: Array) -> Array:
        """Cheapest powers that add up to a need as far as they can, shape ``(S, T)``."""
        price, least, most, above, below = self._merit
        return self._spread(np.broadcast_to(needed_kw, price.shape), least, most, above, below)

    def _spread(
        self, power_kw: Array, least: Array, most: Array, above: Array, below: Array
    ) -> Array:
        with np.errstate(invalid="ignore"):  # beyond a block without an end nobody begins
            given = np.clip(np.nan_to_num(power_kw - above, nan=0.0, neginf=0.0), 0.0, most)
            taken = np.clip(np.nan_to_num(power_kw - below, nan=0.0, posinf=0.0), least, 0.0)
        found = np.empty_like(given)
        np.put_along_axis(found, self._order, given + taken, axis=0)
        return found

    def marginal_eur_per_kwh(self, needed_kw: Array) -> Array:
        """Price of the block that serves a need last, shape ``(T,)``; of none, of the cheapest."""
        power, price = self.dispatch_kw(needed_kw), self.price_eur_per_kwh
        given = np.where(power > 0, price, -np.inf).max(axis=0)
        taken = np.where(power < 0, price, np.inf).min(axis=0)
        idle = np.where(self.most_kw > 0, price, np.inf).min(axis=0)
        return np.asarray(
            np.where(needed_kw > 0, given, np.where(needed_kw < 0, taken, idle)), dtype=float
        )

    def cost_eur(self, needed_kw: Array) -> float:
        """Cost of a need in the order of prices in EUR; infinite where it cannot be met."""
        found = self.dispatch_kw(needed_kw)
        if np.abs(found.sum(axis=0) - needed_kw).max(initial=0.0) > 1e-6 * (
            1 + np.abs(needed_kw).max(initial=0.0)
        ):
            return np.inf
        return float((found * self.price_eur_per_kwh).sum()) * self.dt_h

    def saved_eur_per_h(self, needed_kw: Array, instead_eur_per_kwh: Array) -> Array:
        """What blocks that give save of needs that were else met at a price, shape ``(...)``.

        Parameters
        ----------
        needed_kw
            Shape ``(..., T)``; what is negative needs nothing.
        instead_eur_per_kwh
            Shape ``(T,)``; no block is dearer.
        """
        price, _, most, above, _ = self._merit
        total = np.zeros(np.shape(needed_kw)[:-1])
        for k in range(len(price)):
            given = np.clip(needed_kw - above[k], 0.0, most[k])
            total = total + given @ (instead_eur_per_kwh - price[k])
        return np.asarray(total)

    def near_kw(self, price_eur_per_kwh: Array, weight: float, target_kw: Array) -> Array:
        """What all together would do at a price if leaving a target costs, too, shape ``(T,)``.

        Least of ``cost - price · p + weight / 2 · (p - target)²`` in every step.

        Parameters
        ----------
        weight
            In EUR/kWh per kW.
        """
        price, *rest = self._merit
        wanted = target_kw + (price_eur_per_kwh - price) / weight
        return np.asarray(self._spread(wanted, *rest).sum(axis=0))
