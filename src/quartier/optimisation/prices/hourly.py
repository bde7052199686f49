"""An auction that clears hour by hour: bids as they come in, and what they prove afterwards (M9).

A pass is the auction of all hours of a window at one forecast. With forecasts that are learned, the
window is auctioned again at the mean of the forecast and the prices that came of it.

What everybody would have done at the prices of a pass, asked afterwards, is a bound as good as any
price's: ``cost = L(π) + Σ regret``, each neighbourhood's regret what it could have come to less at
these prices. So an auction is certified without anybody's model.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import numpy as np

from quartier.optimisation.prices.bids import Bid
from quartier.optimisation.prices.clearing import Cleared, clear
from quartier.optimisation.prices.response import Response
from quartier.optimisation.prices.search import (
    SAME_EUR_PER_KWH,
    Round,
    cost_of_all,
    near,
    residual,
)
from quartier.optimisation.prices.suppliers import Suppliers
from quartier.problem import Supply
from quartier.program import relative_gap
from quartier.quantities import Array

LEARNING = 0.5
"""How far a forecast that is learned moves to the prices that came of it."""


@dataclass
class Pass:
    """The auction of all hours at one forecast; arrays have shape ``(T,)``.

    With zones, prices have one after the other, shape ``(Z T,)``.
    """

    number: int
    forecast_eur_per_kwh: Array
    price_eur_per_kwh: Array
    """NaN: not cleared yet."""
    accepted_kw: dict[str, Array]
    """Net power by bidder; NaN: it did not bid, and does as it likes."""
    cleared: list[Cleared] = field(default_factory=list)
    bids: list[dict[str, Bid]] = field(default_factory=list)
    """By hour and bidder, those included that were counted on without a bid."""
    offered: list[tuple[tuple[str, ...], Supply]] = field(default_factory=list)
    """By hour, whose each block of the others was that was known, and these blocks."""
    responses: dict[str, Response] = field(default_factory=dict)
    """What each does, and the least it could have come to at the prices."""
    late: int = 0
    """Bids that were missed."""


@dataclass
class Hourly:
    """What an auctioneer knows: bids, what others ask and pay, and answers to its prices.

    Parameters
    ----------
    supply
        What others ask and pay that is public.
    published
        What every neighbourhood published before any bid: what it does by its own rules.
    forecast_eur_per_kwh
        What everybody expects of the prices, shape ``(T,)``.
    tolerance
        Certified gap that is good enough.
    """

    supply: Supply
    published: Mapping[str, Response]
    forecast_eur_per_kwh: Array
    tolerance: float
    dead: Set[str] = frozenset()
    """Neighbourhoods whose agents cannot go on: they do what they published."""
    suppliers: Suppliers | None = None
    """What is known of suppliers; None: the supply is all there is."""

    def __post_init__(self) -> None:
        self.of_suppliers = self.suppliers or Suppliers(self.supply)
        self.passes: list[Pass] = []
        self._last: dict[tuple[str, int], tuple[int, Bid]] = {}
        self.begin(self.supply.kept(self.forecast_eur_per_kwh))

    def begin(self, forecast_eur_per_kwh: Array) -> None:
        """Begin a pass."""
        unknown = np.full_like(forecast_eur_per_kwh, np.nan)
        accepted = {name: self.supply.seen(name, unknown).copy() for name in self.published}
        number = len(self.passes) + 1
        self.passes.append(Pass(number, forecast_eur_per_kwh, unknown.copy(), accepted))
        self._heard: dict[str, Bid] = {}

    @property
    def now(self) -> Pass:
        """The pass that is held."""
        return self.passes[-1]

    @property
    def step(self) -> int:
        """The hour that is auctioned; after the last, their number."""
        return len(self.now.cleared)

    @property
    def is_over(self) -> bool:
        """Whether all hours of the pass are cleared."""
        return self.step == self.supply.steps

    def hear(self, name: str, number: int, step: int, bid: Bid) -> None:
        """Take in a bid: it counts for its hour only; a late one, in the next pass."""
        if number >= self._last.get((name, step), (number,))[0]:
            self._last[name, step] = number, bid
        if (number, step) == (self.now.number, self.step):
            self._heard[name] = bid

    def clear(self) -> None:
        """Clear the hour with the bids that came.

        Of whoever did not bid its last bid for the hour counts, which may be one of an earlier
        pass; of whoever never bid for it, what it published. It is told no power, and does as it
        likes at the price.
        """
        held, step = self.now, self.step
        bids = {name: self._counted(name, step) for name in self.published}
        offered = self.of_suppliers.offered
        found = clear(bids, offered[1], step)
        held.price_eur_per_kwh[step :: self.supply.steps] = found.price_eur_per_kwh
        for name in self._heard.keys() - self.dead:
            held.accepted_kw[name][step] = found.power_kw[name]
        held.late += len(self.published) - len(self._heard.keys() - self.dead)
        held.bids.append(bids)
        held.offered.append(offered)
        held.cleared.append(found)
        self._heard = {}

    def _counted(self, name: str, step: int) -> Bid:
        own = Bid.fixed(float(self.published[name].p_kw[step]))
        if name in self.dead:
            return own
        _, last = self._last.get((name, step), (0, own))
        return self._heard.get(name, last)

    def answer(self, name: str, number: int, response: Response) -> None:
        """Take in what somebody does at the prices of a pass, be it late."""
        self.passes[number - 1].responses.setdefault(name, response)

    # -- what it comes to -------------------------------------------------------------------------
    def bound_at(self, held: Pass) -> float:
        """L at the prices of a pass; ``-inf`` as long as somebody has not answered them.

        What suppliers bid, be it late, says what they could have come to.
        """
        if held.responses.keys() != self.published.keys():
            return -np.inf
        own = sum(response.bound_eur for response in held.responses.values())
        price = held.price_eur_per_kwh
        others = self.of_suppliers.worth_eur(held.number, price)
        return own + self.supply.worth_eur(price) + others

    @property
    def bound_eur(self) -> float:
        """Best bound so far: no plan can cost less."""
        return max(map(self.bound_at, self._complete()), default=-np.inf)

    def _complete(self) -> list[Pass]:
        return [held for held in self.passes if len(held.cleared) == self.supply.steps]

    def cost_at(self, held: Pass) -> float:
        """Cost of all in EUR as far as it is known what they do; who did not say it, published."""
        done = {name: self._done(held, name) for name in self.published}
        own = {name: (response.cost_eur, response.p_kw) for name, response in done.items()}
        return cost_of_all(own, self.of_suppliers.merit)

    def _done(self, held: Pass, name: str) -> Response:
        said = {} if name in self.dead else held.responses
        return said.get(name, self.published[name])

    def contracts(self) -> Mapping[str, Array]:
        """What each supplier is to give by the cheapest pass, shape ``(T,)``."""
        powers = {name: self._done(self.best, name).p_kw for name in self.published}
        return self.of_suppliers.dispatched_kw(self.supply.needed_kw(powers))

    @property
    def best(self) -> Pass:
        """The cheapest pass so far."""
        return min(self._complete(), key=self.cost_at)

    @property
    def gap(self) -> float:
        """Certified gap of the cheapest pass and the best bound."""
        return relative_gap(self.cost_at(self.best), self.bound_eur)

    def conclude(self) -> Round:
        """Say what a pass came to."""
        held = self.now
        powers = {name: self._done(held, name).p_kw for name in self.published}
        needed_kw = self.supply.needed_kw(powers)
        missing = self.of_suppliers.merit.missing_kw(held.price_eur_per_kwh, needed_kw)
        return Round(
            held.number,
            held.price_eur_per_kwh,
            self.bound_at(held),
            self.cost_at(held),
            self.gap,
            residual(missing, list(powers.values())),
            float(np.abs(missing).sum()) * self.supply.dt_h,
            len(held.responses) + self.of_suppliers.heard(held.number),
        )

    def is_near(self, cost_eur: float, bound_eur: float) -> bool:
        """Whether a cost is near enough to a bound."""
        return near(cost_eur, bound_eur, self.tolerance)

    def learn(self) -> bool:
        """Begin another pass at a better forecast; False if there is nothing left to learn."""
        held = self.now
        error = held.price_eur_per_kwh - held.forecast_eur_per_kwh
        settled = self.is_near(self.cost_at(self.best), self.bound_eur)
        if settled or bool((np.abs(error) <= SAME_EUR_PER_KWH).all()):
            return False
        self.begin(held.forecast_eur_per_kwh + LEARNING * error)
        return True
