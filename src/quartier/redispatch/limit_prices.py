"""Prices of a grid's limits, found from answers to them (M9), checked in AC between rounds (M4).

What a kWh fed in at a connection point is worth to the grid operator follows from multipliers of
its own rows: of limits, and of losses and imports besides (:mod:`quartier.redispatch.joint`).
Sensitivities turn them into a price at each point, ``- Σ_k S_k,t μ_k,t`` less what losses cost
there. For all multipliers

    ``L(y) = Σ_n min [C_n - Δ λ_n(y) · p_n] + D(y) <= least cost of all <= cost of any plan``

where the grid operator's own part ``D`` has plants, losses and imports in it. So each round proves
how good the plan is, on the grid as it is linearised. Where a plan is near enough to its bound,
AC power flow says whether the grid is; if not, it is linearised there and prices go on, from all
answers so far: they hold on any grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from quartier.optimisation.prices import Response, Round, Search
from quartier.optimisation.prices.memory import HALF, MOST_NODES, NEGLIGIBLE
from quartier.optimisation.prices.search import ENOUGH_EUR, Shares
from quartier.program import Answer, Arrays, Highs, Indices
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.answered import Answered
from quartier.redispatch.grid_others import GridOthers
from quartier.redispatch.joint import Joint

SOLVED = 1.0
"""Greatest excess, in tolerances, of a power flow without violation."""

ENOUGH = 2e-4
"""Relative distance from the bound at which prices are good enough: the linear grid is no better.
A scenario's tolerance counts where it is wider."""

LINEARISED = 8
"""Most points at which the grid is linearised."""

STILL_EUR = 0.05
"""Change of the cost by linearising anew below which the linear grid is right."""

ROUGHLY = 0.05
"""Relative distance from the bound at which a plan is near enough to linearise there for the first
time, a quarter of it for the second, and so on."""


@dataclass
class LimitPrices(Search[GridOthers]):
    """Finds the next multipliers from all answers so far: the restricted master, smoothed.

    Neighbourhoods are in the order of ``published``, which is that of the grid's assets.
    """

    def __post_init__(self) -> None:
        self.tolerance = max(self.tolerance, ENOUGH)
        super().__post_init__()
        self.linearised = 1
        self.worst = np.inf
        """Greatest excess of any limit in AC with the present plan, in tolerances."""
        self.power_mw = self.supply.grid.assets.offered_mw
        """Power of all assets in the cheapest plan so far, shape ``(T, A)``."""
        self._still, self._promised, self._learned = False, np.inf, True
        self._dual = self.price
        self._centre: Array | None = None
        """What the next multipliers stay near to; None: anything yet."""

    def told(self, name: str, price: Array) -> Array:
        """What multipliers come to at a neighbourhood in EUR/kWh, shape ``(T,)``."""
        return self.supply.price(list(self.published).index(name), price)

    def scarcity(self, name: str, price: Array) -> Array:
        """The part of it that limits make, shape ``(T,)``: 0 where nothing is at its limit."""
        return self.supply.scarcity(list(self.published).index(name), price)

    @property
    def bound_eur(self) -> float:
        """Best bound so far on the grid as it is linearised."""
        return max((self.bound_at(number) for number in self.prices), default=-np.inf)

    def _believed(self) -> tuple[float, Array]:
        return super()._believed() if self.prices else (-np.inf, self._dual)

    # -- the end of a round -----------------------------------------------------------------------
    def conclude(self) -> Round:
        """Make a plan; where it is near enough to the bound, look at it in AC."""
        told = np.array([self.told(name, self.price) for name in self.published])
        found = super().conclude()
        if self._is_near_enough:
            self._check()
        return replace(found, price_eur_per_kwh=told)

    @property
    def _is_near_enough(self) -> bool:
        """Whether no price promises a better plan; for where to linearise, roughly."""
        left = self._promised - self._believed()[0]
        roughly = 0.0 if self._still else ROUGHLY / 4 ** (self.linearised - 1)
        enough = max(self.tolerance, roughly)
        return left <= max(enough * abs(self._promised), ENOUGH_EUR)

    @property
    def is_clean(self) -> bool:
        """Whether the plan keeps all limits in AC."""
        return self.worst <= SOLVED

    @property
    def is_settled(self) -> bool:
        """Whether no price promises a better plan, on a grid that is as AC has it."""
        return self._still and self._is_near_enough

    def _check(self) -> None:
        """AC power flow of the plan; where the linear grid is not right, it is made anew there."""
        before = self.cost_eur
        self.verify()
        if self.linearised >= LINEARISED or (self._still and self.is_clean):
            self._still = True
            return
        self._linearise()
        self._still = self.is_clean and abs(self.cost_eur - before) <= STILL_EUR

    def verify(self) -> None:
        """Look at the present plan in AC, as it will be carried out."""
        grid = self.supply.grid
        self.worst = grid.worst(grid.solve(self.power_mw))

    def _linearise(self) -> None:
        """Linearise at the plan, and plan anew."""
        before = self.supply
        centre = self._believed()[1]
        self.supply = before.linearised(self.power_mw)
        self._centre = self.supply.moved(centre, before) if np.any(centre) else None
        self.linearised += 1
        self.prices, self._worth = {}, {}
        self.cost_eur, self._promised, self._learned = np.inf, np.inf, True
        self.cost_eur, self.shares = self._plan()

    def _plan(self) -> tuple[float, Mapping[str, Shares]]:
        answers = {name: self.known(name) for name in self.published}
        members = [Answered(list(known.values())) for known in answers.values()]
        joint = self.supply.of(members)
        arrays = self.supply.arrays(joint)
        answer = Highs("limits, mix of answers", arrays).needed()
        least = NEGLIGIBLE * max(abs(answer.objective), 1.0)
        self._learned = answer.objective < self._promised - least
        self._promised = answer.objective
        self._dual = answer.row_dual[-self.supply.rows :]
        patterns = [_patterns(list(known.values())) for known in answers.values()]
        if any(own.max() for own in patterns):
            answer = self._whole(arrays, joint, patterns, answer)
        shares: dict[str, Shares] = {}
        for (name, known), member, where, own in zip(
            answers.items(), members, joint.layout.members, patterns, strict=True
        ):
            weights = answer.values[where][member.weights]
            best = np.bincount(own, weights).argmax()
            weights = np.where((own == best) & (weights > NEGLIGIBLE), weights, 0.0)
            weights = weights / weights.sum()
            shares[name] = {k: float(w) for k, w in zip(known, weights, strict=True) if w}
        done = {name: self.cost_of(name, own) for name, own in shares.items()}
        cost, power = self._cheapest(done)
        if cost < self.cost_eur:
            self.power_mw = power
        return cost, shares

    def _whole(
        self, arrays: Arrays, joint: Joint[Answered], patterns: Sequence[Indices], relaxed: Answer
    ) -> Answer:
        """The best mix in which nobody mixes answers of several patterns of switching."""
        for where, own in zip(joint.layout.members, patterns, strict=True):
            count, first = int(own.max()) + 1, arrays.size
            none, answers = np.zeros(count), where.start + np.arange(own.size)
            arrays = arrays.with_columns(none, none, none + 1.0, integer=True)
            rows = np.concatenate([own, np.arange(count)])
            entries = np.repeat([1.0, -1.0], [own.size, count])
            columns = np.concatenate([answers, first + np.arange(count)])
            taken = sparse.csr_array((entries, (rows, columns)), shape=(count, arrays.size))
            arrays = arrays.with_rows(taken, none - np.inf, none)
            chosen = ([1.0] * count, ([0] * count, first + np.arange(count)))
            one = sparse.csr_array(chosen, shape=(1, arrays.size))
            arrays = arrays.with_rows(one, np.ones(1), np.ones(1))
        options = {"mip_max_nodes": MOST_NODES, "mip_rel_gap": self.tolerance}
        found = Highs("limits, whole answers", arrays, options).solve()
        return found if found.found else relaxed

    def _cheapest(self, done: Mapping[str, tuple[float, Array]]) -> tuple[float, Array]:
        """Cost of all, and power of all assets, where the neighbourhoods do what they do."""
        members = [Answered([Response(p_kw, cost, 0.0)]) for cost, p_kw in done.values()]
        joint = self.supply.of(members)
        answer = Highs("limits, plants", self.supply.arrays(joint)).needed()
        return answer.objective, joint.power_mw(answer.values)

    def total_eur(self, done: Mapping[str, tuple[float, Array]]) -> float:
        """Cost of all with the plants as that is cheapest."""
        return self._cheapest(done)[0]

    def _missing_kw(self, last: list[Array]) -> Array:
        """How far the last answers are from what the plan mixes."""
        return np.array(last) - KW_PER_MW * self.power_mw[:, : len(last)].T

    # -- the next price -------------------------------------------------------------------------
    def go_on(self) -> bool:
        """Find the next price; where there is nothing new to ask, perhaps on a better grid."""
        if super().go_on():
            return True
        if self._still:
            return False
        self._check()
        return super().go_on()

    def _next(self) -> Array:
        bound, best = self._believed()
        if np.isfinite(bound) and np.any(best):
            self._centre = best
        if self._centre is None or not self._learned:
            return self._dual
        return (1 - HALF) * self._centre + HALF * self._dual


def _patterns(answers: Sequence[Response]) -> Indices:
    """Numbers from 0 of patterns of switching; those that can be mixed have the same one."""
    if not any(answer.whole for answer in answers):
        return np.zeros(len(answers), dtype=np.int64)
    found = np.unique([answer.pattern for answer in answers], return_inverse=True)[1]
    return np.asarray(found, dtype=np.int64)
