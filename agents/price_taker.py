"""A neighbourhood's agent on a market: answers prices by its own optimum, keeps its model (M9)."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from quartier.agents.base import QuartierAgent, hears
from quartier.agents.messages import frozen
from quartier.agents.price_messages import Award, Awarded, PriceAnswer, PriceCall
from quartier.optimisation import Solution
from quartier.optimisation.prices import OWN_RULE, Responder, Response
from quartier.problem import NeighbourhoodProblem
from quartier.quantities import Array

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")


class TakerAgent(QuartierAgent, Generic[Q, A]):
    """Plans for all units of its neighbourhood, and does what it is awarded.

    Parameters
    ----------
    market
        Name of the market's agent.
    """

    LEAVES: ClassVar[dict[str, Any]] = {
        **QuartierAgent.LEAVES,
        "award": Award | None,
        "wall_s": dict[int, float],
        "planned": Solution | None,
        "account": tuple[float, Array] | None,
    }

    def __init__(self, problem: NeighbourhoodProblem, market: str) -> None:
        super().__init__(problem.name, principal=market)
        self.problem = problem
        self.wall_s: dict[int, float] = {}
        """Wall time that its slowest answer took in s, by round."""
        self.award: Award | None = None
        self._said: dict[Q, A] = {}

    def _once(self, question: Q, number: int, answer: Callable[[], A]) -> A:
        """Answer a question of a round; one that is asked again, with the same words."""
        if question not in self._said:
            began = time.perf_counter()
            self._said[question] = answer()
            took_s = time.perf_counter() - began
            self.wall_s[number] = max(self.wall_s.get(number, 0.0), took_s)
        return self._said[question]

    @hears(Award)
    def on_award(self, award: Award, sender: str) -> None:
        """Do what was awarded."""
        if self.award is None:
            self.award = award
            self._take(award)
        self.tell(sender, Awarded(award.negotiation, self.title))

    @abstractmethod
    def _take(self, award: Award) -> None:
        """Make a plan of what was awarded."""

    # -- what is left at the end of a gate --------------------------------------------------------
    @cached_property
    def planned(self) -> Solution | None:
        """What its units shall do; None: what they do by themselves."""
        return self._plan_now()

    @cached_property
    def account(self) -> tuple[float, Array] | None:
        """What it pays for what it does in EUR, energy apart, and its power, shape ``(T,)``.

        None where nothing is planned.
        """
        return None if self.planned is None else self._account_of(self.planned)

    @abstractmethod
    def _plan_now(self) -> Solution | None:
        """What its units would do if the gate ended now; None: what they do by themselves."""

    @abstractmethod
    def _account_of(self, planned: Solution) -> tuple[float, Array]:
        """What it pays for that in EUR, energy apart, and its power, shape ``(T,)``."""


class PriceTaker(TakerAgent[int, PriceAnswer]):
    """Answers prices.

    Parameters
    ----------
    fee_eur_per_kwh
        Fee on what it draws, shape ``(T,)``.
    """

    def __init__(self, problem: NeighbourhoodProblem, market: str, fee_eur_per_kwh: Array) -> None:
        super().__init__(problem, market)
        self._fee = fee_eur_per_kwh
        self._responder: Responder | None = None
        self._solutions: dict[int, Solution] = {}
        self._plan: Solution | None = None

    @hears(PriceCall)
    def on_price(self, call: PriceCall, sender: str) -> None:
        """Answer a price."""
        number = call.negotiation.round
        self.tell(sender, self._once(number, number, lambda: self._answer(call)))

    def _answer(self, call: PriceCall) -> PriceAnswer:
        response, solution = self._respond(call)
        self._solutions[call.negotiation.round] = solution
        return PriceAnswer(
            call.negotiation,
            self.title,
            frozen(response.p_kw),
            response.cost_eur,
            response.bound_eur,
            response.whole,
            response.pattern,
        )

    def _respond(self, call: PriceCall) -> tuple[Response, Solution]:
        """Its answer to a price, and what stands behind it."""
        if self._responder is None:
            self._responder = Responder(self.problem, self._fee)
        return self._responder.answer(
            call.price_eur_per_kwh, call.weight_eur_per_kwh_kw, call.target_kw
        )

    def _take(self, award: Award) -> None:
        if self._responder is None or any(number == OWN_RULE for number, _ in award.shares):
            return
        parts = [(weight, self._solutions[k]) for k, weight in award.shares]
        self._plan = self._responder.mixed(parts)

    def _plan_now(self) -> Solution | None:
        """Who never heard what it was awarded does what it answered last."""
        if self.failure is not None or self._responder is None:
            return None
        return self._solutions[max(self._solutions)] if self.award is None else self._plan

    def _account_of(self, planned: Solution) -> tuple[float, Array]:
        if self.award is None:
            last = self._said[max(self._said)]
            return last.cost_eur, last.p_kw
        return planned.cost_eur, planned.p_kw
