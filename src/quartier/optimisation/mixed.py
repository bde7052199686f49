"""Mixed-integer programs solved again and again: by a known pattern where it is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from quartier.errors import SolveFailed
from quartier.program import Answer, Arrays, Highs, Indices
from quartier.quantities import Array

MOST_NODES = 5000
"""A limit of the search that does not depend on the machine's speed."""
HINT = "Check states, sessions and limits of its units."


class MixedProgram:
    """A program with binaries (or without any), solved for changing bounds and costs.

    A mixed-integer search is run only if it can pay: the linear relaxation bounds the cost from
    below, the program with the last on/off pattern fixed bounds it from above, and where the two
    meet within the gap the pattern is kept. What is returned always comes from a program with its
    binaries fixed to whole numbers. There is no time limit, so results do not depend on the
    machine's speed.

    Parameters
    ----------
    name
        What to call it when it fails.
    arrays
        The program.
    gap
        Relative gap at which a solution is good enough.
    """

    def __init__(self, name: str, arrays: Arrays, gap: float) -> None:
        self.name, self._gap = name, gap
        self._integers: Indices = np.flatnonzero(arrays.integer)
        options = {"mip_max_nodes": MOST_NODES}
        self._search = Highs(name, arrays, {**options, "mip_rel_gap": gap})
        mixed = self._search.is_mixed
        self._relaxed = Highs(name, arrays.relaxed(), options) if mixed else self._search
        self._fixed = Highs(name, arrays.relaxed(), options) if mixed else self._search
        self._every = [self._relaxed, self._search, self._fixed] if mixed else [self._search]
        self._pattern: Array | None = None
        self.searches = 0
        """Mixed-integer searches so far."""

    def set_bounds(self, columns: Indices, low: Array | float, high: Array | float) -> None:
        """Change the bounds of columns."""
        for highs in self._every:
            highs.set_bounds(columns, low, high)

    def set_cost(
        self, cost: Array, offset: float | None = None, columns: Indices | None = None
    ) -> None:
        """Change what columns cost (all, if none are named), and the objective's constant."""
        for highs in self._every:
            highs.set_cost(cost, columns, offset)

    @property
    def integers(self) -> Indices:
        """Columns that must be whole numbers."""
        return self._integers

    def one_way(self, charge: Indices, discharge: Indices) -> Answer:
        """Search with at most one of each pair of columns positive."""
        return self._search.one_way(charge, discharge)

    def needed(self) -> Answer:
        """Solve to within the gap.

        Raises
        ------
        SolveFailed
            If there is no solution.
        """
        relaxed = self._relaxed.needed(HINT)
        if not self._integers.size:
            return relaxed
        bound = relaxed.objective
        known = self._with_pattern(self._pattern) if self._pattern is not None else None
        if known and known.objective - bound <= self._gap * abs(known.objective):
            return _within(known, bound)
        return self._search_from(known, bound)

    def _search_from(self, known: Answer | None, bound: float) -> Answer:
        """Search for a pattern; a search that ends within its gap may be no better."""
        self.searches += 1
        found = self._search.needed(HINT)
        pattern = np.round(found.values[self._integers])
        best = self._with_pattern(pattern)
        bound = max(bound, found.bound)
        if known and known.objective <= best.objective:
            return _within(known, bound, found.status)
        self._pattern = pattern
        return _within(best, bound, found.status)

    def _with_pattern(self, pattern: Array) -> Answer:
        self._fixed.set_bounds(self._integers, pattern, pattern)
        return self._fixed.needed(HINT)


class RoundedProgram(MixedProgram):
    """A program whose binaries are rounded instead of searched for: quick, and not always best.

    Parameters
    ----------
    patterns
        Makes feasible patterns of the binaries from values of all columns of the relaxation.
    """

    def __init__(
        self, name: str, arrays: Arrays, patterns: Callable[[Array], Iterable[Array]]
    ) -> None:
        super().__init__(name, arrays, gap=0.0)
        self._patterns = patterns
        self.pattern: Array | None = None
        """A pattern that is tried as well; after a solve the one that was best."""

    def needed(self) -> Answer:
        """Solve the relaxation, then with each pattern; return the best.

        Raises
        ------
        SolveFailed
            If there is no solution with any of the patterns.
        """
        relaxed = self._relaxed.needed(HINT)
        if not self._integers.size:
            return relaxed
        tried = [*self._patterns(relaxed.values), *([] if self.pattern is None else [self.pattern])]
        solved = [(pattern, found) for pattern in tried if (found := self._try(pattern))]
        if not solved:
            raise SolveFailed(self.name, "infeasible", "Check limits of its switched units.")
        self.pattern, best = min(solved, key=lambda item: item[1].objective)
        return _within(best, relaxed.objective)

    def _try(self, pattern: Array) -> Answer | None:
        try:
            return self._with_pattern(pattern)
        except SolveFailed:
            return None


def _within(answer: Answer, bound: float, status: str = "optimal") -> Answer:
    return replace(answer, status=status, bound=min(bound, answer.objective))
