"""Bi-level feasible points, found by turns (M7): the leader's problem is short of incumbents.

*Penalty by turns* (after White, Anandalingam 1993, J. Global Optimization 3, 397-419): the leader
plans with the neighbourhoods' duality gap as a penalty; at that plan the duals are found that come
nearest to making it optimal; and so on with a growing penalty, until the gap is closed.

*Other duals*: at a feasible point the duals are seldom unique. Each choice of charges lets the
neighbourhoods choose among other optima of theirs, and the leader takes the best (optimistic).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from quartier.centralised.form import Form, Solver
from quartier.centralised.kkt import Conditions, Point
from quartier.centralised.leader import Leader
from quartier.errors import SolveFailed
from quartier.quantities import Array

CLOSED_EUR = 1e-6
"""Duality gap at which a response counts as optimal."""
PENALTIES = ((0.5, 1.05), (1.0, 1.03), (0.7, 1.1))
"""First penalty and its growth, one pair a run."""
TURNS = 80
"""Most turns of a run."""
NOISES = (0.01, 1.0, 10.0, 100.0)
"""Weights of the random direction in which other duals are looked for."""
TRIES = 24
"""Other duals tried for each weight."""


@dataclass(frozen=True)
class Found:
    """A bi-level feasible point.

    Attributes
    ----------
    value
        The leader's cost.
    values
        Columns of the leader's program.
    duals
        Row duals and charges of every member that make its part optimal.
    """

    value: float
    values: Array
    duals: tuple[Array, ...]

    def points(self, leader: Leader, parts: Sequence[Conditions]) -> list[Point]:
        """The point by member."""
        return [
            Point(self.values[where], duals[: part.rows], duals[part.rows :])
            for where, part, duals in zip(leader.members, parts, self.duals, strict=True)
        ]


class _Duals:
    """The dual program of a member at given powers, in ``[row duals | charges | parts]``."""

    def __init__(self, part: Conditions) -> None:
        self.part, form = part, part.member.form
        matrix, constant = part.multipliers
        low = np.flatnonzero(np.isfinite(part.low) & ~part.equal)
        high = np.flatnonzero(np.isfinite(part.high) & ~part.equal)
        size = constant.size
        split = [
            sparse.csr_array((sign * np.ones(k.size), (k, np.arange(k.size))), (size, k.size))
            for k, sign in ((low, -1.0), (high, 1.0))
        ]
        rows = ~part.equal | (np.arange(size) >= part.rows)
        body = sparse.csr_array(sparse.hstack([matrix, *split]))[rows]
        equal = part.equal[: part.rows]
        worth = [
            np.where(equal, part.low[: part.rows], 0.0),
            np.zeros(2 * part.steps),
            part.low[low],
            -part.high[high],
        ]
        self._cost = -np.concatenate(worth)
        lower = [part.least[: part.rows], np.zeros(2 * part.steps + low.size + high.size)]
        upper = [part.most[: part.rows], part.charge_limit, part.most[low], -part.least[high]]
        self._solver = Solver(
            f"duals of {part.member.problem.name}",
            Form(
                self._cost,
                np.concatenate(lower),
                np.concatenate(upper),
                np.zeros(self._cost.size, dtype=bool),
                body,
                -constant[rows],
                -constant[rows],
            ),
        )
        self._own = form.cost

    def nearest(self, y: Array, noise: Array | float = 0.0) -> tuple[Array, float]:
        """Duals that come nearest to making ``y`` optimal, and the gap that is left."""
        part, cost = self.part, self._cost.copy()
        charges = slice(part.rows, part.rows + 2 * part.steps)
        exact = np.concatenate([y[part.member.exported], y[part.member.imported]])
        cost[charges] += exact + noise
        self._solver.set_cost(cost)
        values = self._solver.solve().values
        cost[charges] -= noise
        return values[: charges.stop], float(cost @ values) + float(self._own @ y)


class Search:
    """Looks for bi-level feasible points of little cost.

    Parameters
    ----------
    leader
        The leader's cost, its cuts refined.
    parts
        Optimality conditions by member.
    rng
        Where random directions come from.
    """

    def __init__(
        self, leader: Leader, parts: Sequence[Conditions], rng: np.random.Generator
    ) -> None:
        self.leader, self.parts, self._rng = leader, tuple(parts), rng
        self._form = leader.form()
        self._plan = Solver("the leader's plan", self._form)
        self._duals = [_Duals(part) for part in parts]
        self.best: Found | None = None

    def run(self) -> Found | None:
        """Search; None if nothing was found."""
        for start in PENALTIES:
            for weight in (0.0, 1.0):
                cost = self._form.cost + weight * self.leader.lower_cost()
                self._by_turns(self._planned(cost), *start)
            if self.best is not None:
                self._by_turns(self.best.values, *start)
        for noise in NOISES:
            self._other_duals(noise)
        return self.best

    def try_from(self, values: Array) -> None:
        """Take a point of the leader's program as a start."""
        for penalty, growth in PENALTIES[:1]:
            self._by_turns(values, penalty, growth)

    def _planned(self, cost: Array) -> Array:
        self._plan.set_cost(cost)
        return self._plan.solve().values

    def _by_turns(self, values: Array, penalty: float, growth: float) -> None:
        for _ in range(TURNS):
            gap, duals, cost = 0.0, [], self._form.cost.copy()
            for where, part, dual in zip(self.leader.members, self.parts, self._duals, strict=True):
                found, left = dual.nearest(values[where])
                gap += left
                duals.append(found)
                priced = part.member.form.cost + part.charged @ found[part.rows :]
                cost[where] += penalty * priced
            self._respond(duals)
            if gap <= CLOSED_EUR:
                return
            values = self._planned(cost)
            penalty *= growth

    def _other_duals(self, noise: float) -> None:
        for _ in range(TRIES if self.best is not None else 0):
            assert self.best is not None
            duals = []
            for where, part, dual in zip(self.leader.members, self.parts, self._duals, strict=True):
                drawn = noise * self._rng.standard_normal(2 * part.steps)
                drawn[part.steps :] = np.abs(drawn[part.steps :])
                duals.append(dual.nearest(self.best.values[where], drawn)[0])
            self._respond(duals)

    def _respond(self, duals: Sequence[Array]) -> None:
        """The neighbourhoods' optima under charges, and among them the leader's best."""
        rows, most = [], []
        for where, part, own in zip(self.leader.members, self.parts, duals, strict=True):
            cost = part.member.form.cost + part.charged @ own[part.rows :]
            reach = part.member.reach
            alone = replace(part.member.form, cost=cost, lower=reach[0], upper=reach[1])
            answer = Solver(f"response of {part.member.problem.name}", alone).solve()
            row = np.zeros(self._form.size)
            row[where] = cost
            rows.append(row)
            most.append(answer.objective - alone.offset + CLOSED_EUR / 10)
        form = replace(
            self._form,
            matrix=sparse.csr_array(sparse.vstack([self._form.matrix, sparse.csr_array(rows)])),
            row_lower=np.append(self._form.row_lower, np.full(len(rows), -np.inf)),
            row_upper=np.append(self._form.row_upper, most),
        )
        try:
            answer = Solver("optimistic response", form).solve()
        except SolveFailed:
            return  # the response to these charges breaks limits of the grid
        if self.best is None or answer.objective < self.best.value - 1e-6:
            self.best = Found(answer.objective, answer.values, tuple(duals))
