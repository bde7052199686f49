"""What an auctioneer and its bidders say to each other: prices, bids, what was accepted (M9)."""

from __future__ import annotations

from dataclasses import dataclass

from quartier.agents.messages import Negotiation
from quartier.quantities import Array


@dataclass(frozen=True)
class Hour:
    """What came of an hour for a bidder."""

    step: int
    price_eur_per_kwh: float
    accepted_kw: float | None
    """Its net power; None: its bid did not come, and it may do as it likes."""


@dataclass(frozen=True)
class BidCall:
    """The auctioneer asks for a bid, and says what came of the hours before.

    After the last hour it asks what the bidder does at the prices, and the least that it could
    have come to.
    """

    negotiation: Negotiation
    """Its round is the pass."""
    step: int
    """The hour; the number of hours after the last."""
    cleared: tuple[Hour, ...]
    """Those that the bidder is not known to have heard of."""
    forecast_eur_per_kwh: Array | None = None
    """What to expect of the prices; None where it was heard."""

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        forecast = 0 if self.forecast_eur_per_kwh is None else self.forecast_eur_per_kwh.size
        return forecast + sum(1 + (hour.accepted_kw is not None) for hour in self.cleared)


@dataclass(frozen=True)
class BidMade:
    """A bid for an hour, see :class:`~quartier.optimisation.prices.Bid`."""

    negotiation: Negotiation
    step: int
    agent: str
    base_kw: float
    price_eur_per_kwh: Array
    power_kw: Array
    whole: bool

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return 1 + self.price_eur_per_kwh.size + self.power_kw.size


@dataclass(frozen=True)
class BlocksCall:
    """The auctioneer asks a supplier for its blocks, those of all hours."""

    negotiation: Negotiation

    @property
    def numbers(self) -> int:
        """None."""
        return 0


@dataclass(frozen=True)
class BlocksBid:
    """A supplier's blocks: power from a price on, shape ``(S, T)`` each.

    They do not depend on what is cleared, so those of all hours are bid at once.
    """

    negotiation: Negotiation
    agent: str
    price_eur_per_kwh: Array
    most_kw: Array

    @property
    def numbers(self) -> int:
        """Numbers in it."""
        return self.price_eur_per_kwh.size + self.most_kw.size
