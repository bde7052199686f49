"""Prices from the imbalance alone: the exchange ADMM of seed 003 (Boyd et al. 2011, section 7.3).

``x_i ← argmin C_i(x) - λ·x + ρ/2 ‖x - z_i‖²`` with targets that add up to nothing, of N agents
with ``r = Σ x_i``; then ``z_i ← x_i - r/N`` and ``λ ← λ - (ρ/N) r``: a step of ``ρ r``, as one
might read the source, never settles.

Taken as it is, that goes round the price for thousands of rounds where costs are piecewise linear.
So every step is taken twice as far and drawn back to where it began, by ``1 / (k + 2)`` after k
rounds (the reflected Halpern iteration), beginning anew where the steps have become a fifth as
long: which finds the solution of a linear program at a linear rate (Lu and Yang 2024, Restarted
Halpern PDHG for linear programming; Chen et al. 2024, HPR-LP).

ρ doubles where the power that is missing, relative to what is traded, exceeds ten times what the
price still moves, and halves in reverse; once it was turned round twice, only where one begins
anew. Every turn takes the square root of that factor: a weight that goes on changing keeps the
price from settling (Boyd et al. 2011, section 3.4.1). The price stays where nobody would trade
without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quartier.optimisation.prices.search import Balanced, Question, Shares
from quartier.quantities import Array

APART = 10.0
"""How far apart the two residuals may be before ρ changes."""

SHORT, SHORTER, LONG, LEAST = 0.2, 0.8, 0.36, 5
"""One begins anew where steps are a fifth as long as the first, or four fifths and growing again,
or after this part of all rounds, if those are more than a few."""

FREELY = 2
"""How often ρ is turned round before it waits for a new beginning."""


@dataclass
class Exchange(Balanced):
    """Finds the next price from the last answers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weight = 0.0
        """ρ in EUR/kWh per kW; 0 in the first round, which asks for answers to a plain price."""
        self._others_kw = np.zeros_like(self.price)
        self._targets_kw = np.empty((0, *self.price.shape))
        """z of all that are asked and, last, of what is public; shape ``(N, ...)``."""
        self._began: tuple[Array, Array] = self.price, self._targets_kw
        """Price and targets where one last began."""
        self._since = self._rounds = 0
        self._first = self._before = np.inf
        """Length of the first step since then, and of the last one."""
        self._raised: bool | None = None
        self._turned = 0

    def question(self, name: str) -> Question:
        """Price, weight, and the target: the own last answer, less a part of the imbalance."""
        target = None
        if len(self._targets_kw):
            target = self.supply.seen(name, self._targets_kw[self.asked().index(name)])
        return Question(self.number, self.told(name, self.price), self.weight, target)

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

    @cached_property
    def _part(self) -> Array:
        """1 where somebody is part of a balance, else 0; shape ``(N, ...)``."""
        every = np.ones_like(self.price)
        placed = (self.supply.placed_kw(n, self.supply.seen(n, every)) for n in self.asked())
        return np.array([*placed, every])

    def _answers_kw(self, last: list[Array]) -> Array:
        """What last answers, those of suppliers and what is public add to every balance."""
        every = zip(self.asked(), [*last, *self.of_suppliers.last_kw()], strict=True)
        placed = [self.supply.placed_kw(name, p_kw) for name, p_kw in every]
        return np.array([*placed, self._others_kw])

    def _missing_kw(self, last: list[Array]) -> Array:
        """What is missing from what all do, what is public near its own target as well."""
        if self.weight:
            self._others_kw = self.supply.near_kw(self.price, self.weight, self._targets_kw[-1])
        return np.asarray(-self._answers_kw(last).sum(axis=0))

    def _next(self) -> Array:
        answers = self._answers_kw([p_kw for _, p_kw in self.last()])
        agents = self.supply.traders(self.asked())
        mean = answers.sum(axis=0) / agents
        nearest = (answers - mean) * self._part
        if not self.weight:
            traded = float(np.mean(np.abs(answers[:-1]))) or 1.0
            self.weight = max(float(np.mean(np.abs(self.price))), 1e-6) / traded
            return self._begin(self.price, nearest)
        moved = nearest - self._targets_kw
        step = -self.weight * mean, moved
        missing = float(np.linalg.norm(mean * np.sqrt(agents)))
        length = float(np.hypot(missing, np.linalg.norm(moved)))
        begins = self._begins(length)
        worth = max(float(np.linalg.norm(self.price * np.sqrt(agents))), 1e-9)
        power = missing / max(float(np.linalg.norm(answers)), 1e-9)
        price = self.weight * float(np.linalg.norm(moved)) / worth
        apart = power > APART * price or price > APART * power
        if apart and (begins or self._turned < FREELY):
            self._turn(power > price)
            begins = True
        now = self.price, self._targets_kw
        if begins:
            return self._begin(*(old + more for old, more in zip(now, step, strict=True)))
        back = 1 / (self._since + 2)
        self._since += 1
        price_next, self._targets_kw = (
            (1 - back) * (old + 2 * more) + back * began
            for old, more, began in zip(now, step, self._began, strict=True)
        )
        return np.asarray(price_next)

    def _begin(self, price: Array, targets_kw: Array) -> Array:
        """Begin anew, there."""
        self._targets_kw = targets_kw
        self._began = price, targets_kw
        self._since, self._first = 0, np.inf
        return price

    def _begins(self, length: float) -> bool:
        """Whether to begin anew after a step of a length in kW."""
        self._rounds += 1
        grows, self._before = length > self._before, length
        if not self._since:
            self._first = length
            return False
        if self._since > LEAST and self._since >= LONG * self._rounds:
            return True
        return length <= SHORT * self._first or (grows and length <= SHORTER * self._first)

    def _turn(self, raised: bool) -> None:
        """Raise or lower the weight, the less the more often that was turned round."""
        self._turned += self._raised not in (None, raised)
        self._raised = raised
        factor = 2.0**0.5**self._turned
        self.weight *= factor if raised else 1 / factor
