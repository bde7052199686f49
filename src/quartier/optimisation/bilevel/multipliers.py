"""Proven bounds on a follower's multipliers, so that a big M cuts off no optimum.

Every rule shows that for each bi-level feasible (x, y) **some** complementary optimal multiplier
lies in the box, which is all that KKT with big M needs. Multipliers follow HiGHS: ν of a row and
r of a variable's bounds, `∂f/∂y_j = Σ_i A_ij ν_i + r_j`, positive at a lower limit, negative at an
upper one.

The rules, tried in this order for each connected part of a follower:

1. *propagation* through stationarity: cost and penalty structure. A slack at price π that stands
   in one row gives `0 <= ν <= π`. Sides that no feasible point reaches have no multiplier.
2. *clipping* (module `clip`): chains such as stores, whose duals only differ where a bound binds.
3. *basic duals* (module `basic_duals`): a small part's vertices, enumerated.
4. *linear program* (module `dual_lp`): maximise each multiplier over the primal-dual relaxation.

Deciding whether a given M is large enough is as hard as the bi-level problem itself (Kleinert,
Labbé, Plein, Schmidt, Operations Research 68(6), 2020), so rules can fail; what they leave is
unbounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack, vstack
from scipy.sparse.csgraph import connected_components

from quartier.optimisation.bilevel.propagate import Propagator
from quartier.optimisation.bilevel.system import Ends, FollowerForm
from quartier.program import Flags, Indices
from quartier.program.arrays import activity
from quartier.quantities import Array

REACH = 1e-6
"""A side further than this from every feasible point, relative to its limit, is never active."""


@dataclass
class Box:
    """Bounds of all multipliers of a follower, rows first and then own columns.

    Arrays have shape (rows + own columns,); `how` names the rule per entry.
    """

    lower: Array
    upper: Array
    how: list[str] = field(default_factory=list)

    def copy(self) -> Box:
        """Independent copy."""
        return Box(self.lower.copy(), self.upper.copy(), list(self.how))

    def is_finite(self, entries: Indices) -> bool:
        """Whether these entries are bounded on both sides."""
        return bool(np.isfinite([self.lower[entries], self.upper[entries]]).all())


@dataclass(frozen=True)
class DualSystem:
    """Stationarity of a follower, `matrix [v, multipliers] = c`, within proven bounds."""

    form: FollowerForm
    matrix: csr_array
    lower: Array
    upper: Array
    fixed: Flags
    """Own columns with one allowed value, shape (n,): any reduced cost suits them."""

    @property
    def primal(self) -> int:
        """Number of the system's columns; the multipliers come after them."""
        return self.matrix.shape[1] - self.form.row_lower.size - self.form.columns.size


def dual_system(form: FollowerForm, limits: Ends, lower: Array, upper: Array) -> DualSystem:
    """Set up stationarity within tightened primal bounds `lower`, `upper`.

    Parameters
    ----------
    limits
        Limits of the follower's entries.
    """
    count, primal = form.columns.size, lower.size
    # The order of a row's terms is that in which sums are rounded.
    matrix = csr_array(hstack([form.transposed, eye_array(count), -form.pull]))
    last = matrix.shape[1] - primal
    matrix.indices = np.where(matrix.indices < last, matrix.indices + primal, matrix.indices - last)
    start = _start(form, limits, lower, upper)
    return DualSystem(
        form,
        matrix,
        np.concatenate([lower, start.lower]),
        np.concatenate([upper, start.upper]),
        limits[0][-count:] == limits[1][-count:],
    )


def _start(form: FollowerForm, limits: Ends, lower: Array, upper: Array) -> Box:
    """Signs of the multipliers, and zero where a side is never active."""
    low, high = signs(*limits)
    least, greatest = activity(form.body, lower, upper)
    equal = limits[0] == limits[1]
    scale = [np.maximum(1.0, np.abs(end)) for end in limits]
    with np.errstate(invalid="ignore"):
        high = np.where(~equal & (least > limits[0] + REACH * scale[0]), 0.0, high)
        low = np.where(~equal & (greatest < limits[1] - REACH * scale[1]), 0.0, low)
    # A row that restricts the leader alone: its multiplier is in no other condition.
    idle = np.append(np.diff(form.own.indptr) == 0, np.zeros(form.columns.size, dtype=bool))
    return Box(np.where(idle, 0.0, low), np.where(idle, 0.0, high))


def signs(low: Array, high: Array) -> Ends:
    """Range of multipliers ν that the kinds of limits alone allow."""
    equal = low == high
    return (
        np.where(equal | np.isfinite(high), -np.inf, 0.0),
        np.where(equal | np.isfinite(low), np.inf, 0.0),
    )


def propagated(dual: DualSystem, box: Box | None = None) -> Box:
    """Rule 1: bounds that stationarity implies."""
    primal, cost = dual.primal, dual.form.cost
    lower, upper = dual.lower, dual.upper
    if box is not None:
        lower = np.concatenate([lower[:primal], box.lower])
        upper = np.concatenate([upper[:primal], box.upper])
    lower, upper = Propagator(dual.matrix, cost, cost).tighten(lower, upper)
    lower, upper = lower[primal:], upper[primal:]
    how = box.how if box is not None else ["propagation"] * len(lower)
    # Round outwards: a bound must not cut off the multiplier it was derived from.
    room = 1e-9
    return Box(
        np.where(lower == 0, 0.0, lower - room * np.maximum(1, np.abs(lower))),
        np.where(upper == 0, 0.0, upper + room * np.maximum(1, np.abs(upper))),
        list(how),
    )


def parts(form: FollowerForm) -> Iterator[Indices]:
    """Connected parts of a follower: the entries of own columns and rows that touch each other."""
    own = form.own
    none = csr_array((own.shape[0], own.shape[0]))
    touching = vstack([hstack([none, own]), hstack([form.transposed, form.hessian])])
    _, part = connected_components(touching, directed=False)
    for number in dict.fromkeys(part[own.shape[0] :].tolist()):
        yield np.flatnonzero(part == number)
