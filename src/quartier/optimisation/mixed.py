"""Mixed-integer programs solved again and again: by a known pattern where it is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from quartier.errors import SolveFailed
from quartier.optimisation.program import Outcome, Program, matrix_form
from quartier.program import Indices
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

    @property
    def integers(self) -> Indices:
        """Columns that must be whole numbers."""
        return self._integers

    def set_cost(self, columns: Indices, values: Array) -> None:
        """Change what columns cost."""
        for program in {id(p): p for p in (self._relaxed, self._search, self._fixed)}.values():
            program.set_cost(columns, values)

    def one_way(self, charge: Indices, discharge: Indices) -> tuple[Array, Outcome] | None:
        """Search with at most one of each pair of columns positive; None if nothing is found."""
        return self._search.one_way(charge, discharge)

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


class RoundedProgram(MixedProgram):
    """A program whose binaries are rounded instead of searched for: quick, and not always best.

    Parameters
    ----------
    patterns
        Makes feasible patterns of the binaries from values of all columns of the relaxation.
    """

    def __init__(self, name: str, model: Any, patterns: Callable[[Array], Iterable[Array]]) -> None:
        super().__init__(name, model, gap=0.0)
        self._patterns = patterns
        self.pattern: Array | None = None
        """A pattern that is tried as well; after a solve the one that was best."""

    def solve(self) -> tuple[Array, Outcome]:
        """Solve the relaxation, then with each pattern; return the best values of all columns.

        Raises
        ------
        SolveFailed
            If there is no solution with any of the patterns.
        """
        values, relaxed = self._relaxed.solve()
        if not len(self._integers):
            return values, relaxed
        tried = [*self._patterns(values), *([] if self.pattern is None else [self.pattern])]
        solved = [(pattern, found) for pattern in tried if (found := self._try(pattern))]
        if not solved:
            raise SolveFailed(self._fixed.name, "infeasible", "Check limits of its switched units.")
        self.pattern, (values, best) = min(solved, key=lambda item: item[1][1].objective)
        return values, _within(best, relaxed.objective)

    def _try(self, pattern: Array) -> tuple[Array, Outcome] | None:
        try:
            return self._with_pattern(pattern)
        except SolveFailed:
            return None


def _within(outcome: Outcome, bound: float, status: str = "optimal") -> Outcome:
    bound = min(bound, outcome.objective)
    gap = (outcome.objective - bound) / max(abs(outcome.objective), 1e-9)
    return Outcome(status, outcome.objective, bound, gap)
