"""Convex quadratic programs by interior points: piqp.

HiGHS's active-set method takes 100 times as long for what agents of a market solve, and of programs
with a flat objective it calls points optimal that are not. Here cost changes in place; a program
that piqp does not solve goes to HiGHS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import piqp
from scipy import sparse

from quartier.hiccups import Hiccup, note
from quartier.program.answer import Answer
from quartier.program.arrays import Arrays
from quartier.program.highs import Highs
from quartier.quantities import Array

PRECISE, ROUGH = 1e-8, 1e-6
"""What may be missing from feasible and optimal, in units of the greatest number: at the first
tries, and at the last one."""


class Convex:
    """A convex quadratic program that is solved again and again for other costs.

    Parameters
    ----------
    name
        What to call it when it fails.
    arrays
        The program, without whole numbers.
    """

    def __init__(self, name: str, arrays: Arrays) -> None:
        self.name, self.arrays = name, arrays
        self._equal = arrays.row_lower == arrays.row_upper
        self._warm: tuple[piqp.SparseSolver, float] | None = None

    def set_cost(self, cost: Array, offset: float) -> None:
        """Change what all columns cost, and the objective's constant."""
        self.arrays = replace(self.arrays, cost=cost, offset=offset)

    def needed(self) -> Answer:
        """Solve; a point is needed.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found.
        """
        began = perf_counter()
        for tries, values in enumerate(self._attempts(), start=1):
            if values is not None:
                if tries > 1:
                    note(Hiccup(self.name, "optimal", tries))
                objective, wall_s = self.arrays.value(values), perf_counter() - began
                return Answer(values, "optimal", objective, wall_s=wall_s, tries=tries, found=True)
        return Highs(self.name, self.arrays).needed()

    def _attempts(self) -> Iterator[Array | None]:
        """Points found: warm, cold, cold and in other units, and less precisely."""
        if self._warm is not None:
            solver, unit = self._warm
            solver.update(c=self.arrays.cost)
            yield self._solved(solver, unit)
        greatest = self._greatest()
        for part, precision in ((0.1, PRECISE), (1.0, PRECISE), (0.1, ROUGH), (0.01, ROUGH)):
            unit = max(part * greatest, 1e-6)
            solver = self._passed(unit, precision)
            self._warm = (solver, unit)
            yield self._solved(solver, unit)
        self._warm = None

    def _greatest(self) -> float:
        """The greatest finite bound or side."""
        arrays = self.arrays
        sides = (arrays.lower, arrays.upper, arrays.row_lower, arrays.row_upper)
        return max(float(np.abs(s[np.isfinite(s)]).max(initial=0.0)) for s in sides) or 1.0

    def _passed(self, unit: float, precision: float) -> piqp.SparseSolver:
        """A solver with the program, whose columns are counted in a unit of some size."""
        arrays, equal = self.arrays, self._equal
        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = precision
        rows: dict[str, Any] = {}
        if equal.any():
            rows |= {"A": sparse.csc_matrix(arrays.matrix[equal])}
            rows |= {"b": arrays.row_lower[equal] / unit}
        if not equal.all():
            rows |= {"G": sparse.csc_matrix(arrays.matrix[~equal])}
            rows |= {"h_l": arrays.row_lower[~equal] / unit}
            rows |= {"h_u": arrays.row_upper[~equal] / unit}
        solver.setup(
            sparse.csc_matrix(arrays.hessian * unit),
            arrays.cost,
            x_l=arrays.lower / unit,
            x_u=arrays.upper / unit,
            **rows,
        )
        return solver

    def _solved(self, solver: piqp.SparseSolver, unit: float) -> Array | None:
        if solver.solve() != piqp.PIQP_SOLVED:
            return None
        values = np.array(solver.result.x, dtype=float) * unit
        return np.clip(values, self.arrays.lower, self.arrays.upper)
