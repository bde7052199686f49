"""A neighbourhood that optimises itself: its offer, and its answer to P_set (M3, M7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from quartier.coordination import Cap, UnitPlan
from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.planning import (
    Asset,
    assets_of,
    is_kept,
    plans_of,
    plant_offers,
    reactive_kvar,
    total,
    under_cap,
)
from quartier.problem import ConnectionTerms, NeighbourhoodProblem, Offer, Problem
from quartier.quantities import POWER_TOLERANCE_KW, Array


class SelfOptimiser:
    """A neighbourhood under one operator of its own, binaries kept.

    Its first solution, without caps, makes the offer: p_off, the fixed reference of every
    centralised mechanism.

    Parameters
    ----------
    problem
        Units, prices and limits.
    first
        What it wants to do without caps; None: its own optimum.
    model
        Its program, if it is there already.

    Raises
    ------
    SolveFailed
        If there is no feasible schedule.
    """

    def __init__(
        self,
        problem: NeighbourhoodProblem,
        first: Solution | None = None,
        model: NeighbourhoodModel | None = None,
    ) -> None:
        self.problem = problem
        self._model = model or NeighbourhoodModel(problem)
        self.history: list[tuple[int, Solution]] = [(0, first or self._model.solve())]
        self.terms = problem.terms

    @property
    def solution(self) -> Solution:
        """What it wants to do under the last P_set."""
        return self.history[-1][1]

    def answer(self, number: int, cap: Cap) -> Array:
        """Power under a cap of round ``number``, shape ``(T,)``; what is still optimal stays."""
        own, before = self.problem.terms, self.terms
        self.terms = under_cap(own, cap.p_max_kw, cap.p_min_kw)
        if not self._stays(before):
            self._model.update(self.terms)
            try:
                self.history.append((number, self._model.solve()))
            except SolveFailed as failure:
                note_kept(failure, "it keeps its last plan")
        return self.solution.p_kw

    def _stays(self, before: ConnectionTerms) -> bool:
        """Whether the solution fits, and no cap that held it before has become wider."""
        p_kw, now = self.solution.p_kw, self.terms
        held_up = p_kw >= before.p_max_kw - POWER_TOLERANCE_KW
        held_down = p_kw <= before.p_min_kw + POWER_TOLERANCE_KW
        freed = (held_up & (now.p_max_kw > before.p_max_kw + POWER_TOLERANCE_KW)) | (
            held_down & (now.p_min_kw < before.p_min_kw - POWER_TOLERANCE_KW)
        )
        limits = Cap(now.p_max_kw, now.p_min_kw)
        return is_kept(p_kw, limits, POWER_TOLERANCE_KW) and not freed.any()

    def offer(self, asset: Asset) -> Offer:
        """The schedule without caps, and what could be done besides in any single step."""
        solution = self.history[0][1]
        curtailed = total(solution.curtailed_kw, self.problem)
        loose = np.sum([s.curtailable_kw for s in solution.schedules.values()], axis=0)
        return Offer(
            asset=asset.name,
            kind=asset.kind,
            bus=asset.bus,
            p_kw=solution.p_kw,
            down_kw=_sum(solution, "down_kw") + loose - curtailed,
            up_kw=_sum(solution, "up_kw") + curtailed,
            q_kvar=reactive_kvar(self.problem),
            price_eur_per_kwh=asset.price_eur_per_kwh,
            raise_price_eur_per_kwh=asset.raise_price_eur_per_kwh,
            curtailed_kw=curtailed,
        )

    def unit_plans(self) -> Iterator[tuple[str, UnitPlan]]:
        """What its units shall do."""
        yield from plans_of(self.problem, self.solution, self.terms)

    def unkept_kw(self) -> float:
        """Greatest power beyond P_set in any step."""
        return float(self.terms.excess_kw(self.solution.p_kw).max())


def _sum(solution: Solution, name: str) -> Array:
    found: Array = np.sum([getattr(s, name) for s in solution.schedules.values()], axis=0)
    return found


def reference_offers(problem: Problem, optimisers: Mapping[str, SelfOptimiser]) -> list[Offer]:
    """p_off of all connection points, neighbourhoods first: the same for every mechanism (M4)."""
    points = [optimisers[a.name].offer(a) for a in assets_of(problem) if a.name in optimisers]
    return [*points, *plant_offers(problem)]


def solve_row(name: str, solution: Solution) -> dict[str, Any]:
    """Row of the table ``solves`` about a neighbourhood's own optimum."""
    return {
        "problem": name,
        "status": solution.status,
        "objective": solution.objective_eur,
        "bound": solution.bound_eur,
        "gap": solution.gap,
        "wall_s": solution.wall_s,
    }
