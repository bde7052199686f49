"""Which of the optimal prices: lowest, highest, or fairest (M8).

At an optimum of the pool's program, multipliers ``ν`` are optimal where they agree with it
(complementary slackness): ``Aᵀν`` is what a column costs where it is between its bounds, at most
that at its lower bound, at least that at its upper one; and a row pulls only where it binds. So
optimal prices are a polytope, and a linear function of them is a linear program. What a
neighbourhood pays in its part of the plan is linear in the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import sparse

from quartier.centralised.sharing.pool import Pool, Pooled
from quartier.problem import Sharing
from quartier.program import Answer, Arrays, Flags, Highs
from quartier.quantities import Array

ACTIVE = 1e-7
"""Distance from a bound, relative to its size, at which a column or a row counts as at it."""


def optimal_prices(pool: Pool[Sharing], pooled: Pooled, alone_eur: Mapping[str, float]) -> Array:
    """Return the price that the scenario asks for among the optimal ones, shape ``(T,)``.

    Parameters
    ----------
    alone_eur
        What each would pay by itself (eq. 1), by neighbourhood.

    Raises
    ------
    SolveFailed
        If no multipliers agree with the solution.
    """
    dual = _multipliers(pooled.arrays, pooled.answer)
    steps, rows = len(pool.coupling.export_eur_per_kwh), pooled.arrays.row_lower.size
    cost = np.zeros(rows)
    if pool.coupling.price == "max-min":
        dual = _with_least_saving(dual, pool, pooled, alone_eur)
        cost = np.append(cost, -1.0)
    else:
        cost[-steps:] = 1.0 if pool.coupling.price == "lowest" else -1.0
    program = Highs("optimal prices", replace(dual, cost=cost))
    return program.needed().values[rows - steps : rows] / pool.coupling.dt_h


def _multipliers(arrays: Arrays, answer: Answer) -> Arrays:
    """The polytope of the multipliers of rows that agree with a solution.

    Those that the solver found are among them: it is as wide as their tolerance.
    """
    x, body = answer.values, arrays.matrix @ answer.values
    at_least, at_most = _at(body, arrays.row_lower), _at(body, arrays.row_upper)
    low, high = _at(x, arrays.lower), _at(x, arrays.upper)
    found = Arrays(
        cost=np.zeros(body.size),
        lower=np.where(at_most, -np.inf, 0.0),
        upper=np.where(at_least, np.inf, 0.0),
        integer=np.zeros(body.size, dtype=bool),
        matrix=sparse.csr_array(arrays.matrix.T),
        row_lower=np.where(low, -np.inf, arrays.cost),
        row_upper=np.where(high, np.inf, arrays.cost),
    )
    known = answer.row_dual
    if not known.size:
        return found
    pull = found.matrix @ known
    return replace(
        found,
        lower=np.minimum(found.lower, known),
        upper=np.maximum(found.upper, known),
        row_lower=np.minimum(found.row_lower, pull),
        row_upper=np.maximum(found.row_upper, pull),
    )


def _at(value: Array, bound: Array) -> Flags:
    """Where a value is at a finite bound."""
    near = np.abs(value - np.where(np.isfinite(bound), bound, 0.0)) <= ACTIVE * (1 + np.abs(value))
    return np.asarray(np.isfinite(bound) & near)


def _with_least_saving(
    dual: Arrays, pool: Pool[Sharing], pooled: Pooled, alone_eur: Mapping[str, float]
) -> Arrays:
    """Add the least saving of a neighbourhood as a column: ``alone - paid(price) >= least``."""
    steps, rows = len(pool.coupling.export_eur_per_kwh), pooled.arrays.row_lower.size
    free = pool.solutions(pooled, np.zeros(steps))
    saved = np.zeros((len(free), rows + 1))
    for k, solution in enumerate(free.values()):
        saved[k, rows - steps : rows] = solution.p_kw
    saved[:, -1] = -1.0
    least = np.array([solution.cost_eur - alone_eur[name] for name, solution in free.items()])
    dual = dual.with_columns(np.zeros(1), np.array([-np.inf]), np.array([np.inf]))
    return dual.with_rows(sparse.csr_array(saved), least, np.full(len(free), np.inf))
