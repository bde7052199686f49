"""All neighbourhoods in one program at given prices, what is balanced among them balanced (M10).

At wholesale prices it is the plan of one owner (mode I). The multiplier of a balance is the price
at which every neighbourhood, left alone, would do its part: so a price that clears an exchange.
Contract limits are the player's alone: who is left alone does not know them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from quartier.quantities import POWER_TOLERANCE_KW, Array

NEGLIGIBLE = 1e-6
"""Differences of cost that do not matter, relative to it."""
HAIR = 1e-6
"""What neighbourhoods may lose in EUR for a kWh within a contract: what HiGHS can just tell."""


@dataclass(frozen=True)
class Pooled:
    """What the program came to.

    Parameters
    ----------
    answer
        What the solver said.
    prices
        By carrier, shape ``(T,)``: those given, less multipliers of what is held.
    parts
        Columns of each neighbourhood, by name.
    """

    answer: Answer
    prices: Mapping[str, Array]
    parts: Mapping[str, Array]


def priced_at(problem: Problem, prices: Prices) -> Problem:
    """The problem with all neighbourhoods at prices."""
    places = tuple(at_prices(one, prices) for one in problem.neighbourhoods)
    return replace(problem, neighbourhoods=places)


def together(
    pricing: Pricing, models: Mapping[str, NeighbourhoodModel], held: Sequence[str]
) -> tuple[Arrays, dict[str, slice]]:
    """The program of neighbourhoods at the prices that they are at.

    Parameters
    ----------
    held
        Carriers of which exchange is balanced, or contracts are kept.

    Returns
    -------
    arrays, where
        The program, in which rows of what is held come last, one a step; and columns of each
        neighbourhood.
    """
    own = [model.program(model.problem.terms) for model in models.values()]
    ends = np.cumsum([part.size for part in own])
    places = [slice(int(e) - p.size, int(e)) for e, p in zip(ends, own, strict=True)]
    where = dict(zip(models, places, strict=True))
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
    return arrays, where


def solve(
    pricing: Pricing,
    models: Mapping[str, NeighbourhoodModel],
    given: Mapping[str, Array],
    held: Sequence[str],
) -> Pooled:
    """Solve the program of neighbourhoods that are at given prices, 0 of what is balanced.

    Parameters
    ----------
    held
        Carriers of which exchange is balanced, or contracts are kept.

    Raises
    ------
    SolveFailed
        If there is no solution.
    """
    arrays, where = together(pricing, models, held)
    answer = _solved(arrays, models, where)
    found = {**given, **_multipliers(pricing, held, given, _duals(arrays, answer))}
    return Pooled(answer, found, {name: answer.values[at] for name, at in where.items()})


def _solved(
    arrays: Arrays, models: Mapping[str, NeighbourhoodModel], where: Mapping[str, slice]
) -> Answer:
    readings = Readings(
        reading
        for name, model in models.items()
        for reading in model.readings.at(where[name].start).units.values()
    )
    return solved_one_way(MixedProgram("all neighbourhoods", arrays, GAP), readings, GAP)[0]


def _multipliers(
    pricing: Pricing, held: Sequence[str], given: Mapping[str, Array], dual: Array
) -> dict[str, Array]:
    """Prices less multipliers of what is held, whose rows are the last."""
    steps = pricing.steps
    dual = dual[dual.size - len(held) * steps :].reshape(len(held), steps)
    return {c: given[c] - dual[k] / pricing.dt_h for k, c in enumerate(held)}


def within_contracts(
    pricing: Pricing, models: Mapping[str, NeighbourhoodModel], free: Pooled
) -> Pooled:
    """What costs all neighbourhoods as little as what they do freely, and least beyond contracts.

    Who is indifferent obliges the player; who is not does not.
    """
    beyond = [
        pricing.carriers[c].beyond_kw(drawn_kw_at(c, models, free.parts, pricing.steps))
        for c in pricing.limited
    ]
    if not np.any(np.array(beyond) > POWER_TOLERANCE_KW):
        return free
    hair = np.full(pricing.steps, HAIR)
    arrays, where = together(pricing, models, (*pricing.balanced, *pricing.limited))
    loose = loosened(pricing, arrays, dict.fromkeys(pricing.limited, (hair, hair)))
    answer = _solved(loose, models, where)
    values = answer.values[: arrays.size]
    answer = replace(free.answer, values=values, objective=float(arrays.value(values)))
    return Pooled(answer, free.prices, {name: values[at] for name, at in where.items()})


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


def clearing(
    pricing: Pricing,
    models: Mapping[str, NeighbourhoodModel],
    given: Mapping[str, Array],
    pooled: Pooled,
) -> dict[str, Array]:
    """Prices of a program in which exchange alone is held: those that clear it, within floor, cap.

    Multipliers may be ambiguous, and some of them within, others beyond.

    Raises
    ------
    SolveFailed
        If at the given prices none that the player may set clears the exchange.
    """
    found = {**pooled.prices, **_clipped(pricing, pooled.prices)}
    if all(np.abs(found[c] - pooled.prices[c]).max() <= 1e-7 for c in pricing.balanced):
        return found
    return {**found, **_within(pricing, models, given, pooled)}


def _clipped(pricing: Pricing, prices: Mapping[str, Array]) -> dict[str, Array]:
    """Prices of what is balanced, held within floor and cap."""
    own = {c: pricing.carriers[c] for c in pricing.balanced}
    return {c: np.clip(prices[c], p.floor_eur_per_kwh, p.cap_eur_per_kwh) for c, p in own.items()}


def _within(
    pricing: Pricing,
    models: Mapping[str, NeighbourhoodModel],
    given: Mapping[str, Array],
    pooled: Pooled,
) -> dict[str, Array]:
    """Multipliers within floor and cap: of a program that may buy at the cap, sell at the floor.

    They clear the exchange exactly if doing so saves it nothing. With units that switch, at the
    whole numbers of the plan.
    """
    arrays, _ = together(pricing, models, pricing.balanced)
    integers = np.flatnonzero(arrays.integer)
    whole = np.round(pooled.answer.values[integers])
    arrays.lower[integers] = arrays.upper[integers] = whole
    arrays, size = arrays.relaxed(), arrays.size
    least = Highs("all neighbourhoods, balanced", arrays).needed().objective
    own = {c: pricing.carriers[c] for c in pricing.balanced}
    loose = loosened(
        pricing, arrays, {c: (p.cap_eur_per_kwh, -p.floor_eur_per_kwh) for c, p in own.items()}
    )
    answer = Highs("all neighbourhoods, made up for", loose).needed()
    made_up_kw = answer.values[size:].reshape(-1, 2, pricing.steps).max(axis=1)
    if answer.objective < least - _tolerance(least):
        carrier, step = np.unravel_index(int(np.argmax(made_up_kw)), made_up_kw.shape)
        raise SolveFailed(
            f"the exchange of {pricing.balanced[carrier]}",
            "not cleared",
            "At the prices of all else, no price between its floor and its cap clears it in step"
            f" {step}; widen them, or let the player trade it at a market.",
        )
    found = _multipliers(pricing, pricing.balanced, given, answer.row_dual)
    return _clipped(pricing, found)


def loosened(pricing: Pricing, arrays: Arrays, paid: Mapping[str, tuple[Array, Array]]) -> Arrays:
    """A program whose last rows are held at a price only.

    Parameters
    ----------
    paid
        By carrier, in the order of their rows: what a kWh costs that is drawn beyond a row's upper
        limit, and one below its lower limit. Each has a column a step, last, in this order.
    """
    steps = pricing.steps
    first = arrays.matrix.shape[0] - steps * len(paid)
    for prices in paid.values():
        for price, sign in zip(prices, (-1.0, 1.0), strict=True):
            at = (first + np.arange(steps), arrays.size + np.arange(steps))
            arrays = arrays.with_columns(
                pricing.dt_h * price, np.zeros(steps), np.full(steps, np.inf)
            )
            entries = sparse.csr_array((np.full(steps, sign), at), shape=arrays.matrix.shape)
            arrays = replace(arrays, matrix=sparse.csr_array(arrays.matrix + entries))
        first += steps
    return arrays


def _tolerance(cost_eur: float) -> float:
    return NEGLIGIBLE * max(1.0, abs(cost_eur))


def drawn_kw_at(
    carrier: str,
    models: Mapping[str, NeighbourhoodModel],
    parts: Mapping[str, Array],
    steps: int,
) -> Array:
    """What neighbourhoods together draw of a carrier at columns of theirs, shape ``(T,)``."""
    drawn = np.zeros(steps)
    for name, model in models.items():
        for factor, columns in model.drawn(carrier):
            drawn += factor * parts[name][columns]
    return drawn


def solutions(pooled: Pooled, models: Mapping[str, NeighbourhoodModel]) -> dict[str, Solution]:
    """What each neighbourhood does and pays at the prices that its model is at."""
    return {
        name: model.solution_at(pooled.parts[name], pooled.answer, model.problem.terms)
        for name, model in models.items()
    }
