"""Where bi-level optima can lie: the relaxation without the followers' optimality."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from time import perf_counter

import numpy as np

from quartier.errors import QuartierError
from quartier.optimisation.bilevel.lp import Lp, arrays_of
from quartier.optimisation.bilevel.program import Row
from quartier.optimisation.bilevel.propagate import Propagator
from quartier.optimisation.bilevel.system import System, is_finite

CUTOFF_ROOM = 1e-2
"""Relative room left above a cutoff: a region that is nearly one point is a numerical trap."""

INTEGRALITY = 1e-6
"""How far an integer's bound may be off a whole number by rounding errors."""


class Region:
    """Where bi-level optima can lie: tightened column bounds, and the LP behind them.

    Parameters
    ----------
    system
        The problem.
    cutoff
        Leader's objective (to be minimised) of a known bi-level feasible point, or `inf`: points
        that are worse need not be kept.
    deadline
        Time on `perf_counter` to give up at.
    """

    def __init__(self, system: System, cutoff: float = inf, deadline: float = inf) -> None:
        self.system, self.deadline = system, deadline
        self.program = system.high_point()
        if cutoff < inf and not system.products and self.program.cost:
            room = CUTOFF_ROOM * max(1.0, abs(cutoff))
            limit = cutoff + room - self.program.offset
            self.program.rows.append(
                Row("no worse than known", dict(self.program.cost), upper=limit)
            )
        arrays = arrays_of(self.program)
        propagator = Propagator(*arrays.block)
        self.lower, self.upper = propagator.tighten(arrays.lower, arrays.upper)
        whole = arrays.integer
        self.lower[whole] = np.ceil(self.lower[whole] - INTEGRALITY)
        self.upper[whole] = np.floor(self.upper[whole] + INTEGRALITY)
        self._lp: Lp | None = None

    def greatest(self, coefs: Mapping[int, float]) -> float:
        """Greatest value of a linear expression over the relaxation, by LP."""
        if self._lp is None:
            self._lp = Lp(self.program)
        found = self._lp.maximise(coefs)
        return found.objective if found.status == "optimal" else inf

    def bound_columns(self) -> None:
        """Find by LP the bounds that propagation left infinite, where conditions need any."""
        for k in sorted(self.system.needs_bounds()):
            check(self.deadline)
            if not is_finite(float(self.upper[k])):
                self.upper[k] = outwards(self.greatest({k: 1.0}))
            if not is_finite(float(self.lower[k])):
                self.lower[k] = -outwards(self.greatest({k: -1.0}))


class OutOfTime(QuartierError):
    """The time limit came while bounds were still being proven."""


def check(deadline: float) -> None:
    """Raise if a time on `perf_counter` has come."""
    if perf_counter() > deadline:
        raise OutOfTime("time limit")


def outwards(value: float) -> float:
    """An upper bound rounded up, so that the point it stems from stays inside."""
    return value + 1e-7 * max(1.0, abs(value))
