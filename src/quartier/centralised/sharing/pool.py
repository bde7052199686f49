"""All neighbourhoods behind one balance with the outer grid: a program, and its prices (M8).

The least cost of all together (seed 000, eq. 2) is a linear program but for units that switch. The
multiplier of its balance is a price at which every neighbourhood, left alone, would do its part of
the plan, and at which the pool neither gains nor loses: so it also solves the leader's problem
(eq. 6-9) as printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np
from scipy import sparse

from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.optimisation.mixed import MixedProgram
from quartier.optimisation.own_optimum import GAP
from quartier.optimisation.readings import Readings, solved_one_way
from quartier.problem import ConnectionTerms, Pooling, Supply
from quartier.problem.supply import Part
from quartier.program import Answer, Arrays, Block, Highs, stacked
from quartier.program.arrays import called, side_by_side
from quartier.program.names import Label, Parts, by_step
from quartier.quantities import Array

P = TypeVar("P", bound=Pooling)


@dataclass(frozen=True)
class Pooled:
    """What the pool's program came to."""

    arrays: Arrays
    """The program; switches stay where they are, so that it is linear."""
    answer: Answer
    """What the solver said of it."""

    def price_eur_per_kwh(self, coupling: Pooling) -> Array:
        """Multiplier of every balance, without zones shape ``(T,)``: one of the optimal prices.

        A search (for the direction of stores where energy is worth less than nothing) has none:
        then it is that of the program without whole numbers, which may waste energy.
        """
        dual = self.answer.row_dual
        if not dual.size:
            dual = Highs("pool, relaxed", self.arrays).needed().row_dual
        return np.asarray(dual[-coupling.supply.size :] / coupling.dt_h)


class Pool(Generic[P]):
    """The program of all neighbourhoods together.

    Parameters
    ----------
    coupling
        What others supply, at which prices, and fees.
    models
        Programs of the neighbourhoods by name.

    Attributes
    ----------
    arrays
        The program: columns of the neighbourhoods, then what the others take and give, block by
        block (of a pool that shares: ``Exp`` and ``Imp``), and what lines between zones carry
        back and forth; the last rows are the balance, one a step and zone.
    """

    def __init__(self, coupling: P, models: Mapping[str, NeighbourhoodModel]) -> None:
        self.coupling, self.models = coupling, models
        self._others = _one_way(coupling.supply)
        free = np.zeros(coupling.supply.steps)
        parts = [m.program(self.at(m.problem.terms, free)) for m in models.values()]
        ends = np.cumsum([part.size for part in parts])
        self._where = [slice(int(e) - p.size, int(e)) for e, p in zip(ends, parts, strict=True)]
        self.arrays = self._put_together(parts)

    def at(self, terms: ConnectionTerms, price_eur_per_kwh: Array) -> ConnectionTerms:
        """Terms of a neighbourhood that trades with the pool at a price, shape ``(T,)``."""
        return terms.at_price(price_eur_per_kwh, self.coupling.inside_fee_eur_per_kwh)

    def all_at(self, price_eur_per_kwh: Array) -> dict[str, ConnectionTerms]:
        """Terms of all neighbourhoods at a price, by name."""
        seen, models = self.coupling.supply.seen, self.models.items()
        return {name: self.at(m.problem.terms, seen(name, price_eur_per_kwh)) for name, m in models}

    def _put_together(self, parts: list[Arrays]) -> Arrays:
        """``min Σ own cost + Δ Σ_b π_b p_b``, ``Σ_n P_n + Σ_b p_b = 0``; each block goes one way.

        Of a pool that shares: ``Δ (outer · Imp - export · Exp)``, ``Σ_n P_n - Exp + Imp = 0``.
        """
        own, dt_h = side_by_side(parts), self.coupling.dt_h
        most = np.concatenate([part.most_kw for part in self._others])
        size = sum(part.size for part in parts)
        matrix = sparse.csr_array(
            sparse.hstack([own[0], sparse.csr_array((own[0].shape[0], most.size))])
        )
        traded = [part.price_eur_per_kwh for part in self._others]
        rows, low, high = stacked([(matrix, own[1], own[2]), self._balance(size)])
        return Arrays(
            cost=np.concatenate([*(p.cost for p in parts), *(dt_h * c for c in traded)]),
            lower=np.concatenate([*(p.lower for p in parts), np.zeros(most.size)]),
            upper=np.concatenate([*(p.upper for p in parts), most]),
            integer=np.concatenate([*(p.integer for p in parts), np.zeros(most.size, dtype=bool)]),
            matrix=rows,
            row_lower=low,
            row_upper=high,
            offset=sum(part.offset for part in parts),
            names=self._names(parts),
        )

    def _names(self, parts: list[Arrays]) -> Parts:
        """What rows and columns are called, in the order in which they are put together."""
        rows, columns = called(parts)
        supply = self.coupling.supply
        times = next(iter(self.models.values())).problem.horizon.times

        def balance(k: int) -> Label:
            return Label("balance of all neighbourhoods and others", times[k % supply.steps])

        rows.append((supply.size, balance))
        for part in self._others:
            price = f"{np.nanmean(part.price_eur_per_kwh):.4g}"
            columns.append(by_step(f"trade with others at {price} EUR/kWh", times, "kW"))
        return Parts(rows, columns)

    def _balance(self, size: int) -> Block:
        supply = self.coupling.supply
        every, rows = np.arange(supply.steps), np.arange(supply.size)
        at = [(size + k * supply.steps + every, part) for k, part in enumerate(self._others)]
        places = [(rows[w], c, factor) for c, part in at for factor, w in part.balances]
        for where, (name, model) in zip(self._where, self.models.items(), strict=True):
            for column, factor in zip(model.traded, (1.0, -1.0), strict=True):
                places.append((rows[supply.balances_of(name)], where.start + column, factor))
        row, column = (np.concatenate([place[k] for place in places]) for k in (0, 1))
        factors = np.repeat([factor for _, _, factor in places], supply.steps)
        shape = (supply.size, size + len(self._others) * supply.steps)
        matrix = sparse.csr_array((factors, (row, column)), shape=shape)
        return matrix, np.zeros(supply.size), np.zeros(supply.size)

    def solve(self) -> Pooled:
        """Solve; no store wastes energy by charging and discharging at once.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        began = perf_counter()
        pairs = list(zip(self._where, self.models.values(), strict=True))
        readings = Readings(
            reading
            for where, model in pairs
            for reading in model.readings.at(where.start).units.values()
        )
        answer, _ = solved_one_way(MixedProgram("pool", self.arrays, GAP), readings, GAP)
        every, whole = self.arrays, self.arrays.integer
        fixed = np.round(answer.values)
        lower, upper = np.where(whole, fixed, every.lower), np.where(whole, fixed, every.upper)
        linear = replace(every.relaxed(), lower=lower, upper=upper)
        return Pooled(linear, replace(answer, wall_s=perf_counter() - began))

    def solutions(self, pooled: Pooled, price_eur_per_kwh: Array) -> dict[str, Solution]:
        """What each does and pays at a price of every balance, by neighbourhood."""
        terms = self.all_at(price_eur_per_kwh)
        return {
            name: model.solution_at(pooled.answer.values[where], pooled.answer, terms[name])
            for where, (name, model) in zip(self._where, self.models.items(), strict=True)
        }


def _one_way(supply: Supply) -> list[Part]:
    """Parts of what others supply by what they take and what they give, if they do in any step."""
    found = []
    for part in supply.parts:
        for sign, kw in ((-1.0, -part.least_kw), (1.0, part.most_kw)):
            if kw.any():
                ways = tuple((sign * factor, where) for factor, where in part.balances)
                none = np.zeros_like(kw)
                found.append(Part(sign * part.price_eur_per_kwh, none, kw, ways))
    return found
