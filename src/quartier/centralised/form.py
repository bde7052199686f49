"""Mixed-integer programs as arrays, and HiGHS on them: what the joint models are put together from.

A neighbourhood's part is compiled from Pyomo blocks once; grid, plants and optimality conditions
are added as sparse blocks, so that building a model of thousands of rows takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.errors import SolveFailed
from quartier.highs import Answer, Arrays, Flags, Highs, relative_gap
from quartier.optimisation.program import arrays_of, matrix_form
from quartier.quantities import Array

__all__ = [
    "Answer",
    "Flags",
    "Form",
    "Solver",
    "activity",
    "compile_model",
    "relative_gap",
    "tidied",
]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Form(Arrays):
    """``min offset + cost x`` over ``row_lower <= A x <= row_upper``, ``lower <= x <= upper``."""

    def relaxed(self) -> Form:
        """Return the linear relaxation."""
        return replace(self, integer=np.zeros(self.size, dtype=bool))

    def select(self, columns: Flags, rows: Flags) -> Form:
        """Return the part of some columns and rows; what is left out must not matter."""
        return Form(
            self.cost[columns],
            self.lower[columns],
            self.upper[columns],
            self.integer[columns],
            self.matrix[rows][:, columns],
            self.row_lower[rows],
            self.row_upper[rows],
            self.offset,
        )


def tidied(form: Form, needed: Flags) -> tuple[Form, Flags]:
    """Leave out fixed columns, and rows that then only bound a column or nothing at all.

    Parameters
    ----------
    needed
        Columns that stay even if they are fixed.

    Returns
    -------
    Form, Array of bool
        The smaller program, and which columns are kept.
    """
    kept = (form.lower < form.upper) | needed
    fixed = np.where(kept, 0.0, form.lower)
    shift = form.matrix @ fixed
    matrix = sparse.csr_array(form.matrix[:, kept])
    matrix.eliminate_zeros()
    row_lower, row_upper = form.row_lower - shift, form.row_upper - shift
    lower, upper = form.lower[kept].copy(), form.upper[kept].copy()
    entries = np.diff(matrix.indptr)
    for row in np.flatnonzero(entries == 1):
        place = matrix.indptr[row]
        column, factor = matrix.indices[place], matrix.data[place]
        ends = sorted((row_lower[row] / factor, row_upper[row] / factor))
        lower[column] = max(lower[column], ends[0])
        upper[column] = min(upper[column], ends[1])
    rows = entries > 1
    smaller = Form(
        form.cost[kept],
        lower,
        upper,
        form.integer[kept],
        sparse.csr_array(matrix[rows]),
        row_lower[rows],
        row_upper[rows],
        form.offset + float(form.cost @ fixed),
    )
    return smaller, kept


def activity(matrix: sparse.csr_array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Least and greatest value of every row within bounds of the columns."""
    up, down = matrix.maximum(0), -((-matrix).maximum(0))
    with np.errstate(invalid="ignore"):
        least = _times(up, lower) + _times(down, upper)
        greatest = _times(up, upper) + _times(down, lower)
    return least, greatest


def _times(matrix: sparse.csr_array, bound: Array) -> Array:
    """Product that reads infinite bounds as such only where they stand in a row."""
    finite = matrix @ np.where(np.isfinite(bound), bound, 0.0)
    sign = matrix @ np.where(np.isfinite(bound), 0.0, np.sign(bound))
    return np.where(sign == 0, finite, np.sign(sign) * np.inf)


def compile_model(model: Any) -> tuple[Form, dict[int, int]]:
    """Take the arrays from a Pyomo model; also the column of every variable by its ``id``."""
    found = matrix_form(model)
    return Form(**vars(arrays_of(found))), {id(v): i for i, v in enumerate(found.columns)}


class Solver(Highs):
    """A form inside HiGHS, solved again and again with changed bounds and costs.

    Parameters
    ----------
    name
        What to call it when it fails.
    options
        Options of HiGHS, e.g. ``mip_rel_gap`` or ``mip_max_nodes``.
    """

    def __init__(self, name: str, form: Form, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, form, options)
        self.form = form

    def solve(self, seconds: float | None = None) -> Answer:
        """Solve.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found within the limits.
        """
        answer = self.tried(seconds)
        if not answer.found:
            raise SolveFailed(self.name, answer.status, _hint(answer.status))
        return answer

    def tried(self, seconds: float | None = None) -> Answer:
        """Solve where a solution can be done without; it may not be found."""
        return super().solve(seconds)


def _hint(status: str) -> str:
    if "infeasible" in status:
        return "No plan keeps all limits at once; see the limits of the grid and the units."
    return ""
