"""Mixed-integer programs as arrays, and HiGHS on them: what the joint models are put together from.

A neighbourhood's part is compiled from Pyomo blocks once; grid, plants and optimality conditions
are added as sparse blocks, so that building a model of thousands of rows takes milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.errors import SolveFailed
from quartier.optimisation.program import matrix_form
from quartier.quantities import Array

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

_STATUS = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kUnbounded: "unbounded",
    highspy.HighsModelStatus.kUnboundedOrInfeasible: "infeasible or unbounded",
    highspy.HighsModelStatus.kSolutionLimit: "node-limit",
    highspy.HighsModelStatus.kTimeLimit: "time-limit",
    highspy.HighsModelStatus.kIterationLimit: "iteration-limit",
    highspy.HighsModelStatus.kObjectiveTarget: "optimal",
}
NEARLY = 1e-4
"""Violation (kW, tolerances) up to which an optimal point passes as feasible."""
_OPTIONS: dict[str, Any] = {"output_flag": False, "threads": 1, "random_seed": 0}


@dataclass(frozen=True)
class Form:
    """``min offset + cost x`` over ``row_lower <= A x <= row_upper``, ``lower <= x <= upper``."""

    cost: Array
    lower: Array
    upper: Array
    integer: Flags
    matrix: sparse.csr_array
    row_lower: Array
    row_upper: Array
    offset: float = 0.0

    @property
    def size(self) -> int:
        """Number of columns."""
        return self.cost.size

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
    bounds = [variable.bounds for variable in found.columns]
    kinds = np.array([row.bound_type for row in found.rows])  # 0: ==, 1: <=, -1: >=
    rhs = np.asarray(found.rhs, dtype=float)
    form = Form(
        cost=np.asarray(found.c.todense(), dtype=float).ravel(),
        lower=np.array([-np.inf if low is None else low for low, _ in bounds], dtype=float),
        upper=np.array([np.inf if high is None else high for _, high in bounds], dtype=float),
        integer=np.array([variable.is_integer() for variable in found.columns], dtype=bool),
        matrix=sparse.csr_array(found.A),
        row_lower=np.where(kinds <= 0, rhs, -np.inf),
        row_upper=np.where(kinds >= 0, rhs, np.inf),
        offset=float(found.c_offset[0]),
    )
    return form, {id(variable): i for i, variable in enumerate(found.columns)}


@dataclass(frozen=True)
class Answer:
    """What HiGHS found: ``gap`` is relative, ``row_dual`` is there for linear programs only."""

    values: Array
    status: str
    objective: float
    bound: float
    gap: float
    row_dual: Array
    wall_s: float
    nodes: int


class Solver:
    """A form inside HiGHS, solved again and again with changed bounds and costs.

    Parameters
    ----------
    name
        What to call it when it fails.
    options
        Options of HiGHS, e.g. ``mip_rel_gap`` or ``mip_max_nodes``.
    """

    def __init__(self, name: str, form: Form, options: Mapping[str, Any] | None = None) -> None:
        self.name, self.form = name, form
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in {**_OPTIONS, **(options or {})}.items():
            self._highs.setOptionValue(option, value)
        self._highs.passModel(_lp_of(form))

    def set_option(self, name: str, value: Any) -> None:
        """Set an option of HiGHS."""
        self._highs.setOptionValue(name, value)

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        shape = columns.shape
        self._highs.changeColsBounds(
            columns.size,
            columns.astype(np.int32),
            np.ascontiguousarray(np.broadcast_to(low, shape), dtype=float),
            np.ascontiguousarray(np.broadcast_to(high, shape), dtype=float),
        )

    def set_cost(self, cost: Array, offset: float = 0.0) -> None:
        """Change the objective."""
        self._highs.changeColsCost(cost.size, np.arange(cost.size, dtype=np.int32), cost)
        self._highs.changeObjectiveOffset(offset)

    def set_row(self, row: int, columns: Indices, values: Array, upper: float) -> None:
        """Change some coefficients of a row, and its upper side."""
        for column, value in zip(columns.tolist(), values.tolist(), strict=True):
            self._highs.changeCoeff(row, column, value)
        self._highs.changeRowBounds(row, -np.inf, upper)

    def start_from(self, values: Array) -> None:
        """Tell HiGHS a point to start from."""
        solution = highspy.HighsSolution()
        solution.col_value = list(values)
        self._highs.setSolution(solution)

    def solve(self) -> Answer:
        """Solve.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found within the limits.
        """
        began = time.perf_counter()
        self._highs.run()
        wall_s = time.perf_counter() - began
        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        said = _STATUS.get(status, str(status))
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        # Optimal in HiGHS's scaling, but not quite feasible out of it: good enough.
        near = said == "optimal" and info.max_primal_infeasibility <= NEARLY
        if not (feasible or near):
            raise SolveFailed(self.name, said, _hint(said))
        mixed = bool(self.form.integer.any())
        objective = float(info.objective_function_value)
        bound = float(info.mip_dual_bound) if mixed else objective
        found = self._highs.getSolution()
        return Answer(
            values=np.array(found.col_value),
            status=said,
            objective=objective,
            bound=bound,
            gap=relative_gap(objective, bound),
            row_dual=np.zeros(0) if mixed else np.array(found.row_dual),
            wall_s=wall_s,
            nodes=int(info.mip_node_count) if mixed else 0,
        )


def relative_gap(objective: float, bound: float) -> float:
    """Distance of an objective from its bound, relative to the objective, never negative."""
    return max(objective - bound, 0.0) / max(abs(objective), 1e-9)


def _hint(status: str) -> str:
    if "infeasible" in status:
        return "No plan keeps all limits at once; see the limits of the grid and the units."
    return ""


def _lp_of(form: Form) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    matrix = sparse.csc_array(form.matrix)
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.offset_ = form.cost, form.offset
    lp.col_lower_, lp.col_upper_ = form.lower, form.upper
    lp.row_lower_, lp.row_upper_ = form.row_lower, form.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data.astype(float)
    if form.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in form.integer]
    return lp
