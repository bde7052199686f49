"""A flexibility market around the fixed offers p_off (M9): few bids, cleared on the grid.

The DSO says what power fits at each connection point, plants as offered and the others as planned
so far, and what any more would cost it: its demand for flexibility. Each neighbourhood bids the
profile that suits it best then, valued at its true cost beside p_off; bids and p_off can be taken
in parts. The cheapest mix that the grid can bear is taken, everybody paid at the multipliers of
the limits. Twice: by what the DSO expects from the offers, and by what the first clearing brought.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quartier.optimisation.prices import Demand
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

    def __post_init__(self) -> None:
        super().__post_init__()
        self._proven = -np.inf

    @property
    def bound_eur(self) -> float:
        """Best bound, on the grid as it was linearised when bids were called."""
        return max(self._proven, super().bound_eur)

    @property
    def best(self) -> Array:
        """The multipliers of the last clearing."""
        return self._dual

    @property
    def _is_near_enough(self) -> bool:
        """Whether all bids are made."""
        return self.number > BIDDING

    def _check(self) -> None:
        """Clear on a grid that is as AC has it."""
        self.verify()
        while not self.is_clean and self.linearised < LINEARISED:
            self._proven = self.bound_eur
            self._linearise()
            self.verify()
        self._still = True

    def go_on(self) -> bool:
        """Linearise at the clearing, and call for bids by what limits are worth there."""
        self._proven = self.bound_eur
        self._linearise()
        return super().go_on()

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
