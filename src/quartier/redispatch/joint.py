"""Grid, plants and neighbourhoods in one program: what the leader decides and pays (M4, M7).

The leader's cost is that of :mod:`quartier.problem.upper_cost`, as rows::

    lost >= curtailed - what p_off curtails           lost, reduced >= 0,  0 <= ordered <= 1
    reduced >= load offered · ordered - imported

Load is reduced only where it is ordered. Who owns all loads orders none (``central``, ``bound``);
a leader of others orders where it charges them (:mod:`quartier.optimisation.bilevel.charged`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
from scipy import sparse

from quartier.optimisation.readings import Readings
from quartier.problem.upper_cost import load_kw
from quartier.program import Arrays, Block, Flags, Indices, stacked
from quartier.program.arrays import side_by_side
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.joint_names import names_of
from quartier.redispatch.linear_grid import LinearGrid

LEAST_PRICE_EUR_PER_KWH = 1e-6
"""What losses and measures cost at least, so that nothing is moved or lost in vain."""


class Part(Protocol):
    """A neighbourhood's part of the program, ``net power = exported - imported``."""

    arrays: Arrays
    exported: Indices
    imported: Indices
    curtailed: Indices
    """Columns by step in kW, shape ``(T,)`` each; nothing curtailed: none."""
    readings: Readings
    """Where the units' controls stand among the columns."""


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Layout:
    """Columns of the joint program; ``power`` gives the assets' power as ``power @ x`` (MW)."""

    members: tuple[slice, ...]
    lost: Indices
    """Renewable energy lost beyond what p_off curtails in kW, shape ``(T, N)``."""
    reduced: Indices
    """Load ordered off p_off in kW, shape ``(T, N)``."""
    ordered: Indices
    """Share of the load offered that is ordered off, shape ``(T, N)``."""
    plants: Indices
    """Power of the plants in kW, shape ``(T, P)``."""
    loss: Indices
    """Losses in kW, shape ``(T,)``."""
    imports: Indices
    """Power drawn from the upper grid in kW, shape ``(T,)``."""
    size: int

    @property
    def paid(self) -> slice:
        """Columns of what is paid for neighbourhoods: right after theirs."""
        first = self.members[-1].stop
        return slice(first, first + self.lost.size + self.reduced.size + self.ordered.size)


class Joint(Generic[P]):
    """The leader's program with all neighbourhoods inside (one operator).

    Parameters
    ----------
    grid
        The linear network; its assets are the neighbourhoods first, then the plants.
    members
        The neighbourhoods.
    import_price_eur_per_kwh
        Price of the CO2 of what is drawn from the upper grid (U2), shape ``(T,)``.
    """

    def __init__(
        self, grid: LinearGrid, members: Sequence[P], import_price_eur_per_kwh: Array
    ) -> None:
        self.grid, self.members = grid, tuple(members)
        self._import_price = import_price_eur_per_kwh
        self.steps, count = grid.assets.shape
        self.plants = count - len(members)
        self.layout = self._lay_out()

    def _lay_out(self) -> Layout:
        own = (self.steps, len(self.members))
        sizes = [member.arrays.size for member in self.members]
        ends = np.cumsum(sizes)
        shapes = (own, own, own, (self.steps, self.plants), (self.steps,), (self.steps,))
        at, blocks = int(ends[-1]), []
        for shape in shapes:
            blocks.append(at + np.arange(int(np.prod(shape))).reshape(shape))
            at += int(np.prod(shape))
        lost, reduced, ordered, plants, loss, imports = blocks
        members = tuple(slice(int(e - n), int(e)) for e, n in zip(ends, sizes, strict=True))
        return Layout(members, lost, reduced, ordered, plants, loss, imports, at)

    @property
    def ties(self) -> tuple[Indices, ...]:
        """By neighbourhood, the column of the load that a charge orders off: on imports only."""
        none = np.full(self.steps, -1)
        return tuple(np.concatenate([none, column]) for column in self.layout.ordered.T)

    def with_member(self, place: int, member: P) -> Joint[P]:
        """The same with another neighbourhood in place of one."""
        members = [*self.members[:place], member, *self.members[place + 1 :]]
        return Joint(self.grid, members, self._import_price)

    def readings(self) -> Readings:
        """Where the controls of all units stand among the columns."""
        pairs = zip(self.layout.members, self.members, strict=True)
        return Readings(
            reading
            for where, member in pairs
            for reading in member.readings.at(where.start).units.values()
        )

    @property
    def offered_load_kw(self) -> Array:
        """What p_off draws at the neighbourhoods, shape ``(T, N)``."""
        return load_kw(KW_PER_MW * self.grid.assets.offered_mw[:, : len(self.members)])

    @property
    def is_spared(self) -> Flags:
        """Where load must not be ordered off, as that relieves no limit, shape ``(T, N)``.

        Near a limit means with a row of the network; unless saving losses is reason enough.
        """
        rows, count = self.grid.rows, len(self.members)
        relieved = np.full((self.steps, count), self.grid.problem.settings.loss_saving)
        np.logical_or.at(relieved, rows.step, rows.slopes[:, :count] < 0)
        return np.asarray((self.offered_load_kw > 0) & ~relieved)

    # -- power ----------------------------------------------------------------------------------
    def _power_columns(self, asset: int) -> list[tuple[Indices, float]]:
        """Columns and factors (MW per kW) whose sum is the power of an asset, by step."""
        layout, unit = self.layout, 1 / KW_PER_MW
        if asset >= len(self.members):
            return [(layout.plants[:, asset - len(self.members)], unit)]
        member, first = self.members[asset], layout.members[asset].start
        return [(first + member.exported, unit), (first + member.imported, -unit)]

    @cached_property
    def power_rows(self) -> sparse.csr_array:
        """Rows that give the power of all assets in MW, step by step, shape ``(T · A, n)``."""
        count = self.grid.assets.shape[1]
        steps = np.repeat(np.arange(self.steps), count)
        return self._by_power(steps, np.tile(np.eye(count), (self.steps, 1)))

    def power_mw(self, values: Array) -> Array:
        """Power of all assets, shape ``(T, A)``; further columns may follow the program's."""
        return (self.power_rows @ values[: self.layout.size]).reshape(self.grid.assets.shape)

    def _by_power(self, step: Indices, slopes: Array) -> sparse.csr_array:
        """Rows ``slopes · p[step]`` over the columns, slopes ``(R, A)`` per MW."""
        rows, columns, data = [], [], []
        for asset in range(self.grid.assets.shape[1]):
            for where, factor in self._power_columns(asset):
                rows.append(np.arange(step.size))
                columns.append(where[step])
                data.append(factor * slopes[:, asset])
        entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
        found = sparse.csr_array(entries, shape=(step.size, self.layout.size))
        found.eliminate_zeros()
        return found

    # -- cost -----------------------------------------------------------------------------------
    def upper_cost(self) -> tuple[Array, float]:
        """Cost and offset of the leader: U1 losses, U2 imports, U3 redispatch (M4)."""
        settings, dt_h = self.grid.problem.settings, self.grid.assets.dt_h
        cost, offset = self.redispatch_cost()
        loss_price = max(settings.loss_price_eur_per_kwh, LEAST_PRICE_EUR_PER_KWH)
        cost[self.layout.loss] = dt_h * loss_price
        cost[self.layout.imports] = dt_h * self._import_price
        return cost, offset

    def redispatch_cost(self) -> tuple[Array, float]:
        """Cost and offset of redispatch alone (U3)."""
        layout, assets = self.layout, self.grid.assets
        dt_h, cost, offset = assets.dt_h, np.zeros(layout.size), 0.0
        lower = np.maximum(assets.lower_price / KW_PER_MW, LEAST_PRICE_EUR_PER_KWH)
        for place, price in enumerate(lower[len(self.members) :]):
            cost[layout.plants[:, place]] = -dt_h * price
            offered = assets.offered_mw[:, len(self.members) + place]
            offset += dt_h * price * KW_PER_MW * float(offered.sum())
        members = len(self.members)
        cost[layout.lost] = dt_h * lower[:members]
        raising = assets.raise_price[:members] / KW_PER_MW
        cost[layout.reduced] = dt_h * np.maximum(raising, LEAST_PRICE_EUR_PER_KWH)
        return cost, offset

    def lower_cost(self) -> tuple[Array, float]:
        """Cost and offset of all neighbourhoods (M3)."""
        cost = np.zeros(self.layout.size)
        for where, member in zip(self.layout.members, self.members, strict=True):
            cost[where] = member.arrays.cost
        return cost, sum(member.arrays.offset for member in self.members)

    # -- rows -----------------------------------------------------------------------------------
    def arrays(self, upper_weight: float = 1.0, lower_weight: float = 1.0) -> Arrays:
        """The program at the network's present linearisation."""
        upper, lower = self.upper_cost(), self.lower_cost()
        matrix, low, high = self._rows()
        bounds = self.bounds()
        integer = np.zeros(self.layout.size, dtype=bool)
        for where, member in zip(self.layout.members, self.members, strict=True):
            integer[where] = member.arrays.integer
        return Arrays(
            cost=upper_weight * upper[0] + lower_weight * lower[0],
            lower=bounds[0],
            upper=bounds[1],
            integer=integer,
            matrix=matrix,
            row_lower=low,
            row_upper=high,
            offset=upper_weight * upper[1] + lower_weight * lower[1],
            names=names_of(self.grid, [member.arrays for member in self.members]),
        )

    def bounds(self) -> tuple[Array, Array]:
        """Bounds of the columns."""
        layout, assets = self.layout, self.grid.assets
        lower, upper = np.zeros(layout.size), np.full(layout.size, np.inf)
        for where, member in zip(layout.members, self.members, strict=True):
            lower[where], upper[where] = member.arrays.lower, member.arrays.upper
        upper[layout.plants] = KW_PER_MW * np.maximum(assets.offered_mw[:, len(self.members) :], 0)
        upper[layout.ordered] = (self.offered_load_kw > 0) & ~self.is_spared
        return lower, upper

    def _rows(self) -> Block:
        own, low, high = side_by_side([m.arrays for m in self.members])
        rest = sparse.csr_array((own.shape[0], self.layout.size - own.shape[1]))
        wide = sparse.csr_array(sparse.hstack([own, rest]))
        return stacked([(wide, low, high), *self.paid_rows(), self.grid_rows()])

    def grid_rows(self) -> Block:
        """Limits of the network, its losses, and what is drawn from the upper grid."""
        return stacked([self._limit_rows(), *self._loss_rows(), self._import_rows()])

    def _limit_rows(self) -> Block:
        rows = self.grid.rows
        matrix = self._by_power(rows.step, rows.slopes)
        return matrix, np.full(rows.step.size, -np.inf), rows.right

    def _loss_rows(self) -> list[Block]:
        """``loss / kW >= 1000 (constant + slopes · p)``, in MW."""
        steps, found = np.arange(self.steps), []
        for cut in self.grid.tangents:
            matrix = -self._by_power(steps, cut.slopes) + self._unit(self.layout.loss, 1e-3)
            found.append((matrix, cut.constant, np.full(self.steps, np.inf)))
        return found

    def _import_rows(self) -> Block:
        """``imports + injections - loss >= 0``, in MW."""
        steps = np.arange(self.steps)
        ones = np.ones((self.steps, self.grid.assets.shape[1]))
        matrix = self._by_power(steps, ones) + self._unit(self.layout.imports, 1e-3)
        matrix = matrix - self._unit(self.layout.loss, 1e-3)
        other = self.grid.background_kw / KW_PER_MW
        return sparse.csr_array(matrix), -other, np.full(self.steps, np.inf)

    def paid_rows(self) -> list[Block]:
        """``lost >= curtailed - own`` and ``reduced >= load · ordered - imported``, in kW."""
        layout, steps, found = self.layout, np.arange(self.steps), []
        load, no_limit = self.offered_load_kw, np.full(self.steps, np.inf)
        for k, (member, where) in enumerate(zip(self.members, layout.members, strict=True)):
            lost = self._unit(layout.lost[:, k], 1.0)
            if member.curtailed.size:
                lost = lost - self._unit(where.start + member.curtailed, 1.0)
            found.append((sparse.csr_array(lost), -self.grid.own_curtailed_kw[:, k], no_limit))
            entries = (load[:, k], (steps, layout.ordered[:, k]))
            ordered = sparse.csr_array(entries, shape=(self.steps, layout.size))
            reduced = self._unit(layout.reduced[:, k], 1.0)
            imported = self._unit(where.start + member.imported, 1.0)
            matrix = sparse.csr_array(reduced + imported - ordered)
            found.append((matrix, np.zeros(self.steps), no_limit))
        return found

    def _unit(self, columns: Indices, factor: float) -> sparse.csr_array:
        shape = (columns.size, self.layout.size)
        entries = (np.full(columns.size, factor), (np.arange(columns.size), columns))
        return sparse.csr_array(entries, shape=shape)

    def upper_value(self, values: Array) -> float:
        """What the leader pays in a solution."""
        cost, offset = self.upper_cost()
        return float(cost @ values) + offset
