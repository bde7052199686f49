"""A Pyomo model turned into a matrix once, then solved again and again by HiGHS.

Building, not solving, is the cost of a linear program in Pyomo. So the matrix is taken from the
model once; after that only bounds and costs change, and HiGHS starts from its last basis. No time
limit: the same calls give the same answers on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

from quartier.program import Arrays, Highs, Indices
from quartier.quantities import Array

MOST_NODES = 5000
"""A limit of the search that does not depend on the machine's speed."""


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


def arrays_of(form: Any, relax: bool = False) -> Arrays:
    """The program of a matrix form as plain arrays."""
    bounds = [variable.bounds for variable in form.columns]
    kinds = np.array([row.bound_type for row in form.rows])  # 0: ==, 1: <=, -1: >=
    rhs = np.asarray(form.rhs, dtype=float)
    whole = [variable.is_integer() and not relax for variable in form.columns]
    return Arrays(
        cost=np.asarray(form.c.todense(), dtype=float).ravel(),
        lower=np.array([-np.inf if low is None else low for low, _ in bounds], dtype=float),
        upper=np.array([np.inf if high is None else high for _, high in bounds], dtype=float),
        integer=np.array(whole, dtype=bool),
        matrix=sparse.csr_array(form.A),
        row_lower=np.where(kinds <= 0, rhs, -np.inf),
        row_upper=np.where(kinds >= 0, rhs, np.inf),
        offset=float(form.c_offset[0]),
    )


def compile_model(model: Any) -> tuple[Arrays, dict[int, int]]:
    """Take the arrays from a Pyomo model; also the column of every variable by its ``id``."""
    found = matrix_form(model)
    return arrays_of(found), {id(v): i for i, v in enumerate(found.columns)}


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
        arrays = arrays_of(form, relax)
        self.integers = np.flatnonzero(arrays.integer).astype(np.int64)
        self._highs = Highs(name, arrays, {"mip_max_nodes": MOST_NODES})

    def index(self, variables: Iterable[Any]) -> Indices:
        """Columns of Pyomo variables."""
        return np.array([self._index[id(v)] for v in variables], dtype=np.int64)

    def set_option(self, name: str, value: float | str) -> None:
        """Set an option of HiGHS."""
        self._highs.set_option(name, value)

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        self._highs.set_bounds(columns, low, high)

    def set_cost(self, columns: Indices, values: Array) -> None:
        """Change what columns cost."""
        self._highs.set_cost(values, columns)

    def one_way(self, charge: Indices, discharge: Indices) -> tuple[Array, Outcome] | None:
        """Solve with at most one of each pair of columns positive; None if nothing is found."""
        found = self._highs.one_way(charge, discharge)
        outcome = Outcome(found.status, found.objective, found.bound, found.gap)
        return (found.values, outcome) if found.found else None

    def solve(self) -> tuple[Array, Outcome]:
        """Solve, and return the values of all columns.

        Raises
        ------
        SolveFailed
            If there is no solution, or none was found.
        """
        found = self._highs.needed("Check states, sessions and limits of its units.")
        return found.values, Outcome(found.status, found.objective, found.bound, found.gap)
