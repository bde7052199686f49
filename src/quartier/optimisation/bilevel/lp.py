"""HiGHS on numbers: the many small LPs, QPs and MILPs around the one big solve.

One instance keeps its matrix and its basis; the objective and the column bounds change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import frexp
from typing import Any

import numpy as np

from quartier.optimisation.bilevel.program import Program, matrix
from quartier.program import Answer, Arrays, Highs

SMALL = 1e-3
"""Objectives whose greatest coefficient is less are scaled: HiGHS's tolerances are absolute."""


class Lp:
    """A program inside HiGHS, solved again and again."""

    def __init__(
        self,
        program: Program,
        *,
        relax: bool = True,
        quadratic: Mapping[tuple[int, int], float] | None = None,
        tolerance: float = 1e-9,
    ) -> None:
        self.program = program
        coefs = [*program.cost.values(), *(quadratic or {}).values()]
        self._scale = scale_of(coefs)
        self._quadratic = quadratic
        scaled = {pair: self._scale * h for pair, h in (quadratic or {}).items()}
        options = {**_OPTIONS, **dict.fromkeys(_TOLERANCES, tolerance)}
        arrays = replace(arrays_of(program, relax, self._scale), quadratic=scaled)
        self._highs = Highs("part of a bi-level problem", arrays, options)

    def bound(self, columns: Mapping[int, tuple[float, float]]) -> None:
        """Change the bounds of columns."""
        if columns:
            low, high = np.array(list(columns.values()), dtype=float).T
            self._highs.set_bounds(np.array(list(columns), dtype=np.int64), low, high)

    def minimise(self, cost: Mapping[int, float] | None = None, offset: float = 0.0) -> Answer:
        """Minimise another objective, or the program's own; only an optimum has a point."""
        if cost is not None:
            self._scale = self._scale if self._quadratic else scale_of(cost.values())
            dense = np.zeros(len(self.program))
            for k, c in cost.items():
                dense[k] = self._scale * c
            self._highs.set_cost(dense, offset=self._scale * offset)
        found, scale = self._highs.solve(), self._scale
        if found.status != "optimal":
            return Answer(np.zeros(0), found.status)
        return replace(
            found,
            objective=found.objective / scale,
            bound=found.bound / scale,
            row_dual=found.row_dual / scale,
            column_dual=found.column_dual / scale,
        )

    def maximise(self, cost: Mapping[int, float]) -> Answer:
        """Maximise an objective; `objective` is its maximum."""
        found = self.minimise({k: -c for k, c in cost.items()})
        return replace(found, objective=-found.objective, bound=-found.bound)


def scale_of(coefs: Any) -> float:
    """A power of two that makes the greatest coefficient of a tiny objective about 1; else 1."""
    greatest = max((abs(c) for c in coefs), default=0.0)
    return 1.0 if greatest == 0.0 or greatest >= SMALL else float(2.0 ** -frexp(greatest)[1])


_OPTIONS = {
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 1e-9,
    "qp_regularization_value": 0.0,
}
_TOLERANCES = (
    "primal_feasibility_tolerance",
    "dual_feasibility_tolerance",
    "mip_feasibility_tolerance",
)


def arrays_of(program: Program, relax: bool = False, scale: float = 1.0) -> Arrays:
    """A program as arrays, its objective scaled."""
    cost = np.zeros(len(program))
    for k, c in program.cost.items():
        cost[k] = scale * c
    whole = np.array(program.integer, dtype=bool)
    return Arrays(
        cost=cost,
        lower=np.array(program.lower, dtype=float),
        upper=np.array(program.upper, dtype=float),
        integer=np.zeros_like(whole) if relax else whole,
        matrix=matrix(program.rows, len(program)),
        row_lower=np.array([row.lower for row in program.rows], dtype=float),
        row_upper=np.array([row.upper for row in program.rows], dtype=float),
        offset=scale * program.offset,
    )
