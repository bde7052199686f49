"""Answers to prices as they come in, the bound that they prove, and the plan made of them (M9)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from quartier.optimisation.prices.response import Response
from quartier.optimisation.prices.suppliers import Suppliers
from quartier.problem import Supply
from quartier.program import relative_gap
from quartier.quantities import Array

ENOUGH_EUR = 1e-6
"""A gap below this is none, however little the plan costs."""

SAME_EUR_PER_KWH = 1e-9
"""Prices closer than this are one."""

OWN_RULE = 0
"""Round of what a neighbourhood published before any price: what it does if nobody plans."""

Shares = Mapping[int, float]
"""What a neighbourhood shall do, as weights of its answers by round; they add up to 1."""


@dataclass(frozen=True)
class Question:
    """What a neighbourhood is asked in a round."""

    round: int
    price_eur_per_kwh: Array
    weight: float = 0.0
    target_kw: Array | None = None


@dataclass(frozen=True)
class Round:
    """What is known at the end of a round."""

    number: int
    price_eur_per_kwh: Array
    bound_eur: float
    """L at the price of this round; ``-inf`` if somebody did not answer it."""
    cost_eur: float
    """Cost of the plan made of all answers so far."""
    gap: float
    """Certified: of the cheapest plan and the best bound so far, relative to the former."""
    residual: float
    """Power that is missing at the price by the last answers, relative to all that is traded."""
    missing_kwh: float
    """Energy that is missing, or left over, at the price."""
    heard: int
    """How many answered this round."""


class Others(Protocol):
    """What couples neighbourhoods: what else there is to buy and sell, or to keep."""

    @property
    def dt_h(self) -> float:
        """Length of a step in hours."""
        ...

    @property
    def middle_eur_per_kwh(self) -> Array:
        """A price to begin with."""
        ...

    def kept(self, price_eur_per_kwh: Array) -> Array:
        """The nearest price at which nobody gives or takes without end."""
        ...

    def worth_eur(self, price_eur_per_kwh: Array) -> float:
        """Its part of the bound at a price."""
        ...


O = TypeVar("O", bound=Others)  # noqa: E741


@dataclass
class Search(ABC, Generic[O]):
    """What a market knows: the answers, and what else there is to buy and sell.

    Parameters
    ----------
    supply
        What others ask and pay.
    published
        What every neighbourhood published before any price: what it does by its own rules.
    tolerance
        Certified gap at which to stop.
    """

    supply: O
    published: Mapping[str, Response]
    tolerance: float
    number: int = 1
    cost_eur: float = np.inf
    """Of the cheapest plan so far."""
    shares: Mapping[str, Shares] = field(default_factory=dict)
    """The cheapest plan so far, by neighbourhood."""
    dead: Set[str] = frozenset()
    """Neighbourhoods whose agents cannot go on: they will do what they published, whatever they
    answered."""
    lost: Set[str] = frozenset()
    """Neighbourhoods that are not counted on: if they do not answer, what they answered before is
    taken for all that they can do. What follows from that is no proof."""

    def __post_init__(self) -> None:
        self.price = self.supply.middle_eur_per_kwh
        self.prices: dict[int, Array] = {}
        self._worth: dict[int, float] = {}
        """What the others' part of the bound comes to, by round."""
        self._call(self.price)
        self.answers: dict[str, dict[int, Response]] = {name: {} for name in self.published}

    # -- asking and hearing ---------------------------------------------------------------------
    def question(self, name: str) -> Question:
        """What to ask a neighbourhood in this round."""
        return Question(self.number, self.told(name, self.price))

    def told(self, name: str, price: Array) -> Array:
        """What a price is to a neighbourhood, shape ``(T,)``."""
        return price

    def at_price(self, name: str, price: Array, cost_eur: float, p_kw: Array) -> float:
        """What a neighbourhood comes to at a price in EUR, energy included."""
        return cost_eur - self.supply.dt_h * float(self.told(name, price) @ p_kw)

    def hear(self, name: str, number: int, response: Response) -> None:
        """Take in an answer, be it late: it may complete the bound of its round."""
        self.answers[name].setdefault(number, response)

    def heard(self, number: int) -> int:
        """How many answered the price of a round."""
        return sum(number in known for known in self.answers.values())

    def asked(self) -> tuple[str, ...]:
        """Who is asked in this round."""
        return tuple(self.published)

    def _others_eur(self, number: int, lost: Set[str] = frozenset()) -> float:
        """The others' part of the bound; of those that are lost, what they said counts."""
        return self._worth[number]

    def bound_at(self, number: int) -> float:
        """L at the price of a round; ``-inf`` as long as an answer is missing."""
        own = [known[number].bound_eur for known in self.answers.values() if number in known]
        if len(own) < len(self.answers):
            return -np.inf
        return sum(own) + self._others_eur(number)

    @property
    def bound_eur(self) -> float:
        """Best bound so far: no plan can cost less."""
        return max(self.bound_at(number) for number in self.prices)

    def _believed(self) -> tuple[float, Array]:
        """Best bound if those that are lost can do what they answered only, and its price."""
        found = {number: self._believed_at(number) for number in self.prices}
        best = max(found, key=found.__getitem__)
        return found[best], self.prices[best]

    def _believed_at(self, number: int) -> float:
        price, total = self.prices[number], self._others_eur(number, self.lost)
        for name, known in self.answers.items():
            if number in known:
                total += known[number].bound_eur
            elif name not in self.lost:
                return -np.inf
            else:
                known_before = self.known(name).values()
                total += min(self.at_price(name, price, r.cost_eur, r.p_kw) for r in known_before)
        return total

    @property
    def best(self) -> Array:
        """The price of the best bound so far, shape ``(T,)``."""
        return self._believed()[1]

    # -- the end of a round -----------------------------------------------------------------------
    def conclude(self) -> Round:
        """Make a plan of what was heard."""
        cost, shares = self._plan()
        if cost < self.cost_eur or not np.isfinite(self.cost_eur):
            self.cost_eur, self.shares = cost, shares
        last = [p_kw for _, p_kw in self.last()]
        missing = self._missing_kw(last)
        return Round(
            self.number,
            self.price,
            self.bound_at(self.number),
            cost,
            self.gap,
            residual(missing, last),
            float(np.abs(missing).sum()) * self.supply.dt_h,
            self.heard(self.number),
        )

    @property
    def gap(self) -> float:
        """Certified gap of cheapest plan and best bound."""
        return relative_gap(self.cost_eur, self.bound_eur)

    @property
    def is_settled(self) -> bool:
        """Whether the gap is small enough, those that are lost taken for what they answered."""
        return self.is_near(self.cost_eur, self._believed()[0])

    def is_near(self, cost_eur: float, bound_eur: float) -> bool:
        """Whether a cost is near enough to a bound."""
        return near(cost_eur, bound_eur, self.tolerance)

    def go_on(self) -> bool:
        """Find the next price, and begin the next round; False if there is nothing new to ask."""
        price = self.supply.kept(self._next())
        if self._is_known(price):
            return False
        self.number += 1
        self._call(price)
        return True

    def _is_known(self, price: Array) -> bool:
        """Whether everybody that is counted on answered a price already."""
        return any(
            bool((np.abs(price - asked) <= SAME_EUR_PER_KWH).all())
            for number, asked in self.prices.items()
            if np.isfinite(self._believed_at(number))
        )

    def _call(self, price: Array) -> None:
        self.price = self.prices[self.number] = price
        self._worth[self.number] = self.supply.worth_eur(price)

    def known(self, name: str) -> Mapping[int, Response]:
        """Answers of a neighbourhood by round that it can be held to; else what it published."""
        said = {} if name in self.dead else self.answers[name]
        return said or {OWN_RULE: self.published[name]}

    def do_without(self, dead: Set[str]) -> None:
        """Plan anew if agents died that plans so far counted on."""
        if dead - self.dead:
            self.dead, self.cost_eur = dead, np.inf

    def settle(self) -> None:
        """See to the plan and the price that hold, before they are awarded."""

    def last(self) -> Iterator[tuple[int, Array]]:
        """Round and power of the last answer of each neighbourhood, shape ``(T,)``."""
        for name in self.published:
            known = self.known(name)
            number = max(known)
            yield number, known[number].p_kw

    def cost_of(self, name: str, shares: Shares) -> tuple[float, Array]:
        """Cost in EUR, energy apart, and power of a mix of a neighbourhood's answers."""
        known = self.known(name)
        power = np.asarray(sum((w * known[k].p_kw for k, w in shares.items()), 0.0))
        return sum(w * known[k].cost_eur for k, w in shares.items()), power

    @abstractmethod
    def total_eur(self, done: Mapping[str, tuple[float, Array]]) -> float:
        """Cost of all in EUR.

        Parameters
        ----------
        done
            Cost in EUR, energy apart, and power of each neighbourhood, shape ``(T,)``.
        """

    @abstractmethod
    def _missing_kw(self, last: list[Array]) -> Array:
        """Power that is missing at the price by the last answers."""

    @abstractmethod
    def _plan(self) -> tuple[float, Mapping[str, Shares]]:
        """Cost of all and shares of a plan that can be carried out."""

    @abstractmethod
    def _next(self) -> Array:
        """The next price, shape ``(T,)``; where others would trade without end it is cut off."""


@dataclass
class Balanced(Search[Supply]):
    """Of neighbourhoods that see one price, or that of their zone, and of who supplies them.

    A price has a value for every balance of the supply.

    Parameters
    ----------
    suppliers
        What is known of suppliers; None: the supply is all there is, and public.
    """

    suppliers: Suppliers | None = None

    def __post_init__(self) -> None:
        self.of_suppliers = self.suppliers or Suppliers(self.supply)
        super().__post_init__()

    def told(self, name: str, price: Array) -> Array:
        """What a price is to a neighbourhood or a supplier, shape ``(T,)``."""
        return self.supply.seen(name, price)

    @property
    def merit(self) -> Supply:
        """What is known of what others ask and pay."""
        return self.of_suppliers.merit

    def asked(self) -> tuple[str, ...]:
        """Neighbourhoods and suppliers."""
        return (*super().asked(), *self.of_suppliers.names)

    def heard(self, number: int) -> int:
        """How many answered the price of a round, suppliers included."""
        return super().heard(number) + self.of_suppliers.heard(number)

    def _others_eur(self, number: int, lost: Set[str] = frozenset()) -> float:
        public = super()._others_eur(number)
        return public + self.of_suppliers.worth_eur(number, self.prices[number], lost)

    def total_eur(self, done: Mapping[str, tuple[float, Array]]) -> float:
        """Cost of the neighbourhoods and of the cheapest supply of what they need."""
        return cost_of_all(done, self.merit)

    def contracts(self) -> Mapping[str, Array]:
        """What each supplier is to give by the cheapest plan so far, shape ``(T,)``."""
        mixed = {name: self.cost_of(name, shares)[1] for name, shares in self.shares.items()}
        return self.of_suppliers.dispatched_kw(self.supply.needed_kw(mixed))

    def _missing_kw(self, last: list[Array]) -> Array:
        powers = dict(zip(self.published, last, strict=True))
        return self.merit.missing_kw(self.price, self.supply.needed_kw(powers))


def cost_of_all(done: Mapping[str, tuple[float, Array]], supply: Supply) -> float:
    """Cost in EUR of what neighbourhoods do, and of the cheapest supply of what they need.

    Parameters
    ----------
    done
        Cost in EUR, energy apart, and power of each, shape ``(T,)``.
    """
    needed_kw = supply.needed_kw({name: p_kw for name, (_, p_kw) in done.items()})
    return sum((cost for cost, _ in done.values()), 0.0) + supply.cost_eur(needed_kw)


def near(cost_eur: float, bound_eur: float, tolerance: float) -> bool:
    """Whether a cost is near enough to a bound."""
    close = relative_gap(cost_eur, bound_eur) <= tolerance
    return close or cost_eur - bound_eur <= ENOUGH_EUR


def residual(missing_kw: Array, last: list[Array]) -> float:
    """``(‖r‖/√N) / ‖P‖`` with N agents, the others counted as one."""
    traded = float(np.linalg.norm(last))
    agents = len(last) + 1
    return float(np.linalg.norm(missing_kw) / np.sqrt(agents) / max(traded, 1e-9))
