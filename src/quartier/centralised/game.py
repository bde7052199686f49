"""The game of a gate: the DSO decides caps and plants, neighbourhoods answer optimally (M7).

The leader decides caps and plants at a fixed tap position; each neighbourhood's convex program is
replaced by its optimality conditions, and the bi-level layer solves the rest: the game is a leader
with charges on followers in matrix form (:mod:`quartier.optimisation.bilevel.charged`).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.centralised.individual import Process
from quartier.centralised.leader import Leader
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED, converge, joint_of, linear_grid, tighten
from quartier.coordination import Cap
from quartier.errors import SolveFailed
from quartier.optimisation.bilevel.charged.certify import suboptimality
from quartier.optimisation.bilevel.charged.follower import ChargedConditions
from quartier.optimisation.bilevel.charged.search import NO_CHARGE, Search
from quartier.optimisation.bilevel.charged.single import Found, Point, SingleLevel
from quartier.optimisation.bilevel.charged.solve import Effort, improved_and_proven
from quartier.program import LIMITS, relative_gap
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.cure import VIOLATED
from quartier.redispatch.linear_grid import LinearGrid

ROUNDS = 5
"""Most rounds of searching and checking by AC power flow."""
CLOSE_TO_LIMIT = 1e-3
"""Tolerances beyond a limit of the linear network that are rounding."""
CERTIFIED = 1e-6
"""Relative distance of responses from their own optima that is rounding."""
STUCK = 0.5
"""Share of what was beyond a limit that is left at a price ten times as high: no price helps."""
DEARER = 10.0
"""Factor of the price of what is beyond a limit, if somebody would rather pay it."""


class Game:
    """The bi-level problem of a gate.

    Parameters
    ----------
    process
        What each does on its own: the offers p_off, and the DSO's redispatch.
    rng
        For the directions of the search.
    tap_pos
        Tap position; by default that of the DSO's redispatch.
    """

    def __init__(
        self, process: Process, rng: np.random.Generator, tap_pos: int | None = None
    ) -> None:
        self.process, self._rng = process, rng
        self.settings = process.problem.optimisation
        self.grid: LinearGrid = linear_grid(process, tap_pos)
        apart = self.settings.single_sessions
        self.members = [
            Member(task, aggregate=not apart, convex=True)
            for task in process.problem.neighbourhoods
        ]
        self.joint = joint_of(process, self.grid, self.members)
        self._capped = may_be_capped(process, self.grid)
        self.kkts = [ChargedConditions(member.follower) for member in self.members]
        self.rows: list[dict[str, Any]] = []

    @property
    def unproven(self) -> tuple[str, ...]:
        """Duals whose bound is a guess."""
        return tuple(name for kkt in self.kkts for name in kkt.bounds.unproven)

    def solve(self) -> None:
        """Search on a network that settles, then bound.

        Raises
        ------
        SolveFailed
            If no feasible point was found.
        """
        began = time.perf_counter()
        converge(self.joint, (1.0, 1.0), "central, relaxed")
        tighten(self.joint)
        dearer, before = 1.0, np.inf
        for rounds_left in reversed(range(ROUNDS)):
            self.leader = Leader(self.joint, dearer)
            self.bound = self.leader.refine()
            found = self._searched()
            broken = self._checked(found)
            # Windows and branch-and-bound take longest: only from a point that will do.
            if self._will_do(broken, before) or not rounds_left:
                solved = improved_and_proven(self.single, found, self.bound, self._effort)
                self.answer = solved.answer
                broken = self._checked(solved.found)
                if self._will_do(broken, before):
                    break
            if broken > CLOSE_TO_LIMIT:
                dearer, before = DEARER * dearer, broken
            self.grid.linearise(self.power_mw)
        followers = [kkt.follower for kkt in self.kkts]
        self.suboptimality = suboptimality(followers, self.points)
        self._note(time.perf_counter() - began)

    def _searched(self) -> Found:
        """Find a feasible point at the present linearisation."""
        for kkt, capped, spared in zip(
            self.kkts, self._capped, self.joint.is_spared.T, strict=True
        ):
            kkt.allowed = capped & np.concatenate([np.ones_like(spared), ~spared])
        program = self.leader.program()
        self.single = SingleLevel(program, self.kkts)
        found = Search(program, self.kkts, self._rng).run()
        if found is None:
            raise SolveFailed(
                "bilevel",
                "no feasible point found",
                "No caps were found under which the answers keep all limits of the grid.",
            )
        return found

    @property
    def _effort(self) -> Effort:
        settings, horizon = self.settings, self.process.problem.horizon
        return Effort(settings.gap, settings.max_nodes, settings.time_limit_s, horizon.dt_h)

    def _checked(self, found: Found) -> float:
        """Check a point in AC, and return how far it breaks limits of the linear network."""
        self.found = found
        self.worst = self.grid.worst(self.grid.solve(self.power_mw))
        return self.leader.broken(self.leader.solve(self.p_kw))

    def _will_do(self, broken: float, before: float) -> bool:
        """Whether limits are kept, or beyond the reach of any price."""
        kept = self.worst <= SOLVED and broken <= CLOSE_TO_LIMIT
        return kept or broken > STUCK * before

    # -- what was found -------------------------------------------------------------------------
    @property
    def p_kw(self) -> Array:
        """Planned power of the neighbourhoods, shape ``(T, N)``."""
        return self.leader.power_kw(self.found.values)

    @property
    def power_mw(self) -> Array:
        """Planned power of all assets, shape ``(T, A)``."""
        plants = self.leader.plants_mw(self.leader.solve(self.p_kw))
        return np.column_stack([self.p_kw / KW_PER_MW, plants])

    def binding(self, k: int) -> Cap:
        """P_set where a charge makes it bind, as the certificate takes it; infinite elsewhere."""
        point = self.points[k]
        up, down = np.split(point.charge > NO_CHARGE, 2)
        p_kw = self.members[k].power_kw(point.y)
        return Cap(
            np.where(up, np.maximum(p_kw, 0.0), np.inf),
            np.where(down, np.minimum(p_kw, 0.0), -np.inf),
        )

    @property
    def points(self) -> list[Point]:
        """What was found, by neighbourhood."""
        return self.found.points(self.leader.members, self.kkts)

    @property
    def gap(self) -> float:
        """Distance of the found point from the bound, relative."""
        return relative_gap(self.found.value, self.proven)

    @property
    def proven(self) -> float:
        """Proven lower bound: of the search, or with everything under the leader's command."""
        return min(max(self.answer.bound, self.bound), self.found.value)

    @property
    def status(self) -> str:
        """``optimal`` only with limits kept in AC, responses certified, gap and duals proven."""
        if self.worst > SOLVED:
            return "limits broken"
        if self.suboptimality > CERTIFIED:
            return "uncertified"
        if self.gap > self.settings.gap:
            return self.answer.status if self.answer.status in LIMITS else "feasible"
        return "optimal-for-M" if self.unproven else "optimal"

    def _note(self, wall_s: float) -> None:
        value = self.found.value
        low = {"objective": self.bound, "bound": self.bound, "gap": 0.0}
        self.rows.append({"problem": "bound", "status": "optimal", **low})
        self.rows.append(
            {
                "problem": "bilevel",
                "status": self.status,
                "objective": value,
                "bound": self.proven,
                "gap": self.gap,
                "follower_suboptimality": self.suboptimality,
                "wall_s": wall_s,
            }
        )


def may_be_capped(process: Process, grid: LinearGrid) -> NDArray[np.bool_]:
    """Which neighbourhoods a congestion gives reason to cap, shape ``(N,)``.

    P_set needs a congestion that it cures (M4): only who acts on a limit that the offers violate
    may get any, unless saving losses is reason enough (`redispatch.loss_saving`).
    """
    count, settings = len(process.problem.neighbourhoods), process.problem.grid.settings
    if settings.loss_saving:
        return np.ones(count, dtype=bool)
    offered, model = grid.assets.offered_mw, grid.model
    state = grid.solve(offered)
    violated = model.excess(state) > VIOLATED
    steps, columns = (np.flatnonzero(violated.any(axis=axis)) for axis in (1, 0))
    if not steps.size:
        return np.zeros(count, dtype=bool)
    slopes = model.slopes(state.take(steps), offered[steps], steps, columns)[..., :count]
    acting = (slopes != 0) & violated[np.ix_(steps, columns)][..., None]
    return np.asarray(acting.any(axis=(0, 1)))
