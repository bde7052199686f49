"""What to offer at which price, given that every group then pays least (M11).

``max Σ_u (λ_u - Σ_s k_us z_us) - V(z)``: of a group by the cover ``s`` it chooses (``z_us``) the
supplier gets its bill less what the competitor gets, ``k_us``. The bill ``λ_u`` is the least of
all covers, which takes a binary a cover (:func:`at_once`); or, cut by cut, bills are held against
covers only that a group would rather have taken (:func:`by_cuts`): its bounds close from both
sides.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from quartier.centralised.bundles.program import Model, Offered, Program
from quartier.centralised.bundles.technical import Technical
from quartier.errors import SolveFailed
from quartier.optimisation import pyo
from quartier.problem.bundles import Bundles
from quartier.quantities import Array

SAME_EUR = 1e-3
"""Bills closer than this are the same."""
MOST_ROUNDS = 200


def at_once(technical: Technical, offers: Bundles) -> Offered:
    """Solve with every group's least bill as rows of the program.

    Raises
    ------
    SolveFailed
        If there is no solution.
    """
    own = Model(technical, offers)
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
    program = Program("bundles", own)
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
    own = Model(technical, offers)
    paid = _add_paid(own)
    groups = range(len(offers.groups))
    earned = sum(paid[u] - own.outside(u) for u in groups)
    own.model.loss_eur = pyo.Objective(expr=own.model.system_eur - earned)
    relaxed = Program("bundles, high point", own)
    served = Program("bundles, served", own)
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


def _add_paid(own: Model) -> dict[int, Any]:
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


def at_least_cost(technical: Technical, offers: Bundles) -> Offered:
    """Serve whom it is cheaper to serve than the competitor asks: welfare, whatever prices are.

    Raises
    ------
    SolveFailed
        If there is no solution.
    """
    own = Model(technical, replace(offers, rule="none"))
    outside = sum(own.outside(u) for u in range(len(offers.groups)))
    own.model.cost_eur = pyo.Objective(expr=own.model.system_eur + outside)
    program = Program("welfare", own)
    answer = program.solve()
    return program.read(answer, answer.bound, answer.wall_s)
