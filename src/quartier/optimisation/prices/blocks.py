"""An auction of all hours at once: profiles as divisible blocks, and rounds of bidding again (M9).

Everybody offers whole profiles, each at what it truly costs; the cheapest mix of all that was
offered is accepted, in parts where that suits. That is the restricted master of
:class:`~quartier.optimisation.prices.memory.Memory`, begun at forecasts instead of a price in the
middle, and ended after a few rounds. What a bid for a single hour cannot say, for it depends on
other hours, a block does.

Of who switches one block is accepted whole, or none: then it does what it published. As in European
day-ahead auctions (EUPHEMIA) one that would come to more at the price than that, a loss, is
rejected, and the mix is looked for anew, until there is a price at which nobody accepted loses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quartier.errors import SolveFailed
from quartier.optimisation.prices.memory import HALF, Column, Flags, Memory
from quartier.optimisation.prices.projection import nearest
from quartier.optimisation.prices.response import Response
from quartier.optimisation.prices.search import OWN_RULE
from quartier.quantities import Array

SHAPES = (1.0, 0.0, 0.5, 2.0)
"""What is offered at first, without any clearing between: what is best at the forecast, at its mean
throughout, and where it moves half or twice as much about that."""

ROUNDING = 1e-7
"""What a price may lack of a proof, relative to the cost."""

BIDDING_AGAIN = 8
"""Most rounds of bidding again, at the prices that came of the blocks so far."""


@dataclass
class Blocks(Memory):
    """Finds the next price: that of the next offer, then as memory does."""

    forecast_eur_per_kwh: Sequence[float] | Array = ()
    """What everybody expects of the prices, shape ``(T,)``."""

    def __post_init__(self) -> None:
        self._settled: Array | None = None
        super().__post_init__()
        forecast = np.asarray(self.forecast_eur_per_kwh, dtype=float)
        steps = self.supply.steps  # the mean is that of each zone, if there are any
        mean = np.repeat(forecast.reshape(-1, steps).mean(axis=1), steps)
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

    def known(self, name: str) -> Mapping[int, Response]:
        """Blocks of a neighbourhood by round; of who switches also what it does without any."""
        found = super().known(name)
        whole = any(response.whole for response in found.values())
        return {OWN_RULE: self.published[name], **found} if whole else found

    @property
    def best(self) -> Array:
        """The price that was settled; before that, the price of the best bound."""
        return super().best if self._settled is None else self._settled

    def settle(self) -> None:
        """Reject blocks that are accepted at a loss, and find the price; nothing, if all mix."""
        columns = self._columns()
        whole = np.array([response.whole for _, _, response in columns])
        master, banned = self._master(columns), np.zeros(whole.size, dtype=bool)
        own = np.array([number == OWN_RULE for _, number, _ in columns])
        while whole.any() and self._settled is None:
            upper = master.upper.copy()
            upper[: whole.size][banned] = 0.0
            answer = self._whole(replace(master, upper=upper), whole, None)
            chosen = whole & (answer.values[: whole.size] > HALF)
            cost, shares = self._priced(self._shares(columns, answer, whole))
            self._settled = self._price_of(columns, chosen, whole, cost)
            if self._settled is not None or not (chosen & ~own).any():
                self.cost_eur, self.shares = cost, shares
                break
            banned |= self._worst(columns, chosen & ~own)

    def _price_of(
        self, columns: Sequence[Column], chosen: Flags, whole: Flags, cost_eur: float
    ) -> Array | None:
        """A price at which all that is accepted suits best, and nobody whole loses; None: none."""
        kept = chosen | ~whole | np.array([number == OWN_RULE for _, number, _ in columns])
        answers = {
            name: [r for (n, _, r), keep in zip(columns, kept, strict=True) if keep and n == name]
            for name in self.published
        }
        promised = cost_eur - max(ROUNDING * abs(cost_eur), ROUNDING)
        try:
            return self.supply.kept(nearest(self.merit, answers, super().best, promised))
        except SolveFailed:
            return None

    def _worst(self, columns: Sequence[Column], chosen: Flags) -> Flags:
        """Of blocks that are accepted the one that loses most at the price of the best bound."""
        price, losses = super().best, np.full(chosen.size, -np.inf)
        for k in np.flatnonzero(chosen).tolist():
            name, _, block = columns[k]
            alone = self.published[name]
            losses[k] = self.at_price(name, price, block.cost_eur, block.p_kw)
            losses[k] -= self.at_price(name, price, alone.cost_eur, alone.p_kw)
        found: Flags = np.arange(chosen.size) == int(np.argmax(losses))
        return found

    @property
    def most_rounds(self) -> int:
        """Rounds in all."""
        return len(self._offers) + BIDDING_AGAIN

    def _next(self) -> Array:
        return self._offers[self.number] if self.number < len(self._offers) else super()._next()
