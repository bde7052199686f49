"""The exact front of a neighbourhood's objectives L1-L3 (M3), by augmented epsilon-constraint.

Mavrotas (2009), "Effective implementation of the ε-constraint method in multi-objective
mathematical programming problems", Applied Mathematics and Computation 213: one objective is
minimised, the others are held below the values of a grid between their best and their worst in the
payoff table (from lexicographic optima), and a small weight on them keeps dominated points out.
With three objectives the worst of the payoff table need not be the worst of the front; what lies
beyond it is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.centralised.member import Member
from quartier.errors import SolveFailed
from quartier.optimisation import pyo
from quartier.optimisation.bands import add_bands
from quartier.pareto import OBJECTIVES
from quartier.problem import NeighbourhoodProblem, Problem
from quartier.program import Arrays, Highs, Indices
from quartier.quantities import Array
from quartier.units.balance import by_node

GRID = 5
"""Values of the grid by constrained objective."""
WEIGHT = 1e-3
"""Weight of the constrained objectives, in their ranges, beside the minimised one."""
UNIT = 1e3
"""Scale of what is minimised, so that the weights stay above the solver's tolerance."""
PRIMAL, DUAL = 4, 1
"""Simplex methods of HiGHS, for another cost and for other bounds: with hundreds of charging
stations several times as fast as one of them for both."""
SAME = 1e-3
"""Difference in all columns (kW, kg) below which points are the same."""


@dataclass(frozen=True)
class Point:
    """A point of a front: objectives by name, and controls by unit and name, shape ``(T,)``."""

    values: Mapping[str, float]
    controls: Mapping[str, Mapping[str, Array]]


class Objectives(Member):
    """A neighbourhood's linear program with its objectives L1-L3 as columns.

    CHPs are convexified. What the penalty is on (caps exceeded, heat not served or thrown away)
    is held at its least: objectives come after it (M4).

    Parameters
    ----------
    problem
        Units and limits; prices do not matter.
    """

    def __init__(self, problem: NeighbourhoodProblem) -> None:
        super().__init__(problem, convex=True)

    def _compile(self) -> None:
        """Add the objectives before the model is compiled; less is better in all columns."""
        model, parts = self.declared.model, self.declared.parts
        connection = model.connection
        steps = range(self.problem.horizon.steps)
        model.objectives = pyo.Block()
        own = model.objectives
        own.peak, own.inflexible, own.co2, own.penalised = (pyo.Var() for _ in range(4))
        own.peaks = pyo.Constraint(
            steps,
            rule=lambda _, t: connection.imported_kw[t] - connection.exported_kw[t] <= own.peak,
        )
        own.bands = pyo.Block()
        flexible = add_bands(own.bands, model, parts) / len(steps)
        co2 = self.declared.nodes.co2_kg + sum(flow.co2_kg for part in parts for flow in part.flows)
        own.less = pyo.Constraint(expr=own.inflexible + flexible == 0)
        own.emitted = pyo.Constraint(expr=own.co2 - co2 == 0)
        own.kept = pyo.Constraint(expr=own.penalised - self._penalised() == 0)
        super()._compile()
        index = self.declared.compiled.index
        self.columns = index([own.peak, own.inflexible, own.co2])
        self._penalised_column = index([own.penalised])

    def _penalised(self) -> Any:
        """What the penalty is on, in kW summed over the steps."""
        connection = self.declared.model.connection
        found = sum([*connection.over_kw.values(), *connection.under_kw.values()])
        for node, _ in by_node(list(self.declared.with_blocks)):
            part = self.declared.model.component(f"node_{node.name}")
            for t in part.balance:
                found += node.penalised(part.unserved_kw[t], part.rejected_kw[t])
        return found

    def front(self, grid: int = GRID) -> list[Point]:
        """Points of the front, the lexicographic optima of the objectives first.

        Raises
        ------
        SolveFailed
            If there is no schedule at all.
        """
        name = f"front of {self.problem.name}"
        arrays = replace(self.arrays, cost=np.zeros(self.arrays.size), offset=0.0)
        solver = Highs(name, arrays)
        solver.set_cost(_cost(arrays, self._penalised_column, np.ones(1)))
        least = solver.needed().values[self._penalised_column]
        upper = arrays.upper.copy()
        upper[self._penalised_column] = least + _slack(least)
        return [
            self._point(x) for x in augmecon(name, replace(arrays, upper=upper), self.columns, grid)
        ]

    def _point(self, values: Array) -> Point:
        factors = np.array([1.0, -float(self.problem.horizon.steps), 1.0])
        found = factors * values[self.columns] + np.array([0.0, self.available_kw, 0.0])
        named = dict(zip(OBJECTIVES, found.tolist(), strict=True))
        return Point(named, self.readings.controls(values))

    @property
    def available_kw(self) -> float:
        """Flexibility of curtailable units: what is available, summed over the steps."""
        return float(self.curtailable_kw.sum())


def augmecon(name: str, arrays: Arrays, columns: Indices, grid: int) -> list[Array]:
    """Efficient points of a linear program with three objectives.

    Parameters
    ----------
    name
        What to call the program when it fails.
    arrays
        The program; its cost is not looked at.
    columns
        The three columns to be minimised.
    grid
        Values of the grid by constrained objective, at least 2.

    Returns
    -------
    list of Array
        Values of all columns, shape ``(size,)`` each: the lexicographic optima, then the points of
        the grid; no two the same.
    """
    solver = Highs(name, arrays)
    points = [_lexicographic(solver, columns, np.roll(np.arange(3), -k)) for k in range(3)]
    payoff = np.array([x[columns] for x in points])
    ideal, worst = payoff.min(axis=0), payoff.max(axis=0)
    ranges = np.maximum(worst - ideal, SAME)
    solver.set_cost(_cost(arrays, columns, UNIT * np.array([1.0, WEIGHT, WEIGHT]) / ranges))
    points += _on_grid(solver, columns, np.linspace(worst, ideal, grid)[:, 1:])
    return _different(points, columns)


def _lexicographic(solver: Highs, columns: Indices, order: Indices) -> Array:
    """Minimise the objectives one after the other, each held at its least from then on."""
    arrays = solver.arrays
    solver.set_option("simplex_strategy", PRIMAL)
    for column in columns[order]:
        one = np.array([column])
        solver.set_cost(_cost(arrays, one, np.ones(1)))
        values = solver.needed().values
        solver.set_bounds(one, arrays.lower[one], values[one] + _slack(values[one]))
    solver.set_bounds(columns, arrays.lower[columns], arrays.upper[columns])
    return values


def _on_grid(solver: Highs, columns: Indices, limits: Array) -> list[Array]:
    """Minimise with the second and third objective below each pair of limits, loose ones first.

    Where a limit changes nothing, or nothing is left, the solve is spared.
    """
    arrays, found = solver.arrays, []
    solver.set_option("simplex_strategy", DUAL)
    for second in limits[:, 0]:
        reached = np.inf
        for third in limits[:, 1]:
            if reached <= third:
                continue
            most = np.array([second, third])
            solver.set_bounds(columns[1:], arrays.lower[columns[1:]], most + _slack(most))
            try:
                found.append(solver.needed().values)
            except SolveFailed as failure:
                if "infeasible" not in failure.status:
                    raise
                break
            reached = found[-1][columns[2]]
    return found


def _different(points: list[Array], columns: Indices) -> list[Array]:
    """Leave out points whose objectives are those of an earlier one."""
    kept: list[Array] = []
    for x in points:
        if all(np.abs(x[columns] - y[columns]).max() > SAME for y in kept):
            kept.append(x)
    return kept


def _cost(arrays: Arrays, columns: Indices, values: Array) -> Array:
    cost = np.zeros(arrays.size)
    cost[columns] = values
    return cost


def _slack(values: Array) -> Array:
    """What the solver's tolerance may ask for beyond a value that was reached."""
    return np.asarray(1e-7 * (1 + np.abs(values)))


def front_rows(problem: Problem) -> Iterator[dict[str, Any]]:
    """Rows of the table ``fronts`` for all neighbourhoods, without the column ``gate``.

    No point is chosen: mechanisms with one objective carry out their own optimum.
    """
    for neighbourhood in problem.neighbourhoods:
        for number, point in enumerate(Objectives(neighbourhood).front()):
            for objective, value in point.values.items():
                yield {
                    "neighbourhood": neighbourhood.name,
                    "method": "augmecon",
                    "point": number,
                    "objective": objective,
                    "value": value,
                    "chosen": False,
                }
