"""An auction of all hours at once: profiles as divisible blocks, and rounds of bidding again (M9).

Everybody offers whole profiles, each at what it truly costs; the cheapest mix of all that was
offered is accepted, in parts where that suits. That is the restricted master of
:class:`~quartier.optimisation.prices.memory.Memory`, begun at forecasts instead of a price in the
middle, and ended after a few rounds. What a bid for a single hour cannot say, for it depends on
other hours, a block does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quartier.optimisation.prices.memory import Memory
from quartier.quantities import Array

SHAPES = (1.0, 0.0, 0.5, 2.0)
"""What is offered at first, without any clearing between: what is best at the forecast, at its mean
throughout, and where it moves half or twice as much about that."""

BIDDING_AGAIN = 8
"""Most rounds of bidding again, at the prices that came of the blocks so far."""


@dataclass
class Blocks(Memory):
    """Finds the next price: that of the next offer, then as memory does."""

    forecast_eur_per_kwh: Sequence[float] | Array = ()
    """What everybody expects of the prices, shape ``(T,)``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        forecast = np.asarray(self.forecast_eur_per_kwh, dtype=float)
        mean = forecast.mean()
        offers = [self.supply.kept(mean + shape * (forecast - mean)) for shape in SHAPES]
        self._offers = [
            offer
            for k, offer in enumerate(offers)
            if not any(np.allclose(offer, other) for other in offers[:k])
        ]
        self._call(self._offers[0])

    def asked(self) -> tuple[str, ...]:
        """Neighbourhoods, and suppliers whose blocks are not known yet."""
        return (*self.published, *self.of_suppliers.silent)

    @property
    def most_rounds(self) -> int:
        """Rounds in all."""
        return len(self._offers) + BIDDING_AGAIN

    def _next(self) -> Array:
        return self._offers[self.number] if self.number < len(self._offers) else super()._next()
