"""What a market and its price takers say to each other: prices, profiles, costs (M9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quartier.agents.messages import Negotiation
from quartier.optimisation.prices import Demand
from quartier.quantities import Array


@dataclass(frozen=True)
class PriceCall:
    """The market asks what a neighbourhood would do at a price; its round is the negotiation's."""

    negotiation: Negotiation
    price_eur_per_kwh: Array
    weight_eur_per_kwh_kw: float = 0.0
    """What it costs to leave the target (ADMM); 0: nothing, and there is none."""
    target_kw: Array | None = None

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        near = 0 if self.target_kw is None else 1 + self.target_kw.size
        return self.price_eur_per_kwh.size + near


@dataclass(frozen=True)
class FlexibilityCall(PriceCall):
    """The DSO asks for a bid: what fits, and what any more would cost; shape ``(T,)`` each."""

    most_kw: Array | None = None
    least_kw: Array | None = None
    beyond_eur_per_kwh: Array | None = None
    short_eur_per_kwh: Array | None = None

    @property
    def demand(self) -> Demand:
        """The DSO's demand for flexibility."""
        said = (self.most_kw, self.least_kw, self.beyond_eur_per_kwh, self.short_eur_per_kwh)
        most, least, beyond, short = (np.zeros(0) if part is None else part for part in said)
        return Demand(most, least, beyond, short)

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return 5 * self.price_eur_per_kwh.size


@dataclass(frozen=True)
class PriceAnswer:
    """What a neighbourhood would do, what that costs it, and the least it could come to."""

    negotiation: Negotiation
    agent: str
    p_kw: Array
    cost_eur: float
    bound_eur: float
    whole: bool
    pattern: int = 0
    """Number of the pattern in which its units switch: answers with the same one can be mixed."""

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return self.p_kw.size + 2


@dataclass(frozen=True)
class ServeAnswer:
    """What a supplier would give at a price, what that costs it, and the least it could come to."""

    negotiation: Negotiation
    agent: str
    p_kw: Array
    cost_eur: Array
    """In every step, shape ``(T,)``: a supplier's steps do not depend on each other."""
    bound_eur: float

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return self.p_kw.size + self.cost_eur.size + 1


@dataclass(frozen=True)
class Contract:
    """What a supplier is to give, and the price; it serves by merit order whatever is drawn."""

    negotiation: Negotiation
    price_eur_per_kwh: Array
    p_kw: Array

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return self.price_eur_per_kwh.size + self.p_kw.size


@dataclass(frozen=True)
class Award:
    """What a neighbourhood shall do: its own answers by round, mixed by weight; and the price."""

    negotiation: Negotiation
    price_eur_per_kwh: Array | None
    """None where it was told before."""
    shares: tuple[tuple[int, float], ...]

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        price = 0 if self.price_eur_per_kwh is None else self.price_eur_per_kwh.size
        return price + 2 * len(self.shares)


@dataclass(frozen=True)
class Awarded:
    """Somebody does what it was awarded."""

    negotiation: Negotiation
    agent: str

    @property
    def numbers(self) -> int:
        """None."""
        return 0
