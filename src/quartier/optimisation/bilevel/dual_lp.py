"""Rule 4 for multipliers: maximise each over a linear primal-dual relaxation.

Feasible set: leader's and followers' primal rows, stationarity within the signs and bounds found
so far, and the follower's strong duality with McCormick envelopes where all factors are bounded. It
holds every bi-level feasible point with every multiplier still allowed, so a finite maximum is
proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np

from quartier.optimisation.bilevel.kkt import Conditions, EntryBounds
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.multipliers import Box
from quartier.optimisation.bilevel.placed import Placed
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.region import check
from quartier.optimisation.bilevel.system import Ends, FollowerForm, System

MOST = 200
"""Most linear programs to solve for a follower."""


class Relaxation:
    """The primal-dual relaxation of a follower inside HiGHS.

    Parameters
    ----------
    system, form
        The problem, and the follower in it.
    within
        Proven bounds of the system's columns.
    box
        Proven bounds of the multipliers.
    deadline
        Time on `perf_counter` to give up at.
    """

    def __init__(
        self, system: System, form: FollowerForm, within: Ends, box: Box, deadline: float = inf
    ) -> None:
        self._system, self._within, self._deadline = system, within, deadline
        unknown = np.full(box.lower.size, inf)
        limits = form.limits(system.leader.lower, system.leader.upper)
        bounds = EntryBounds(*limits, box.lower, box.upper, unknown, unknown)
        self._conditions = Conditions(form, bounds, switched=False)
        self._lp: Lp | None = None

    def greatest(self, coefs: Mapping[int, float]) -> float:
        """Greatest value of a linear expression in primal columns and row duals, or `inf`."""
        if self._lp is None:
            self._lp = Lp(self._program())
        found = self._lp.maximise(coefs)
        if found.status != "optimal":
            return inf
        return found.objective + 1e-7 * max(1.0, abs(found.objective))

    def tightened(self, box: Box) -> Box:
        """Box with the unbounded entries bounded where the relaxation allows."""
        ends = [(e, 1.0) for e in np.flatnonzero(np.isinf(box.upper)).tolist()]
        ends += [(e, -1.0) for e in np.flatnonzero(np.isinf(box.lower)).tolist()]
        found, (matrix, constant) = box.copy(), self._conditions.multipliers
        for e, sign in ends if len(ends) <= MOST else ():
            check(self._deadline)
            row = matrix[[e]]
            coefs = dict(zip(row.indices.tolist(), (sign * row.data).tolist(), strict=True))
            value = self.greatest(coefs) + sign * float(constant[e])
            if value < inf:
                (found.upper if sign > 0 else found.lower)[e] = sign * value
                found.how[e] = "linear program"
        return found

    def _program(self) -> Program:
        program = self._system.high_point()
        program.cost, program.offset = {}, 0.0
        program.lower, program.upper = (end.tolist() for end in self._within)
        placed = Placed(program, self._conditions)
        if self._conditions.form.is_linear:
            placed.add_duality(program)
        return program
