"""A flexibility market around the fixed offers p_off (M9): few bids, cleared on the grid.

The DSO says what power fits at each connection point, plants as offered and the others as planned
so far, and what any more would cost it: its demand for flexibility. Each neighbourhood bids the
profile that suits it best then, valued at its true cost beside p_off; bids and p_off can be taken
in parts. The cheapest mix that the grid can bear is taken, everybody paid at the multipliers of
the limits. Twice: by what the DSO expects from the offers, and by what the first clearing brought.

A bound holds on the grid on which its multipliers were called. Where nobody answered those of the
last grid, as bids came late, or it was linearised anew because the last clearing broke a limit in
AC, the multipliers are called once more, for the bound alone: those answers are no bids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quartier.optimisation.prices import Demand, Response
from quartier.optimisation.prices.search import OWN_RULE
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.limit_prices import LINEARISED, LimitPrices

BIDDING = 2
"""Rounds of bids, after the one in which everybody said what p_off costs."""

DEAREST_EUR_PER_KWH = 1.0
"""What a kWh beyond what fits costs where no plant relieves the limit: more than any energy is sold
for or curtailed, less than heat is thrown away."""

DEAR = 0.5
"""Share of the dearest limit's price from which a limit matters to what fits."""


@dataclass
class FlexibilityMarket(LimitPrices):
    """Clears bids: prices are the multipliers of the last clearing, as they are."""

    @property
    def bound_eur(self) -> float:
        """Best bound on the grid as it is linearised: without any price, one holds on every grid.

        That is what the offers cost, and the least of the grid operator's own part.
        """
        own = [known[1].bound_eur for known in self.answers.values() if 1 in known]
        if len(own) < len(self.answers):
            return super().bound_eur
        unpriced = sum(own) + self.supply.worth_eur(self.supply.middle_eur_per_kwh)
        return max(unpriced, super().bound_eur)

    @property
    def is_bidding(self) -> bool:
        """Whether answers of this round are bids; else they prove something only."""
        return self.number <= 1 + BIDDING

    def known(self, name: str) -> Mapping[int, Response]:
        """Bids of a neighbourhood, and what p_off costs; else what it published."""
        known = super().known(name)
        bids = {number: bid for number, bid in known.items() if number <= 1 + BIDDING}
        return bids or {OWN_RULE: self.published[name]}

    @property
    def best(self) -> Array:
        """The multipliers of the last clearing."""
        return self._dual

    @property
    def _is_near_enough(self) -> bool:
        """Whether all bids are made."""
        return self.number > BIDDING

    @property
    def is_settled(self) -> bool:
        """Whether bids are cleared, and multipliers answered on the grid as it is now."""
        return super().is_settled and (np.isfinite(self._believed()[0]) or not self.is_clean)

    def _check(self) -> None:
        """Clear on a grid that is as AC has it."""
        self.verify()
        while not self.is_clean and self.linearised < LINEARISED:
            self._linearise()
            self.verify()
        self._still = True

    def go_on(self) -> bool:
        """Linearise at the clearing, and call for bids by what limits are worth there.

        After the last bids, call the multipliers of the last clearing for what they prove.
        """
        if self.number <= BIDDING:
            self._linearise()
        return super().go_on()

    def _next(self) -> Array:
        return super()._next() if self.number <= BIDDING else self._dual

    def demand(self, name: str) -> Demand:
        """What fits at a neighbourhood, plants as offered, others as planned."""
        grid, place = self.supply.grid, list(self.published).index(name)
        rows, assets, count = grid.rows, grid.assets, len(self.published)
        power = np.where(np.arange(assets.shape[1]) < count, self.power_mw, assets.offered_mw)
        power[:, place] = 0.0
        own = rows.slopes[:, place]
        left = rows.right - np.einsum("ra,ra->r", rows.slopes, power[rows.step])
        price = self._relief_eur_per_mwh(place) / KW_PER_MW
        found = []
        for sign in (1, -1):
            acting = (sign * own > 0) & (price > 0)
            dearest = np.zeros(assets.shape[0])
            np.maximum.at(dearest, rows.step[acting], price[acting])
            acting &= price >= DEAR * dearest[rows.step]
            room = np.full(assets.shape[0], np.inf)
            ends = sign * KW_PER_MW * left[acting] / own[acting]
            np.minimum.at(room, rows.step[acting], ends)
            found.append((sign * room, dearest))
        (most, beyond), (least, short) = found
        return Demand(most, least, beyond, short)

    def _relief_eur_per_mwh(self, place: int) -> Array:
        """What a MW more of a neighbourhood costs at every limit: of the cheapest plant, ``(R,)``.

        No plant: :data:`DEAREST_EUR_PER_KWH`.
        """
        grid, first = self.supply.grid, len(self.published)
        rows, assets = grid.rows, grid.assets
        own, plants = rows.slopes[:, place, None], rows.slopes[:, first:]
        there = assets.offered_mw[rows.step, first:] > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            each = assets.lower_price[first:] * own / plants
        each = np.where(there & (plants > 0) & (own > 0), each, np.inf)
        most = DEAREST_EUR_PER_KWH * KW_PER_MW
        return np.asarray(np.minimum(each.min(axis=1, initial=np.inf), most))
