"""Steps that are accepted whole or not at all: which of them, in one hour (M9).

With such steps there may be no price at which everybody does what suits it best. As in European
day-ahead auctions (EUPHEMIA), all pay one price, steps in parts are cleared by it, and of steps
that are whole

- none is accepted at a loss: nothing is sold below, or bought above, its limit;
- some may be rejected that would gain (paradoxically rejected): else there were no price.

Of all that keep to this, those at least cost are taken: a program with a whole number for every
such step and every price that there may be. It has always a solution, the rejection of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.program import Arrays, Highs
from quartier.quantities import Array

MOST_NODES = 1000
"""Most nodes of the search; without a solution by then, all are rejected."""


@dataclass(frozen=True)
class Divisible:
    """What can be given in parts: price, and most power, shape ``(D,)`` each."""

    price_eur_per_kwh: Array
    most_kw: Array


@dataclass(frozen=True)
class Whole:
    """Steps that are whole, shape ``(W,)`` each, those of a bidder one after the other."""

    price_eur_per_kwh: Array
    power_kw: Array
    owner: NDArray[np.int64]
    """Number of the bidder."""
    sells: NDArray[np.bool_]
    """Whether a step ends above zero: then it is rejected if it is not filled. Else it buys up to
    its price, and is rejected if it is filled."""

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """Which are filled if none is accepted."""
        return np.asarray(~self.sells)


def filled(divisible: Divisible, whole: Whole, needed_kw: float) -> NDArray[np.bool_]:
    """Which whole steps are filled, at least cost, shape ``(W,)``.

    Parameters
    ----------
    needed_kw
        What all together have to give.
    """
    prices = np.unique(np.concatenate([divisible.price_eur_per_kwh, whole.price_eur_per_kwh]))
    unit = max(float(divisible.most_kw.max(initial=0.0)), float(whole.power_kw.max()))
    program = _program(divisible, whole, needed_kw, prices, unit)
    options = {"mip_max_nodes": MOST_NODES, "mip_rel_gap": 0.0, "mip_abs_gap": 1e-9}
    answer = Highs("auction, indivisible steps", program, options).solve()
    if not answer.found:
        return whole.rejected
    first = divisible.most_kw.size
    return np.asarray(answer.values[first : first + whole.power_kw.size] > 0.5)


def _program(
    divisible: Divisible, whole: Whole, needed_kw: float, prices: Array, unit: float
) -> Arrays:
    """``min Σ π f + Σ π s z``, balanced, at one of the prices; powers in ``unit``.

    Columns: powers f in parts, whole steps z, and y, 1 at the price of the hour.
    """
    most, size = divisible.most_kw / unit, whole.power_kw / unit
    d, w, c = most.size, size.size, prices.size
    above = (prices > divisible.price_eur_per_kwh[:, None]).astype(float)
    upto = (prices >= divisible.price_eur_per_kwh[:, None]).astype(float)
    over = (prices > whole.price_eur_per_kwh[:, None]).astype(float)
    at_least = (prices >= whole.price_eur_per_kwh[:, None]).astype(float)
    sells, eye = whole.sells, sparse.eye_array(w, format="csr")
    next_of = np.flatnonzero(whole.owner[1:] == whole.owner[:-1])
    order = eye[next_of] - eye[next_of + 1]
    one_d = sparse.eye_array(d)
    rows = [
        [np.ones((1, d)), size[None], np.zeros((1, c))],
        [np.zeros((1, d)), np.zeros((1, w)), np.ones((1, c))],
        [one_d, None, -most[:, None] * above],
        [-one_d, None, most[:, None] * upto],
        [None, -eye[sells], at_least[sells]],
        [None, eye[~sells], -over[~sells]],
        [None, order, None],
    ]
    rows = [row for row in rows if all(part is None or part.shape[0] for part in row)]
    matrix = sparse.csr_array(sparse.block_array(rows))
    low = np.zeros(matrix.shape[0])
    high = np.full(matrix.shape[0], np.inf)
    low[:2] = high[:2] = (needed_kw / unit, 1.0)
    ones = np.ones(w + c)
    return Arrays(
        cost=np.concatenate(
            [divisible.price_eur_per_kwh, whole.price_eur_per_kwh * size, np.zeros(c)]
        ),
        lower=np.zeros(d + w + c),
        upper=np.concatenate([most, ones]),
        integer=np.concatenate([np.zeros(d, dtype=bool), ones.astype(bool)]),
        matrix=matrix,
        row_lower=low,
        row_upper=high,
    )
