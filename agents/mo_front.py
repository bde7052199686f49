"""Configurations of a neighbourhood judged as points of a front, and the front they make (M6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quartier.agents.counters import Counters, IntArray
from quartier.agents.mo_messages import Front, FrontEntry, Goal
from quartier.pareto import Indices, as_costs, hypervolume, knee, select
from quartier.problem import ConnectionTerms
from quartier.quantities import POWER_TOLERANCE_KW, Array

CAP_FIRST = 1e3
"""What a kWh beyond the caps counts against hypervolume (at most 1)."""
LITTLE = 1e-2
"""Weight of the other objectives where the best in one is looked for."""


@dataclass(frozen=True)
class Sums:
    """What everybody does together in ``M`` configurations."""

    p_kw: Array
    """Nothing curtailed, shape ``(M, T)``."""
    curtailable_kw: Array
    """Shape ``(M, T)``."""
    flexibility_kw: Array
    co2_kg: Array
    cost_eur: Array
    """The agents' own, shape ``(M,)``."""

    @classmethod
    def of(cls, entries: Sequence[FrontEntry]) -> Sums:
        """One agent's share in ``M`` configurations, from its choice in each."""
        own = [(entry.flexibility_kw, entry.co2_kg, entry.cost_eur) for entry in entries]
        return cls(
            np.array([entry.p_kw for entry in entries]),
            np.array([entry.curtailable_kw for entry in entries]),
            *np.array(own).T,
        )

    @classmethod
    def total(cls, shares: Sequence[Sums]) -> Sums:
        """Add up the agents' shares; exact, for schedules are on a grid."""
        names = ("p_kw", "curtailable_kw", "flexibility_kw", "co2_kg", "cost_eur")
        return cls(*(np.sum([getattr(share, name) for share in shares], axis=0) for name in names))


@dataclass(frozen=True)
class Points:
    """Configurations, each once and in order, with what they are worth; see :class:`Front`."""

    choices: IntArray
    values: Array
    excess_kwh: Array
    cost_eur: Array

    @classmethod
    def of(cls, *parts: Points | Front) -> Points:
        """Put points together."""
        choices = np.concatenate([part.choices for part in parts])
        unique, first = np.unique(choices, axis=0, return_index=True)
        columns = [
            np.concatenate([getattr(part, name) for part in parts])[first]
            for name in ("values", "excess_kwh", "cost_eur")
        ]
        return cls(unique, *columns)

    def some(self, kept: Indices) -> Points:
        """Return some of the points, in their order; arrays are read-only."""
        chosen = Points(
            self.choices[kept], self.values[kept], self.excess_kwh[kept], self.cost_eur[kept]
        )
        for array in (chosen.choices, chosen.values, chosen.excess_kwh, chosen.cost_eur):
            array.flags.writeable = False
        return chosen


@dataclass(frozen=True)
class Judge:
    """Values configurations under terms and a goal that all agents share.

    Parameters
    ----------
    names
        The participants, in the order of the columns of choices.
    author
        Who makes the fronts.
    """

    terms: ConnectionTerms
    goal: Goal
    names: tuple[str, ...]
    author: str

    def peak_kw(self, sums: Sums) -> Array:
        """L1, not clipped at zero, shape ``(M,)``."""
        curtailed_kw = self.terms.curtailed_kw(sums.p_kw, sums.curtailable_kw)
        return np.asarray((curtailed_kw - sums.p_kw).max(axis=1))

    def points(self, choices: IntArray, sums: Sums) -> Points:
        """Value configurations, shape ``(M, n)``."""
        curtailed_kw = self.terms.curtailed_kw(sums.p_kw, sums.curtailable_kw)
        beyond_kw = self.terms.excess_kw(sums.p_kw - curtailed_kw)
        beyond_kw[beyond_kw <= POWER_TOLERANCE_KW] = 0.0
        objectives = np.array([self.peak_kw(sums), sums.flexibility_kw, sums.co2_kg]).T
        cost_eur = self.terms.cost_eur(sums.p_kw, sums.curtailable_kw) + sums.cost_eur
        excess_kwh = self.terms.dt_h * beyond_kw.sum(axis=1)
        return Points.of(Points(choices, as_costs(objectives), excess_kwh, cost_eur))

    def front(self, points: Points) -> Front:
        """Keep the best points: those that keep caps first, then as the goal has it."""
        fair = points.excess_kwh <= points.excess_kwh.min() + POWER_TOLERANCE_KW
        points = points.some(np.flatnonzero(fair))
        cheap = np.argsort(
            points.cost_eur, kind="stable"
        )  # of points that are equal, the first stays
        kept = points.some(np.sort(cheap[self._kept(points.values[cheap])]))
        worth = CAP_FIRST * float(kept.excess_kwh.min()) + self._worth(kept.values)
        chosen = self._chosen(kept)
        return Front(
            Counters(self.names, kept.choices[chosen]),
            float(kept.cost_eur[chosen]),
            self.author,
            kept.choices,
            kept.values,
            kept.excess_kwh,
            kept.cost_eur,
            worth,
            chosen,
        )

    def _kept(self, values: Array) -> Indices:
        """Which points to keep of some that are given with the cheapest first."""
        if self.goal.scouting:
            return np.unique(self._single(values).argmin(axis=0))
        kept = select(values, self.goal.points, self.goal.scale)
        if self.goal.choice == "knee" or kept[0] == 0:
            return kept
        # The cheapest is what will be carried out: it stays even if others, dearer, dominate it.
        if len(kept) == self.goal.points:
            kept = select(values, self.goal.points - 1, self.goal.scale)
        return np.append(0, kept)

    def _worth(self, values: Array) -> float:
        if self.goal.scouting:
            return float(self._single(values).min(axis=0).sum())
        return -hypervolume(values, self.goal.scale)

    def _single(self, values: Array) -> Array:
        """How good points are in each objective, the others coming after it, ``(M, 3)``."""
        normalised = self.goal.scale.normalised(values)
        return np.asarray(normalised + LITTLE * normalised.sum(axis=1, keepdims=True))

    def _chosen(self, points: Points) -> int:
        if self.goal.choice == "knee":
            return knee(points.values, self.goal.scale)
        return int(np.argmin(points.cost_eur))

    def nearest(self, front: Front, peak_kw: float, co2_kg: float) -> int:
        """The point to begin from on the way to targets: least beyond them, then most flexible."""
        normalised = self.goal.scale.normalised(front.values)
        targets = self.goal.scale.normalised(np.array([peak_kw, 0.0, co2_kg]))
        beyond = np.maximum(normalised - targets, 0.0)[:, [0, 2]].max(axis=1)
        return int(np.argmin(beyond + LITTLE * normalised[:, 1]))
