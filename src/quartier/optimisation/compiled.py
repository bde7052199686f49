"""A Pyomo model turned into arrays once; what is solved again and again never touches Pyomo.

Building, not solving, is the cost of a linear program in Pyomo. So units and nodes are declared as
Pyomo blocks, and compiled: after that only bounds, costs and right sides change, inside the solver.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from quartier.optimisation import pyo
from quartier.program import Arrays, Flags, Indices
from quartier.program.arrays import tidied
from quartier.quantities import Array


class Compiled:
    """The arrays of a Pyomo model, and where its variables stand in them.

    Parameters
    ----------
    model
        Linear, with one active objective, minimised.
    """

    def __init__(self, model: Any) -> None:
        form = pyo.LinearStandardFormCompiler().write(model, mixed_form=True)
        self.arrays = _arrays_of(form)
        self._variables = form.columns  # keeps the variables alive, and so their ids theirs
        self._column = {id(variable): i for i, variable in enumerate(form.columns)}
        self._rows = form.rows  # likewise
        self._row = {id(row.constraint): i for i, row in enumerate(form.rows)}
        self._fixed: dict[int, float] = {}

    def row_of(self, row: int) -> Any:
        """The constraint of a row; before anything was left out."""
        return self._rows[row].constraint

    def variable_of(self, column: int) -> Any:
        """The variable of a column; before anything was left out."""
        return self._variables[column]

    def holds(self, variable: Any) -> bool:
        """Whether a variable has a column; a number has none."""
        return id(variable) in self._column

    def index(self, variables: Iterable[Any]) -> Indices:
        """Columns of variables."""
        return np.array([self._column[id(v)] for v in variables], dtype=np.int64)

    def rows(self, constraints: Iterable[Any]) -> Indices:
        """Rows of constraints; before anything was left out."""
        return np.array([self._row[id(c)] for c in constraints], dtype=np.int64)

    def spread(self, variables: Iterable[Any], values: Array) -> tuple[Array, float]:
        """Coefficients of variables by column, and the constant that fixed ones add up to."""
        found, constant = np.zeros(self.arrays.size), 0.0
        for variable, value in zip(variables, values.tolist(), strict=True):
            column = self._column.get(id(variable))
            if column is None:
                constant += value * self._fixed.get(id(variable), 0.0)
            else:
                found[column] += value
        return found, constant

    def linear(self, expression: Any) -> tuple[Array, float]:
        """Coefficients of a linear expression by column, and its constant."""
        terms = pyo.generate_standard_repn(expression, quadratic=False)
        found, constant = self.spread(terms.linear_vars, np.array(terms.linear_coefs, dtype=float))
        return found, constant + float(terms.constant)

    def expression(self, cost: Array, constant: float) -> Any:
        """What columns cost, as a Pyomo expression; before anything was left out."""
        pairs = zip(cost.tolist(), self._variables, strict=True)
        return sum((price * variable for price, variable in pairs if price), constant)

    @property
    def values(self) -> Array:
        """What the model's variables stand at, by column; before anything was left out."""
        return np.array([v.value or 0.0 for v in self._variables], dtype=float)

    def select(self, columns: Flags, rows: Flags) -> None:
        """Leave out the other columns and rows; they must not matter."""
        self.arrays = self.arrays.select(columns, rows)
        self._renumber(columns)

    def tidy(self, needed: Flags) -> None:
        """Leave out fixed columns but the needed ones, and rows that say nothing any more."""
        before = self.arrays
        self.arrays, kept = tidied(before, needed)
        self._fixed |= {
            key: float(before.lower[k]) for key, k in self._column.items() if not kept[k]
        }
        self._renumber(kept)

    def _renumber(self, kept: Flags) -> None:
        position = np.cumsum(kept) - 1
        self._column = {key: int(position[k]) for key, k in self._column.items() if kept[k]}


def _arrays_of(form: Any) -> Arrays:
    bounds = [variable.bounds for variable in form.columns]
    kinds = np.array([row.bound_type for row in form.rows])  # 0: ==, 1: <=, -1: >=
    rhs = np.asarray(form.rhs, dtype=float)
    return Arrays(
        cost=np.asarray(form.c.todense(), dtype=float).ravel(),
        lower=np.array([-np.inf if low is None else low for low, _ in bounds], dtype=float),
        upper=np.array([np.inf if high is None else high for _, high in bounds], dtype=float),
        integer=np.array([variable.is_integer() for variable in form.columns], dtype=bool),
        matrix=sparse.csr_array(form.A),
        row_lower=np.where(kinds <= 0, rhs, -np.inf),
        row_upper=np.where(kinds >= 0, rhs, np.inf),
        offset=float(form.c_offset[0]),
    )
