"""HiGHS for the whole program: a matrix passed once, then solved again and again.

Costs, bounds and rows change in place, and HiGHS starts from its last basis. One thread, one random
seed: the same calls give the same answers.

A solve that ends neither optimal nor proven infeasible or unbounded (``unknown``, ``failed``, a
limit that nobody set) is tried again in the other ways of :data:`WAYS`: cold, without presolve,
by another algorithm, in another scaling. What needed more than one try is noted in
:mod:`quartier.hiccups`; what no way solves has a status that says so, and no values.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from time import perf_counter
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.errors import InputError, SolveFailed
from quartier.hiccups import Hiccup, note
from quartier.quantities import Array

Indices = NDArray[np.int64] | NDArray[np.int32]
Flags = NDArray[np.bool_]
Status = highspy.HighsModelStatus

OPTIONS: Mapping[str, Any] = {"output_flag": False, "threads": 1, "random_seed": 0}
"""What every solve begins with."""

WORDS = {
    Status.kOptimal: "optimal",
    Status.kObjectiveTarget: "optimal",
    Status.kModelEmpty: "optimal",
    Status.kInfeasible: "infeasible",
    Status.kUnbounded: "unbounded",
    Status.kUnboundedOrInfeasible: "infeasible-or-unbounded",
    Status.kSolutionLimit: "node-limit",
    Status.kTimeLimit: "time-limit",
    Status.kIterationLimit: "iteration-limit",
    Status.kMemoryLimit: "memory-limit",
    Status.kInterrupt: "interrupted",
    Status.kUnknown: "unknown",
}
"""What HiGHS says, in words; all else is ``failed``."""
PROVEN = ("optimal", "infeasible", "unbounded")
LIMITS = ("node-limit", "time-limit", "interrupted")
"""What ends a search early, on demand: its best point counts."""

_PLAIN: Mapping[str, Any] = {"presolve": "off"}
WAYS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "linear": (
        {},
        {**_PLAIN, "solver": "simplex", "simplex_scale_strategy": 4},
        {"solver": "ipm"},
        {**_PLAIN, "solver": "simplex", "simplex_strategy": 4, "simplex_scale_strategy": 0},
    ),
    "integer": (
        {},
        {**_PLAIN, "simplex_scale_strategy": 4},
        {"mip_lp_solver": "ipm", "random_seed": 1},
        {**_PLAIN, "simplex_strategy": 4, "simplex_scale_strategy": 0},
    ),
    "quadratic": (
        {},
        {**_PLAIN},
        {"qp_regularization_value": 1e-7},
        {**_PLAIN, "qp_regularization_value": 1e-6, "simplex_scale_strategy": 4},
    ),
}
"""Options of the second, third, ... try by kind of program, all cold."""
NEARLY = 1e-4
"""Violation up to which an optimal point passes as feasible, if no other way finds a better one:
optimal in HiGHS's scaling, but not quite feasible out of it."""


@dataclass(frozen=True)
class Arrays:
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


@dataclass(frozen=True)
class Answer:
    """What HiGHS found.

    Parameters
    ----------
    values
        A feasible point, shape ``(columns,)``; empty where there is none.
    status
        One of :data:`WORDS`, or ``failed``.
    objective, bound
        Of the minimised objective; infinite without a point, and without a proof.
    row_dual, column_dual
        Multipliers ν and r of ``c + Qx = Aᵀν + r``, of optimal continuous programs only.
    tries
        How often HiGHS was started.
    """

    values: Array
    status: str
    objective: float = np.inf
    bound: float = -np.inf
    row_dual: Array = field(default_factory=lambda: np.zeros(0))
    column_dual: Array = field(default_factory=lambda: np.zeros(0))
    wall_s: float = 0.0
    nodes: int = 0
    tries: int = 1
    found: bool = False
    """Whether there is a point."""

    @property
    def gap(self) -> float:
        """Distance of objective and bound, relative to the objective."""
        return relative_gap(self.objective, self.bound)


def relative_gap(objective: float, bound: float) -> float:
    """Distance of an objective from its bound, relative to the objective, never negative."""
    if not np.isfinite(objective - bound):
        return np.inf
    return max(objective - bound, 0.0) / max(abs(objective), 1e-9)


def run(highs: Any) -> Status:
    """Start HiGHS once, and return what it says.

    HiGHS keeps one pool of threads, and refuses to run if that was made for another number of
    them, by whoever else solves in this process; then the pool is made anew.
    """
    if highs.run() == highspy.HighsStatus.kError:
        highspy.Highs.resetGlobalScheduler(True)
        highs.run()
    said: Status = highs.getModelStatus()
    return said


class Highs:
    """A program inside HiGHS.

    Parameters
    ----------
    name
        What to call it when it fails.
    arrays
        The program.
    options
        Options of HiGHS besides :data:`OPTIONS`.
    quadratic
        Products ``h x_i x_j`` in the objective, by ``(i, j)``; convex, and no column integer.
    """

    def __init__(
        self,
        name: str,
        arrays: Arrays,
        options: Mapping[str, Any] | None = None,
        quadratic: Mapping[tuple[int, int], float] | None = None,
    ) -> None:
        self.name, self.arrays = name, arrays
        self.is_mixed = bool(arrays.integer.any())
        self._kind = "integer" if self.is_mixed else "quadratic" if quadratic else "linear"
        self._options = {**OPTIONS, **(options or {})}
        self._start: Array | None = None
        _greet()
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self._set(self._options)
        self._highs.passModel(_lp_of(arrays))
        if quadratic:
            _pass_hessian(self._highs, arrays.size, quadratic)

    # -- changes in place -----------------------------------------------------------------------
    def set_option(self, name: str, value: Any) -> None:
        """Set an option of HiGHS."""
        self._options[name] = value
        self._set({name: value})

    def _set(self, options: Mapping[str, Any]) -> None:
        for name, value in options.items():
            if self._highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
                raise InputError([f"it has no option {name} that could be {value!r}"], "HiGHS")

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        shape = columns.shape
        self._highs.changeColsBounds(
            columns.size,
            columns.astype(np.int32),
            np.ascontiguousarray(np.broadcast_to(low, shape), dtype=float),
            np.ascontiguousarray(np.broadcast_to(high, shape), dtype=float),
        )

    def set_cost(
        self, cost: Array, columns: Indices | None = None, offset: float | None = None
    ) -> None:
        """Change what columns cost (all, if none are named), and the objective's constant."""
        places = np.arange(cost.size) if columns is None else columns
        cost = np.ascontiguousarray(cost, dtype=float)
        self._highs.changeColsCost(cost.size, places.astype(np.int32), cost)
        if offset is not None:
            self._highs.changeObjectiveOffset(offset)

    def set_row(self, row: int, columns: Indices, values: Array, upper: float) -> None:
        """Change some coefficients of a row, and its upper side."""
        for column, value in zip(columns.tolist(), values.tolist(), strict=True):
            self._highs.changeCoeff(row, column, value)
        self._highs.changeRowBounds(row, -np.inf, upper)

    def add_row(self, columns: Indices, values: Array, lower: float, upper: float) -> None:
        """Add a row."""
        places, values = columns.astype(np.int32), np.ascontiguousarray(values, dtype=float)
        self._highs.addRow(lower, upper, places.size, places, values)

    def start_from(self, values: Array) -> None:
        """Tell HiGHS a point to start from."""
        self._start = np.array(values, dtype=float)

    def now(self) -> Arrays:
        """The program as it stands after all changes in place."""
        lp = self._highs.getLp()
        body, shape = lp.a_matrix_, (lp.num_row_, lp.num_col_)
        entries = (np.array(body.value_), np.array(body.index_), np.array(body.start_))
        by_column = body.format_ == highspy.MatrixFormat.kColwise
        return Arrays(
            cost=np.array(lp.col_cost_),
            lower=np.array(lp.col_lower_),
            upper=np.array(lp.col_upper_),
            integer=self.arrays.integer,
            matrix=sparse.csr_array(
                sparse.csc_array(entries, shape) if by_column else sparse.csr_array(entries, shape)
            ),
            row_lower=np.array(lp.row_lower_),
            row_upper=np.array(lp.row_upper_),
            offset=lp.offset_,
        )

    def one_way(self, charge: Indices, discharge: Indices) -> Answer:
        """Solve with a binary for each pair of columns, of which at most one may be positive."""
        arrays = _one_way(self.now(), charge, discharge)
        found = Highs(self.name, arrays, self._options).solve()
        return replace(found, values=found.values[: self.arrays.size])

    # -- solving --------------------------------------------------------------------------------
    def needed(self, hint: str = "") -> Answer:
        """Solve; a point is needed.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found.
        """
        answer = self.solve()
        if not answer.found:
            raise SolveFailed(self.name, answer.status, hint)
        return answer

    def solve(self, seconds: float | None = None) -> Answer:
        """Solve, again in other ways if need be; ``seconds`` limits all tries together."""
        if not self.arrays.size:
            offset = float(self._highs.getLp().offset_)
            return Answer(np.zeros(0), "optimal", offset, offset, found=True)
        began = perf_counter()
        limited = seconds is not None or "time_limit" in self._options
        best: Answer | None = None
        for tries, way in enumerate(self._ways(), start=1):
            left_s = None if seconds is None else max(seconds - perf_counter() + began, 0.0)
            answer = self._once(way, tries, left_s)
            settled = self._is_settled(answer, limited)
            if best is None or settled or (answer.found and not best.found):
                best = answer
            if settled:
                break
        assert best is not None
        self._start = None
        if tries > 1:
            note(Hiccup(self.name, best.status, tries))
        return replace(best, wall_s=perf_counter() - began, tries=tries)

    def _ways(self) -> Iterator[Mapping[str, Any]]:
        yield {}
        yield from WAYS[self._kind]

    def _once(self, way: Mapping[str, Any], tries: int, left_s: float | None) -> Answer:
        if tries > 1:
            self._highs.clearSolver()
        if self._start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = self._start.tolist()
            self._highs.setSolution(solution)
        usual = {name: self._options.get(name, _default(name)) for name in way}
        self._set(way)
        limit_s = left_s if left_s is not None else self._options.get("time_limit", np.inf)
        # HiGHS counts the time of all its runs.
        self._set({"time_limit": self._highs.getRunTime() + limit_s})
        try:
            said = WORDS.get(run(self._highs), "failed")
            if said == "infeasible-or-unbounded":
                said = self._told_apart(said)
            return self._answer(said)
        finally:
            self._set(usual)

    def _told_apart(self, said: str) -> str:
        """Infeasible or unbounded? Without an objective it can only be infeasible."""
        lp = self._highs.getLp()
        cost, every = np.array(lp.col_cost_, dtype=float), np.arange(self.arrays.size)
        if self._kind == "quadratic":
            return said
        self.set_cost(np.zeros(cost.size), every)
        found = WORDS.get(run(self._highs), "failed")
        self.set_cost(cost, every)
        return {"infeasible": "infeasible", "optimal": "unbounded"}.get(found, said)

    def _is_settled(self, answer: Answer, limited: bool) -> bool:
        if answer.status == "optimal":
            return answer.found and self._violation() <= 0.0
        if answer.status == "time-limit":
            return limited
        if answer.status == "node-limit":
            return answer.found
        return answer.status in (*PROVEN, "interrupted")

    def _violation(self) -> float:
        """How far HiGHS itself says that the point is from feasible; 0 within its tolerance."""
        info = self._highs.getInfo()
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        return 0.0 if feasible else float(info.max_primal_infeasibility)

    def _answer(self, said: str) -> Answer:
        info, mixed = self._highs.getInfo(), self.is_mixed
        bound = float(info.mip_dual_bound) if mixed and said in ("optimal", *LIMITS) else -np.inf
        near = NEARLY if said == "optimal" else 0.0
        if said not in ("optimal", *LIMITS) or not self._violation() <= near:
            return Answer(np.zeros(0), said if said != "optimal" else "unknown", bound=bound)
        found, objective = self._highs.getSolution(), float(info.objective_function_value)
        proven = said == "optimal" and not mixed
        return Answer(
            values=np.array(found.col_value, dtype=float),
            status=said,
            objective=objective,
            bound=objective if proven else bound,
            row_dual=np.array(found.row_dual, dtype=float) if proven else np.zeros(0),
            column_dual=np.array(found.col_dual, dtype=float) if proven else np.zeros(0),
            nodes=int(info.mip_node_count) if mixed else 0,
            found=True,
        )


@cache
@cache
def _greet() -> None:
    """Let HiGHS print its banner to nowhere: 1.16 does so when first made, whatever its options."""
    try:
        kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return  # there is no standard output to keep clean
    sys.stdout.flush()
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()  # type: ignore[no-untyped-call]
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _default(option: str) -> Any:
    _, value = highspy.Highs().getOptionValue(option)  # type: ignore[no-untyped-call]
    return value


def _lp_of(arrays: Arrays) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    matrix = sparse.csc_array(arrays.matrix)
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.offset_ = arrays.cost, arrays.offset
    lp.col_lower_, lp.col_upper_ = arrays.lower, arrays.upper
    lp.row_lower_, lp.row_upper_ = arrays.row_lower, arrays.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data.astype(float)
    if arrays.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in arrays.integer]
    return lp


def _pass_hessian(highs: Any, size: int, quadratic: Mapping[tuple[int, int], float]) -> None:
    """HiGHS minimises ``½ xᵀQx``; products are given as they stand in the objective."""
    entries = sorted(
        (min(i, j), max(i, j), 2.0 * h if i == j else h) for (i, j), h in quadratic.items()
    )
    starts = np.searchsorted([entry[0] for entry in entries], np.arange(size)).astype(np.int32)
    highs.passHessian(
        size,
        len(entries),
        highspy.HessianFormat.kTriangular,
        starts,
        np.array([entry[1] for entry in entries], dtype=np.int32),
        np.array([entry[2] for entry in entries], dtype=float),
    )


def _one_way(arrays: Arrays, charge: Indices, discharge: Indices) -> Arrays:
    """Add ``charge <= most (1 - z)``, ``discharge <= most z``, z binary, pair by pair."""
    pairs, size = charge.size, arrays.size
    rows, binary = np.arange(pairs), size + np.arange(pairs)
    blocks = []
    for columns, sign in ((charge, 1.0), (discharge, -1.0)):
        data = np.concatenate([np.ones(pairs), sign * arrays.upper[columns]])
        places = (np.tile(rows, 2), np.concatenate([columns, binary]))
        blocks.append(sparse.csr_array((data, places), shape=(pairs, size + pairs)))
    wide = sparse.csr_array((arrays.matrix.shape[0], pairs))
    most = np.concatenate([arrays.upper[charge], np.zeros(pairs)])
    return Arrays(
        np.concatenate([arrays.cost, np.zeros(pairs)]),
        np.concatenate([arrays.lower, np.zeros(pairs)]),
        np.concatenate([arrays.upper, np.ones(pairs)]),
        np.concatenate([arrays.integer, np.ones(pairs, dtype=bool)]),
        sparse.csr_array(sparse.vstack([sparse.hstack([arrays.matrix, wide]), *blocks])),
        np.concatenate([arrays.row_lower, np.full(2 * pairs, -np.inf)]),
        np.concatenate([arrays.row_upper, most]),
        arrays.offset,
    )
