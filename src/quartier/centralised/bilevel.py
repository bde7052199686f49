"""`bilevel`: the DSO sets P_set knowing how each neighbourhood will answer (M7).

The leader decides caps and plants at a fixed tap position; each neighbourhood's convex program is
replaced by its optimality conditions. A search by turns gives incumbents, branch-and-bound on the
proven KKT program the bound. The neighbourhoods then answer the caps with their own optimum,
binaries kept, and that is what is executed.

Caps follow from the charges (see :mod:`quartier.centralised.kkt`): P_set is the planned power where
the charge is positive; elsewhere a neighbourhood gets the headroom that AC limits leave it, as in
redispatch, so that what it plans anew overloads no other step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.centralised.central import limit_of
from quartier.centralised.form import Answer, Form, Solver, relative_gap
from quartier.centralised.individual import Process, records, unkept
from quartier.centralised.kkt import Conditions, with_conditions
from quartier.centralised.leader import Leader
from quartier.centralised.linear_grid import LinearGrid
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED, converge, joint_of, linear_grid
from quartier.centralised.search import Found, Search
from quartier.centralised.windows import improve
from quartier.coordination import Cap, Plan, UnitPlan
from quartier.errors import SolveFailed
from quartier.planning import Row, plant_plan
from quartier.problem import Problem, State
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.caps import Room, cap_rows, caps_of
from quartier.redispatch.cure import Cured
from quartier.redispatch.grid_model import GridModel
from quartier.redispatch.headroom import headroom

ROUNDS = 5
"""Most rounds of searching and checking by AC power flow."""
MOST_BINARIES = 5000
"""Binaries up to which a program is searched by windows (one neighbourhood has some 3,000)."""
TIMED_OUT = "time-limit"
"""Status of a search that the clock ended."""
CHARGED_EUR_PER_KW = 1e-7
"""Charge from which on a cap binds."""
ROUND_KW = 1e-3
"""Room left above a planned power, so that rounding does not turn a cap into a violation."""


class Bilevel:
    """The DSO caps with foresight of the neighbourhoods' own optima."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Find the caps, let the neighbourhoods answer them, fit the plants to the answers."""
        process = Process(problem)
        process.run()
        game = Game(process, rng)
        game.solve()
        execution = Execution(game)
        return execution.plan()


@dataclass(frozen=True)
class Certificate:
    """What the neighbourhoods, each solved alone at the leader's decision, say of the solution.

    Attributes
    ----------
    suboptimality
        How much more they pay in the solution than at their optimum, relative, the worst of them.
    """

    suboptimality: float


class Game:
    """The bi-level problem of a gate.

    Parameters
    ----------
    process
        What each does on its own: the offers p_off, and the DSO's redispatch.
    rng
        For the directions of the search.
    """

    def __init__(self, process: Process, rng: np.random.Generator) -> None:
        self.process, self._rng = process, rng
        self.settings = process.problem.optimisation
        self.grid: LinearGrid = linear_grid(process)
        apart = self.settings.single_sessions
        self.members = [
            Member(task, aggregate=not apart, convex=True)
            for task in process.problem.neighbourhoods
        ]
        self.joint = joint_of(process, self.grid, self.members)
        self.parts = [Conditions(member) for member in self.members]
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
        for _ in range(ROUNDS):
            self.leader = Leader(self.joint)
            self.bound = self.leader.refine()
            self.found = self._search()
            self._improve()
            self._prove()
            worst = self.grid.worst(self.grid.solve(self.power_mw))
            if worst <= SOLVED:
                break
            self.grid.linearise(self.power_mw)
        self.certificate = self._certify()
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

    def program(self) -> Form:
        """The leader's problem as one mixed-integer program."""
        return with_conditions(self.leader.form(), self.leader.members, self.parts)

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
        steps = np.concatenate([part.switch_steps for part in self.parts])
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
        solver = Solver("bilevel", self.program(), options)
        solver.start_from(self.start(self.found))
        self.answer: Answer = solver.solve()
        better = self.answer.objective < self.found.value - CHARGED_EUR_PER_KW
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

    def charges(self, k: int) -> tuple[Array, Array]:
        """Charges on exports and on imports of a neighbourhood, shape ``(T,)`` each."""
        charge = self.found.duals[k][self.parts[k].rows :]
        steps = self.parts[k].steps
        return charge[:steps], charge[steps:]

    def binding(self, k: int) -> Cap:
        """P_set where it binds, as the certificate takes it; infinite elsewhere."""
        up, down = (charge > CHARGED_EUR_PER_KW for charge in self.charges(k))
        p_kw = self.p_kw[:, k]
        return Cap(
            np.where(up, np.maximum(p_kw, 0.0), np.inf),
            np.where(down, np.minimum(p_kw, 0.0), -np.inf),
        )

    def alone(self, k: int) -> Answer:
        """A neighbourhood's convex program under the caps, solved alone."""
        member, cap = self.members[k], self.binding(k)
        form, upper = member.form, member.form.upper.copy()
        upper[member.exported] = np.minimum(upper[member.exported], cap.p_max_kw)
        upper[member.imported] = np.minimum(upper[member.imported], -cap.p_min_kw)
        name = f"{member.problem.name} under P_set"
        return Solver(name, replace(form, upper=upper)).solve()

    def _certify(self) -> Certificate:
        worst = 0.0
        for k, (where, member) in enumerate(zip(self.leader.members, self.members, strict=True)):
            paid = float(member.form.cost @ self.found.values[where]) + member.form.offset
            least = self.alone(k).objective
            worst = max(worst, (paid - least) / max(1.0, abs(least)))
        return Certificate(worst)

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
        """``optimal`` only within the gap, and with every dual bound proven."""
        if self.gap > self.settings.gap:
            return self.answer.status if self.answer.status != "optimal" else "feasible"
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


class Execution:
    """From the solution of the game to what everybody does.

    Parameters
    ----------
    game
        The game, solved.
    """

    def __init__(self, game: Game) -> None:
        self.game, self.process = game, game.process
        self.grid = game.grid
        self.trouble: list[str] = []
        self._cap()
        self._answer()
        self._fit_plants()

    def _cap(self) -> None:
        """P_set: the plan where a charge makes it bind, else the headroom in AC (M4, rule 3)."""
        game, power = self.game, self.game.power_mw
        self._model, self._cured = self._cured_at(power)
        room = Room(headroom(self._model, self._cured, 1), headroom(self._model, self._cured, -1))
        self._room, self.caps = room, caps_of(self._model.assets, self._cured, room)
        for k, member in enumerate(game.members):
            name, binding = member.problem.name, game.binding(k)
            cap = self.caps[name]
            # A cap on consumption never demands feed-in.
            least = np.minimum(np.maximum(cap.p_min_kw, binding.p_min_kw - ROUND_KW), 0.0)
            most = np.minimum(cap.p_max_kw, binding.p_max_kw + ROUND_KW)
            self.caps[name] = Cap(np.maximum(most, 0.0), least)

    def _cured_at(self, power_mw: Array) -> tuple[GridModel, Cured]:
        """The plan as redispatch would have it: moved are plants, and who is charged for it."""
        assets = self.grid.assets
        offered = assets.offered_mw.copy()
        for k in range(len(self.game.members)):
            cap = self.game.binding(k)
            free = np.isinf(cap.p_max_kw) & np.isinf(cap.p_min_kw)
            offered[:, k] = np.where(free, power_mw[:, k], offered[:, k])
        model = GridModel(
            self.grid.problem.network, replace(assets, offered_mw=offered), self.grid.model.settings
        )
        state = model.solve(power_mw, self.grid.tap_pos)
        excess = model.excess(state)
        moved = np.abs(power_mw - offered) * KW_PER_MW > ROUND_KW
        tight = np.broadcast_to(excess.argmax(axis=1)[:, None], power_mw.shape)
        driving = np.where(moved, tight, -1)
        congested = np.asarray(moved.any(axis=1))
        return model, Cured(power_mw, state, excess, congested, driving)

    def _answer(self) -> None:
        number = len(self.process.rounds.history) + 1
        for name, own in self.process.own.items():
            own.answer(number, self.caps[name])

    def _fit_plants(self) -> None:
        """Set the plants for what the neighbourhoods answered, checked by AC power flow."""
        own = self.process.own
        p_kw = np.column_stack([own[m.problem.name].solution.p_kw for m in self.game.members])
        for _ in range(ROUNDS):
            leader = self.game.leader
            answer = leader.solve(p_kw)
            self.power_mw = np.column_stack([p_kw / KW_PER_MW, leader.plants_mw(answer)])
            worst = self.grid.worst(self.grid.solve(self.power_mw))
            if worst <= SOLVED:
                return
            self.grid.linearise(self.power_mw)
            self.game.leader = Leader(self.game.joint)
        self.trouble.append("bilevel: a limit of the grid is violated in AC under the answers")

    def plan(self) -> Plan:
        """What everybody shall do."""
        process, assets = self.process, self.grid.assets
        caps = dict(self.caps)
        for k, name in enumerate(assets.names):
            if name not in process.own:
                limit = limit_of(self.power_mw[:, k], assets.offered_mw[:, k])
                caps[name] = Cap(limit, np.full_like(limit, -np.inf))
        return Plan(
            units=dict(self._units(caps)),
            offers={offer.asset: offer for offer in process.offers},
            caps=caps,
            tap_pos=self.grid.tap_pos,
            records=self._records(caps),
            degraded=(*self.trouble, *unkept(process.own)),
        )

    def _units(self, caps: Mapping[str, Cap]) -> Iterator[tuple[str, UnitPlan]]:
        for own in self.process.own.values():
            yield from own.unit_plans()
        for plant in self.process.problem.plants:
            yield plant.name, plant_plan(plant.series["available_kw"], caps[plant.name].p_max_kw)

    def _records(self, caps: Mapping[str, Cap]) -> dict[str, Any]:
        process = self.process
        tables = records(process.problem, process.rounds, process.own, self.game.rows)
        rows: Sequence[Row] = [
            {**row, "round": len(process.rounds.history) + 1}
            for row in cap_rows(
                process.problem.horizon,
                process.offers,
                self._model,
                self._cured,
                self._room,
                caps,
            )
        ]
        return {**tables, "redispatch": rows}
