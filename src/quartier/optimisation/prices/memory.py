"""Prices with memory: all answers so far, mixed at least cost, say what price to ask next (M9).

The restricted master of Dantzig and Wolfe (1960): weights of known answers, and what is bought and
sold besides. Its cost is that of a plan; the multiplier of its balance is a price, which alone
jumps from one extreme to the other. `smooth` (Wentges 1997) and `level` (Lemaréchal, Nemirovskii,
Nesterov 1995) keep it near the best price so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from quartier.errors import SolveFailed
from quartier.hiccups import note_kept
from quartier.optimisation.prices.projection import nearest
from quartier.optimisation.prices.response import Response
from quartier.optimisation.prices.search import Balanced, Shares
from quartier.program import Answer, Arrays, Highs
from quartier.quantities import Array

HALF = 0.5
"""How far `smooth` goes to the price that answers ask for, and `level` to what they promise."""

MOST_NODES = 500
"""Most nodes of the search for the best mix where some answers cannot be mixed."""

Column = tuple[str, int, Response]
"""Neighbourhood, round, and its answer."""

Flags = NDArray[np.bool_]

NEGLIGIBLE = 1e-9
"""Weights below this are rounding errors."""


@dataclass
class Memory(Balanced):
    """Finds the next price from all answers so far.

    Parameters
    ----------
    level
        Whether the next price is a level projection instead of a mean.
    """

    level: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._promised = np.inf
        """What the best price can be worth at most, by all answers so far."""
        self._learned = True
        """Whether the last answers were any news: else the price that they ask for may be right."""

    @property
    def is_settled(self) -> bool:
        """Whether the gap is small enough, or no price promises a better bound."""
        left = self._promised - self._believed()[0]
        return super().is_settled or left <= self.tolerance * max(abs(self._promised), 1e-9)

    def _plan(self) -> tuple[float, Mapping[str, Shares]]:
        columns = self._columns()
        master = self._master(columns)
        answer = Highs("market, mix of answers", master).needed()
        least = NEGLIGIBLE * max(abs(answer.objective), 1.0)
        self._learned = answer.objective < self._promised - least
        self._promised = answer.objective
        self._dual = answer.row_dual[: self.price.size] / self.supply.dt_h
        whole = np.array([response.whole for _, _, response in columns])
        if whole.any():
            answer = self._whole(master, whole, answer)
        return self._priced(self._shares(columns, answer, whole))

    def _columns(self) -> list[Column]:
        """All answers that can be mixed."""
        return [
            (name, number, response)
            for name in self.published
            for number, response in self.known(name).items()
        ]

    def _shares(
        self, columns: Sequence[Column], answer: Answer, whole: Flags
    ) -> Mapping[str, Shares]:
        """Weights of answers in a mix, by neighbourhood; of who switches, one."""
        shares: dict[str, dict[int, float]] = {name: {} for name in self.published}
        for (name, number, _), weight in zip(columns, answer.values, strict=False):
            if weight > NEGLIGIBLE:
                shares[name][number] = float(weight)
        for name in {columns[k][0] for k in np.flatnonzero(whole).tolist()}:
            shares[name] = {max(shares[name], key=shares[name].__getitem__): 1.0}
        return shares

    def _priced(self, shares: Mapping[str, Shares]) -> tuple[float, Mapping[str, Shares]]:
        """The plan's cost by its own powers: weights made to add up to 1."""
        exact = {
            name: {k: weight / sum(own.values()) for k, weight in own.items()}
            for name, own in shares.items()
        }
        return self.total_eur({name: self.cost_of(name, own) for name, own in exact.items()}), exact

    def _whole(self, master: Arrays, whole: Flags, relaxed: Answer | None) -> Answer:
        """The best mix that takes one whole answer of whoever switches, if one is found in time."""
        integer = np.zeros(master.size, dtype=bool)
        integer[: whole.size] = whole
        options = {"mip_max_nodes": MOST_NODES, "mip_rel_gap": self.tolerance}
        found = Highs("market, whole answers", replace(master, integer=integer), options).solve()
        if found.found:
            return found
        return Highs("market, mix of answers", master).needed() if relaxed is None else relaxed

    def _master(self, columns: Sequence[Column]) -> Arrays:
        """``min Σ α C + Δ Σ π p``, ``Σ α P + Σ p = 0``, ``Σ α = 1`` for each neighbourhood."""
        supply, names = self.merit, list(self.published)
        power = np.array([supply.placed_kw(name, response.p_kw) for name, _, response in columns]).T
        owner = np.array([names.index(name) for name, _, _ in columns])
        one = (owner == np.arange(len(names))[:, None]).astype(float)
        matrix = sparse.block_array([[sparse.csr_array(power), supply.matrix], [one, None]])
        own = np.zeros(len(columns))
        sides = np.concatenate([np.zeros(supply.size), np.ones(len(names))])
        price = np.concatenate([part.price_eur_per_kwh for part in supply.parts])
        costs = np.array([response.cost_eur for _, _, response in columns])
        return Arrays(
            cost=np.concatenate([costs, supply.dt_h * price]),
            lower=np.concatenate([own, *(part.least_kw for part in supply.parts)]),
            upper=np.concatenate([own + np.inf, *(part.most_kw for part in supply.parts)]),
            integer=np.zeros(own.size + price.size, dtype=bool),
            matrix=sparse.csr_array(matrix),
            row_lower=sides,
            row_upper=sides,
        )

    # -- the next price -------------------------------------------------------------------------
    def _next(self) -> Array:
        wanted = self.supply.kept(self._dual)
        bound, best = self._believed()
        if not np.isfinite(bound) or not self._learned:
            return wanted
        if self.level:
            try:
                answers = {name: list(self.known(name).values()) for name in self.published}
                promised = bound + HALF * (self._promised - bound)
                return nearest(self.merit, answers, best, promised)
            except SolveFailed as failure:
                note_kept(failure, "the mean of two prices was taken")
        return (1 - HALF) * best + HALF * wanted
