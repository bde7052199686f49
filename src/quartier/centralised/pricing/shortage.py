"""What makes a player's problem impossible, by name: contracts, and demand nobody can serve (M10).

As little as can be is drawn beyond contracts and left unserved, whatever it costs: where that is
more than nothing, no plan and no prices do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from quartier.centralised.pricing.pooled import drawn_kw_at, loosened, together
from quartier.optimisation import NeighbourhoodModel
from quartier.problem import Pricing, Problem
from quartier.program import Highs
from quartier.quantities import Array
from quartier.units.balance import by_node

BEYOND_KW = 1e-3
"""What lacks by less is not worth a word."""
UNSERVED = 100.0
"""What a kWh not served counts beside one beyond a contract: contracts are named first."""


def impossible(problem: Problem, models: Mapping[str, NeighbourhoodModel]) -> str:
    """Say which contracts cannot be kept and which demand cannot be served, when the most.

    Parameters
    ----------
    models
        Programs of the neighbourhoods, by name, at any prices.
    """
    pricing = problem.asks(Pricing)
    arrays, where = together(pricing, models, (*pricing.balanced, *pricing.limited))
    cost = np.zeros(arrays.size)
    for name, model in models.items():
        for node, _ in by_node(model.problem.units):
            cost[where[name].start + model.traded_at(node, "unserved_kw")] = UNSERVED
    one = np.ones(pricing.steps)
    plain = replace(arrays, cost=pricing.dt_h * cost, offset=0.0)
    least = loosened(pricing, plain, dict.fromkeys(pricing.limited, (one, one)))
    answer = Highs("what is impossible", least).needed()
    parts = {name: answer.values[at] for name, at in where.items()}
    kept = [f"Any plan breaks {said}." for said in broken(problem, models, parts)]
    return " ".join([*kept, *_unserved(problem, models, parts)])


def endless_of(problem: Problem) -> str:
    """Say which wholesale prices pay for energy without end, that is lost or thrown away."""
    return " ".join(
        f"problem.carriers.{carrier}: its wholesale price is as low as"
        f" {priced.wholesale_eur_per_kwh.min():g} EUR/kWh, and nothing limits what is bought to be"
        " lost in connections or thrown away; state most_bought_kw."
        for carrier, priced in problem.asks(Pricing).carriers.items()
        if priced.wholesale_eur_per_kwh is not None
        and priced.wholesale_eur_per_kwh.min() < 0
        and priced.most_bought_kw == np.inf
    )


def broken(
    problem: Problem, models: Mapping[str, NeighbourhoodModel], parts: Mapping[str, Array]
) -> Iterator[str]:
    """Say which contracts are broken at columns of the neighbourhoods, when the most, by how much.

    Parameters
    ----------
    parts
        Columns of each neighbourhood, by name.
    """
    pricing, times = problem.asks(Pricing), problem.horizon.times
    for carrier in pricing.limited:
        drawn = drawn_kw_at(carrier, models, parts, pricing.steps)
        beyond = pricing.carriers[carrier].beyond_kw(drawn)
        if beyond.max() <= BEYOND_KW:
            continue
        worst = int(np.argmax(beyond))
        verb, key = ("buy", "most_bought_kw") if drawn[worst] > 0.0 else ("sell", "most_sold_kw")
        yield (
            f"problem.carriers.{carrier}.{key} in {_steps(beyond)}, the most at"
            f" {times[worst]:%Y-%m-%d %H:%M} UTC: the player would {verb} {abs(drawn[worst]):.6g}"
            f" kW, {beyond[worst]:.6g} kW more than its contract allows"
        )


def _unserved(
    problem: Problem, models: Mapping[str, NeighbourhoodModel], parts: Mapping[str, Array]
) -> Iterator[str]:
    times = problem.horizon.times
    for name, model in models.items():
        for node, _ in by_node(model.problem.units):
            lacks = parts[name][model.traded_at(node, "unserved_kw")]
            if lacks.max() > BEYOND_KW:
                worst = int(np.argmax(lacks))
                yield (
                    f"{node.name} lacks {node.carrier} in {_steps(lacks)}, the most at"
                    f" {times[worst]:%Y-%m-%d %H:%M} UTC: {lacks[worst]:.6g} kW, which neither its"
                    " units nor those of others can make."
                )


def _steps(values_kw: Array) -> str:
    return f"{int(np.sum(values_kw > BEYOND_KW))} of {values_kw.size} steps"
