"""Bi-level feasible points, found by turns: a leader with hundreds of binaries is short of them.

*Penalty by turns* (after White, Anandalingam 1993, J. Global Optimization 3, 397-419): the leader
plans with the followers' duality gap as a penalty; at that plan the duals are found that come
nearest to making it optimal; and so on with a growing penalty, until the gap is closed.

*Other duals*: at a feasible point the duals are seldom unique. Each choice of charges lets the
followers choose among other optima of theirs, and the leader takes the best (optimistic).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.charged.follower import ChargedConditions
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.optimisation.bilevel.charged.single import Found, tied
from quartier.optimisation.bilevel.duality import Split
from quartier.program import Arrays, Highs
from quartier.quantities import Array

CLOSED = 1e-6
"""Duality gap at which a response counts as optimal."""
PENALTIES = ((0.5, 1.05), (1.0, 1.03), (0.7, 1.1))
"""First penalty and its growth, one pair a run."""
TURNS = 80
"""Most turns of a run."""
NOISES = (0.01, 1.0, 10.0, 100.0)
"""Weights of the random direction in which other duals are looked for."""
TRIES = 36
"""Other duals tried for each weight."""
LESS = 1e-6
"""Cost by which a better point is better."""
OPEN = 0.02
"""Gap, as a share of the leader's cost, above which charges are not tried out."""
NO_CHARGE = 1e-7
"""Charges up to this count as none."""


class _Duals:
    """The dual program of a follower at a given point, in ``[row duals | charges | parts]``."""

    def __init__(self, kkt: ChargedConditions) -> None:
        self.kkt, split = kkt, Split(kkt)
        charges = kkt.columns + np.arange(kkt.charges)
        after = np.arange(kkt.size + kkt.rows, split.worth.size)
        kept = np.concatenate([kkt.size + np.arange(kkt.rows), charges, after])
        matrix, low, high = split.block
        self._cost = -split.worth[kept]
        least, most = (end[: kkt.rows] for end in (kkt.bounds.least, kkt.bounds.most))
        ends = split.bounds_of_parts()
        self._solver = Highs(
            f"duals of {kkt.follower.name}",
            Arrays(
                self._cost,
                np.concatenate([least, np.zeros(kkt.charges), ends[0]]),
                np.concatenate([most, kkt.charge_limit, ends[1]]),
                np.zeros(kept.size, dtype=bool),
                sparse.csr_array(matrix[:, kept]),
                low,
                high,
            ),
        )
        self._own, self._constant = kkt.follower.arrays.cost, split.constant

    def nearest(self, y: Array, noise: Array | float = 0.0) -> tuple[Array, float]:
        """Duals that come nearest to making ``y`` optimal, and the gap that is left."""
        kkt, cost = self.kkt, self._cost.copy()
        charges = slice(kkt.rows, kkt.rows + kkt.charges)
        cost[charges] += y[kkt.follower.charged] + noise
        self._solver.set_cost(cost)
        values = self._solver.needed().values
        cost[charges] -= noise
        gap = float(cost @ values) + float(self._own @ y) - self._constant
        return values[: charges.stop], gap

    def exact(self, y: Array, charge: Array) -> Array:
        """Duals that make ``y`` optimal under given charges."""
        kkt = self.kkt
        columns = kkt.rows + np.arange(kkt.charges)
        self._solver.set_bounds(columns, charge, charge)
        found, _ = self.nearest(y)
        self._solver.set_bounds(columns, 0.0, kkt.charge_limit)
        return found


class Search:
    """Looks for bi-level feasible points of little cost.

    Parameters
    ----------
    leader
        The leader's program, its cuts refined.
    kkts
        Optimality conditions by follower.
    rng
        Where random directions come from.
    penalties, tries
        How much effort is made, see :data:`PENALTIES` and :data:`TRIES`.
    """

    def __init__(
        self,
        leader: MatrixLeader,
        kkts: Sequence[ChargedConditions],
        rng: np.random.Generator,
        penalties: Sequence[tuple[float, float]] = PENALTIES,
        tries: int = TRIES,
    ) -> None:
        self.leader, self.kkts, self._rng = leader, tuple(kkts), rng
        self._penalties, self._tries = tuple(penalties), tries
        self._arrays = leader.high_point()
        self._plan = Highs("the leader's plan", self._arrays)
        # A plan does not know yet where it will charge: it does as if it did everywhere.
        for ties in leader.ties:
            self._plan.set_bounds(ties[tied(self._arrays, ties)], 1.0, 1.0)
        self._duals = [_Duals(kkt) for kkt in kkts]
        self._best, self._alone = self._responses()
        self.best: Found | None = None

    def run(self) -> Found | None:
        """Search; None if nothing was found."""
        for start in self._penalties:
            for weight in (0.0, 1.0):
                cost = self._arrays.cost + weight * self.leader.lower_cost()
                self._by_turns(self._planned(cost), *start)
            if self.best is not None:
                self._by_turns(self.best.values, *start)
        for noise in NOISES:
            self._other_duals(noise)
        return None if self.best is None else self._with_duals(self.best)

    def _with_duals(self, found: Found) -> Found:
        """The point with row duals that belong to its own charges."""
        duals = [
            dual.exact(found.values[where], own[kkt.rows :])
            for where, kkt, own, dual in zip(
                self.leader.members, self.kkts, found.duals, self._duals, strict=True
            )
        ]
        return replace(found, duals=tuple(duals))

    def _planned(self, cost: Array) -> Array:
        self._plan.set_cost(cost)
        return self._plan.needed().values

    def _by_turns(self, values: Array, penalty: float, growth: float) -> None:
        for turn in range(TURNS):
            gap, duals, cost = 0.0, [], self._arrays.cost.copy()
            for where, kkt, dual in zip(self.leader.members, self.kkts, self._duals, strict=True):
                found, left = dual.nearest(values[where])
                gap += left
                duals.append(found)
                cost[where] += penalty * kkt.follower.cost_under(found[kkt.rows :])
            if gap <= OPEN * abs(float(self._arrays.cost @ values)) or not turn:
                self._respond(duals)
            if gap <= CLOSED:
                return
            values = self._planned(cost)
            penalty *= growth

    def _other_duals(self, noise: float) -> None:
        for _ in range(self._tries if self.best is not None else 0):
            assert self.best is not None
            duals = []
            for where, kkt, dual in zip(self.leader.members, self.kkts, self._duals, strict=True):
                drawn = noise * self._rng.standard_normal(kkt.charges)
                drawn = np.where(kkt.follower.spared, np.abs(drawn), drawn)
                duals.append(dual.nearest(self.best.values[where], drawn)[0])
            self._respond(duals)

    def _respond(self, duals: Sequence[Array]) -> None:
        """The followers' optima under charges, and among them the leader's best."""
        duals = [self._told(kkt, own) for kkt, own in zip(self.kkts, duals, strict=True)]
        self._order(duals)
        for k, (where, kkt, own) in enumerate(
            zip(self.leader.members, self.kkts, duals, strict=True)
        ):
            cost = kkt.follower.cost_under(own[kkt.rows :])
            self._alone[k].set_cost(cost)
            alone = self._alone[k].solve()
            if not alone.found:
                return  # other charges may do
            most = alone.objective + CLOSED / 10
            priced = kkt.follower.charged
            row = self._arrays.row_lower.size + k
            self._best.set_row(row, where.start + priced, cost[priced], most)
        answer = self._best.solve()
        if not answer.found:
            return  # the response to these charges breaks limits of the leader's
        if self.best is None or answer.objective < self.best.value - LESS:
            self.best = Found(answer.objective, answer.values, tuple(duals))

    @staticmethod
    def _told(kkt: ChargedConditions, own: Array) -> Array:
        """Duals without charges too small to count."""
        at = np.arange(own.size)
        negligible = (at >= kkt.rows) & (own <= NO_CHARGE)
        return np.where(negligible, 0.0, own)

    def _order(self, duals: Sequence[Array]) -> None:
        """Columns tied to charges are 1 where something is charged, and only there."""
        for kkt, ties, own in zip(self.kkts, self.leader.ties, duals, strict=True):
            held = np.flatnonzero(ties >= 0)
            share = (own[kkt.rows + held] > 0) * self._arrays.upper[ties[held]]
            self._best.set_bounds(ties[held], share, share)

    def _responses(self) -> tuple[Highs, list[Highs]]:
        """The leader's program with the followers held to their optima, and each alone."""
        rows, alone = np.zeros((len(self.kkts), self._arrays.size)), []
        for k, (where, kkt) in enumerate(zip(self.leader.members, self.kkts, strict=True)):
            own = kkt.follower
            # Zeros would be dropped from the matrix, and these coefficients change.
            rows[k, where] = own.arrays.cost
            priced = where.start + own.charged
            rows[k, priced] = np.where(rows[k, priced] == 0, 1.0, rows[k, priced])
            within = replace(own.arrays, lower=own.reach[0], upper=own.reach[1], offset=0.0)
            alone.append(Highs(f"response of {own.name}", within))
        no_limit = np.full(len(self.kkts), np.inf)
        arrays = self._arrays.with_rows(sparse.csr_array(rows), -no_limit, no_limit)
        return Highs("optimistic response", arrays), alone
