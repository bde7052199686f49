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
from typing import ClassVar, Literal

import numpy as np

from quartier.problem.coupling import Coupling
from quartier.quantities import Array
from quartier.scenario.bundles_asked import CONNECTION, BundlesAsked, InvestmentSettings
from quartier.scenario.bundles_data import InDays

Rule = Literal["mandatory", "optional", "none"]
OPERATOR = "bundle operator"
"""Party: who offers bundles and owns the system."""
COMPETITOR = "the competitor"
"""Party: who sells each carrier alone."""


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
    names: tuple[str, ...] = ()
    """Names of the bundles, for readers."""

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


@dataclass(frozen=True)
class Investment:
    """What one unit costs, and how many there may be.

    Parameters
    ----------
    capital_eur
        What it costs to build.
    life_years
        Over which it is paid back.
    upkeep_eur
        Operation and maintenance in a year.
    most
        Most that may be built; None: any number.
    least
        Least: those that are there already.
    """

    capital_eur: float
    life_years: float
    upkeep_eur: float
    most: float | None = None
    least: float = 0.0

    @classmethod
    def of(cls, asked: InvestmentSettings | None, most: float | None = None) -> Investment:
        """As settings say; without any, what is there for nothing: ``most`` of it, or any."""
        if asked is None:
            return cls(0.0, 1.0, 0.0, most, most or 0.0)
        return cls(asked.capital_eur, asked.life_years, asked.upkeep_eur, asked.most)

    def annual_eur(self, interest: float) -> float:
        """Capital recovery ``i (1 + i)^n / ((1 + i)^n - 1)`` of its capital, and its upkeep."""
        if not interest:
            return self.capital_eur / self.life_years + self.upkeep_eur
        grown = float((1 + interest) ** self.life_years)
        return self.capital_eur * interest * grown / (grown - 1) + self.upkeep_eur


@dataclass(frozen=True)
class Bundling(Coupling):
    """One system, coupled with user groups by what its operator offers.

    Parameters
    ----------
    offers
        What is offered to whom.
    needs_kw
        By day, needs of the groups by carrier, shape ``(U, T)``.
    weights
        How many days of the year each stands for, shape ``(D,)``.
    investments
        By unit, and :data:`CONNECTION`, a kW of the connection to the grid.
    serves
        Carrier that a needed one is sold as.
    grid_co2_kg_per_kwh
        Emissions of what is drawn from the grid.
    """

    kind: ClassVar[str] = "bundles"
    coordinator: ClassVar[str] = OPERATOR
    answers: ClassVar[frozenset[str]] = frozenset()
    tables: ClassVar[tuple[str, ...]] = ("offers", "rounds", "sizes")

    offers: Bundles
    needs_kw: tuple[Mapping[str, Array], ...]
    weights: Array
    investments: Mapping[str, Investment]
    serves: Mapping[str, str]
    interest: float
    co2_eur_per_kg: float
    grid_co2_kg_per_kwh: float
    method: str = "direct"

    @classmethod
    def of(cls, asked: BundlesAsked, found: InDays, grid_co2_kg_per_kwh: float) -> Bundling:
        """What a scenario asks for, with its data."""
        days, groups = len(found.weights), tuple(asked.groups)
        nothing = np.zeros(found.horizon.steps)
        whole = {
            carrier: np.array([found.needs_kw.get((u, carrier), nothing) for u in groups])
            for carrier in asked.serves
            if any((u, carrier) in found.needs_kw for u in groups)
        }
        needs = tuple(
            {c: np.split(values, days, axis=1)[d] for c, values in whole.items()}
            for d in range(days)
        )
        sizes = {
            unit.name: Investment.of(asked.sizes.get(unit.name.partition(".")[2]), 1.0)
            for unit in found.units
        }
        return cls(
            offers=_offers(asked, needs, found),
            needs_kw=needs,
            weights=found.weights,
            investments={**sizes, CONNECTION: Investment.of(asked.connection)},
            serves=asked.serves,
            interest=asked.interest,
            co2_eur_per_kg=asked.co2_eur_per_kg,
            grid_co2_kg_per_kwh=grid_co2_kg_per_kwh,
            method=asked.method,
        )


def _offers(
    asked: BundlesAsked, needs_kw: tuple[Mapping[str, Array], ...], found: InDays
) -> Bundles:
    """What is offered to whom; energies of a year are those of the weighted days."""
    groups, carriers = tuple(asked.groups), tuple(asked.sold)
    demand_kwh = np.zeros((len(groups), len(carriers)))
    for day, weight in zip(needs_kw, found.weights, strict=True):
        for carrier, values in day.items():
            column = carriers.index(asked.serves[carrier])
            demand_kwh[:, column] += weight * found.horizon.dt_h * values.sum(axis=1)
    outside = [
        [group.outside_eur_per_kwh.get(c, 0.0) for c in carriers] for group in asked.groups.values()
    ]
    most = [settings.most_eur_per_kwh or 0.0 for settings in asked.sold.values()]
    return Bundles(
        groups,
        carriers,
        tuple(map(tuple, asked.bundles.values())),
        demand_kwh,
        np.array(outside, dtype=float),
        np.array(most, dtype=float),
        asked.discount,
        asked.rule,
        tuple(asked.bundles),
    )
