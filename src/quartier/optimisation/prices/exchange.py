"""Prices from the imbalance alone: the exchange ADMM of seed 003 (Boyd et al. 2011, section 7.3).

``x_i ← argmin C_i(x) - λ·x + ρ/2 ‖x - (x_i - r/N)‖²`` with ``r = Σ x_i`` of N agents, then
``λ ← λ - (ρ/N) r``: a step of ``ρ r``, as one might read the source, never settles. ρ doubles where
the power that is missing, relative to what is traded, exceeds ten times what the price still moves,
and halves in reverse. Every turn from the one to the other takes the square root of that factor:
a weight that goes on changing keeps the price from settling (Boyd et al. 2011, section 3.4.1). The
price stays where nobody would trade without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quartier.optimisation.prices.search import Balanced, Question, Shares
from quartier.quantities import Array

APART = 10.0
"""How far apart the two residuals may be before ρ changes."""


@dataclass
class Exchange(Balanced):
    """Finds the next price from the last answers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weight = 0.0
        """ρ in EUR/kWh per kW; 0 in the first round, which asks for answers to a plain price."""
        self._others_kw = self._others_target = np.zeros_like(self.price)
        self._before: list[Array] = []
        self._moved = 0.0
        self._factor = 2.0
        self._raised: bool | None = None
        self._targets: dict[str, Array] = {}

    def question(self, name: str) -> Question:
        """Price, weight, and the target: the own last answer, less a part of the imbalance."""
        told = self.told(name, self.price)
        return Question(self.number, told, self.weight, self._targets.get(name))

    def _is_known(self, price: Array) -> bool:
        """Answers depend on targets as well, which never repeat."""
        return False

    def _plan(self) -> tuple[float, Mapping[str, Shares]]:
        shares = {
            name: {number: 1.0}
            for name, (number, _) in zip(self.published, self.last(), strict=True)
        }
        done = {name: self.cost_of(name, own) for name, own in shares.items()}
        return self.total_eur(done), shares

    def _placed(self, last: list[Array]) -> list[Array]:
        """What last answers, and those of suppliers, add to every balance."""
        every = zip(self.asked(), [*last, *self.of_suppliers.last_kw()], strict=True)
        return [self.supply.placed_kw(name, p_kw) for name, p_kw in every]

    def _missing_kw(self, last: list[Array]) -> Array:
        """What is missing from what all do, what is public near its own target as well."""
        before, last = self._others_kw, self._placed(last)
        if self.weight:
            self._others_kw = self.supply.near_kw(self.price, self.weight, self._others_target)
        self._moved = self._movement([*last, self._others_kw], before)
        return np.asarray(-np.sum([*last, self._others_kw], axis=0))

    def _movement(self, now: list[Array], others_before: Array) -> float:
        """``ρ ‖Δz‖ / (√N ‖λ‖)``: what the answers' deviations from their mean moved by."""
        if not self._targets:
            return 0.0
        before = [*self._before, others_before]
        change = np.subtract(now, before)
        change = change - change.mean(axis=0)
        size = np.sqrt(len(now)) * max(float(np.linalg.norm(self.price)), 1e-9)
        return float(self.weight * np.linalg.norm(change) / size)

    def _next(self) -> Array:
        last = self._placed([p_kw for _, p_kw in self.last()])
        agents = self.supply.traders(self.asked())
        excess = np.sum([*last, self._others_kw], axis=0)
        price = self.price - self.weight / agents * excess
        if not self.weight:
            mean = float(np.mean(np.abs(last))) or 1.0
            self.weight = max(float(np.mean(np.abs(self.price))), 1e-6) / mean
        elif self._moved:
            traded = max(float(np.linalg.norm([*last, self._others_kw])), 1e-9)
            missing = float(np.linalg.norm(excess / np.sqrt(agents))) / traded
            if missing > APART * self._moved or self._moved > APART * missing:
                self._turn(missing > self._moved)
        self._before = last
        self._targets = {
            name: self.supply.seen(name, p_kw - excess / agents)
            for name, p_kw in zip(self.asked(), last, strict=True)
        }
        self._others_target = self._others_kw - excess / agents
        return np.asarray(price)

    def _turn(self, raised: bool) -> None:
        """Raise or lower the weight, the less the more often that was turned round."""
        if self._raised is not None and raised != self._raised:
            self._factor = self._factor**0.5
        self._raised = raised
        self.weight *= self._factor if raised else 1 / self._factor
