"""Pricing: a player sets the prices at which neighbourhoods trade with it (M10; seed 002).

It buys and sells at wholesale markets what the neighbourhoods come to together; of a carrier
without a market, what some sell must be what others buy. Neighbourhoods answer with their own
optimum. Prices lie between a floor and a cap, at which a neighbourhood may read the tariff that it
would have without the player: so nobody is worse off with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from quartier.problem.coupling import Coupling
from quartier.quantities import Array
from quartier.scenario.communication import PLAYER


@dataclass(frozen=True)
class PricedCarrier:
    """What the player knows of a carrier; arrays have shape ``(T,)``."""

    floor_eur_per_kwh: Array
    cap_eur_per_kwh: Array
    wholesale_eur_per_kwh: Array | None = None
    """Price at its market; None: it has none, and exchange is balanced."""
    most_bought_kw: float = np.inf
    """Most that the player buys at the market at a time, by contract."""
    most_sold_kw: float = np.inf
    """Most that it sells there."""

    @property
    def is_balanced(self) -> bool:
        """Whether what some neighbourhoods sell must be what others buy."""
        return self.wholesale_eur_per_kwh is None

    @property
    def is_limited(self) -> bool:
        """Whether contracts limit what is traded at the market."""
        return bool(np.isfinite(self.most_bought_kw) or np.isfinite(self.most_sold_kw))

    def beyond_kw(self, drawn_kw: Array) -> Array:
        """How far what all draw is beyond what contracts allow, shape of ``drawn_kw``."""
        most = np.maximum(drawn_kw - self.most_bought_kw, -drawn_kw - self.most_sold_kw)
        return np.asarray(np.maximum(most, 0.0))


@dataclass(frozen=True)
class Pricing(Coupling):
    """Neighbourhoods coupled by a player that prices what they trade with it.

    Quantities ``drawn_kw`` are metered at the player's side, positive when a neighbourhood buys.
    """

    kind: ClassVar[str] = "pricing"
    coordinator: ClassVar[str] = PLAYER
    answers: ClassVar[frozenset[str]] = frozenset()
    kpis: ClassVar[tuple[str, ...]] = (
        "profit",
        "bill",
        "saving",
        "worse_off",
        "exchange_imbalance",
        "contract_breach",
        "lruf",
        "system_cost",
        "system_cost_change",
        "cost_change",
        "follower_suboptimality",
        "price_mean",
        "price_spread",
    )

    dt_h: float
    carriers: Mapping[str, PricedCarrier]
    mode: str = "uniform"
    """``uniform``: one price for all neighbourhoods; ``individual``: one for each."""

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(next(iter(self.carriers.values())).cap_eur_per_kwh)

    @property
    def balanced(self) -> tuple[str, ...]:
        """Carriers without a market."""
        return tuple(c for c, priced in self.carriers.items() if priced.is_balanced)

    @property
    def limited(self) -> tuple[str, ...]:
        """Carriers of which contracts limit what is traded at the market."""
        every = self.carriers.items()
        return tuple(c for c, priced in every if priced.is_limited and not priced.is_balanced)

    def bill_eur(self, price: Any, drawn_kw: Any) -> Any:
        """What a neighbourhood pays for a carrier in a step, or over arrays of steps."""
        return self.dt_h * price * drawn_kw

    def outer_eur(self, carrier: str, drawn_kw: Any) -> Any:
        """What the player pays at the carrier's market for what all draw; shape of ``drawn_kw``.

        Where there is none and exchange is not balanced, since what happened is not what was
        planned, it makes up for what lacks at the cap, and gets the floor for what is left.
        """
        priced = self.carriers[carrier]
        if priced.wholesale_eur_per_kwh is not None:
            return self.dt_h * priced.wholesale_eur_per_kwh * drawn_kw
        lacking, left = np.maximum(drawn_kw, 0.0), np.maximum(-drawn_kw, 0.0)
        asked, paid = priced.cap_eur_per_kwh, priced.floor_eur_per_kwh
        return self.dt_h * (asked * lacking - paid * left)

    def profit_eur(
        self,
        prices: Mapping[tuple[str, str], Array],
        drawn_kw: Mapping[tuple[str, str], Array],
    ) -> float:
        """What the player gets from neighbourhoods less what it pays at markets, in EUR.

        Parameters
        ----------
        prices, drawn_kw
            By carrier and neighbourhood, shape ``(T,)`` each.
        """
        earned = sum(float(self.bill_eur(prices[k], x).sum()) for k, x in drawn_kw.items())
        for carrier in self.carriers:
            total = np.sum([x for (c, _), x in drawn_kw.items() if c == carrier], axis=0)
            earned -= float(np.sum(self.outer_eur(carrier, total)))
        return earned
