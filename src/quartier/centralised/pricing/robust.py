"""What prices are worth if neighbourhoods that are indifferent do not oblige the player (M10).

The bi-level optimum is optimistic: where a neighbourhood has several answers of the same cost, it
gives the one that suits the player. At worst it gives another (pessimistic). Prices moved by a hair
against what it would do instead make the wanted answer the only one (robust). The shifts are a
heuristic: better ones may exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from quartier.centralised.pricing.players import Prices, at_prices
from quartier.centralised.pricing.pooled import drawn_kw_at, drawn_rows, together
from quartier.optimisation import NeighbourhoodModel
from quartier.planning import Row
from quartier.problem import Pricing
from quartier.program import Arrays, Highs
from quartier.quantities import Array

EPSILON = 1e-6
"""What neighbourhoods may lose in a worst answer, relative to what they pay."""
SHIFT = 2e-5
"""By how much a price moves at a time, in EUR/kWh."""
SHIFTS = 24
NEAR_KW = 1e-3
"""Differences of power that matter."""

Point = Mapping[str, Array]
"""Columns of each neighbourhood's program, by name."""


@dataclass(frozen=True)
class Worth:
    """What prices earn if neighbourhoods answer at worst.

    Exchange is balanced and contracts are kept all the same.

    Parameters
    ----------
    pricing
        What the player knows.
    models
        Programs of the neighbourhoods, by name; they are left at :attr:`prices`.
    prices
        Prices that were found.
    wanted
        The answer that suits the player.
    """

    pricing: Pricing
    models: Mapping[str, NeighbourhoodModel]
    prices: Prices
    wanted: Point

    def rows(self) -> Iterator[Row]:
        """Rows of the table ``solves``: pessimistic and robust value."""
        before = {name: model.problem for name, model in self.models.items()}
        worst, point = self.worst(self.prices)
        yield {"problem": "bilevel, pessimistic", "status": _status(worst), "objective": worst}
        best, prices = worst, self.prices
        for _ in range(SHIFTS if point else 0):
            prices = self._against(prices, point)
            for name, model in self.models.items():
                model.move(at_prices(before[name], prices))
            worst, point = self.worst(prices)
            best = float(np.fmax(best, worst))
            if not point:
                break
        for name, model in self.models.items():
            model.move(before[name])
        found = "feasible" if np.isfinite(best) else "not found"
        yield {"problem": "bilevel, robust", "status": found, "objective": best}

    def worst(self, prices: Prices) -> tuple[float, Point]:
        """Least profit over balanced answers that cost all together as little as these can.

        Where what is balanced has one price, they are one follower that keeps the balance. None of
        them keeps contracts at a cost: these are the player's, so they stand beside the optimum.

        Parameters
        ----------
        prices
            Prices that the models are at.
        """
        limited, where = self._near()
        cost = self._profit(prices, where, limited.size)
        found = Highs("worst answers", replace(limited, cost=cost, offset=0.0)).solve()
        if not found.found:
            return np.nan, {}
        return found.objective, {name: found.values[at] for name, at in where.items()}

    def as_good(self, less: float) -> tuple[Arrays, dict[str, slice]]:
        """Program of balanced answers that cost as little, and earn as much as what is wanted.

        Parameters
        ----------
        less
            What may be earned less, relative.

        Returns
        -------
        arrays, where
            The program, and columns of each neighbourhood.
        """
        limited, where = self._near()
        earned = self._profit(self.prices, where, limited.size)
        wanted = sum(float(earned[at] @ self.wanted[name]) for name, at in where.items())
        least = wanted - less * max(1.0, abs(wanted))
        row = sparse.csr_array(earned[np.newaxis])
        return limited.with_rows(row, np.array([least]), np.array([np.inf])), where

    def _near(self) -> tuple[Arrays, dict[str, slice]]:
        """Program of balanced answers, contracts kept, that cost next to the least."""
        pricing, models = self.pricing, self.models
        free, _ = together(pricing, models, pricing.balanced)
        arrays, where = together(pricing, models, (*pricing.balanced, *pricing.limited))
        best = Highs("all neighbourhoods", free).needed().objective
        limit = best - arrays.offset + EPSILON * max(1.0, abs(best))
        near = sparse.csr_array(arrays.cost[np.newaxis])
        return arrays.with_rows(near, np.array([-np.inf]), np.array([limit])), where

    def _profit(self, prices: Prices, where: Mapping[str, slice], size: int) -> Array:
        """What the player earns by column."""
        cost = np.zeros(size)
        for carrier, priced in self.pricing.carriers.items():
            market = 0.0 if priced.wholesale_eur_per_kwh is None else priced.wholesale_eur_per_kwh
            for name, model in self.models.items():
                eur = self.pricing.bill_eur(prices[carrier, name] - market, 1.0)
                rows = drawn_rows(carrier, {name: model}, where, self.pricing.steps)
                cost += rows.T @ eur
        return cost

    def _against(self, prices: Prices, point: Point) -> Prices:
        """Prices moved against what neighbourhoods do at worst instead of what is wanted."""
        found, steps = {}, self.pricing.steps
        for carrier, priced in self.pricing.carriers.items():
            strayed = {
                n: drawn_kw_at(carrier, {n: model}, point, steps)
                - drawn_kw_at(carrier, {n: model}, self.wanted, steps)
                for n, model in self.models.items()
            }
            if self.pricing.mode == "uniform":
                strayed = dict.fromkeys(strayed, np.sum(list(strayed.values()), axis=0))
            for name, by_kw in strayed.items():
                sign = np.sign(by_kw) * (np.abs(by_kw) > NEAR_KW)
                moved = prices[carrier, name] + SHIFT * sign
                found[carrier, name] = np.clip(
                    moved, priced.floor_eur_per_kwh, priced.cap_eur_per_kwh
                )
        return found


def _status(value: float) -> str:
    return "optimal" if np.isfinite(value) else "infeasible"
