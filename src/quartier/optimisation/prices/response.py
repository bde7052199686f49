"""How a neighbourhood answers a price: with what it would do, and what that costs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from quartier.optimisation.own_optimum import NeighbourhoodModel, Solution
from quartier.problem import NeighbourhoodProblem
from quartier.program.convex import Convex
from quartier.quantities import Array


@dataclass(frozen=True)
class Response:
    """An answer to a price.

    Parameters
    ----------
    p_kw
        What it would do, positive into the grid, shape ``(T,)``.
    cost_eur
        What that costs it, energy apart: fuel, wear, fees, the weights of its objectives.
    bound_eur
        Proven: less than this it cannot come to at the price, energy included.
    whole
        Whether a mix of its answers may be nothing that it can do, for some unit switches.
    pattern
        Number of the pattern in which units switch: answers with the same one can be mixed.
    """

    p_kw: Array
    cost_eur: float
    bound_eur: float
    whole: bool = False
    pattern: int = 0


class Responder:
    """Solves a neighbourhood's own program at one price after the other, changed in place.

    Parameters
    ----------
    problem
        Its units and objectives; its tariffs do not matter.
    fee_eur_per_kwh
        Fee on what it draws, shape ``(T,)``.
    """

    def __init__(self, problem: NeighbourhoodProblem, fee_eur_per_kwh: Array) -> None:
        self.problem, self._fee = problem, fee_eur_per_kwh
        self._free = problem.terms.at_price(np.zeros_like(fee_eur_per_kwh), fee_eur_per_kwh)
        self._model = NeighbourhoodModel(problem)
        self._near: tuple[float, Convex] | None = None

    @property
    def switches(self) -> bool:
        """Whether some unit switches."""
        return self._model.switches

    def answer(
        self, price_eur_per_kwh: Array, weight: float = 0.0, target_kw: Array | None = None
    ) -> tuple[Response, Solution]:
        """Return the answer to a price, and what stands behind it.

        Parameters
        ----------
        weight, target_kw
            What it costs to leave a target: ``weight / 2 · Δ Σ (p - target)²``, in EUR/kWh per kW.
            The bound does not know of it.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        terms, dt_h = self.problem.terms, self.problem.horizon.dt_h
        self._model.update(terms.at_price(price_eur_per_kwh, self._fee))
        own = self._model.solve()
        found, cost_eur = own, own.cost_eur + dt_h * float(price_eur_per_kwh @ own.p_kw)
        if weight and target_kw is not None:
            found = self._close_to(price_eur_per_kwh, weight, target_kw)
            cost_eur = found.cost_eur
        return Response(found.p_kw, cost_eur, own.bound_eur, self.switches), found

    def _close_to(self, price_eur_per_kwh: Array, weight: float, target_kw: Array) -> Solution:
        """Least of cost less revenue with a cost on leaving a target; its cost without revenue."""
        model, dt_h = self._model, self.problem.horizon.dt_h
        arrays = model.program(self.problem.terms.at_price(price_eur_per_kwh, self._fee))
        out, into = model.traded
        cost = arrays.cost.copy()
        cost[out] -= weight * dt_h * target_kw
        cost[into] += weight * dt_h * target_kw
        if self._near is None or self._near[0] != weight:
            squares: dict[tuple[int, int], float] = {}
            for i, j in zip(out.tolist(), into.tolist(), strict=True):
                squares |= {(i, i): weight * dt_h / 2, (j, j): weight * dt_h / 2}
                squares[min(i, j), max(i, j)] = -weight * dt_h
            name = f"neighbourhood {self.problem.name}, near a target"
            self._near = weight, Convex(name, replace(arrays, quadratic=squares))
        program = self._near[1]
        program.set_cost(cost, arrays.offset)
        answer = program.needed()
        return model.solution_at(answer.values, answer, self._free)

    def mixed(self, parts: Sequence[tuple[float, Solution]]) -> Solution:
        """What a mix of solutions comes to: weights that add up to 1, and solutions."""
        return self._model.mixed(parts, self._free)
