"""Bundles: a supplier offers carriers together, user groups meet their needs as they like (M11).

Who takes part: the supplier, who sets the unit prices of carriers in bundles and sizes the units
that serve them; groups of users, who pay least; a competitor, who sells every carrier alone. A
*cover* is a way of a group to meet each of its needs once, by bundles and the competitor. Seed 004
(thesis), with its errors corrected: its revenue lacks the days' weights, its 2.8.1 forbids the two
bundles that 2.7 allows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from quartier.quantities import Array

Rule = Literal["mandatory", "optional", "none"]


@dataclass(frozen=True)
class Cover:
    """A way to meet all needs: bundles, by their number, and what is left to the competitor."""

    bundles: tuple[int, ...]
    outside: tuple[str, ...]


@dataclass(frozen=True)
class Bundles:
    """What is offered to whom, shapes by groups ``U``, carriers ``E`` and bundles ``B``.

    Parameters
    ----------
    demand_kwh
        Needs of a group in a year, shape ``(U, E)``.
    outside_eur_per_kwh
        Prices of the competitor, shape ``(U, E)``.
    most_eur_per_kwh
        Greatest unit price, shape ``(E,)``.
    discount
        ``α``: the unit price of a carrier in a larger bundle is at most this share of that in a
        smaller one.
    rule
        Whether that holds for all bundles (``mandatory``), for those that are offered
        (``optional``), or for none. All bundles are offered but where it is ``optional``.
    """

    groups: tuple[str, ...]
    carriers: tuple[str, ...]
    bundles: tuple[tuple[str, ...], ...]
    demand_kwh: Array
    outside_eur_per_kwh: Array
    most_eur_per_kwh: Array
    discount: float = 0.95
    rule: Rule = "mandatory"

    @cached_property
    def covers(self) -> tuple[Cover, ...]:
        """All ways to meet each need once, the competitor alone first."""
        numbers = range(len(self.bundles))
        return tuple(
            Cover(chosen, tuple(c for c in self.carriers if c not in taken))
            for count in range(len(self.carriers) + 1)
            for chosen in combinations(numbers, count)
            if len(taken := [c for b in chosen for c in self.bundles[b]]) == len(set(taken))
        )

    @cached_property
    def priced(self) -> tuple[tuple[int, str], ...]:
        """Bundle and carrier of every unit price."""
        return tuple((b, c) for b, carriers in enumerate(self.bundles) for c in carriers)

    @property
    def discounts(self) -> Iterator[tuple[tuple[int, str], tuple[int, str]]]:
        """Prices of which the former is bound by the latter, that of a smaller bundle."""
        for larger, carrier in self.priced:
            for smaller, other in self.priced:
                if other == carrier and len(self.bundles[larger]) > len(self.bundles[smaller]):
                    yield (larger, carrier), (smaller, carrier)

    def need_kwh(self, group: int, carrier: str) -> float:
        """What a group needs of a carrier in a year."""
        return float(self.demand_kwh[group, self.carriers.index(carrier)])

    @cached_property
    def outside_eur(self) -> Array:
        """What the competitor gets of a group by a cover in a year, shape ``(U, S)``."""
        cost = self.demand_kwh * self.outside_eur_per_kwh
        left = [[c in cover.outside for c in self.carriers] for cover in self.covers]
        return np.asarray(cost @ np.array(left, dtype=float).T)

    def bills_eur(
        self, prices: Mapping[tuple[int, str], float], offered: Collection[int] | None = None
    ) -> Array:
        """What a group pays by a cover in a year at unit prices, shape ``(U, S)``.

        Parameters
        ----------
        offered
            Bundles that are offered, all if None; a cover with another one costs without end.
        """
        bought = [
            [
                sum(
                    prices[b, c] * self.need_kwh(u, c)
                    for b in cover.bundles
                    for c in self.bundles[b]
                )
                for cover in self.covers
            ]
            for u in range(len(self.groups))
        ]
        found = np.asarray(bought, dtype=float) + self.outside_eur
        if offered is not None:
            lacking = [not set(cover.bundles) <= set(offered) for cover in self.covers]
            found[:, lacking] = np.inf
        return found

    def most_eur(self, group: int) -> float:
        """More than any cover can cost a group more than another one: ``k + Σ r_max D``."""
        return float(self.outside_eur[group].max() + self.demand_kwh[group] @ self.most_eur_per_kwh)
