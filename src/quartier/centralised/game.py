"""The game of a gate: the DSO decides caps and plants, neighbourhoods answer optimally (M7).

The leader decides caps and plants at a fixed tap position; each neighbourhood's convex program is
replaced by its optimality conditions. A search by turns gives incumbents, branch-and-bound on the
proven KKT program the bound.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.centralised.certificate import alone, binding, certify
from quartier.centralised.individual import Process
from quartier.centralised.kkt import Conditions, Point, orders, with_conditions
from quartier.centralised.leader import Leader
from quartier.centralised.linear_grid import LinearGrid
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED, converge, joint_of, linear_grid, tighten
from quartier.centralised.search import Found, Search
from quartier.centralised.windows import improve
from quartier.coordination import Cap
from quartier.errors import SolveFailed
from quartier.program import LIMITS, Answer, Arrays, Highs, relative_gap
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.cure import VIOLATED

ROUNDS = 5
"""Most rounds of searching and checking by AC power flow."""
MOST_BINARIES = 5000
"""Binaries up to which a program is searched by windows (one neighbourhood has some 3,000)."""
TIMED_OUT = "time-limit"
"""Status of a search that the clock ended."""
CLOSE_TO_LIMIT = 1e-3
"""Tolerances beyond a limit of the linear network that are rounding."""
CERTIFIED = 1e-6
"""Relative distance of responses from their own optima that is rounding."""
STUCK = 0.5
"""Share of what was beyond a limit that is left at a price ten times as high: no price helps."""
DEARER = 10.0
"""Factor of the price of what is beyond a limit, if somebody would rather pay it."""
BETTER_EUR = 1e-7
"""Cost by which a better point is better."""


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
        self.parts = [
            Conditions(member, capped)
            for member, capped in zip(self.members, may_be_capped(process, self.grid), strict=True)
        ]
        self.rows: list[dict[str, Any]] = []

    @property
    def unproven(self) -> tuple[str, ...]:
        """Duals whose bound is a guess."""
        return tuple(name for part in self.parts for name in part.bounds.unproven)

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
        for _ in range(ROUNDS):
            self.leader = Leader(self.joint, dearer)
            self.bound = self.leader.refine()
            self.found = self._search()
            self._improve()
            self._prove()
            self.worst = self.grid.worst(self.grid.solve(self.power_mw))
            broken = self.leader.broken(self.leader.solve(self.p_kw))
            bought = broken > CLOSE_TO_LIMIT
            if (self.worst <= SOLVED and not bought) or broken > STUCK * before:
                break  # kept, or beyond the reach of any price
            dearer, before = (DEARER * dearer, broken) if bought else (dearer, before)
            self.grid.linearise(self.power_mw)
        points = self.found.points(self.leader, self.parts)
        self.certificate = certify(self.members, points)
        self._note(time.perf_counter() - began)

    def _search(self) -> Found:
        search = Search(self.leader, self.parts, self._rng)
        found = search.run()
        if found is None:
            raise SolveFailed(
                "bilevel",
                "no feasible point found",
                "No caps were found under which the answers keep all limits of the grid.",
            )
        return found

    def program(self) -> Arrays:
        """The leader's problem as one mixed-integer program."""
        leader = self.leader
        return with_conditions(leader.form(), leader.members, self.parts, leader.ordered)

    def start(self, found: Found) -> Array:
        """A feasible point in the columns of :meth:`program`."""
        points = found.points(self.leader, self.parts)
        own = [part.columns_at(point) for part, point in zip(self.parts, points, strict=True)]
        return np.concatenate([found.values, *own])

    def _improve(self) -> None:
        """Take a better point that windows of the program give, if they are not too large."""
        program, start = self.program(), self.start(self.found)
        if program.integer.sum() > MOST_BINARIES:
            return  # each window would take minutes; the gap says what that leaves
        loads = orders(program, self.leader.ordered)
        step_of = (loads - self.leader.ordered[0, 0]) // len(self.members)
        steps = np.concatenate([step_of, *(part.switch_steps for part in self.parts)])
        dt_h = self.process.problem.horizon.dt_h
        enough = self.bound * (1 + self.settings.gap)
        values = improve(program, start, steps, dt_h, enough)
        if values is not start:
            self.found = self._taken(float(program.cost @ values) + program.offset, values)

    def _prove(self) -> None:
        """Bound the leader's cost from below; take a better point if the search finds one.

        What a search finds that ends by the clock depends on the machine: then only its bound is
        taken.
        """
        options: dict[str, Any] = {
            "mip_rel_gap": self.settings.gap,
            "mip_max_nodes": self.settings.max_nodes,
            "mip_heuristic_effort": 0.0,
        }
        if self.settings.time_limit_s is not None:
            options["time_limit"] = self.settings.time_limit_s
        solver = Highs("bilevel", self.program(), options)
        solver.start_from(self.start(self.found))
        self.answer: Answer = solver.solve()  # the point found does without a proof
        better = self.answer.objective < self.found.value - BETTER_EUR
        if better and self.answer.status != TIMED_OUT:
            self.found = self._taken(self.answer.objective, self.answer.values)

    def _taken(self, cost: float, values: Array) -> Found:
        """A solution of the program as a point that was found."""
        size, duals, at = self.leader.size, [], self.leader.size
        for part in self.parts:
            duals.append(values[at : at + part.rows + 2 * part.steps])
            at += part.extra
        return Found(cost, values[:size], tuple(duals))

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
        """P_set where it binds, as the certificate takes it; infinite elsewhere."""
        return binding(self.members[k], self._point(k))

    def alone(self, k: int) -> Answer:
        """A neighbourhood's convex program under the caps, solved alone."""
        return alone(self.members[k], self.binding(k))

    def _point(self, k: int) -> Point:
        return self.found.points(self.leader, self.parts)[k]

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
        if self.certificate.suboptimality > CERTIFIED:
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
                "follower_suboptimality": self.certificate.suboptimality,
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
