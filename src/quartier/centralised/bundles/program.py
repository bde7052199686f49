"""The program of who offers bundles, and what an answer to it says (M11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quartier.centralised.bundles.technical import Technical
from quartier.optimisation import pyo
from quartier.optimisation.compiled import Compiled
from quartier.optimisation.sized import DayTerms
from quartier.problem.bundles import Bundles
from quartier.program import Answer, Highs
from quartier.quantities import Array

EXACT: Mapping[str, Any] = {"mip_rel_gap": 1e-9, "mip_abs_gap": 1e-6}
Price = tuple[int, str]
"""Bundle and carrier."""


@dataclass(frozen=True)
class Offered:
    """What the supplier offers, and what comes of it."""

    profit_eur: float
    """In a year."""
    bound_eur: float
    """No offer can bring more."""
    prices_eur_per_kwh: Mapping[Price, float]
    covers: tuple[int, ...]
    """Cover of each group, by its number."""
    bills_eur: tuple[float, ...]
    """What each group pays in a year, to supplier and competitor together."""
    system_eur: float
    """What the system costs in a year."""
    sizes: Mapping[str, float]
    status: str
    wall_s: float
    trace: tuple[tuple[float, float], ...] = field(default=())
    """Upper and lower bound after every round of cuts, in EUR."""
    controls: tuple[Mapping[str, Mapping[str, Array]], ...] = ()
    """By day, what all of a unit do, by unit and control, shape ``(T,)``."""
    offered: frozenset[int] = frozenset()
    """Bundles that are offered, by their number."""
    begin_kwh: Mapping[str, float] = field(default_factory=dict)
    """Energy of stores with which all days begin, if they do so alike."""


class Model:
    """The supplier's program without the groups' choice, and its columns."""

    def __init__(self, technical: Technical, offers: Bundles) -> None:
        self.offers = offers
        model = self.model = pyo.ConcreteModel(name="bundles")
        groups, covers = range(len(offers.groups)), range(len(offers.covers))
        model.chosen = pyo.Var(groups, covers, domain=pyo.Binary)
        model.once = pyo.Constraint(
            groups, rule=lambda m, u: sum(m.chosen[u, s] for s in covers) == 1
        )
        most = dict(zip(offers.carriers, offers.most_eur_per_kwh.tolist(), strict=True))
        model.price = pyo.Var(offers.priced, bounds=lambda _, b, c: (0.0, most[c]))
        self.takes = {
            (u, b): sum(model.chosen[u, s] for s in covers if b in offers.covers[s].bundles)
            for u in groups
            for b in range(len(offers.bundles))
        }
        self._add_rule(most)
        served = {
            (u, c): sum(self.takes[u, b] for b, _ in _with(offers, c))
            for u in groups
            for c in offers.carriers
        }
        self.terms: list[DayTerms] = technical.add(model, served) or []

    def _add_rule(self, most: Mapping[str, float]) -> None:
        """Discounts of larger bundles; one that is not offered owes none, and nobody takes it."""
        offers, model = self.offers, self.model
        numbers = range(len(offers.bundles))
        model.offered = pyo.Var(numbers, domain=pyo.Binary)
        if offers.rule != "optional":
            for b in numbers:
                model.offered[b].fix(1)
        if offers.rule == "none":
            return
        model.discount = pyo.ConstraintList()
        for larger, smaller in offers.discounts:
            left = most[larger[1]] * (2 - model.offered[larger[0]] - model.offered[smaller[0]])
            model.discount.add(model.price[larger] <= offers.discount * model.price[smaller] + left)
        model.taken = pyo.ConstraintList()
        for (_, b), taken in self.takes.items():
            model.taken.add(taken <= model.offered[b])

    def bill(self, group: int, cover: int) -> Any:
        """What a group pays by a cover, in EUR."""
        offers = self.offers
        chosen = offers.covers[cover]
        bought = sum(
            offers.need_kwh(group, c) * self.model.price[b, c]
            for b in chosen.bundles
            for c in offers.bundles[b]
        )
        return bought + float(offers.outside_eur[group, cover])

    def least(self, group: int, cover: int) -> Any:
        """What a group pays at most, since it could have a cover: more, if that is not offered."""
        missing = sum(1 - self.model.offered[b] for b in self.offers.covers[cover].bundles)
        return self.bill(group, cover) + self.offers.most_eur(group) * missing

    def outside(self, group: int) -> Any:
        """What the competitor gets of a group, in EUR."""
        return sum(
            float(eur) * self.model.chosen[group, s]
            for s, eur in enumerate(self.offers.outside_eur[group])
        )


def _with(offers: Bundles, carrier: str) -> Iterator[Price]:
    return ((b, c) for b, c in offers.priced if c == carrier)


class Program:
    """The program of a model, compiled once."""

    def __init__(self, name: str, own: Model) -> None:
        self._own, model = own, own.model
        self._compiled = Compiled(model)
        self._highs = Highs(name, self._compiled.arrays, EXACT)
        offers = own.offers
        self._chosen = np.array(
            [
                self._compiled.index(model.chosen[u, s] for s in range(len(offers.covers)))
                for u in range(len(offers.groups))
            ]
        )
        free = [model.offered[b] for b in model.offered if not model.offered[b].fixed]
        self._open = [b for b in model.offered if not model.offered[b].fixed]
        self._offered = self._compiled.index(free)
        self._priced = [p for p in offers.priced if self._compiled.holds(model.price[p])]
        self._price = self._compiled.index(model.price[p] for p in self._priced)
        self._sizes = self._compiled.index(model.size.values())
        self._system = self._compiled.linear(model.system_eur)

    def solve(self) -> Answer:
        """Solve it as it stands."""
        return self._highs.needed("No system can serve what is needed; see nodes and investments.")

    def cut(self, expression: Any) -> None:
        """Ask for ``expression <= 0``."""
        row, constant = self._compiled.linear(expression)
        columns = np.flatnonzero(row)
        self._highs.add_row(columns, row[columns], -np.inf, -constant)

    def prices(self, answer: Answer) -> dict[Price, float]:
        """Unit prices in EUR/kWh; 0 where the program has no use for them."""
        values = answer.values[self._price].tolist()
        return dict.fromkeys(self._own.offers.priced, 0.0) | dict(
            zip(self._priced, values, strict=True)
        )

    def offered(self, answer: Answer) -> frozenset[int]:
        """Bundles that are offered, by their number."""
        shut = {b for b, v in zip(self._open, answer.values[self._offered], strict=True) if v < 0.5}
        return frozenset(self._own.model.offered) - shut

    def covers(self, answer: Answer) -> tuple[int, ...]:
        """Cover of each group."""
        return tuple(answer.values[self._chosen].argmax(axis=1).tolist())

    def answered(self, prices: Mapping[Price, float], covers: tuple[int, ...]) -> Offered | None:
        """What prices bring if groups choose covers; None if nobody can be served so."""
        columns, chosen = self._chosen.ravel(), np.zeros(self._chosen.shape)
        chosen[np.arange(len(covers)), list(covers)] = 1.0
        self._highs.set_bounds(columns, chosen.ravel(), chosen.ravel())
        self._highs.set_cost(self._system[0], offset=self._system[1])
        answer = self._highs.solve()
        if not answer.found:
            return None
        return self.read(answer, np.inf, 0.0, prices)

    def read(
        self,
        answer: Answer,
        bound_eur: float,
        wall_s: float,
        prices: Mapping[Price, float] | None = None,
    ) -> Offered:
        """What an answer says, bills by the groups' own choice at its prices."""
        offers = self._own.offers
        own_prices = dict(prices or self.prices(answer))
        covers = self.covers(answer)
        bills = offers.bills_eur(own_prices)
        paid = tuple(float(bills[u, s]) for u, s in enumerate(covers))
        outside = sum(float(offers.outside_eur[u, s]) for u, s in enumerate(covers))
        system = float(self._system[0] @ answer.values) + self._system[1]
        sizes = answer.values[self._sizes].tolist()
        return Offered(
            profit_eur=sum(paid) - outside - system,
            bound_eur=bound_eur,
            prices_eur_per_kwh=own_prices,
            covers=covers,
            bills_eur=paid,
            system_eur=system,
            sizes=dict(zip(map(str, self._own.model.size), sizes, strict=True)),
            status=answer.status,
            wall_s=wall_s,
            controls=tuple(self._controls(answer, terms) for terms in self._own.terms),
            offered=self.offered(answer),
            begin_kwh=self._begin_kwh(answer),
        )

    def _begin_kwh(self, answer: Answer) -> dict[str, float]:
        begin = getattr(self._own.model, "begin", {})
        return {str(name): self._value(answer, begin[name]) for name in begin}

    def _controls(self, answer: Answer, terms: DayTerms) -> dict[str, dict[str, Array]]:
        """What units do in a day."""
        for name, size in self._own.model.size.items():  # on which fixed controls depend
            size.set_value(self._value(answer, self._own.model.size[name]), skip_validation=True)
        return {
            unit: {
                name: np.array([self._value(answer, value) for value in values])
                for name, values in controls.items()
            }
            for unit, controls in terms.controls.items()
        }

    def _value(self, answer: Answer, quantity: Any) -> float:
        """What a variable comes to, or an expression of sizes."""
        if self._compiled.holds(quantity):
            return float(answer.values[self._compiled.index([quantity])[0]])
        return float(pyo.value(quantity))
