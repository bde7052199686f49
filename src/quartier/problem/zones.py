"""Zones of a market, and lines that carry power between them up to a capacity (M9).

A transport model, as between bidding zones: a line carries any power within its capacity, whichever
way, loses none of it, and knows no voltage. So every zone has a balance of its own in each step,
and a price: where a line is not full, its ends have the same; where it is, they differ, and what it
carries earns the difference, the congestion rent.

Balances are numbered zone by zone: of zone z those from ``z T`` on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.problem.supply import Part, Supply
from quartier.quantities import Array

if TYPE_CHECKING:  # the solver is imported where there are zones to solve
    from quartier.program import Arrays, Highs

PER_MWH = 1e3
"""Costs of the dispatch are counted in EUR/MWh: solvers tell prices apart to 1e-7 of their unit."""

SAME_EUR_PER_KWH = 1e-9
"""Prices closer than this are one."""

LITTLE = 1e-6
"""How much less of a need says what it costs, relative to it."""


@dataclass(frozen=True)
class Line:
    """A line between two zones: what enters at its first end leaves at its second."""

    name: str
    start: str
    end: str
    most_kw: float
    """Most that it carries from start to end."""
    back_kw: float
    """Most that it carries back."""


@dataclass(frozen=True)
class Zones:
    """Who is in which zone, by name, and which lines there are."""

    names: tuple[str, ...]
    neighbourhoods: Mapping[str, str]
    suppliers: Mapping[str, str]
    lines: tuple[Line, ...]

    def supply(self, blocks: Supply, owners: Sequence[str]) -> ZonedSupply:
        """Put blocks, each of an owner, into its zone; one whose owner has none, into every zone.

        Blocks without a zone come last, zone by zone.
        """
        numbers = {name: zone for zone, name in enumerate(self.names)}
        homes = [self.suppliers.get(owner) for owner in owners]
        rows = [(k, numbers[home]) for k, home in enumerate(homes) if home is not None]
        everywhere = [k for k, home in enumerate(homes) if home is None]
        rows += [(k, zone) for zone in numbers.values() for k in everywhere]
        steps = blocks.size
        price = np.tile(blocks.price_eur_per_kwh, len(numbers))[[k for k, _ in rows]]
        least, most = np.zeros_like(price), np.zeros_like(price)
        for row, (k, zone) in enumerate(rows):
            where = slice(zone * steps, (zone + 1) * steps)
            least[row, where], most[row, where] = blocks.least_kw[k], blocks.most_kw[k]
        return ZonedSupply(
            blocks.dt_h,
            price,
            least,
            most,
            self.names,
            tuple(zone for _, zone in rows),
            {
                name: numbers[zone]
                for members in (self.neighbourhoods, self.suppliers)
                for name, zone in members.items()
            },
            self.lines,
        )


@dataclass(frozen=True)
class Dispatch:
    """Who serves what neighbourhoods need, at least cost."""

    power_kw: Array
    """Of each block at every balance, shape ``(S, Z T)``."""
    flow_kw: Array
    """Of each line, positive from start to end, shape ``(L, T)``."""
    price_eur_per_kwh: Array
    """What one more kWh would cost at every balance, shape ``(Z T,)``."""


@dataclass(frozen=True)
class ZonedSupply(Supply):
    """Blocks of several zones, and lines between these; arrays have shape ``(S, Z T)``.

    A block has power in its own zone only. In every zone somebody gives without end, and takes.
    """

    zones: tuple[str, ...] = ()
    block_zones: tuple[int, ...] = ()
    """Number of the zone of each block."""
    members: Mapping[str, int] = field(default_factory=dict)
    """Number of the zone by neighbourhood and supplier."""
    lines: tuple[Line, ...] = ()

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.size // len(self.zones)

    # -- some of the blocks, and more of them ---------------------------------------------------
    def of(self, blocks: NDArray[np.int64]) -> ZonedSupply:
        """Some of the blocks, by their numbers; all lines."""
        return replace(
            self,
            price_eur_per_kwh=self.price_eur_per_kwh[blocks],
            least_kw=self.least_kw[blocks],
            most_kw=self.most_kw[blocks],
            block_zones=tuple(self.block_zones[k] for k in blocks.tolist()),
        )

    def joined(self, others: Mapping[str, Supply]) -> ZonedSupply:
        """Blocks of others, by their name, in their zones, and then these."""
        zones: list[int] = []
        columns = []
        for name, own in others.items():
            where, shape = self.balances_of(name), (len(own.price_eur_per_kwh), self.size)
            least, most = np.zeros(shape), np.zeros(shape)
            least[:, where], most[:, where] = own.least_kw, own.most_kw
            columns.append((np.tile(own.price_eur_per_kwh, len(self.zones)), least, most))
            zones += [self.members[name]] * shape[0]
        columns.append((self.price_eur_per_kwh, self.least_kw, self.most_kw))
        price, least, most = (np.concatenate(rows) for rows in zip(*columns, strict=True))
        return replace(
            self,
            price_eur_per_kwh=price,
            least_kw=least,
            most_kw=most,
            block_zones=(*zones, *self.block_zones),
        )

    # -- where neighbourhoods and suppliers are balanced ----------------------------------------
    def balances_of(self, name: str) -> slice:
        """Balances of a neighbourhood or supplier, or of a zone by its name."""
        zone = self.members[name] if name in self.members else self.zones.index(name)
        return self._balances(zone)

    def _balances(self, zone: int) -> slice:
        return slice(zone * self.steps, (zone + 1) * self.steps)

    def placed_kw(self, name: str, p_kw: Array) -> Array:
        """What a neighbourhood's power, shape ``(T,)``, adds to every balance."""
        found = np.zeros(self.size)
        found[self.balances_of(name)] = p_kw
        return found

    def traders(self, names: Collection[str]) -> Array:
        """How many are part of each balance, what is not named counted as one."""
        inside = [sum(self.members[name] == zone for name in names) for zone in self._numbers]
        return np.repeat(np.array(inside) + 1.0, self.steps)

    def everywhere(self, values: Array) -> Array:
        """A figure of every step, shape ``(T,)``, at every balance."""
        return np.tile(values, len(self.zones))

    @property
    def _numbers(self) -> range:
        return range(len(self.zones))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Blocks, each in its zone, then lines."""
        found = []
        for k, zone in enumerate(self.block_zones):
            where = self._balances(zone)
            rows = (self.price_eur_per_kwh, self.least_kw, self.most_kw)
            price, least, most = (row[k, where] for row in rows)
            found.append(Part(price, least, most, ((1.0, where),)))
        for line in self.lines:
            ends = ((-1.0, self.balances_of(line.start)), (1.0, self.balances_of(line.end)))
            one = np.ones(self.steps)
            found.append(Part(0.0 * one, -line.back_kw * one, line.most_kw * one, ends))
        return tuple(found)

    def own(self, values: Array) -> Array:
        """What of a figure of every block and balance is in the block's zone, shape ``(S, T)``."""
        by_zone = values.reshape(len(self.block_zones), len(self.zones), self.steps)
        return np.asarray(by_zone[np.arange(len(by_zone)), list(self.block_zones)])

    # -- at a price -----------------------------------------------------------------------------
    def apart(self, price_eur_per_kwh: Array) -> Array:
        """How much dearer it is where each line ends than where it starts, shape ``(L, T)``."""
        ends = [[self.seen(e, price_eur_per_kwh) for e in (n.start, n.end)] for n in self.lines]
        found = [end - start for start, end in ends]
        return np.array(found).reshape(len(self.lines), self.steps)

    def worth_eur(self, price_eur_per_kwh: Array) -> float:
        """Least of cost less revenue at a price, lines that buy here and sell there included."""
        apart = self.apart(price_eur_per_kwh)
        most = np.array([line.most_kw for line in self.lines])[:, None]
        back = np.array([line.back_kw for line in self.lines])[:, None]
        rent = (most * np.maximum(apart, 0.0) + back * np.maximum(-apart, 0.0)).sum()
        return super().worth_eur(price_eur_per_kwh) - float(rent) * self.dt_h

    def missing_kw(self, price_eur_per_kwh: Array, needed_kw: Array) -> Array:
        """What is missing from a need if all do at a price what suits them best, shape ``(Z T,)``.

        Whoever is indifferent at the price, lines included, does what leaves least missing.
        """
        lower, upper = self._best(price_eur_per_kwh)
        missing, none = sparse.eye_array(self.size), np.zeros(self.size)
        arrays = _program(
            np.concatenate([np.zeros(lower.size), np.ones(2 * self.size)]),
            np.concatenate([lower, none, none]),
            np.concatenate([upper, none + np.inf, none + np.inf]),
            sparse.csr_array(sparse.hstack([self.matrix, missing, -missing])),
            needed_kw,
        )
        found = _highs("zones, what is missing at a price", arrays).needed().values[lower.size :]
        return np.asarray(found[: self.size] - found[self.size :])

    def near_kw(self, price_eur_per_kwh: Array, weight: float, target_kw: Array) -> Array:
        """What suppliers and lines would do for every balance if leaving a target costs, too.

        Least of ``cost - price · p + weight / 2 · Σ (p - target)²``; p has shape ``(Z T,)``.
        """
        price, least, most = self._columns
        size, free = self.size, np.full(self.size, np.inf)
        arrays = _program(
            np.concatenate([price, -price_eur_per_kwh - weight * target_kw]),
            np.concatenate([least, -free]),
            np.concatenate([most, free]),
            sparse.csr_array(sparse.hstack([self.matrix, -sparse.eye_array(size)])),
            np.zeros(size),
            {(k, k): weight / 2 for k in range(price.size, price.size + size)},
        )
        from quartier.program.convex import Convex

        return Convex("zones, near a target", arrays).needed().values[price.size :]

    # -- at least cost --------------------------------------------------------------------------
    def served(self, needed_kw: Array) -> Dispatch:
        """Serve a need, shape ``(Z T,)``, at least cost; of all ways with the least flows.

        Where a need just fills a block or a line, the price is that of the block: what a little
        less would save.

        Raises
        ------
        SolveFailed
            If no solution is found.
        """
        price, least, most = self._columns
        for need in (just_below(needed_kw), needed_kw):
            arrays = _program(PER_MWH * price, least, most, self.matrix, need)
            answer = _highs("zones, dispatch", arrays).needed()
            dual = answer.row_dual / PER_MWH
            values = self._with_least_flows(dual, needed_kw)
            if values is not None:
                break
        else:  # prices that differ by less than a solver can tell
            values = answer.values
        power, blocks, steps = np.zeros_like(self.least_kw), len(self.block_zones), self.steps
        for k, zone in enumerate(self.block_zones):
            power[k, self._balances(zone)] = values[k * steps : (k + 1) * steps]
        return Dispatch(power, values[blocks * steps :].reshape(len(self.lines), steps), dual)

    def _with_least_flows(self, price_eur_per_kwh: Array, needed_kw: Array) -> Array | None:
        """What serves a need at least cost, if a price is right, and carries least.

        So no power goes round, nor where nobody gains. None: the price is not right.
        """
        lower, upper = self._best(price_eur_per_kwh)
        size, flows = lower.size, len(self.lines) * self.steps
        blocks, matrix = slice(0, size - flows), self.matrix
        lines = slice(size - flows, size)
        arrays = _program(
            np.concatenate([np.zeros(size - flows), np.ones(2 * flows)]),
            np.concatenate([lower[blocks], *_one_way(lower[lines], upper[lines])]),
            np.concatenate([upper[blocks], *_one_way(upper[lines], lower[lines])]),
            sparse.csr_array(sparse.hstack([matrix, -matrix[:, lines]])),
            needed_kw,
        )
        answer = _highs("zones, least flows", arrays).solve()
        if not answer.found:
            return None
        given, back = answer.values[:size].copy(), answer.values[size:]
        given[lines] -= back
        return given

    def dispatch_kw(self, needed_kw: Array) -> Array:
        """Cheapest powers of the blocks for a need of every balance, shape ``(S, Z T)``."""
        return self.served(needed_kw).power_kw

    def marginal_eur_per_kwh(self, needed_kw: Array) -> Array:
        """What one more kWh of a need would cost at every balance, shape ``(Z T,)``."""
        return self.served(needed_kw).price_eur_per_kwh

    def cost_eur(self, needed_kw: Array) -> float:
        """Least cost of a need in EUR."""
        return float((self.dispatch_kw(needed_kw) * self.price_eur_per_kwh).sum()) * self.dt_h

    # -- all parts side by side -----------------------------------------------------------------
    @cached_property
    def _columns(self) -> tuple[Array, Array, Array]:
        """Price, least and most of all parts."""
        rows = zip(*((p.price_eur_per_kwh, p.least_kw, p.most_kw) for p in self.parts), strict=True)
        price, least, most = (np.concatenate(row) for row in rows)
        return price, least, most

    def _best(self, price_eur_per_kwh: Array) -> tuple[Array, Array]:
        """Least and most that suits each part best at a price; apart where it is indifferent."""
        price, least, most = self._columns
        margin = price - self.matrix.T @ price_eur_per_kwh
        lower = np.where(margin < -SAME_EUR_PER_KWH, most, least)
        upper = np.where(margin > SAME_EUR_PER_KWH, least, most)
        return lower, upper


def just_below(needed_kw: Array) -> Array:
    """A need that is a little less, so that prices are those of what serves it last.

    Where nothing is needed it is a little more: the price of the cheapest.
    """
    sign = np.where(needed_kw == 0, 1.0, -1.0)
    return np.asarray(needed_kw + sign * LITTLE * (1 + np.abs(needed_kw)))


def _one_way(forth: Array, back: Array) -> tuple[Array, Array]:
    """A bound of what lines carry forth and back, of the bounds of what they carry."""
    return np.maximum(forth, 0.0), np.maximum(-back, 0.0)


def _highs(title: str, arrays: Arrays) -> Highs:
    from quartier.program import Highs

    return Highs(title, arrays)


def _program(
    cost: Array,
    lower: Array,
    upper: Array,
    matrix: sparse.csr_array,
    right: Array,
    quadratic: Mapping[tuple[int, int], float] | None = None,
) -> Arrays:
    """``min cost x`` over ``matrix x = right``."""
    integer = np.zeros(cost.size, dtype=bool)
    from quartier.program import Arrays

    return Arrays(cost, lower, upper, integer, matrix, right, right, quadratic=quadratic or {})
