"""Steps that are accepted whole or not at all: which of them, in one hour (M9).

With such steps there may be no price at which everybody does what suits it best. As in European
day-ahead auctions (EUPHEMIA), all pay one price, steps in parts are cleared by it, and of steps
that are whole

- none is accepted at a loss: nothing is sold below, or bought above, its limit;
- some may be rejected that would gain (paradoxically rejected): else there were no price.

Of all that keep to this, those at least cost are taken: a program with a whole number for every
such step and every price that there may be. It has always a solution, the rejection of all of them.

With zones each has a price; a line carries all it can to where power is dearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.problem import ZonedSupply
from quartier.program import Arrays, Highs, Indices
from quartier.quantities import Array

MOST_NODES = 1000
"""Most nodes of the search; without a solution by then, all are rejected."""


@dataclass(frozen=True)
class Divisible:
    """What can be given in parts: price, most power, and zone, shape ``(D,)`` each."""

    price_eur_per_kwh: Array
    most_kw: Array
    zone: Indices


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
    zone: Indices

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """Which are filled if none is accepted."""
        return np.asarray(~self.sells)


@dataclass(frozen=True)
class Wires:
    """Lines between zones, shape ``(L,)`` each; none, where there is one zone."""

    start: Indices
    end: Indices
    most_kw: Array
    back_kw: Array

    @classmethod
    def of(cls, supply: ZonedSupply) -> Wires:
        """The lines of a supply."""
        at, lines = supply.zones.index, supply.lines
        return cls(
            np.array([at(line.start) for line in lines], dtype=np.int64),
            np.array([at(line.end) for line in lines], dtype=np.int64),
            np.array([line.most_kw for line in lines]),
            np.array([line.back_kw for line in lines]),
        )

    def scaled(self, unit: float, end: float) -> Wires:
        """The same in another unit, and none with more power than there is."""
        most, back = (np.minimum(kw / unit, end) for kw in (self.most_kw, self.back_kw))
        return Wires(self.start, self.end, most, back)

    # -- rows of a program; its columns: power, full forth, full back -----------------------------
    def carried(self, zones: int) -> Array:
        """What reaches every zone, shape ``(Z, 3 L)``."""
        net = _in(self.end, zones).T - _in(self.start, zones).T
        return np.concatenate([net, 0 * net, 0 * net], axis=1)

    def where_dearer(self, zones: int, prices: int) -> tuple[sparse.csr_array, sparse.csr_array]:
        """A line is full forth if its end is dearer, back if its start is: at least 0."""
        upto = sparse.csr_array(np.tri(prices - 1, prices))  # whether a zone is no dearer
        net = _in(self.end, zones) - _in(self.start, zones)
        told = sparse.kron(np.concatenate([net, -net]), upto, format="csr")
        full = sparse.kron(sparse.eye_array(2 * net.shape[0]), np.ones((prices - 1, 1)))
        none = sparse.csr_array((full.shape[0], net.shape[0]))
        return told, sparse.csr_array(sparse.hstack([none, full]))

    def filled_up(self) -> Array:
        """Power of a full line, shape ``(2 L, 3 L)``: at least ``-back``, and ``-most``."""
        eye, room = np.eye(self.most_kw.size), np.diag(self.most_kw + self.back_kw)
        return np.block([[eye, -room, 0 * eye], [-eye, 0 * eye, -room]])


NO_WIRES = Wires(*(np.zeros(0, dtype=np.int64),) * 2, *(np.zeros(0),) * 2)


def filled(
    divisible: Divisible, whole: Whole, needed_kw: Array, wires: Wires = NO_WIRES
) -> NDArray[np.bool_]:
    """Which whole steps are filled, at least cost, shape ``(W,)``.

    Parameters
    ----------
    needed_kw
        What all together have to give in each zone, shape ``(Z,)``.
    """
    prices = np.unique(np.concatenate([divisible.price_eur_per_kwh, whole.price_eur_per_kwh]))
    unit = max(float(divisible.most_kw.max(initial=0.0)), float(whole.power_kw.max()))
    program = _program(divisible, whole, needed_kw, wires, prices, unit)
    options = {"mip_max_nodes": MOST_NODES, "mip_rel_gap": 0.0, "mip_abs_gap": 1e-9}
    answer = Highs("auction, indivisible steps", program, options).solve()
    if not answer.found:
        return whole.rejected
    first = divisible.most_kw.size
    return np.asarray(answer.values[first : first + whole.power_kw.size] > 0.5)


def _program(
    divisible: Divisible, whole: Whole, needed_kw: Array, wires: Wires, prices: Array, unit: float
) -> Arrays:
    """``min Σ π f + Σ π s z``, every zone balanced, at one of the prices; powers in ``unit``.

    Columns: powers f in parts, whole steps z, y, 1 at the price of the hour in its zone, and of
    every line its power, and whether it is full forth, and back.
    """
    most, size = divisible.most_kw / unit, whole.power_kw / unit
    d, w, k, c = most.size, size.size, needed_kw.size, prices.size
    above = (prices > divisible.price_eur_per_kwh[:, None]).astype(float)
    upto = (prices >= divisible.price_eur_per_kwh[:, None]).astype(float)
    over = (prices > whole.price_eur_per_kwh[:, None]).astype(float)
    at_least = (prices >= whole.price_eur_per_kwh[:, None]).astype(float)
    sells, eye = whole.sells, sparse.eye_array(w, format="csr")
    next_of = np.flatnonzero(whole.owner[1:] == whole.owner[:-1])
    order = eye[next_of] - eye[next_of + 1]
    one_d, zone_d, zone_w = sparse.eye_array(d), _in(divisible.zone, k), _in(whole.zone, k)
    end = float(most.sum() + size.sum() + np.abs(needed_kw).sum() / unit)  # nothing carries more
    cable = wires.scaled(unit, end)
    rows: list[list[Any]] = [
        [zone_d.T, zone_w.T * size, None, cable.carried(k)],
        [None, None, sparse.kron(sparse.eye_array(k), np.ones((1, c))), None],
        [one_d, None, _beside(zone_d, -most[:, None] * above), None],
        [-one_d, None, _beside(zone_d, most[:, None] * upto), None],
        [None, -eye[sells], _beside(zone_w[sells], at_least[sells]), None],
        [None, eye[~sells], _beside(zone_w[~sells], -over[~sells]), None],
        [None, order, None, None],
        [None, None, *cable.where_dearer(k, c)],
        [None, None, None, cable.filled_up()],
    ]
    rows = [row for row in rows if all(part is None or part.shape[0] for part in row)]
    matrix = sparse.csr_array(sparse.block_array(rows))
    low = np.zeros(matrix.shape[0])
    high = np.full(matrix.shape[0], np.inf)
    low[: 2 * k] = high[: 2 * k] = np.concatenate([needed_kw / unit, np.ones(k)])
    limits = np.concatenate([cable.back_kw, cable.most_kw])
    low[low.size - limits.size :] = -limits
    lines, ones = cable.most_kw.size, np.ones(w + k * c)
    full = np.ones(2 * lines)
    return Arrays(
        cost=np.concatenate(
            [
                divisible.price_eur_per_kwh,
                whole.price_eur_per_kwh * size,
                np.zeros(k * c + 3 * lines),
            ]
        ),
        lower=np.concatenate([np.zeros(d + w + k * c), -cable.back_kw, 0 * full]),
        upper=np.concatenate([most, ones, cable.most_kw, full]),
        integer=np.concatenate([np.zeros(d), ones, np.zeros(lines), full]).astype(bool),
        matrix=matrix,
        row_lower=low,
        row_upper=high,
    )


def _in(zone: Indices, zones: int) -> Array:
    """1 where something is in a zone, shape ``(n, Z)``."""
    return np.asarray((zone[:, None] == np.arange(zones)).astype(float))


def _beside(zones: Array, by_price: Array) -> Array:
    """A figure of every price, in the columns of the own zone only, shape ``(n, Z C)``."""
    columns = zones.shape[1] * by_price.shape[1]
    found = (zones[:, :, None] * by_price[:, None, :]).reshape(len(by_price), columns)
    return np.asarray(found)
