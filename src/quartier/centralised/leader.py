"""What the neighbourhoods' power costs the leader, step by step, as cuts (Benders 1962).

Given the neighbourhoods' power, plants, losses and imports of a step are the leader's alone, and
steps do not touch each other. So the least cost of a step is a convex, piecewise linear function
of a few powers, and its tangents (from the duals of one linear program for all steps) replace
hundreds of network rows. Cuts hold everywhere: a bound found with them is a bound.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from quartier.centralised.joint import Joint
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.problem.upper_cost import lost_kw
from quartier.program import Answer, Arrays, Block, Highs, stacked
from quartier.quantities import KW_PER_MW, Array

BREAK_EUR = 5.0
"""Least price of a tolerance (0.1 % or 1e-4 pu) beyond a limit."""
BREAK = 2.0
"""Price of a tolerance beyond a limit, in multiples of the dearest relief."""
LEAST_EFFECT = 0.05
"""Share of the strongest effect on a limit from which an asset's relief counts."""
POINTS = 24
"""Powers of each neighbourhood at which tangents are taken at first."""
ROUNDS = 30
"""Most rounds of tangents at a relaxation's solution."""
CLOSE_EUR = 1e-3
"""Distance of cuts from the cost below which they are exact enough."""
SAME = 1e-9
"""Slopes (EUR/kW) closer than this are the same."""


class Leader:
    """The leader's least cost as a function of the neighbourhoods' power.

    Parameters
    ----------
    joint
        Grid, plants and neighbourhoods at one linearisation.
    dearer
        Factor of the price of what is beyond a limit.
    """

    def __init__(self, joint: Joint, dearer: float = 1.0) -> None:
        self.joint, self._dearer = joint, dearer
        self.steps, self.count = joint.steps, len(joint.members)
        self._build()
        self._cuts: list[list[tuple[float, Array]]] = [[] for _ in range(self.steps)]
        for share in np.linspace(0.0, 1.0, POINTS):
            low, high = self._range()
            self.cut_at(low + share * (high - low))

    def _range(self) -> tuple[Array, Array]:
        members = self.joint.members
        return (
            np.column_stack([-m.reach[1][m.imported] for m in members]),
            np.column_stack([m.reach[1][m.exported] for m in members]),
        )

    def _build(self) -> None:
        """Set up the program of everything but the neighbourhoods, their power as fixed columns."""
        joint, layout = self.joint, self.joint.layout
        first, (lower, upper) = layout.paid.stop, joint.bounds()
        matrix, low, high = joint.grid_rows()
        power = [
            matrix[:, where.start + m.exported]
            for where, m in zip(layout.members, joint.members, strict=True)
        ]
        limits = joint.grid.rows
        slack = sparse.csr_array(
            (-np.ones(limits.step.size), (np.arange(limits.step.size),) * 2),
            shape=(matrix.shape[0], limits.step.size),
        )
        own, free = layout.size - first, limits.step.size
        fixed = self.steps * self.count
        arrays = Arrays(
            np.concatenate([joint.upper_cost()[0][first:], self._break_eur(), np.zeros(fixed)]),
            np.concatenate([lower[first:], np.zeros(free + fixed)]),
            np.concatenate([upper[first:], np.full(free, np.inf), np.zeros(fixed)]),
            np.zeros(own + free + fixed, dtype=bool),
            sparse.csr_array(sparse.hstack([matrix[:, first:], slack, *power])),
            low,
            high,
        )
        self._own, self._first = own, first
        self._power = own + free + np.arange(fixed)
        steps = np.full(layout.size, -1)
        for columns in (layout.plants, layout.loss, layout.imports):
            where = np.arange(self.steps)
            steps[columns] = where[:, None] if columns.ndim == 2 else where
        self._step = np.concatenate([steps[first:], limits.step])
        assets = joint.grid.assets
        plants = slice(self.count, None)
        offered = assets.offered_mw[:, plants]
        self._offset = assets.dt_h * offered @ assets.lower_price[plants]
        self._broken = slice(own, own + free)
        self._solver = Highs("the leader's costs", arrays)

    def _break_eur(self) -> Array:
        """Price of a tolerance beyond each limit: more than any relief of it costs.

        An asset of the least effect that counts relieves a limit at its price over its effect.
        """
        assets, rows = self.joint.grid.assets, self.joint.grid.rows
        price = np.maximum(assets.lower_price, assets.raise_price).max(initial=1.0) * assets.dt_h
        effect = np.abs(rows.slopes)
        counts = effect >= LEAST_EFFECT * effect.max(axis=1, keepdims=True, initial=0.0)
        least = np.where(counts & (effect > 0), effect, np.inf).min(axis=1, initial=np.inf)
        return np.asarray(self._dearer * np.maximum(BREAK * price / least, BREAK_EUR))

    def solve(self, p_kw: Array) -> Answer:
        """The leader's cheapest plants at the neighbourhoods' power ``p_kw``, shape ``(T, N)``."""
        flat = p_kw.T.ravel()
        self._solver.set_bounds(self._power, flat, flat)
        return self._solver.needed()

    def cost_eur(self, p_kw: Array) -> tuple[Array, Array]:
        """Least cost of every step ``(T,)``, and its slope by power ``(T, N)``."""
        found = self.solve(p_kw)
        paid = self._solver.arrays.cost[: self._step.size] * found.values[: self._step.size]
        value = np.bincount(self._step, paid, minlength=self.steps) + self._offset
        slope = -(self._solver.arrays.matrix[:, self._power].T @ found.row_dual)
        return value, slope.reshape(self.count, self.steps).T

    def broken(self, answer: Answer) -> float:
        """Tolerances by which the worst limit is exceeded in a solution."""
        return float(answer.values[self._broken].max(initial=0.0))

    def plants_mw(self, answer: Answer) -> Array:
        """Power of the plants in a solution, shape ``(T, P)``."""
        return np.asarray(answer.values[self.joint.layout.plants - self._first] / KW_PER_MW)

    def cut_at(self, p_kw: Array) -> float:
        """Add the tangent at a power where it is new; return the cost there."""
        value, slope = self.cost_eur(p_kw)
        constant = value - (slope * p_kw).sum(axis=1)
        for t, known in enumerate(self._cuts):
            new = all(
                np.abs(slope[t] - s).max() > SAME or abs(constant[t] - c) > CLOSE_EUR / 100
                for c, s in known
            )
            if new:
                known.append((float(constant[t]), slope[t]))
        return float(value.sum())

    def estimate(self, p_kw: Array) -> float:
        """Cost as the cuts see it."""
        steps = enumerate(self._cuts)
        return float(sum(max(c + float(s @ p_kw[t]) for c, s in known) for t, known in steps))

    # -- the program over [neighbourhoods | cost of each step] ---------------------------------
    @property
    def members(self) -> tuple[slice, ...]:
        """Columns of the neighbourhoods."""
        return self.joint.layout.members

    @property
    def size(self) -> int:
        """Number of columns."""
        return int(self._first) + self.steps

    def own_cost(self) -> Array:
        """What the leader pays by column: steps, and what redispatch costs in neighbourhoods."""
        upper, _ = self.joint.upper_cost()
        return np.concatenate([upper[: self._first], np.ones(self.steps)])

    def power_kw(self, values: Array) -> Array:
        """Power of the neighbourhoods, shape ``(T, N)``."""
        return np.column_stack(
            [
                m.power_kw(values[where])
                for m, where in zip(self.joint.members, self.members, strict=True)
            ]
        )

    def program(self) -> MatrixLeader:
        """The leader of the neighbourhoods, its cost as the cuts see it."""
        joint, layout = self.joint, self.joint.layout
        bounds, free = joint.bounds(), np.full(self.steps, np.inf)
        steps = sparse.csr_array((layout.lost.size + layout.reduced.size, self.steps))
        paid, low, high = stacked(joint.paid_rows())
        wide = sparse.csr_array(sparse.hstack([paid[:, : self._first], steps]))
        arrays = Arrays(
            self.own_cost(),
            np.append(bounds[0][: self._first], -free),
            np.append(bounds[1][: self._first], free),
            np.zeros(self.size, dtype=bool),
            *stacked([(wide, low, high), self._cut_rows()]),
        )
        return MatrixLeader(arrays, tuple(m.follower for m in joint.members), joint.ties)

    def _cut_rows(self) -> Block:
        step = np.repeat(np.arange(self.steps), [len(known) for known in self._cuts])
        constant = np.array([c for known in self._cuts for c, _ in known])
        slope = np.array([s for known in self._cuts for _, s in known]).reshape(-1, self.count)
        count = step.size
        rows, columns, data = [np.arange(count)], [self._first + step], [np.ones(count)]
        for k, (m, where) in enumerate(zip(self.joint.members, self.members, strict=True)):
            for side, sign in ((m.exported, -1.0), (m.imported, 1.0)):
                rows.append(np.arange(count))
                columns.append(where.start + side[step])
                data.append(sign * slope[:, k])
        entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
        matrix = sparse.csr_array(entries, shape=(count, self.size))
        return matrix, constant, np.full(count, np.inf)

    def refine(self, weights: tuple[float, ...] = (0.0, 1.0)) -> float:
        """Add tangents at relaxations' solutions until they are exact there.

        Parameters
        ----------
        weights
            Weights of the neighbourhoods' own cost beside the leader's.

        Returns
        -------
        float
            The bound: least cost of the leader with everything under one operator.
        """
        bound = -np.inf
        for weight in weights:
            for _ in range(ROUNDS):
                program = self.program()
                arrays = program.high_point()
                solver = Highs("one operator", arrays)
                solver.set_cost(arrays.cost + weight * program.lower_cost())
                values = solver.needed().values
                if weight == 0.0:
                    bound = float(arrays.cost @ values)
                p_kw = self.power_kw(values)
                if self.cut_at(p_kw) - values[self._first :].sum() <= CLOSE_EUR:
                    break
        return bound

    def lost_kw(self, values: Array) -> Array:
        """Renewable energy lost by neighbourhoods' columns, shape ``(T, N)``."""
        joint, none = self.joint, np.zeros(self.steps)
        columns = [
            lost_kw(values[where.start + m.curtailed], none, joint.grid.own_curtailed_kw[:, k])
            for k, (m, where) in enumerate(zip(joint.members, self.members, strict=True))
        ]
        return np.column_stack(columns)

    def value(self, values: Array, reduced_kw: Array | float = 0.0) -> float:
        """The leader's cost of what the neighbourhoods do, the steps' cost taken exactly.

        Parameters
        ----------
        values
            Columns that begin with the neighbourhoods'.
        reduced_kw
            Load that is ordered off, shape ``(T, N)``.
        """
        steps, _ = self.cost_eur(self.power_kw(values))
        layout, cost = self.joint.layout, self.own_cost()
        paid = cost[layout.lost] * self.lost_kw(values) + cost[layout.reduced] * reduced_kw
        return float(paid.sum() + steps.sum())
