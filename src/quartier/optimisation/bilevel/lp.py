"""HiGHS on numbers: the many small LPs and QPs around the one big solve.

One instance keeps its matrix and its basis; the objective and the column bounds change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import highspy
import numpy as np

from quartier.optimisation.bilevel.program import Program, matrix
from quartier.quantities import Array

_STATUS = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kUnbounded: "unbounded",
    highspy.HighsModelStatus.kTimeLimit: "time-limit",
    highspy.HighsModelStatus.kModelEmpty: "optimal",
}
_EITHER = highspy.HighsModelStatus.kUnboundedOrInfeasible


@dataclass(frozen=True)
class LpOutcome:
    """What HiGHS said; arrays and value are only there when `status` is `optimal`.

    `row_dual` and `column_dual` are the multipliers ν and r of `c + Qv = Aᵀν + r`: positive at
    a lower limit, negative at an upper one.
    """

    status: str
    value: float = inf
    point: Array | None = None
    row_dual: Array | None = None
    column_dual: Array | None = None


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
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in _OPTIONS.items():
            self._highs.setOptionValue(option, value)
        for option in _TOLERANCES:
            self._highs.setOptionValue(option, tolerance)
        self._highs.passModel(_model(program, relax))
        if quadratic:
            self._pass_hessian(quadratic)

    def bound(self, columns: Mapping[int, tuple[float, float]]) -> None:
        """Change the bounds of columns."""
        for k, (lower, upper) in columns.items():
            self._highs.changeColBounds(k, lower, upper)

    def minimise(self, cost: Mapping[int, float] | None = None, offset: float = 0.0) -> LpOutcome:
        """Minimise another objective, or the program's own."""
        if cost is not None:
            dense = np.zeros(len(self.program))
            for k, c in cost.items():
                dense[k] = c
            self._highs.changeColsCost(len(dense), np.arange(len(dense), dtype=np.int32), dense)
            self._highs.changeObjectiveOffset(offset)
        self._highs.run()
        return self._outcome()

    def maximise(self, cost: Mapping[int, float]) -> LpOutcome:
        """Maximise an objective; `value` is its maximum."""
        found = self.minimise({k: -c for k, c in cost.items()})
        return LpOutcome(found.status, -found.value, found.point, found.row_dual, found.column_dual)

    def _outcome(self) -> LpOutcome:
        status = self._highs.getModelStatus()
        if status == _EITHER:
            # Presolve could not tell the two apart: the simplex method can.
            self._highs.setOptionValue("presolve", "off")
            self._highs.clearSolver()
            self._highs.run()
            self._highs.setOptionValue("presolve", "choose")
            status = self._highs.getModelStatus()
        name = _STATUS.get(status, "failed")
        if name != "optimal":
            return LpOutcome(name)
        solution = self._highs.getSolution()
        return LpOutcome(
            name,
            float(self._highs.getInfo().objective_function_value),
            np.asarray(solution.col_value, dtype=float),
            np.asarray(solution.row_dual, dtype=float),
            np.asarray(solution.col_dual, dtype=float),
        )

    def _pass_hessian(self, quadratic: Mapping[tuple[int, int], float]) -> None:
        """HiGHS minimises `½ vᵀQv`; products are given as they stand in the objective."""
        entries = sorted(
            (min(i, j), max(i, j), 2.0 * h if i == j else h) for (i, j), h in quadratic.items()
        )
        n = len(self.program)
        starts = np.searchsorted([e[0] for e in entries], np.arange(n)).astype(np.int32)
        self._highs.passHessian(
            n,
            len(entries),
            highspy.HessianFormat.kTriangular,
            starts,
            np.array([e[1] for e in entries], dtype=np.int32),
            np.array([e[2] for e in entries], dtype=float),
        )


_OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 1e-9,
    "qp_regularization_value": 0.0,
}
_TOLERANCES = (
    "primal_feasibility_tolerance",
    "dual_feasibility_tolerance",
    "mip_feasibility_tolerance",
)


def _model(program: Program, relax: bool) -> highspy.HighsLp:
    n, m = len(program), len(program.rows)
    coefs = matrix(program.rows, n)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, m
    cost = np.zeros(n)
    for k, c in program.cost.items():
        cost[k] = c
    lp.col_cost_, lp.offset_ = cost, program.offset
    lp.col_lower_, lp.col_upper_ = np.array(program.lower, float), np.array(program.upper, float)
    lp.row_lower_ = np.array([row.lower for row in program.rows], float)
    lp.row_upper_ = np.array([row.upper for row in program.rows], float)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = coefs.indptr, coefs.indices
    lp.a_matrix_.value_ = coefs.data
    if not relax and any(program.integer):
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger if i else kinds.kContinuous for i in program.integer]
    return lp
