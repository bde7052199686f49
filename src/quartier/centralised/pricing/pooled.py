"""All neighbourhoods in one program at given prices, what is balanced among them balanced (M10).

At wholesale prices it is the plan of one owner (mode I). The multiplier of a balance is the price
at which every neighbourhood, left alone, would do its part: so a price that clears an exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from quartier.centralised.pricing.players import Prices, at_prices
from quartier.errors import SolveFailed
from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.optimisation.mixed import MixedProgram
from quartier.optimisation.own_optimum import GAP
from quartier.optimisation.readings import Readings, solved_one_way
from quartier.problem import Pricing, Problem
from quartier.program import Answer, Arrays, Highs, stacked
from quartier.program.arrays import side_by_side
from quartier.quantities import Array


@dataclass(frozen=True)
class Pooled:
    """What the program came to.

    Parameters
    ----------
    answer
        What the solver said.
    prices
        By carrier, shape ``(T,)``: those given, and the multipliers of what is balanced or limited.
    parts
        Columns of each neighbourhood, by name.
    """

    answer: Answer
    prices: Mapping[str, Array]
    parts: Mapping[str, Array]


def models_at(
    problem: Problem, prices: Prices, before: Mapping[str, NeighbourhoodModel] | None = None
) -> dict[str, NeighbourhoodModel]:
    """Programs of the neighbourhoods at prices, by name; those of before are moved on."""
    found = dict(before or {})
    for one in problem.neighbourhoods:
        priced = at_prices(one, prices)
        if one.name in found:
            found[one.name].move(priced)
        else:
            found[one.name] = NeighbourhoodModel(priced)
    return found


def together(
    pricing: Pricing, models: Mapping[str, NeighbourhoodModel]
) -> tuple[Arrays, dict[str, slice], list[str]]:
    """The program of neighbourhoods at the prices that they are at.

    Returns
    -------
    arrays, where, held
        The program; columns of each neighbourhood; and carriers that are balanced or limited, whose
        rows come last, one a step.
    """
    own = [model.program(model.problem.terms) for model in models.values()]
    ends = np.cumsum([part.size for part in own])
    places = [slice(int(e) - p.size, int(e)) for e, p in zip(ends, own, strict=True)]
    where = dict(zip(models, places, strict=True))
    held = [c for c, p in pricing.carriers.items() if p.is_balanced or p.is_limited]
    rows = [side_by_side(own)]
    for carrier in held:
        priced, body = pricing.carriers[carrier], drawn_rows(carrier, models, where, pricing.steps)
        low, high = (
            (0.0, 0.0) if priced.is_balanced else (-priced.most_sold_kw, priced.most_bought_kw)
        )
        rows.append((body, np.full(body.shape[0], low), np.full(body.shape[0], high)))
    matrix, row_lower, row_upper = stacked(rows)
    arrays = Arrays(
        cost=np.concatenate([p.cost for p in own]),
        lower=np.concatenate([p.lower for p in own]),
        upper=np.concatenate([p.upper for p in own]),
        integer=np.concatenate([p.integer for p in own]),
        matrix=matrix,
        row_lower=row_lower,
        row_upper=row_upper,
        offset=sum(p.offset for p in own),
    )
    return arrays, where, held


def solve(
    pricing: Pricing, models: Mapping[str, NeighbourhoodModel], given: Mapping[str, Array]
) -> Pooled:
    """Solve the program of neighbourhoods that are at given prices, 0 of what is balanced.

    Raises
    ------
    SolveFailed
        If there is no solution.
    """
    arrays, where, held = together(pricing, models)
    readings = Readings(
        reading
        for name, model in models.items()
        for reading in model.readings.at(where[name].start).units.values()
    )
    answer, _ = solved_one_way(MixedProgram("all neighbourhoods", arrays, GAP), readings, GAP)
    dual, found, steps = _duals(arrays, answer), dict(given), pricing.steps
    dual = dual[dual.size - len(held) * steps :]
    for k, carrier in enumerate(held):
        found[carrier] = given[carrier] - dual[k * steps : (k + 1) * steps] / pricing.dt_h
    return Pooled(answer, found, {name: answer.values[at] for name, at in where.items()})


def drawn_rows(
    carrier: str,
    models: Mapping[str, NeighbourhoodModel],
    where: Mapping[str, slice],
    steps: int,
) -> sparse.csr_array:
    """Rows of what neighbourhoods together draw of a carrier, one a step."""
    size = max(place.stop for place in where.values())
    rows = sparse.csr_array((steps, size))
    for name, model in models.items():
        for factor, columns in model.drawn(carrier):
            at = (np.arange(steps), where[name].start + columns)
            rows = rows + sparse.csr_array((np.full(steps, factor), at), shape=(steps, size))
    return rows


def _duals(arrays: Arrays, answer: Answer) -> Array:
    """Multipliers of the rows; of a search, those of the linear program at its whole numbers."""
    if answer.row_dual.size:
        return answer.row_dual
    return Highs("all neighbourhoods, relaxed", arrays.relaxed()).needed().row_dual


def clearing(pricing: Pricing, pooled: Pooled) -> dict[str, Array]:
    """Prices of a program, those that clear an exchange held within floor and cap.

    Raises
    ------
    SolveFailed
        If one lies outside: no price that the player may set clears the exchange.
    """
    found = dict(pooled.prices)
    for carrier in pricing.balanced:
        low, high = (
            getattr(pricing.carriers[carrier], f"{n}_eur_per_kwh") for n in ("floor", "cap")
        )
        beyond = np.maximum(low - found[carrier], found[carrier] - high)
        if beyond.max() > 1e-7:
            raise SolveFailed(
                f"the exchange of {carrier}",
                "infeasible",
                f"No price between floor and cap clears it in step {int(np.argmax(beyond))};"
                " raise its cap, or let the player buy it at a market.",
            )
        found[carrier] = np.clip(found[carrier], low, high)
    return found


def solutions(pooled: Pooled, models: Mapping[str, NeighbourhoodModel]) -> dict[str, Solution]:
    """What each neighbourhood does and pays at the prices that its model is at."""
    return {
        name: model.solution_at(pooled.parts[name], pooled.answer, model.problem.terms)
        for name, model in models.items()
    }
