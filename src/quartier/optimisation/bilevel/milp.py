"""The one big solve: by HiGHS, or as a Pyomo model through a solver of `pyomo.contrib.solver`.

Solver statuses become words; nothing is raised for an infeasible or unfinished solve, and no value
is loaded into a model here.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite
from typing import Any

import numpy as np

from quartier.errors import InputError
from quartier.optimisation import pyo
from quartier.optimisation.bilevel.lp import arrays_of, scale_of
from quartier.optimisation.bilevel.program import Program
from quartier.program import Answer, Highs
from quartier.quantities import Array

_WORDS = {
    "convergenceCriteriaSatisfied": "optimal",
    "maxTimeLimit": "time-limit",
    "provenInfeasible": "infeasible",
    "unbounded": "unbounded",
    "infeasibleOrUnbounded": "infeasible-or-unbounded",
    "interrupted": "interrupted",
}
# Big M multiplies the integrality tolerance: at the usual 1e-6 a binary of a KKT switch leaks.
_HIGHS_OPTIONS = {
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_abs_gap": 1e-9,
}
_SAID = {"optimal", "infeasible", "unbounded", "time-limit", "interrupted"}


def as_pyomo(program: Program) -> Any:
    """A Pyomo model: variables `v` and constraints `c` indexed by their names, objective `o`."""
    model = pyo.ConcreteModel()
    names = _unique(program.names)
    columns = {name: k for k, name in enumerate(names)}
    model.v = pyo.Var(
        names,
        bounds=lambda _, name: _limits(program.lower[columns[name]], program.upper[columns[name]]),
        domain=lambda _, name: pyo.Integers if program.integer[columns[name]] else pyo.Reals,
    )
    data = [model.v[name] for name in names]
    rows = dict(zip(_unique([row.name for row in program.rows]), program.rows, strict=True))

    def rule(_: Any, name: str) -> Any:
        row = rows[name]
        body = _linear(row.coefs, 0.0, data)
        return pyo.inequality(*_sides(row.lower, body, row.upper))

    model.c = pyo.Constraint(list(rows), rule=rule)
    model.o = pyo.Objective(expr=_linear(program.cost, program.offset, data))
    return model


def solve(
    program: Program,
    solver: str = "highs",
    *,
    start: Array | None = None,
    time_limit: float | None = None,
    gap: float = 1e-6,
    threads: int | None = None,
    options: dict[str, Any] | None = None,
) -> Answer:
    """Solve a program: `optimal`, `infeasible`, `unbounded`, a limit, or `failed (...)`.

    Parameters
    ----------
    program
        What to solve.
    solver
        Name of a solver of `pyomo.contrib.solver`.
    start
        A feasible point to begin with, shape (columns,); only HiGHS makes use of it.
    time_limit, gap, threads, options
        Seconds, relative gap, threads and further options of the solver.

    Raises
    ------
    InputError
        If there is no such solver, or it is not installed.
    """
    if solver == "highs":
        return _by_highs(program, start, time_limit, gap, threads, options or {})
    model, engine = as_pyomo(program), _engine(solver)
    results = engine.solve(
        model,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
        time_limit=time_limit,
        rel_gap=gap,
        threads=threads,
        solver_options=options or {},
    )
    status = _WORDS.get(results.termination_condition.name)
    if status is None:
        status = f"failed ({results.termination_condition.name})"
    if status == "infeasible-or-unbounded":
        status = _which(program, solver)
    bound = _number(results.objective_bound, -inf)
    if results.solution_status.name not in {"optimal", "feasible"}:
        return Answer(np.zeros(0), status, bound=bound)
    values = results.solution_loader.get_vars()
    # A column that stands in no row and not in the objective is unknown to the solver.
    idle = [min(max(0.0, lo), hi) for lo, hi in zip(program.lower, program.upper, strict=True)]
    point = np.array([values.get(v, idle[k]) for k, v in enumerate(model.v.values())], float)
    return Answer(point, status, program.value(point), bound, found=True)


def _by_highs(
    program: Program,
    start: Array | None,
    time_limit: float | None,
    gap: float,
    threads: int | None,
    options: dict[str, Any],
) -> Answer:
    scale = scale_of(program.cost.values())
    settings = {**_HIGHS_OPTIONS, "mip_rel_gap": gap, "threads": threads or 1, **options}
    highs = Highs("bi-level problem", arrays_of(program, scale=scale), settings)
    if start is not None:
        highs.start_from(start)
    found = highs.solve(time_limit)
    status = found.status if found.status in _SAID else f"failed ({found.status})"
    objective = program.value(found.values) if found.found else inf
    return replace(found, status=status, objective=objective, bound=found.bound / scale)


def _engine(solver: str) -> Any:
    from pyomo.contrib.solver.common.factory import SolverFactory  # pyo has the older one

    try:
        engine = SolverFactory(solver)
        found = engine is not None and bool(engine.available())
    except Exception as error:
        raise InputError([f"solver '{solver}': {error}"], "solve()") from error
    if not found:
        raise InputError([f"solver '{solver}' is unknown or not installed"], "solve()")
    return engine


def _which(program: Program, solver: str) -> str:
    """Infeasible or unbounded? Without an objective it can only be infeasible."""
    plain = program.copy()
    plain.cost, plain.offset = {}, 0.0
    found = solve(plain, solver)
    return "infeasible" if found.status == "infeasible" else "unbounded"


def _linear(coefs: Any, constant: float, data: list[Any]) -> Any:
    return pyo.LinearExpression(
        constant=constant,
        linear_coefs=list(coefs.values()),
        linear_vars=[data[k] for k in coefs],
    )


def _limits(lower: float, upper: float) -> tuple[float | None, float | None]:
    return (lower if isfinite(lower) else None), (upper if isfinite(upper) else None)


def _sides(lower: float, body: Any, upper: float) -> tuple[Any, Any, Any]:
    low, high = _limits(lower, upper)
    return low, body, high


def _unique(names: list[str]) -> list[str]:
    seen: set[str] = set()
    found = []
    for n, name in enumerate(names):
        fresh = name if name not in seen else f"{name} #{n}"
        seen.add(fresh)
        found.append(fresh)
    return found


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)
