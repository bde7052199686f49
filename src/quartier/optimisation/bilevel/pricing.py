"""Price times quantity in the leader's objective, made linear by the followers' strong duality.

A leader that sets prices x sees `Σ x_t q_t·v` in its objective. If, for one factor α_n per
follower,

    Σ_t x_t q_t·v = Σ_n α_n Σ C_n[k, j] x_k y_j + Σ_t x_t Σ_i β_ti (e_i·v),

with e_i·v = h_i equality rows of the leader (a market balance), then by strong duality of LP
followers

    Σ_t x_t q_t·v = Σ_n α_n (Σ_s b_s μ_s - c_n·y_n) + Σ_t (Σ_i β_ti h_i) x_t,

which is linear, provided that no leader's variable stands in the rows of a follower with α_n ≠ 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import lsqr

from quartier.errors import InputError
from quartier.optimisation.bilevel.duality import leader_terms
from quartier.optimisation.bilevel.placed import Placed
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.system import FollowerForm, System

TOLERANCE = 1e-8
SOURCE = "the leader's objective"


@dataclass(frozen=True)
class Split:
    """The factors α by follower and β by (price column, position of the leader's row)."""

    alpha: tuple[float, ...]
    beta: Mapping[tuple[int, int], float]


def linearise_objective(program: Program, system: System, placed: Sequence[Placed]) -> None:
    """Replace the products in the leader's objective by linear terms in y, μ and x.

    Raises
    ------
    InputError
        If the products are not of the form above; the message names them.
    """
    if not system.products:
        return
    split = split_products(system)
    for alpha, follower in zip(split.alpha, placed, strict=True):
        if alpha:
            _add_value(program, alpha, follower)
    for (t, i), beta in split.beta.items():
        _add(program, t, beta * system.leader.rows[i].lower)


def check_products(system: System) -> None:
    """Refuse products that cannot be made linear, before anything else is asked of a problem.

    Raises
    ------
    InputError
        As :func:`linearise_objective` does.
    """
    if system.products:
        for alpha, form in zip(split_products(system).alpha, system.followers, strict=True):
            if alpha:
                _check_follower(system, form)


def split_products(system: System) -> Split:
    """Find α and β, or raise with the products that cannot be explained."""
    prices = {k for f in system.followers for _, k, _ in f.priced()}
    target: dict[tuple[int, int], float] = {}
    unclear = [(i, j) for i, j in system.products if (i in prices) == (j in prices)]
    if unclear:
        raise InputError([_not_linear(system, unclear)], SOURCE)
    for (i, j), c in system.products.items():
        price = [k for k in (i, j) if k in prices]
        other = j if price[0] == i else i
        target[price[0], other] = target.get((price[0], other), 0.0) + c
    columns = _candidates(system, target)
    alpha, beta = _solve(system, target, columns)
    return Split(alpha, beta)


def _candidates(
    system: System, target: Mapping[tuple[int, int], float]
) -> list[tuple[tuple[int, int], dict[tuple[int, int], float]]]:
    """Columns of the least squares: one per follower, one per price and leader's equality."""
    found: list[tuple[tuple[int, int], dict[tuple[int, int], float]]] = []
    pattern = set(target)
    for n, form in enumerate(system.followers):
        products = {(k, j): c for j, k, c in form.priced()}
        found.append(((-1, n), products))
        pattern |= set(products)
    equalities = [(i, row) for i, row in enumerate(system.leader.rows) if row.is_equality]
    for t in sorted({k for k, _ in pattern}):
        for i, row in equalities:
            if any((t, k) in pattern for k in row.coefs):
                found.append(((t, i), {(t, k): a for k, a in row.coefs.items()}))
    return found


def _solve(
    system: System,
    target: Mapping[tuple[int, int], float],
    columns: list[tuple[tuple[int, int], dict[tuple[int, int], float]]],
) -> tuple[tuple[float, ...], dict[tuple[int, int], float]]:
    pairs = sorted(set(target).union(*(c for _, c in columns)))
    at = {pair: n for n, pair in enumerate(pairs)}
    entries = [(at[p], n, a) for n, (_, c) in enumerate(columns) for p, a in c.items()]
    rows, places, values = zip(*entries, strict=True) if entries else ((), (), ())
    a = coo_array((values, (rows, places)), shape=(len(pairs), len(columns))).tocsr()
    b = np.array([target.get(p, 0.0) for p in pairs])
    x = lsqr(a, b, atol=1e-14, btol=1e-14, iter_lim=100 * (len(pairs) + len(columns)))[0]
    x = np.where(np.abs(x) < TOLERANCE, 0.0, x)
    off = np.abs(a @ x - b)
    if off.max(initial=0.0) > TOLERANCE * max(1.0, np.abs(b).max(initial=0.0)):
        wrong = [pairs[n] for n in np.flatnonzero(off > TOLERANCE)]
        raise InputError([_not_linear(system, wrong)], SOURCE)
    alpha = [0.0] * len(system.followers)
    beta: dict[tuple[int, int], float] = {}
    for (key, _), value in zip(columns, x, strict=True):
        if key[0] == -1:
            alpha[key[1]] = float(value)
        elif value:
            beta[key] = float(value)
    return tuple(alpha), beta


def _add_value(program: Program, alpha: float, placed: Placed) -> None:
    """Add `α (worth of the dual - c·y)`, the follower's price-dependent part."""
    form, (split, columns) = placed.conditions.form, placed.split(program)
    program.offset += alpha * split.constant
    for k, worth in zip(columns.tolist(), split.worth.tolist(), strict=True):
        _add(program, k, alpha * worth)
    for k, c in zip(form.columns.tolist(), form.cost.tolist(), strict=True):
        _add(program, k, -alpha * c)


def _check_follower(system: System, form: FollowerForm) -> None:
    if not form.is_linear:
        raise InputError(
            [f"it multiplies prices with quantities of '{form.name}', which is not an LP"], SOURCE
        )
    for i, k, _ in leader_terms(form):
        raise InputError(
            [
                f"its products need strong duality of '{form.name}', but constraint "
                f"'{form.row_names[i]}' holds the leader's variable '{system.leader.names[k]}'"
            ],
            SOURCE,
        )


def _add(program: Program, column: int, cost: float) -> None:
    if cost:
        program.cost[column] = program.cost.get(column, 0.0) + cost


def _not_linear(system: System, pairs: Sequence[tuple[int, int]]) -> str:
    names = system.leader.names
    shown = ", ".join(f"'{names[i]}'·'{names[j]}'" for i, j in pairs[:5])
    return (
        f"the product {shown} is not a price times quantities that the followers' strong duality "
        "and the leader's equality constraints can make linear, and the objective is not convex"
    )
