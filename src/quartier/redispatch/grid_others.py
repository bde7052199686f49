"""What a grid operator decides by itself beside answers: plants, losses, imports, limits (M9).

Its rows and costs are those of :mod:`quartier.redispatch.joint`; their multipliers are the prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import sparse

from quartier.optimisation.prices import Response
from quartier.program import Arrays
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.answered import Answered
from quartier.redispatch.joint import Joint
from quartier.redispatch.linear_grid import LinearGrid

BROKEN_EUR_PER_KWH = 10.0
"""What the price of a limit comes to at most, at the connection point that acts on it most."""

CONE = 1e-9
"""Reduced cost in EUR/kW, of what has no upper bound, that is rounding."""


class GridOthers:
    """What the grid operator decides by itself at one linearisation: plants, losses, imports.

    Its prices are multipliers of its rows, shape ``(R,)``: positive at a lower side, negative at an
    upper one.

    Parameters
    ----------
    count
        Number of neighbourhoods.
    import_price_eur_per_kwh
        Price of the CO2 of imports (U2), shape ``(T,)``.
    """

    def __init__(self, grid: LinearGrid, count: int, import_price_eur_per_kwh: Array) -> None:
        self.grid, self.count = grid, count
        self._import_price = import_price_eur_per_kwh
        self._keys = list(zip(grid.rows.step.tolist(), grid.rows.element.tolist(), strict=True))
        steps = grid.assets.shape[0]
        nothing = Answered([Response(np.zeros(steps), 0.0, 0.0)])
        self.joint = self.of([nothing] * count)
        arrays, first = self.joint.arrays(), count * nothing.arrays.row_lower.size
        own = self.joint.layout.members[-1].stop
        self._matrix = arrays.matrix[first:]
        self._low, self._high = arrays.row_lower[first:], arrays.row_upper[first:]
        self._own = replace(
            arrays.select(np.arange(arrays.size) >= own, np.arange(arrays.row_lower.size) >= first),
            offset=arrays.offset,
        )
        self._exported = [where.start + nothing.exported for where in self.joint.layout.members]

    def of(self, members: Sequence[Answered]) -> Joint[Answered]:
        """The grid operator's program with these answers of the neighbourhoods."""
        return Joint(self.grid, members, self._import_price)

    @property
    def rows(self) -> int:
        """Number of its rows."""
        return self._low.size

    @property
    def dt_h(self) -> float:
        """Length of a step in hours."""
        return self.grid.assets.dt_h

    @property
    def middle_eur_per_kwh(self) -> Array:
        """Multipliers to begin with: nothing is scarce."""
        return np.zeros(self.rows)

    def kept(self, price_eur_per_kwh: Array) -> Array:
        """The nearest multipliers of the right sign."""
        y = np.where(np.isinf(self._high), np.maximum(price_eur_per_kwh, 0.0), price_eur_per_kwh)
        return np.asarray(np.where(np.isinf(self._low), np.minimum(y, 0.0), y))

    def worth_eur(self, price_eur_per_kwh: Array) -> float:
        """D(y): least of its cost less what its rows are worth."""
        y, own = price_eur_per_kwh, self._own
        with np.errstate(invalid="ignore"):  # no multiplier on a side that is not there
            sides = np.where(y > 0, y * self._low, np.where(y < 0, y * self._high, 0.0))
            reduced = own.cost - own.matrix.T @ y
            open_ended = np.isinf(own.upper) & (np.abs(reduced) <= CONE)
            reduced = np.where(open_ended, 0.0, reduced)
            least = np.where(reduced < 0, reduced * own.upper, reduced * own.lower)
        return own.offset + float(sides.sum()) + float(least.sum())

    def price(self, place: int, y: Array) -> Array:
        """Price at a neighbourhood in EUR/kWh: what the grid gives for a kWh more fed in."""
        return np.asarray(self._matrix[:, self._exported[place]].T @ y / self.dt_h)

    @cached_property
    def _limits(self) -> tuple[int, int]:
        """First and end of the rows of the network's limits among its own."""
        first = sum(block[1].size for block in self.joint.paid_rows())
        return first, first + self.grid.rows.step.size

    def limit_values(self, y: Array) -> Array:
        """Multipliers of the network's limits in EUR per tolerance, >= 0, shape ``(K,)``."""
        first, end = self._limits
        return -y[first:end]

    def scarcity(self, place: int, y: Array) -> Array:
        """The part of a neighbourhood's price that limits make in EUR/kWh, shape ``(T,)``."""
        rows, found = self.grid.rows, np.zeros(self.grid.assets.shape[0])
        np.add.at(found, rows.step, self.limit_values(y) * rows.slopes[:, place])
        return -found / KW_PER_MW / self.dt_h

    def linearised(self, power_mw: Array) -> GridOthers:
        """The same with the grid linearised at a plan, whose rows and tangents change."""
        self.grid.linearise(power_mw)
        return GridOthers(self.grid, self.count, self._import_price)

    def moved(self, y: Array, before: GridOthers) -> Array:
        """Multipliers of an earlier linearisation: each limit keeps its own, new ones have none."""
        (first, end), steps = before._limits, self.grid.assets.shape[0]
        known = dict(zip(before._keys, y[first:end].tolist(), strict=True))
        limits = np.array([known.get(key, 0.0) for key in self._keys])
        cuts = np.zeros(self.rows - self._limits[1] - steps)
        earlier = y[end : y.size - steps]
        cuts[: earlier.size] = earlier
        return np.concatenate([y[:first], limits, cuts, y[y.size - steps :]])

    def arrays(self, joint: Joint[Answered]) -> Arrays:
        """The program with answers in it, limits that can be broken at a price."""
        arrays, rows = joint.arrays(), self.grid.rows
        first = arrays.row_lower.size - self.rows + self._limits[0]
        strongest = np.abs(rows.slopes).max(axis=1, initial=1e-6) / KW_PER_MW
        broken = arrays.size + np.arange(rows.step.size)
        price = BROKEN_EUR_PER_KWH * self.dt_h / strongest
        arrays = arrays.with_columns(price, 0.0 * price, price + np.inf)
        entries = (np.ones(broken.size), (first + np.arange(broken.size), broken))
        slack = sparse.csr_array(entries, shape=arrays.matrix.shape)
        return replace(arrays, matrix=sparse.csr_array(arrays.matrix - slack))
