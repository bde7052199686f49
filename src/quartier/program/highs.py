"""HiGHS for everybody: a matrix passed once, then solved again and again.

Costs, bounds and rows change in place, and HiGHS starts from its last basis. One thread, one random
seed: the same calls give the same answers.

A solve that ends neither optimal nor proven infeasible or unbounded (``unknown``, ``failed``, a
limit that nobody set) is tried again in the other ways of :data:`WAYS`: cold, without presolve,
by another algorithm, in another scaling. So is an optimum of a quadratic program that does not
keep the optimality conditions, for HiGHS has declared such points optimal. What needed more than
one try is noted in :mod:`quartier.hiccups`; what no way solves has a status that says so, and no
values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

import highspy
import numpy as np

from quartier.errors import InputError, SolveFailed
from quartier.hiccups import Hiccup, note
from quartier.program import handover
from quartier.program.answer import LIMITS, PROVEN, WORDS, Answer, Status, residual, unproven
from quartier.program.arrays import Arrays, Indices, one_way
from quartier.program.conflict import explained
from quartier.quantities import Array

OPTIONS: Mapping[str, Any] = {"output_flag": False, "threads": 1, "random_seed": 0}
"""What every solve begins with."""

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
optimal in HiGHS's scaling, but not quite feasible out of it. Likewise for what a quadratic optimum
lacks of its optimality conditions."""
OPTIMAL = 1e-6
"""What a quadratic optimum may lack of its optimality conditions, see
:func:`~quartier.program.answer.residual`."""
NO_CHOICE = "No choice keeps all limits at once; see the limits of the grid and the units."


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
    """

    def __init__(self, name: str, arrays: Arrays, options: Mapping[str, Any] | None = None) -> None:
        self.name, self.arrays = name, arrays
        self.is_mixed = bool(arrays.integer.any())
        self._kind = "integer" if self.is_mixed else "quadratic" if arrays.quadratic else "linear"
        self._options = {**OPTIONS, **(options or {})}
        self._start: Array | None = None
        self._lacking = 0.0
        self._highs = handover.made()
        self._set(self._options)
        handover.give(self._highs, arrays)

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
        return handover.taken(self._highs, self.arrays)

    def one_way(self, charge: Indices, discharge: Indices) -> Answer:
        """Solve with a binary for each pair of columns, of which at most one may be positive."""
        arrays = one_way(self.now(), charge, discharge)
        found = Highs(self.name, arrays, self._options).solve()
        return replace(found, values=found.values[: self.arrays.size])

    # -- solving --------------------------------------------------------------------------------
    def needed(self, hint: str = NO_CHOICE) -> Answer:
        """Solve; a point is needed. The hint says what to look at if there can be none.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found.
        """
        answer = self.solve()
        if not answer.found:
            infeasible = "infeasible" in answer.status
            why = self._why() if infeasible else None
            raise SolveFailed(self.name, answer.status, hint if infeasible else "", why)
        return answer

    def _why(self) -> Callable[[], str] | None:
        """What finds a conflict in the program as it stands; None: it knows no names."""
        return partial(explained, self.now()) if self.arrays.names is not None else None

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
        usual = {name: self._options.get(name, handover.default(name)) for name in way}
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
            return answer.found and self._violation() <= 0.0 and self._lacking <= OPTIMAL
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

    def _unproven(self, found: highspy.HighsSolution) -> float:
        """What multipliers of the wrong sign, which HiGHS lets pass if small, may be worth."""
        if self._kind == "quadratic" or not self._highs.getInfo().max_dual_infeasibility > 0.0:
            return 0.0
        lp = self._highs.getLp()
        columns = unproven(found.col_value, found.col_dual, lp.col_lower_, lp.col_upper_)
        return columns + unproven(found.row_value, found.row_dual, lp.row_lower_, lp.row_upper_)

    def _answer(self, said: str) -> Answer:
        info, mixed = self._highs.getInfo(), self.is_mixed
        bound = float(info.mip_dual_bound) if mixed and said in ("optimal", *LIMITS) else -np.inf
        near = NEARLY if said == "optimal" else 0.0
        if said not in ("optimal", *LIMITS) or not self._violation() <= near:
            return Answer(np.zeros(0), said if said != "optimal" else "unknown", bound=bound)
        found, objective = self._highs.getSolution(), float(info.objective_function_value)
        proven = said == "optimal" and not mixed
        answer = Answer(
            values=np.array(found.col_value, dtype=float),
            status=said,
            objective=objective,
            bound=objective - self._unproven(found) if proven else bound,
            row_dual=np.array(found.row_dual, dtype=float) if proven else np.zeros(0),
            column_dual=np.array(found.col_dual, dtype=float) if proven else np.zeros(0),
            nodes=int(info.mip_node_count) if mixed else 0,
            found=True,
        )
        if self._kind == "quadratic":  # conditions of linear programs are HiGHS's own to check
            self._lacking = residual(self.now(), answer) if said == "optimal" else 0.0
        return answer if self._lacking <= NEARLY else Answer(np.zeros(0), "unknown")
