"""What a market knows of suppliers: their answers to prices, or the blocks that they bid (M9).

What a supplier gives at a price costs the least that it can, so every answer is a point of its cost
curve, which is convex. What lies between two points costs at most the mix of both: so answers make
blocks, like those of a bid, that never promise more than the supplier has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.problem import Supply
from quartier.quantities import Array

SAME = 1e-9
"""Powers and prices closer than this, relative to the largest, are one."""


@dataclass(frozen=True)
class Served:
    """A supplier's answer to a price.

    Parameters
    ----------
    p_kw, cost_eur
        What it would give, and what that costs it, in every step, shape ``(T,)``.
    bound_eur
        The least it could come to at the price: cost less revenue.
    """

    p_kw: Array
    cost_eur: Array
    bound_eur: float


def serve(
    own: Supply, price_eur_per_kwh: Array, weight: float = 0.0, target_kw: Array | None = None
) -> Served:
    """How a supplier answers a price, by its own blocks; indifferent, it gives nothing.

    Parameters
    ----------
    own
        Its blocks.
    weight, target_kw
        What it costs to leave a target: ``weight / 2 · Δ Σ (p - target)²``, in EUR/kWh per kW.
    """
    if weight and target_kw is not None:
        p_kw = own.near_kw(price_eur_per_kwh, weight, target_kw)
    else:
        p_kw = np.where(own.price_eur_per_kwh < price_eur_per_kwh, own.most_kw, 0.0).sum(axis=0)
    cost = (own.dispatch_kw(p_kw) * own.price_eur_per_kwh).sum(axis=0) * own.dt_h
    return Served(p_kw, cost, own.worth_eur(price_eur_per_kwh))


class Suppliers:
    """What is public of those that supply, and what each of the others said.

    Parameters
    ----------
    public
        What is known without asking: tariffs, a reserve.
    owners
        Whose each block of it is.
    names
        Suppliers that have to be asked.
    """

    def __init__(
        self, public: Supply, owners: Iterable[str] = (), names: Iterable[str] = ()
    ) -> None:
        self.public, self.names = public, tuple(names)
        self._owners = tuple(owners) or ("",) * len(public.price_eur_per_kwh)
        self.blocks: dict[str, Supply] = {}
        """Blocks that suppliers bid."""
        self._bounds: dict[str, dict[int, float]] = {name: {} for name in self.names}
        self._curves: dict[str, tuple[Array, Array]] = {}
        self._last: dict[str, tuple[int, Array]] = {}
        self._known: tuple[tuple[str, ...], Supply] | None = None

    # -- what is heard --------------------------------------------------------------------------
    def hear(self, name: str, number: int, said: Served) -> None:
        """Take in an answer to the price of a round, be it late."""
        if number in self._bounds[name]:
            return
        self._bounds[name][number] = said.bound_eur
        if number >= self._last.get(name, (number,))[0]:
            self._last[name] = number, said.p_kw
        nothing = np.zeros((1, said.p_kw.size))
        curve = self._curves.get(name, (nothing, nothing))
        more = zip(curve, (said.p_kw, said.cost_eur), strict=True)
        self._curves[name] = _curve(*(np.concatenate([old, new[None]]) for old, new in more))
        self._known = None

    def hear_blocks(self, name: str, blocks: Supply) -> None:
        """Take in what a supplier bids for all steps."""
        self.blocks[name] = blocks
        self._known = None

    @property
    def silent(self) -> tuple[str, ...]:
        """Suppliers of which nothing is known."""
        heard = self.blocks.keys() | self._curves.keys()
        return tuple(name for name in self.names if name not in heard)

    def heard(self, number: int) -> int:
        """How many said what they do at the price of a round."""
        return sum(name in self.blocks or number in self._bounds[name] for name in self.names)

    def last_kw(self) -> list[Array]:
        """Power of the last answer of each supplier; nothing, of who did not say a word."""
        nothing = np.zeros(self.public.steps)
        return [self._last.get(name, (0, nothing))[1] for name in self.names]

    # -- what is known --------------------------------------------------------------------------
    @property
    def merit(self) -> Supply:
        """All blocks that are known, those of nobody who has not said a word."""
        return self.offered[1]

    @property
    def offered(self) -> tuple[tuple[str, ...], Supply]:
        """Whose each known block is, and all known blocks."""
        if self._known is None:
            parts = {name: self._of(name) for name in self.names if name not in self.silent}
            owners = [
                name for name, part in parts.items() for _ in range(len(part.price_eur_per_kwh))
            ]
            found = (*owners, *self._owners), self.public.joined(parts)
            self._known = found
        return self._known

    def _of(self, name: str) -> Supply:
        if name in self.blocks:
            return self.blocks[name]
        power, cost = self._curves[name]
        wide = np.diff(power, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            price = np.where(wide > 0, np.diff(cost, axis=0) / (self.public.dt_h * wide), 0.0)
        return Supply(self.public.dt_h, price, np.zeros_like(wide), wide)

    def worth_eur(self, number: int, price_eur_per_kwh: Array, lost: Collection[str] = ()) -> float:
        """Least of cost less revenue of all suppliers at the price of a round, of every balance.

        ``-inf`` as long as somebody's answer is missing who is not ``lost``; of those that are,
        what they said before is taken for all that they have.
        """
        total = 0.0
        for name in self.names:
            if name in self.blocks:
                total += self.blocks[name].worth_eur(self.public.seen(name, price_eur_per_kwh))
            elif number in self._bounds[name]:
                total += self._bounds[name][number]
            elif name not in lost:
                return -np.inf
            elif name in self._curves:
                total += self._of(name).worth_eur(self.public.seen(name, price_eur_per_kwh))
        return total

    def dispatched_kw(self, needed_kw: Array) -> Mapping[str, Array]:
        """What each supplier gives of a need of every balance by what is known, ``(T,)`` each."""
        owners, merit = self.offered
        power, owner = merit.dispatch_kw(needed_kw), np.array(owners)
        given = {name: np.asarray(power[owner == name].sum(axis=0)) for name in self.names}
        return {name: merit.seen(name, p_kw) for name, p_kw in given.items()}


def _curve(power_kw: Array, cost_eur: Array) -> tuple[Array, Array]:
    """Corners of a convex curve by points of it, shape ``(K, T)``, power ascending.

    Points that are none, as they lie between two others, are left out; what is too few in a step is
    filled up with the last.
    """
    order = np.argsort(power_kw, axis=0, kind="stable")
    power, cost = (np.take_along_axis(v, order, axis=0) for v in (power_kw, cost_eur))
    apart = SAME * max(float(power.max()), 1e-9)
    new = np.concatenate([np.ones((1, power.shape[1]), dtype=bool), np.diff(power, axis=0) > apart])
    power, cost = _pushed(new, power, cost)
    wide = np.diff(power, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(wide > 0, np.diff(cost, axis=0) / wide, np.inf)
    corner = np.ones(power.shape, dtype=bool)
    if len(slope) > 1:
        with np.errstate(invalid="ignore"):
            bend = slope[1:] - slope[:-1]
        finite = slope[np.isfinite(slope)]
        flat = SAME * max(float(np.abs(finite).max(initial=0.0)), 1e-9)
        corner[1:-1] = np.isnan(bend) | (bend > flat)
    return _pushed(corner, power, cost)


def _pushed(kept: NDArray[np.bool_], power: Array, cost: Array) -> tuple[Array, Array]:
    """What is kept in every step, moved to the front; the rest is the last of it."""
    place = np.argsort(~kept, axis=0, kind="stable")
    count = kept.sum(axis=0)
    place = np.where(np.arange(len(place))[:, None] < count, place, 0)
    last = np.take_along_axis(place, count[None] - 1, axis=0)
    place = np.where(np.arange(len(place))[:, None] < count, place, last)[: int(count.max())]
    return np.take_along_axis(power, place, axis=0), np.take_along_axis(cost, place, axis=0)
