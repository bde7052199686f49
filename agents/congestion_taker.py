"""A neighbourhood's agent where limits have prices: offers, answers prices, keeps P_set (M9)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from quartier.agents.base import hears
from quartier.agents.messages import (
    Accepted,
    CallForOffers,
    SetCap,
    frozen,
    frozen_terms,
    offer_made,
)
from quartier.agents.price_messages import Award, PriceCall
from quartier.agents.price_taker import PriceTaker
from quartier.optimisation import NeighbourhoodModel, Solution
from quartier.optimisation.prices import OWN_RULE, CongestedResponder, Response
from quartier.planning import Band, under_cap
from quartier.problem import ConnectionTerms, NeighbourhoodProblem
from quartier.quantities import POWER_TOLERANCE_KW, Array


class CongestionTaker(PriceTaker):
    """Plans for all units of its neighbourhood.

    Parameters
    ----------
    q_kvar
        Reactive power that is expected of the neighbourhood, shape ``(T,)``.
    dso
        Name of the DSO's agent.
    """

    LEAVES: ClassVar[dict[str, Any]] = {
        **PriceTaker.LEAVES,
        "terms": ConnectionTerms,
        "offered": Solution | None,
        "base_eur": float,
        "is_capped": bool,
    }

    def __init__(self, problem: NeighbourhoodProblem, q_kvar: Array, dso: str) -> None:
        super().__init__(problem, dso, np.zeros(problem.horizon.steps))
        self.terms: ConnectionTerms = problem.terms
        """What it keeps to: its tariffs, under the last P_set."""
        self._q_kvar, self._dso = q_kvar, dso
        self._congested: CongestedResponder | None = None
        self._capped: Solution | None = None
        self._accepted: Accepted | None = None

    @property
    def _own(self) -> CongestedResponder:
        if self._congested is None:
            self._congested = CongestedResponder(self.problem)
        return self._congested

    @hears(CallForOffers)
    def on_call(self, call: CallForOffers, sender: str) -> None:
        """Offer what suits it best without any limit, and the band around it."""
        self.tell(self._dso, offer_made(self.title, _band(self._own.wanted), self._q_kvar))

    def _respond(self, call: PriceCall) -> tuple[Response, Solution]:
        if not call.price_eur_per_kwh.any():
            return self._own.first(), self._own.wanted
        return self._own.answer(call.price_eur_per_kwh)

    def _take(self, award: Award) -> None:
        if not any(number == OWN_RULE for number, _ in award.shares):
            self._plan = self._mix([(weight, self._solutions[k]) for k, weight in award.shares])

    def _mix(self, parts: Sequence[tuple[float, Solution]]) -> Solution:
        return parts[0][1] if len(parts) == 1 else self._own.mixed(parts)

    @hears(SetCap)
    def on_cap(self, cap: SetCap, sender: str) -> None:
        """Keep P_set: as planned if that fits, else by its own optimum under it."""
        if self._accepted is None or cap.round > self._accepted.round:
            terms = frozen_terms(under_cap(self.problem.terms, cap.p_max_kw, cap.p_min_kw))
            self.terms, planned = terms, self._plan_now()
            if planned is None or terms.excess_kw(planned.p_kw).max() > POWER_TOLERANCE_KW:
                model = NeighbourhoodModel(self.problem)
                model.update(terms)
                planned = self._capped = model.solve()
            self._accepted = Accepted(self.title, cap.round, frozen(planned.p_kw))
        if cap.round == self._accepted.round:
            self.tell(self._dso, self._accepted)

    # -- what is left at the end of a gate --------------------------------------------------------
    @cached_property
    def offered(self) -> Solution | None:
        """What it offered, if it was asked."""
        return None if self._congested is None else self._congested.wanted

    @cached_property
    def base_eur(self) -> float:
        """What the costs that it tells are counted from."""
        return 0.0

    @cached_property
    def is_capped(self) -> bool:
        """Whether it was told a P_set."""
        return self._accepted is not None

    def _plan_now(self) -> Solution | None:
        """Under P_set, what it accepted; else what it was awarded.

        Who never heard an award does what it answered last, or what it offered.
        """
        if self.failure is not None or self._congested is None:
            return None
        if self._capped is not None:
            return self._capped
        if self.award is not None:
            return self._plan
        return self._solutions[max(self._solutions)] if self._solutions else self._own.wanted

    def _account_of(self, planned: Solution) -> tuple[float, Array]:
        """Lost energy is counted."""
        return self._own.cost_eur(planned), planned.p_kw


def _band(solution: Solution) -> Band:
    schedules = solution.schedules.values()
    loose, up, down = (
        np.sum([getattr(schedule, name) for schedule in schedules], axis=0)
        for name in ("curtailable_kw", "up_kw", "down_kw")
    )
    curtailed = np.sum([np.zeros_like(loose), *solution.curtailed_kw.values()], axis=0)
    return Band.of(solution.p_kw + curtailed, loose, up, down, curtailed)
