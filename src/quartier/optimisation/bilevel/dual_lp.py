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

from quartier.optimisation.bilevel.duality import duality_row
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.multipliers import Box, DualSystem
from quartier.optimisation.bilevel.products import Envelopes
from quartier.optimisation.bilevel.program import Program, Row
from quartier.optimisation.bilevel.region import check
from quartier.optimisation.bilevel.sides import Side, sides
from quartier.optimisation.bilevel.system import System

MOST = 200
"""Most linear programs to solve for a follower."""


class Relaxation:
    """The primal-dual relaxation of a follower inside HiGHS.

    Parameters
    ----------
    system
        The problem.
    dual
        Stationarity of the follower, with bounds of the primal columns.
    box
        Proven bounds of the multipliers.
    deadline
        Time on `perf_counter` to give up at.
    """

    def __init__(self, system: System, dual: DualSystem, box: Box, deadline: float = inf) -> None:
        self._system, self._dual, self._box = system, dual, box
        self._deadline = deadline
        self._lp: Lp | None = None

    def greatest(self, coefs: Mapping[int, float]) -> float:
        """Greatest value of a linear expression in primal columns and multipliers, or `inf`."""
        if self._lp is None:
            self._lp = Lp(_relaxation(self._system, self._dual, self._box))
        found = self._lp.maximise(coefs)
        if found.status != "optimal":
            return inf
        return found.objective + 1e-7 * max(1.0, abs(found.objective))

    def tightened(self, box: Box) -> Box:
        """Box with the unbounded entries bounded where the relaxation allows."""
        ends = _open(box)
        found = box.copy()
        for entry, upwards in ends[: MOST if len(ends) <= MOST else 0]:
            check(self._deadline)
            value = self.greatest({self._dual.primal + entry: 1.0 if upwards else -1.0})
            if value < inf:
                if upwards:
                    found.upper[entry] = value
                else:
                    found.lower[entry] = -value
                found.how[entry] = "linear program"
        return found


def _open(box: Box) -> list[tuple[int, bool]]:
    """Unbounded ends: (entry, whether upwards)."""
    ends = [(int(e), True) for e in np.flatnonzero(np.isinf(box.upper))]
    return ends + [(int(e), False) for e in np.flatnonzero(np.isinf(box.lower))]


def _relaxation(system: System, dual: DualSystem, box: Box) -> Program:
    program = system.high_point()
    program.cost, program.offset = {}, 0.0
    for k in range(dual.primal):
        program.lower[k], program.upper[k] = float(dual.lower[k]), float(dual.upper[k])
    for e, (low, high) in enumerate(zip(box.lower, box.upper, strict=True)):
        program.column(f"multiplier {e}", float(low), float(high))
    program.rows.extend(dual.rows)
    _add_duality(system, dual, program)
    return program


def _add_duality(system: System, dual: DualSystem, program: Program) -> None:
    """Strong duality in ν and r; a two-sided limit needs its multiplier's two parts."""
    if not dual.form.is_linear:
        return
    multipliers = {}
    for s, side in enumerate(sides(dual.form, system.leader)):
        multipliers[s] = _multiplier(dual, program, side)
    _split_rows(dual, program, multipliers, sides(dual.form, system.leader))
    row = duality_row(dual.form, sides(dual.form, system.leader), multipliers, Envelopes(program))
    if row is not None:
        program.rows.append(row)


def _entry(dual: DualSystem, side: Side) -> int:
    if side.row is not None:
        return dual.nu(side.row)
    assert side.column is not None
    return dual.r(dual.form.columns.index(side.column))


def _multiplier(dual: DualSystem, program: Program, side: Side) -> int:
    """Column of a side's multiplier μ: `ν = Σ sign μ`."""
    entry = _entry(dual, side)
    if side.equality:
        return entry
    low, high = program.lower[entry], program.upper[entry]
    most = max(high, 0.0) if side.sign > 0 else max(-low, 0.0)
    return program.column(f"dual of {side.name}", 0.0, most)


def _split_rows(
    dual: DualSystem, program: Program, multipliers: dict[int, int], found: list[Side]
) -> None:
    coefs: dict[int, dict[int, float]] = {}
    for s, side in enumerate(found):
        if not side.equality:
            entry = _entry(dual, side)
            coefs.setdefault(entry, {entry: 1.0})[multipliers[s]] = -float(side.sign)
    program.rows.extend(Row(f"parts of {e}", c, 0.0, 0.0) for e, c in coefs.items())
