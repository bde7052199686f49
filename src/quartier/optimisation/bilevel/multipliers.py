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

from quartier.optimisation.bilevel.program import Row
from quartier.optimisation.bilevel.propagate import Propagator
from quartier.optimisation.bilevel.sides import signs
from quartier.optimisation.bilevel.system import FollowerForm, System, stationarity
from quartier.quantities import Array

REACH = 1e-6
"""A side further than this from every feasible point, relative to its limit, is never active."""


@dataclass(frozen=True)
class Part:
    """A connected part of a follower: own columns and row positions that only touch each other."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]


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

    def is_finite(self, entries: list[int]) -> bool:
        """Whether these entries are bounded on both sides."""
        return bool(
            np.isfinite(self.lower[entries]).all() and np.isfinite(self.upper[entries]).all()
        )


@dataclass(frozen=True)
class DualSystem:
    """Stationarity of a follower as rows over [primal columns, ν, r], with primal bounds."""

    form: FollowerForm
    primal: int
    rows: tuple[Row, ...]
    lower: Array
    upper: Array
    fixed: frozenset[int]
    """Own columns with one allowed value: any reduced cost suits them."""

    def nu(self, row: int) -> int:
        """Column of a row's multiplier."""
        return self.primal + row

    def r(self, place: int) -> int:
        """Column of the multiplier of an own column's bounds, by its place in the form."""
        return self.primal + len(self.form.rows) + place

    def entries(self, part: Part) -> list[int]:
        """Entries of a `Box` that belong to a part."""
        places = {k: p for p, k in enumerate(self.form.columns)}
        shift = len(self.form.rows)
        return [*part.rows, *(shift + places[k] for k in part.columns)]


def dual_system(system: System, form: FollowerForm, lower: Array, upper: Array) -> DualSystem:
    """Set up stationarity within tightened primal bounds `lower`, `upper`."""
    n, m = len(system.leader), len(form.rows)
    rows = []
    for place, (j, entries, gradient) in enumerate(stationarity(form)):
        coefs = {n + i: a for i, a in entries.items()}
        coefs[n + m + place] = 1.0
        coefs.update({k: -c for k, c in gradient.items()})
        c_j = form.cost.get(j, 0.0)
        rows.append(Row(f"stationarity of {system.leader.names[j]}", coefs, c_j, c_j))
    start = _start(system, form, lower, upper)
    return DualSystem(
        form,
        n,
        tuple(rows),
        np.concatenate([lower, start.lower]),
        np.concatenate([upper, start.upper]),
        frozenset(k for k in form.columns if system.leader.lower[k] == system.leader.upper[k]),
    )


def _start(system: System, form: FollowerForm, lower: Array, upper: Array) -> Box:
    """Signs of the multipliers, and zero where a side is never active."""
    own = set(form.columns)
    least, greatest = Propagator(form.rows, len(lower)).activities(lower, upper)
    low, high = [], []
    for i, row in enumerate(form.rows):
        if own.isdisjoint(row.coefs):
            # The row restricts the leader alone: its multiplier is in no other condition.
            low.append(0.0)
            high.append(0.0)
            continue
        a, b = _reached(row.lower, row.upper, float(least[i]), float(greatest[i]))
        low.append(a)
        high.append(b)
    for k in form.columns:
        limits = system.leader.lower[k], system.leader.upper[k]
        a, b = _reached(*limits, float(lower[k]), float(upper[k]))
        low.append(a)
        high.append(b)
    return Box(np.array(low), np.array(high))


def _reached(lower: float, upper: float, least: float, greatest: float) -> tuple[float, float]:
    low, high = signs(lower, upper)
    if lower == upper:
        return low, high
    if least > lower + REACH * max(1.0, abs(lower)):
        high = 0.0
    if greatest < upper - REACH * max(1.0, abs(upper)):
        low = 0.0
    return low, high


def propagated(dual: DualSystem, box: Box | None = None) -> Box:
    """Rule 1: bounds that stationarity implies."""
    lower, upper = dual.lower, dual.upper
    if box is not None:
        lower = np.concatenate([lower[: dual.primal], box.lower])
        upper = np.concatenate([upper[: dual.primal], box.upper])
    lower, upper = Propagator(dual.rows, len(lower)).tighten(lower, upper)
    lower, upper = lower[dual.primal :], upper[dual.primal :]
    how = box.how if box is not None else ["propagation"] * len(lower)
    # Round outwards: a bound must not cut off the multiplier it was derived from.
    room = 1e-9
    return Box(
        np.where(lower == 0, 0.0, lower - room * np.maximum(1, np.abs(lower))),
        np.where(upper == 0, 0.0, upper + room * np.maximum(1, np.abs(upper))),
        list(how),
    )


def parts(form: FollowerForm) -> Iterator[Part]:
    """Connected parts of a follower."""
    own = set(form.columns)
    touching: dict[int, list[int]] = {k: [] for k in form.columns}
    for i, row in enumerate(form.rows):
        for k in row.coefs:
            if k in own:
                touching[k].append(i)
    coupled: dict[int, set[int]] = {k: set() for k in form.columns}
    for i, j in form.hessian:
        coupled[i].add(j)
        coupled[j].add(i)
    left = dict.fromkeys(form.columns)
    while left:
        columns, rows = _grow(next(iter(left)), touching, coupled, form, own)
        for k in columns:
            left.pop(k)
        yield Part(tuple(sorted(columns)), tuple(sorted(rows)))


def _grow(
    start: int,
    touching: dict[int, list[int]],
    coupled: dict[int, set[int]],
    form: FollowerForm,
    own: set[int],
) -> tuple[set[int], set[int]]:
    columns, rows, todo = {start}, set[int](), [start]
    while todo:
        k = todo.pop()
        near = set(coupled[k])
        for i in touching[k]:
            if i not in rows:
                rows.add(i)
                near |= own.intersection(form.rows[i].coefs)
        todo += near - columns
        columns |= near
    return columns, rows
