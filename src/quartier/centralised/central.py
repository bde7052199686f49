"""`central`: grid, plants and all neighbourhoods under one operator (M7).

It minimises the leader's and the neighbourhoods' costs together, CHPs switching on and off. Beside
it stands `bound`: the leader's cost alone, everything relaxed; never executed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.centralised.individual import Process, records
from quartier.centralised.member import Member
from quartier.centralised.network import SOLVED, STILL_EUR, converge, joint_of, linear_grid, tighten
from quartier.centralised.worth import worth_rows
from quartier.coordination import Cap, Plan, UnitPlan
from quartier.optimisation.readings import solved_one_way
from quartier.optimisation.repair import netted
from quartier.planning import plant_plan, unit_plans
from quartier.problem import Problem, State
from quartier.program import Answer, Highs
from quartier.program.answer import relative_gap
from quartier.quantities import KW_PER_MW, POWER_TOLERANCE_KW, Array, share_of
from quartier.redispatch.linear_grid import LinearGrid
from quartier.units.evaluate import evaluate

GAP = 1e-4
"""Relative gap at which the mixed-integer program is solved well enough."""
NODES = 2000
"""Most nodes of its search."""
OPTIONS = {"mip_rel_gap": GAP, "mip_max_nodes": NODES}
ROUNDS = 6
"""Most rounds of solving and checking by AC power flow."""


class Central:
    """One operator plans everything: least cost of grid and neighbourhoods together."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Plan; the DSO's own redispatch gives the tap position and where to linearise."""
        process = Process(problem)
        process.run()
        operator = Operator(process)
        operator.solve()
        return operator.plan()


class Operator:
    """All units under one operator.

    Parameters
    ----------
    process
        What each does on its own: the offers p_off, and the DSO's redispatch.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.grid: LinearGrid = linear_grid(process)
        self.rows: list[dict[str, Any]] = []
        self.trouble: list[str] = []

    def solve(self) -> None:
        """Settle the linear network on the relaxation, then solve with binaries."""
        self.rows += bound_rows(self.process, self.grid)
        tasks = self.process.problem.neighbourhoods
        self.joint = joint_of(self.process, self.grid, [Member(task) for task in tasks])
        self._search()

    def _search(self) -> None:
        began = time.perf_counter()
        readings = self.joint.readings()
        for _ in range(ROUNDS):
            solver = Highs("central", self.joint.arrays(), OPTIONS)
            self.answer, _ = solved_one_way(solver, readings, GAP)
            self.worst = self.grid.worst(self.grid.solve(self.power_mw))
            if self.worst <= SOLVED:
                break
            self.grid.linearise(self.power_mw)
        else:
            self.trouble.append("central: a limit of the grid is violated in AC")
        answer = self.answer
        self.rows.append(
            {
                **row_of("central", answer, answer.objective),
                "status": "limits broken" if self.worst > SOLVED else answer.status,
                "wall_s": time.perf_counter() - began,
            }
        )

    @property
    def power_mw(self) -> Array:
        """Power of all assets, shape ``(T, A)``."""
        return self.joint.power_mw(self.answer.values)

    def plan(self) -> Plan:
        """What everybody shall do."""
        process = self.process
        return Plan(
            units=dict(self._units()),
            offers={offer.asset: offer for offer in process.offers},
            caps=self._caps(),
            tap_pos=self.grid.tap_pos,
            records={
                **records(process.problem, process.rounds, process.optimisers, self.rows),
                "redispatch": (),
                "sensitivities": self._sensitivities(),
            },
            degraded=tuple(self.trouble),
        )

    def _sensitivities(self) -> list[dict[str, Any]]:
        """What a little more of anything would be worth, if that is asked for."""
        if not self.process.problem.record_sensitivities:
            return []
        return list(worth_rows(self.joint, self.answer.values))

    def _units(self) -> Iterator[tuple[str, UnitPlan]]:
        process, values = self.process, self.answer.values
        for where, member in zip(self.joint.layout.members, self.joint.members, strict=True):
            own = values[where]
            curtailed = own[member.curtailed] if member.curtailed.size else 0.0
            share = share_of(np.maximum(curtailed, 0.0), member.curtailable_kw)
            share = np.where(share * member.curtailable_kw > POWER_TOLERANCE_KW, share, 0.0)
            controls = member.readings.controls(own)
            penalty = member.problem.terms.penalty_eur_per_kwh
            for units in member.problem.agents.values():
                planned = {u.name: controls[u.name] for u in units if u.name in controls}
                schedule = evaluate(units, netted(units, planned), penalty)
                yield from unit_plans(units, schedule, np.clip(share, 0.0, 1.0))
        for k, plant in enumerate(process.problem.plants):
            power = self._plant_kw(k)
            yield plant.name, plant_plan(plant.series["available_kw"], power)

    def _plant_kw(self, place: int) -> Array:
        """Power set for a plant; infinite where nothing is curtailed."""
        asset = len(self.joint.members) + place
        return limit_of(self.power_mw[:, asset], self.grid.assets.offered_mw[:, asset])

    def _caps(self) -> Mapping[str, Cap]:
        """P_set on feed-in where power is below the offer and would else break a limit.

        No load is ordered off: what is drawn instead is the operator's own cost.
        """
        assets, power = self.grid.assets, self.power_mw
        binds = self.grid.acting_on_tight(power)
        none = np.full(len(power), -np.inf)
        most = [limit_of(power[:, k], assets.offered_mw[:, k]) for k in range(len(assets.names))]
        return {
            name: Cap(np.where(binds[:, k], np.maximum(most[k], 0.0), np.inf), none)
            for k, name in enumerate(assets.names)
        }


def limit_of(p_mw: Array, offered_mw: Array) -> Array:
    """Cap in kW where power is lowered, infinite elsewhere."""
    lowered = p_mw < offered_mw - POWER_TOLERANCE_KW / KW_PER_MW
    return np.where(lowered, KW_PER_MW * p_mw, np.inf)


def row_of(name: str, answer: Answer, objective: float) -> dict[str, Any]:
    """Row of the table ``solves``."""
    return {
        "problem": name,
        "status": answer.status,
        "objective": objective,
        "bound": answer.bound,
        "gap": answer.gap,
        "wall_s": answer.wall_s,
    }


def bound_rows(process: Process, grid: LinearGrid) -> list[dict[str, Any]]:
    """Row about the leader's least cost, everything relaxed and under its command.

    The network stays linearised where grid and neighbourhoods together would go.
    """
    tasks = process.problem.neighbourhoods
    members = [Member(task, convex=True) for task in tasks]
    relaxed = joint_of(process, grid, members)
    converge(relaxed, (1.0, 1.0), "central, relaxed")
    answer = tighten(relaxed)
    least_eur = relaxed.upper_value(answer.values)
    return [row_of("bound", answer, least_eur), *ac_rows(process, members, grid.tap_pos, least_eur)]


def ac_rows(
    process: Process, members: Sequence[Member], tap_pos: int, linear_eur: float
) -> Iterator[dict[str, Any]]:
    """Row about the same operator on the AC equations, where the scenario asks for it (M7).

    A local optimum: no bound is claimed, the gap is its distance from the linear network's.
    """
    if not process.problem.grid.settings.cross_check:
        return
    from quartier.centralised.ac_optimum import ac_optimum  # its solver is an extra

    found = ac_optimum(process, members, tap_pos)
    same = abs(found.cost_eur - linear_eur) <= STILL_EUR  # of next to nothing, a share says nothing
    gap = 0.0 if same else relative_gap(found.cost_eur, linear_eur)
    yield {
        "problem": "bound, AC",
        "status": found.status,
        "objective": found.cost_eur,
        "gap": gap if np.isfinite(found.cost_eur) else np.nan,
        "loading_over_percent": found.loading_percent,
        "voltage_over_pu": found.voltage_pu,
        "wall_s": found.wall_s,
    }
