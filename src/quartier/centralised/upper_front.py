"""A front of the leader's objectives U1-U3, the neighbourhoods answering optimally (M4, M7).

Augmented epsilon-constraint (Mavrotas 2009, as in :mod:`quartier.centralised.fronts`) on the
bi-level problem: redispatch cost is minimised, losses and the CO2 of imports are held below the
values of a grid between their best and their worst. Exact branch-and-bound takes minutes a point,
so every point is the best that the search by turns finds, or a known point's responses with the
rest decided anew; its gap to the bound (everything under one operator, under the same limits) is
reported. Optimistic, as the game.

Far from where the game ended, losses and limits are linearised anew, and only points that keep all
limits in AC belong to the front; their losses and imports are those of the AC power flow. Nothing
here looks at the clock: the same problem and seed give the same front on any machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quartier.centralised.game import Game
from quartier.centralised.network import SOLVED, joint_of
from quartier.centralised.upper_program import OBJECTIVES, objectives_in_ac, upper_program
from quartier.errors import SolveFailed
from quartier.optimisation.bilevel.charged.certify import suboptimality
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.optimisation.bilevel.charged.search import Search
from quartier.optimisation.bilevel.charged.single import Found, SingleLevel
from quartier.planning import Row
from quartier.program import Highs, relative_gap
from quartier.quantities import KW_PER_MW, Array

WHOSE = "grid"
"""What the column ``neighbourhood`` says of the leader's front."""
GRID = 3
"""Values between the ends of the grid by constrained objective."""
WEIGHT = 1e-4
"""Weight of the constrained objectives, in their ranges, beside the minimised one."""
PENALTIES = ((0.5, 1.2),)
"""Search by turns of a point: first penalty and its growth."""
TRIES = 8
"""Other duals tried for each of the search's weights."""
SETTLE = 10
"""Most linearisations of a point's relaxation."""
ROUNDS = 3
"""Most searches of a point until its limits hold in AC."""
STILL = 1e-3
"""Relative change of a relaxation's optimum that is small enough."""
LOSSES = 5e-3
"""Relative error of the linear losses that is good enough."""
CLOSE = 30.0
"""Excess in tolerances up to which a point serves to linearise the limits."""
SAME = 1e-3
"""Difference, in the objectives' ranges, below which points are the same."""
LEAST_RANGE = 1e-3
"""Range (EUR, kWh, kg) below which an objective is a constant."""


@dataclass(frozen=True)
class UpperPoint:
    """A bi-level feasible point that keeps the grid's limits in AC.

    Attributes
    ----------
    values
        Objectives in the order of :data:`OBJECTIVES`.
    switches
        Binaries of the neighbourhoods' conditions.
    chosen
        Whether it is the game's own solution.
    """

    values: Array
    switches: Array
    chosen: bool = False


class UpperFront:
    """Computes the front; the game stays as it is.

    Parameters
    ----------
    game
        The game, solved.
    rng
        For the directions of the search.

    Attributes
    ----------
    points
        The front.
    solves
        Rows of the table ``solves``: a row for each point looked for.
    """

    def __init__(self, game: Game, rng: np.random.Generator, grid: int = GRID) -> None:
        self._game, self._rng, self._size = game, rng, grid
        self._grid = game.grid.copy()
        self._joint = joint_of(game.process, self._grid, game.members)
        self.solves: list[dict[str, Any]] = []
        self._known: list[UpperPoint] = [self._own()]
        self._home = game.power_mw
        for share in np.linspace(0.0, 1.0, 5)[:-1]:
            self._grid.touch(share * self._grid.assets.offered_mw)
        self._ranges = self._first_ranges()
        self._run()
        self.points = efficient(self._known)

    def _own(self) -> UpperPoint:
        """The game's solution."""
        game, layout = self._game, self._joint.layout
        x = np.zeros(layout.size)
        x[: layout.paid.stop] = game.found.values[: layout.paid.stop]
        plants = game.power_mw[:, len(game.members) :]
        x[layout.plants] = KW_PER_MW * plants
        single = game.single
        switches = np.round(single.start(game.found)[single.binaries])
        return UpperPoint(objectives_in_ac(self._joint, x), switches, True)

    # -- the grid of limits ----------------------------------------------------------------------
    def _first_ranges(self) -> Array:
        """Ranges of the objectives between relaxed optima, to weigh them against one another."""
        free, found = np.full(3, np.inf), [self._known[0].values]
        for k in range(3):
            weights = np.where(np.arange(3) == k, 1.0, WEIGHT)
            try:
                found.append(self._settle(weights, free))
            except SolveFailed:
                self._go_home()  # limits linearised far away left nothing; a range less is known
        ranges = np.ptp(np.array(found), axis=0)
        return np.where(ranges > LEAST_RANGE, ranges, 1.0)

    def _run(self) -> None:
        for k, name in enumerate(OBJECTIVES):
            self._look(f"front-upper least {name}", k, np.full(3, np.inf))
        payoff = np.array([p.values for p in self._known])
        ideal, worst = payoff.min(axis=0), payoff.max(axis=0)
        limits = np.linspace(worst, ideal, self._size + 2)[1:-1, 1:]
        for i, second in enumerate(limits[:, 0]):
            reached = np.inf
            for j, third in enumerate(limits[:, 1]):
                if reached <= third + LEAST_RANGE:
                    continue
                found = self._look(f"front-upper {i}-{j}", 0, np.array([np.inf, second, third]))
                if found is None:
                    break
                reached = found.values[2]

    def _weights(self, k: int) -> Array:
        """Weights that count objective ``k`` as 1 in its own range and are about EUR."""
        shares = np.where(np.arange(3) == k, 1.0, WEIGHT)
        return np.asarray(shares * max(self._ranges[0], 1.0) / self._ranges)

    # -- one point ---------------------------------------------------------------------------------
    def _look(self, problem: str, k: int, limits: Array) -> UpperPoint | None:
        """Look for the point with least objective ``k`` under limits, and note how good it is."""
        began, weights = time.perf_counter(), self._weights(k)
        row: dict[str, Any] = {"problem": problem}
        self.solves.append(row)
        try:
            self._settle(weights, limits)
            point, found, program = self._kept(weights, limits)
        except SolveFailed as failure:
            row.update(status=failure.status, wall_s=time.perf_counter() - began)
            self._go_home()
            return None
        bound = Highs(problem, program.high_point()).needed().objective
        unit = weights[k]
        points = found.points(program.members, self._game.kkts)
        followers = [kkt.follower for kkt in self._game.kkts]
        gap = relative_gap(found.value, bound)
        row.update(
            status=self._status(gap),
            objective=float(found.value / unit),
            bound=float(bound / unit),
            gap=gap,
            follower_suboptimality=suboptimality(followers, points),
            wall_s=time.perf_counter() - began,
        )
        self._known.append(point)
        return point

    def _status(self, gap: float) -> str:
        if gap > self._game.settings.gap:
            return "feasible"
        return "optimal-for-M" if self._game.unproven else "optimal"

    def _settle(self, weights: Array, limits: Array) -> Array:
        """Linearise where the relaxation ends, until it stays; return the objectives there."""
        grid, before = self._grid, np.inf
        for _ in range(SETTLE):
            program = upper_program(self._joint, weights, limits)
            answer = Highs("front of the leader, relaxed", program.high_point()).needed()
            power = self._joint.power_mw(answer.values)
            state = grid.solve(power)
            self._linearise(power, grid.worst(state))
            loss_kwh = grid.assets.dt_h * KW_PER_MW * float(state.loss_mw.sum())
            reached = answer.values[self._joint.layout.size :]
            losses = abs(loss_kwh - reached[1]) <= LOSSES * loss_kwh
            still = abs(answer.objective - before) <= STILL * abs(answer.objective)
            if losses and still and grid.worst(state) <= SOLVED:
                break
            before = answer.objective
        return reached

    def _linearise(self, power_mw: Array, worst: float) -> None:
        """Take tangents at a point, and the limits' rows if it is not far beyond them."""
        if worst <= CLOSE:
            self._home = power_mw
            self._grid.linearise(power_mw)
            return
        self._grid.note(power_mw)
        self._grid.touch(power_mw)
        self._grid.linearise(self._home)

    def _go_home(self) -> None:
        """Take the limits' rows at the game's solution again, where they are known to hold."""
        self._home = self._game.power_mw
        self._grid.linearise(self._home)

    def _kept(self, weights: Array, limits: Array) -> tuple[UpperPoint, Found, MatrixLeader]:
        """Search until the point keeps all limits in AC.

        Raises
        ------
        SolveFailed
            If nothing is found that does.
        """
        for _ in range(ROUNDS):
            program = upper_program(self._joint, weights, limits)
            found, switches = self._search(program)
            power = self._joint.power_mw(found.values)
            worst = self._grid.worst(self._grid.solve(power))
            if worst <= SOLVED:
                values = objectives_in_ac(self._joint, found.values)
                return UpperPoint(values, switches), found, program
            self._linearise(power, worst)
        raise SolveFailed("front of the leader", "limits broken in AC")

    def _search(self, program: MatrixLeader) -> tuple[Found, Array]:
        single = SingleLevel(program, self._game.kkts)
        candidates = list(self._from_known(single))
        found = Search(program, single.kkts, self._rng, PENALTIES, TRIES).run()
        if found is not None:
            candidates.append((found, np.round(single.start(found)[single.binaries])))
        if not candidates:
            raise SolveFailed("front of the leader", "no feasible point found")
        return min(candidates, key=lambda pair: pair[0].value)

    def _from_known(self, single: SingleLevel) -> Iterator[tuple[Found, Array]]:
        """Known points with their binaries kept and all else decided anew."""
        solver = Highs("known responses", single.arrays.relaxed())
        for point in (self._known[0], *self._known[-1:]):
            solver.set_bounds(single.binaries, point.switches, point.switches)
            answer = solver.solve()
            if answer.found:  # else the limits are out of reach with these responses
                yield single.found(answer.objective, answer.values), point.switches

    def rows(self) -> Iterator[Row]:
        """Rows of the table ``fronts``, without the column ``gate``."""
        for number, point in enumerate(self.points):
            for name, value in zip(OBJECTIVES, point.values.tolist(), strict=True):
                yield {
                    "neighbourhood": WHOSE,
                    "method": "augmecon-upper",
                    "point": number,
                    "objective": name,
                    "value": value,
                    "chosen": point.chosen,
                }


def efficient(points: Sequence[UpperPoint]) -> list[UpperPoint]:
    """Leave out points that another dominates, and those that are the same as an earlier one."""
    values = np.array([point.values for point in points])
    ranges = np.maximum(np.ptp(values, axis=0), LEAST_RANGE)
    kept: list[int] = []
    for i, own in enumerate(values):
        same = (np.abs(values - own) <= SAME * ranges).all(axis=1)
        better = (values <= own).all(axis=1) & (values < own).any(axis=1)
        if not (same[kept].any() or (better & ~same).any()):
            kept.append(i)
    return [points[i] for i in kept]
