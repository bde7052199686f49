"""Sharing: neighbourhoods share a pool with an outer grid at two tariffs (M8; seed 000, eq. 1-2).

What they come to together is bought from the outer grid at the import price (grid fees included) or
sold to it at the export price. So the pool costs what its sum costs (eq. 2), at most what the
neighbourhoods would pay one by one (eq. 1). The energy shared is ``min(Σ_n P_n⁺, Σ_n P_n⁻)·Δ``.

Inside the pool there are no fees, or a part of them, due from whoever draws. Where that leaves
nothing to gain by sharing, it is capped at what lies between the two tariffs: then everybody might
as well trade with the outer grid, and the price interval (8) never becomes empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from quartier.problem.coupling import Coupling
from quartier.problem.pooling import Pooling
from quartier.problem.redispatch import Redispatch
from quartier.problem.supply import Supply
from quartier.quantities import Array
from quartier.scenario.communication import POOL

OUTER = "outer grid"
"""Who buys and sells what is left of a pool. No neighbourhood has a blank in its name."""


@dataclass(frozen=True)
class Sharing(Pooling):
    """Neighbourhoods coupled by a pool; arrays have shape ``(T,)``, or all of them none.

    Powers ``p_kw`` of the neighbourhoods have shape ``(T, N)``, or ``(N,)`` beside prices of one
    step; they are positive into the grid.
    """

    kind: ClassVar[str] = "sharing"
    coordinator: ClassVar[str] = POOL
    answers: ClassVar[frozenset[str]] = frozenset({"allocation"})
    tables: ClassVar[tuple[str, ...]] = ("shares", "rounds", "bids")
    kpis: ClassVar[tuple[str, ...]] = (
        "shared_energy",
        "pool_cost",
        "leader_cost",
        "internal_price",
        "system_cost",
        "system_cost_change",
        "cost_change",
        "worse_off",
        "follower_suboptimality",
        "rounds",
        "certified_gap",
        "numbers_exchanged",
        "longest_answer",
    )

    dt_h: float
    export_eur_per_kwh: Array
    """What the outer grid pays."""
    import_eur_per_kwh: Array
    """What the outer grid asks, fees included; at least the export price."""
    grid_fee_eur_per_kwh: float = 0.0
    """Grid fees in the import price."""
    inside_fee_share: float = 0.0
    """Part of the grid fees that is due on energy from inside, too."""
    price: str = "max-min"
    """Which of several optimal prices `bilevel` takes: ``max-min``, ``lowest``, ``highest``."""
    allocation: str = "retrospective"
    """How `central` hands out what the pool costs, see :mod:`quartier.problem.allocation`."""
    leader: str = "pool"
    """What the leader of `bilevel` pays: ``pool`` (eq. 6), or also what ``all`` pay themselves."""
    redispatch: Redispatch | None = None
    """The grid whose operator caps what the pool planned; None: nobody does."""

    @property
    def parts(self) -> tuple[Coupling, ...]:
        """Sharing, and redispatch after it if there is any."""
        return (self,) if self.redispatch is None else (self, self.redispatch)

    @cached_property
    def inside_fee_eur_per_kwh(self) -> Array:
        """Fee on what is drawn from inside, shape ``(T,)``."""
        most = self.import_eur_per_kwh - self.export_eur_per_kwh
        return np.asarray(np.minimum(self.inside_fee_share * self.grid_fee_eur_per_kwh, most))

    @property
    def outer_eur_per_kwh(self) -> Array:
        """What the pool itself pays for what it draws: whoever draws pays the inside fee."""
        return self.import_eur_per_kwh - self.inside_fee_eur_per_kwh

    @cached_property
    def supply(self) -> Supply:
        """The outer grid as two suppliers without an end: it pays one price and asks another."""
        price = np.array([self.export_eur_per_kwh, self.outer_eur_per_kwh])
        end, none = np.full_like(price[0], np.inf), np.zeros_like(price[0])
        return Supply(self.dt_h, price, np.array([-end, none]), np.array([none, end]))

    @property
    def owners(self) -> tuple[str, ...]:
        """Both are the outer grid's."""
        return (OUTER, OUTER)

    @property
    def shared_eur_per_kwh(self) -> Array:
        """The source's price of shared energy: the mean of both prices without fees (eq. 3)."""
        market = self.import_eur_per_kwh - self.grid_fee_eur_per_kwh
        return np.asarray((self.export_eur_per_kwh + market) / 2)

    def outer_eur(self, p_kw: Array) -> Array:
        """What the neighbourhoods together pay the outer grid in EUR, fees included, ``(T,)``.

        Eq. 2 without their own costs; ``inside fee · energy shared`` on top where there is a fee.
        """
        net = p_kw.sum(axis=-1)
        drawn = np.maximum(-p_kw, 0.0).sum(axis=-1)
        bought, sold = np.maximum(-net, 0.0), np.maximum(net, 0.0)
        paid = bought * self.outer_eur_per_kwh - sold * self.export_eur_per_kwh
        return np.asarray((paid + drawn * self.inside_fee_eur_per_kwh) * self.dt_h)

    def alone_eur(self, p_kw: Array) -> Array:
        """What each would pay the outer grid by itself in EUR (eq. 1), shape of ``p_kw``."""
        drawn, fed = np.maximum(-p_kw, 0.0), np.maximum(p_kw, 0.0)
        asked, paid = (
            np.expand_dims(price, -1)
            for price in (self.import_eur_per_kwh, self.export_eur_per_kwh)
        )
        return np.asarray((drawn * asked - fed * paid) * self.dt_h)


def shared_kw(p_kw: Array) -> Array:
    """What every neighbourhood gets from the others in kW; negative: what it gives them.

    Whoever draws gets a share of what is given in proportion to what it draws, and likewise.

    Parameters
    ----------
    p_kw
        Power of the neighbourhoods, positive into the grid, shape ``(..., N)``.
    """
    given, drawn = np.maximum(p_kw, 0.0), np.maximum(-p_kw, 0.0)
    given_sum = given.sum(axis=-1, keepdims=True)
    drawn_sum = drawn.sum(axis=-1, keepdims=True)
    shared = np.minimum(given_sum, drawn_sum)
    got = np.divide(drawn, drawn_sum, out=np.zeros_like(drawn), where=drawn_sum > 0)
    gave = np.divide(given, given_sum, out=np.zeros_like(given), where=given_sum > 0)
    return np.asarray(shared * (got - gave), dtype=float)
