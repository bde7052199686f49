"""Mixed-integer programs solved again and again: by a known pattern where it is good enough."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from quartier.optimisation.program import Indices, Outcome, Program, matrix_form
from quartier.quantities import Array


class MixedProgram:
    """A program with binaries (or without any), solved for changing bounds.

    A mixed-integer search is run only if it can pay: the linear relaxation bounds the cost from
    below, the program with the last on/off pattern fixed bounds it from above, and where the two
    meet within the gap the pattern is kept. What is returned always comes from a program with its
    binaries fixed to whole numbers. There is no time limit, so results do not depend on the
    machine's speed.

    Parameters
    ----------
    gap
        Relative gap at which a solution is good enough.
    """

    def __init__(self, name: str, model: Any, gap: float) -> None:
        form = matrix_form(model)
        self._search = Program(name, form)
        self._integers = self._search.integers
        mixed = len(self._integers) > 0
        self._relaxed = Program(name, form, relax=True) if mixed else self._search
        self._fixed = Program(name, form, relax=True) if mixed else self._search
        self._search.set_option("mip_rel_gap", gap)
        self._gap = gap
        self._pattern: Array | None = None
        self.searches = 0
        """Mixed-integer searches so far."""

    def index(self, variables: Iterable[Any]) -> Indices:
        """Columns of Pyomo variables."""
        return self._relaxed.index(variables)

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        self._relaxed.set_bounds(columns, low, high)
        if len(self._integers):
            self._search.set_bounds(columns, low, high)
            self._fixed.set_bounds(columns, low, high)

    def solve(self) -> tuple[Array, Outcome]:
        """Solve to within the gap, and return the values of all columns.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        values, relaxed = self._relaxed.solve()
        if not len(self._integers):
            return values, relaxed
        bound = relaxed.objective
        known = self._with_pattern(self._pattern) if self._pattern is not None else None
        if known and known[1].objective - bound <= self._gap * abs(known[1].objective):
            return known[0], _within(known[1], bound)
        return self._search_from(known, bound)

    def _search_from(
        self, known: tuple[Array, Outcome] | None, bound: float
    ) -> tuple[Array, Outcome]:
        """Search for a pattern; a search that ends within its gap may be no better."""
        self.searches += 1
        values, found = self._search.solve()
        pattern = np.round(values[self._integers])
        values, best = self._with_pattern(pattern)
        bound = max(bound, found.bound)
        if known and known[1].objective <= best.objective:
            return known[0], _within(known[1], bound, found.status)
        self._pattern = pattern
        return values, _within(best, bound, found.status)

    def _with_pattern(self, pattern: Array) -> tuple[Array, Outcome]:
        self._fixed.set_bounds(self._integers, pattern, pattern)
        return self._fixed.solve()


def _within(outcome: Outcome, bound: float, status: str = "optimal") -> Outcome:
    bound = min(bound, outcome.objective)
    gap = (outcome.objective - bound) / max(abs(outcome.objective), 1e-9)
    return Outcome(status, outcome.objective, bound, gap)
