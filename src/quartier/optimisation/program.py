"""A Pyomo model turned into a matrix once, then solved again and again by HiGHS.

Building, not solving, is the cost of a linear program in Pyomo. So the matrix is taken from the
model once; after that only bounds change, and HiGHS starts from its last basis. One thread, no
time limit: the same calls give the same answers on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import highspy
import numpy as np
from numpy.typing import NDArray
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from quartier.errors import SolveFailed
from quartier.quantities import Array

Indices: TypeAlias = NDArray[np.int32]

_STATUS = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kUnbounded: "unbounded",
    highspy.HighsModelStatus.kUnboundedOrInfeasible: "unbounded or infeasible",
    highspy.HighsModelStatus.kSolutionLimit: "node limit",
    highspy.HighsModelStatus.kTimeLimit: "time limit",
    highspy.HighsModelStatus.kIterationLimit: "iteration limit",
}


@dataclass(frozen=True)
class Outcome:
    """What the solver says of a solve; ``gap`` is relative."""

    status: str
    objective: float
    bound: float
    gap: float


def matrix_form(model: Any) -> Any:
    """Take the matrix from a Pyomo model: linear, one active objective, minimised."""
    return LinearStandardFormCompiler().write(model, mixed_form=True)


class Program:
    """A linear or mixed-integer program, ready to be solved with changed bounds.

    Parameters
    ----------
    name
        What to call it when it fails.
    form
        The matrix form of a Pyomo model (:func:`matrix_form`).
    relax
        Ignore that variables are integer.
    """

    def __init__(self, name: str, form: Any, relax: bool = False) -> None:
        self.name = name
        self._index = {id(variable): i for i, variable in enumerate(form.columns)}
        self._columns = form.columns  # keeps the variables alive, and so their ids theirs
        binary = [variable.is_integer() for variable in form.columns]
        self.integers = np.flatnonzero([] if relax else binary).astype(np.int32)
        self._offset = float(form.c_offset[0])
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in _OPTIONS.items():
            self._highs.setOptionValue(option, value)
        self._highs.passModel(_lp_of(form, self.integers))

    def index(self, variables: Iterable[Any]) -> Indices:
        """Columns of Pyomo variables."""
        return np.array([self._index[id(v)] for v in variables], dtype=np.int32)

    def set_option(self, name: str, value: float | str) -> None:
        """Set an option of HiGHS."""
        self._highs.setOptionValue(name, value)

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        shape = columns.shape
        self._highs.changeColsBounds(
            len(columns),
            columns,
            np.ascontiguousarray(np.broadcast_to(low, shape), dtype=float),
            np.ascontiguousarray(np.broadcast_to(high, shape), dtype=float),
        )

    def set_cost(self, columns: Indices, values: Array) -> None:
        """Change what columns cost."""
        self._highs.changeColsCost(len(columns), columns, np.ascontiguousarray(values, dtype=float))

    def solve(self) -> tuple[Array, Outcome]:
        """Solve, and return the values of all columns.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found.
        """
        if not self._columns:
            return np.zeros(0), Outcome("optimal", self._offset, self._offset, 0.0)
        self._highs.run()
        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        said = _STATUS.get(status, str(status))
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            raise SolveFailed(self.name, said, "Check states, sessions and limits of its units.")
        objective = float(info.objective_function_value)
        bound = float(info.mip_dual_bound) if len(self.integers) else objective
        gap = abs(objective - bound) / max(abs(objective), 1e-9)
        values = np.array(self._highs.getSolution().col_value)
        return values, Outcome(said, objective, bound, gap)


_OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "mip_max_nodes": 5000,  # a limit that does not depend on the machine's speed
}


def _lp_of(form: Any, integers: Indices) -> highspy.HighsLp:
    """Return a compiled model as HiGHS wants it."""
    lp = highspy.HighsLp()
    matrix = form.A.tocsc()
    infinity = highspy.kHighsInf
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_ = np.asarray(form.c.todense(), dtype=float).ravel()
    lp.offset_ = float(form.c_offset[0])
    bounds = [variable.bounds for variable in form.columns]
    lp.col_lower_ = np.array([-infinity if low is None else low for low, _ in bounds], float)
    lp.col_upper_ = np.array([infinity if high is None else high for _, high in bounds], float)
    kinds = np.array([row.bound_type for row in form.rows])  # 0: ==, 1: <=, -1: >=
    lp.row_lower_ = np.where(kinds <= 0, form.rhs, -infinity)
    lp.row_upper_ = np.where(kinds >= 0, form.rhs, infinity)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data.astype(float)
    if len(integers):
        integrality = np.array([highspy.HighsVarType.kContinuous] * lp.num_col_)
        integrality[integers] = highspy.HighsVarType.kInteger
        lp.integrality_ = list(integrality)
    return lp
