"""How a neighbourhood answers what limits of a grid cost: its own optimum at tariffs and price.

It pays its tariffs as ever, and besides them what its power does to the limits. Renewable energy
lost beyond what p_off curtails anyway counts at its calculatory price, the rule of
:mod:`quartier.problem.upper_cost`: so all answers together cost what one operator of grid and
neighbourhoods would count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from quartier.optimisation.mixed import MixedProgram
from quartier.optimisation.own_optimum import NeighbourhoodModel, Solution
from quartier.optimisation.prices.response import Response
from quartier.optimisation.readings import solved_one_way
from quartier.problem import NeighbourhoodProblem
from quartier.problem.upper_cost import lost_kw, redispatch_eur
from quartier.quantities import Array

GAP = 1e-4
"""Relative gap at which a program with binaries is solved well enough. A pattern of switching that
is as good is kept, so that answers can be mixed; the bound does not depend on it."""


OFFERED = 0
"""Number of the pattern of switching that was offered."""


@dataclass(frozen=True)
class Demand:
    """What power fits at a connection point, and what any more would cost; shape ``(T,)`` each."""

    most_kw: Array
    least_kw: Array
    beyond_eur_per_kwh: Array
    """What a kWh above the most costs, >= 0."""
    short_eur_per_kwh: Array
    """What a kWh below the least costs, >= 0."""


class CongestedResponder:
    """Solves a neighbourhood's own program at one price of limits after the other, in place.

    Parameters
    ----------
    problem
        Its units, tariffs and objectives.
    """

    def __init__(self, problem: NeighbourhoodProblem) -> None:
        self.problem = problem
        self._model = NeighbourhoodModel(problem)
        self.wanted = self._model.solve()
        """What it does without any limit: p_off."""
        self._own_kw = self._curtailed_kw(self.wanted)
        self._patterns: dict[bytes, int] = {}
        self._curve: MixedProgram | None = None
        self._build()

    def _build(self) -> None:
        """Its program, and ``lost >= curtailed - what p_off curtails``."""
        arrays, steps = self._model.program(self.problem.terms), self.problem.horizon.steps
        lost = arrays.size + np.arange(steps)
        price = self.problem.redispatch_price_eur_per_kwh * self.problem.horizon.dt_h
        self._size, rows = arrays.size, np.arange(steps)
        arrays = arrays.with_columns(np.full(steps, price), np.zeros(steps), np.full(steps, np.inf))
        places = np.append(lost, self._model.curtailed)
        entries = (np.repeat([1.0, -1.0], steps), (np.tile(rows, 2), places))
        matrix = sparse.csr_array(entries, shape=(steps, arrays.size))
        arrays = arrays.with_rows(matrix, -self._own_kw, np.full(steps, np.inf))
        self._arrays = arrays
        name = f"neighbourhood {self.problem.name}, at the price of limits"
        self._program = MixedProgram(name, arrays, GAP)

    @property
    def switches(self) -> bool:
        """Whether some unit switches."""
        return self._model.switches

    def first(self) -> Response:
        """What it wants to do, as an answer to a price of zero."""
        found = self.wanted
        return Response(found.p_kw, found.cost_eur, found.bound_eur, self.switches, OFFERED)

    def answer(self, price_eur_per_kwh: Array) -> tuple[Response, Solution]:
        """Return the answer to a price, and what stands behind it.

        Parameters
        ----------
        price_eur_per_kwh
            What it gets for feeding in besides its tariffs, shape ``(T,)``; mostly negative where
            feed-in is what strains a limit.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        (out, into), dt_h = self._model.traded, self.problem.horizon.dt_h
        cost = self._arrays.cost.copy()
        cost[out] -= dt_h * price_eur_per_kwh
        cost[into] += dt_h * price_eur_per_kwh
        self._program.set_cost(cost, self._arrays.offset)
        answer, _ = solved_one_way(self._program, self._model.readings, GAP)
        found = self._model.solution_at(answer.values[: self._size], answer, self.problem.terms)
        pattern = self._pattern(answer.values)
        response = Response(found.p_kw, self.cost_eur(found), answer.bound, self.switches, pattern)
        return response, found

    def _pattern(self, values: Array) -> int:
        """Number of the pattern in which units switch."""
        switched = np.round(values[self._program.integers]).astype(bool).tobytes()
        return self._patterns.setdefault(switched, 1 + len(self._patterns))

    def bid(self, price_eur_per_kwh: Array, demand: Demand) -> tuple[Response, Solution]:
        """Return what suits it best where power beyond some room costs; the bound is at the price.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        proven, _ = self.answer(price_eur_per_kwh)
        arrays = self._arrays
        steps, dt_h = self.problem.horizon.steps, self.problem.horizon.dt_h
        if self._curve is None:
            nothing, free = np.zeros(3 * steps), np.full(3 * steps, np.inf)
            wide = arrays.with_columns(nothing, nothing, free)
            within, beyond, short = arrays.size + np.arange(3 * steps).reshape(3, steps)
            columns = np.concatenate([*self._model.traded, within, beyond, short])
            signs = np.repeat([1.0, -1.0, -1.0, -1.0, 1.0], steps)
            entries = (signs, (np.tile(np.arange(steps), 5), columns))
            matrix = sparse.csr_array(entries, shape=(steps, wide.size))
            name = f"neighbourhood {self.problem.name}, bid"
            wide = wide.with_rows(matrix, np.zeros(steps), np.zeros(steps))
            self._curve = MixedProgram(name, wide, GAP)
        costs = dt_h * np.concatenate([0.0 * demand.beyond_eur_per_kwh, demand.beyond_eur_per_kwh])
        costs = np.append(costs, dt_h * demand.short_eur_per_kwh)
        self._curve.set_cost(np.append(arrays.cost, costs), arrays.offset)
        within = arrays.size + np.arange(steps)
        self._curve.set_bounds(within, np.minimum(demand.least_kw, demand.most_kw), demand.most_kw)
        answer, _ = solved_one_way(self._curve, self._model.readings, GAP)
        found = self._model.solution_at(answer.values[: self._size], answer, self.problem.terms)
        pattern = self._pattern(answer.values)
        cost = self.cost_eur(found)
        return Response(found.p_kw, cost, proven.bound_eur, self.switches, pattern), found

    def mixed(self, parts: Sequence[tuple[float, Solution]]) -> Solution:
        """What a mix of solutions comes to: weights that add up to 1, and solutions."""
        return self._model.mixed(parts, self.problem.terms)

    def cost_eur(self, found: Solution) -> float:
        """What a solution costs: its own cost at the tariffs, and the renewable energy lost."""
        curtailed = self._curtailed_kw(found)
        lost = lost_kw(curtailed, np.zeros_like(curtailed), self._own_kw)
        price, dt_h = self.problem.redispatch_price_eur_per_kwh, self.problem.horizon.dt_h
        return found.cost_eur + redispatch_eur(lost, price, np.zeros_like(lost), 0.0, dt_h)

    def _curtailed_kw(self, found: Solution) -> Array:
        nothing = np.zeros(self.problem.horizon.steps)
        return np.asarray(np.sum([nothing, *found.curtailed_kw.values()], axis=0))
