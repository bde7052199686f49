"""What to offer at which price, given that every group then pays least (M11).

``max Σ_u (λ_u - Σ_s k_us z_us) - V(z)``: of a group by the cover ``s`` it chooses (``z_us``) the
supplier gets its bill less what the competitor gets, ``k_us``. The bill ``λ_u`` is the least of
all covers, which takes a binary a cover (:func:`at_once`); or, cut by cut, bills are held against
covers only that a group would rather have taken (:func:`by_cuts`): its bounds close from both
sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
import pyomo.environ as pyo

from quartier.centralised.bundles.technical import Technical
from quartier.errors import SolveFailed
from quartier.optimisation.compiled import Compiled
from quartier.problem.bundles import Bundles
from quartier.program import Answer, Highs
from quartier.quantities import Array

EXACT: Mapping[str, Any] = {"mip_rel_gap": 1e-9, "mip_abs_gap": 1e-6}
SAME_EUR = 1e-3
"""Bills closer than this are the same."""
MOST_ROUNDS = 200

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
    """Upper and lower bound after every round of :func:`by_cuts`, in EUR."""


class _Model:
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
        technical.add(model, served)

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


def at_once(technical: Technical, offers: Bundles) -> Offered:
    """Solve with every group's least bill as rows of the program.

    Raises
    ------
    SolveFailed
        If there is no solution.
    """
    own = _Model(technical, offers)
    model, covers = own.model, range(len(offers.covers))
    groups = range(len(offers.groups))
    model.bill = pyo.Var(groups, domain=pyo.NonNegativeReals)
    model.least = pyo.ConstraintList()
    for u in groups:
        for s in covers:
            bill = own.bill(u, s)
            model.least.add(model.bill[u] <= own.least(u, s))
            model.least.add(bill - model.bill[u] <= offers.most_eur(u) * (1 - model.chosen[u, s]))
    earned = sum(model.bill[u] - own.outside(u) for u in groups)
    model.loss_eur = pyo.Objective(expr=model.system_eur - earned)
    program = _Program("bundles", own)
    answer = program.solve()
    return program.read(answer, -answer.bound, answer.wall_s)


def by_cuts(technical: Technical, offers: Bundles) -> Offered:
    """Solve without the groups' least bills, and add those that a group would rather have.

    The high-point relaxation is the upper bound; what the groups' best answers to its prices leave
    is a lower one. Both are recorded, as seed 004 plots them (it plots objectives of leader and
    followers, which are no bounds of each other).

    Raises
    ------
    SolveFailed
        If there is no solution, or no end to the cuts.
    """
    began = perf_counter()
    own = _Model(technical, offers)
    paid = _add_paid(own)
    groups = range(len(offers.groups))
    earned = sum(paid[u] - own.outside(u) for u in groups)
    own.model.loss_eur = pyo.Objective(expr=own.model.system_eur - earned)
    relaxed = _Program("bundles, high point", own)
    served = _Program("bundles, served", own)
    best: Offered | None = None
    trace: list[tuple[float, float]] = []
    for _ in range(MOST_ROUNDS):
        answer = relaxed.solve()
        prices, taken = relaxed.prices(answer), relaxed.covers(answer)
        bills = offers.bills_eur(prices, relaxed.offered(answer))
        wanted = tuple(_favoured(bills[u], taken[u]) for u in groups)
        found = served.answered(prices, wanted)
        upper = -answer.bound
        if found is not None and (best is None or found.profit_eur > best.profit_eur):
            best = found
        trace.append((upper, -np.inf if best is None else best.profit_eur))
        cuts = [u for u in groups if bills[u, taken[u]] > bills[u, wanted[u]] + SAME_EUR]
        if not cuts:
            assert best is not None
            return _closed(best, upper, trace, perf_counter() - began)
        for u in cuts:
            relaxed.cut(paid[u] - own.least(u, wanted[u]))
    raise SolveFailed("bundles", "no end of cuts", f"{MOST_ROUNDS} rounds were not enough.")


def _add_paid(own: _Model) -> dict[int, Any]:
    """What each group pays by the cover chosen, in EUR: products of price and choice, exact."""
    offers, model = own.offers, own.model
    most = dict(zip(offers.carriers, offers.most_eur_per_kwh.tolist(), strict=True))
    groups = range(len(offers.groups))
    model.paid = pyo.Var(groups, offers.priced, domain=pyo.NonNegativeReals)
    model.product = pyo.ConstraintList()
    for u in groups:
        for b, c in offers.priced:
            paid, price, taken = model.paid[u, b, c], model.price[b, c], own.takes[u, b]
            model.product.add(paid <= most[c] * taken)
            model.product.add(paid <= price)
            model.product.add(paid >= price - most[c] * (1 - taken))
    return {
        u: sum(offers.need_kwh(u, c) * model.paid[u, b, c] for b, c in offers.priced)
        + own.outside(u)
        for u in groups
    }


def _favoured(bills_eur: Array, taken: int) -> int:
    """The cheapest cover; of several, the one that suits the supplier (it is optimistic)."""
    least = int(np.argmin(bills_eur))
    return taken if bills_eur[taken] <= bills_eur[least] + SAME_EUR else least


def _closed(
    best: Offered, bound_eur: float, trace: list[tuple[float, float]], wall_s: float
) -> Offered:
    return replace(best, bound_eur=bound_eur, trace=tuple(trace), wall_s=wall_s)


class _Program:
    """The program of a model, compiled once."""

    def __init__(self, name: str, own: _Model) -> None:
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
        self._price = self._compiled.index(model.price[p] for p in offers.priced)
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
        """Unit prices in EUR/kWh."""
        values = answer.values[self._price].tolist()
        return dict(zip(self._own.offers.priced, values, strict=True))

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
        )
