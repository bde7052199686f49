"""Local choice: how an agent finds its best schedule against the sum of the others (M6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from quartier.agents.memory import Option
from quartier.optimisation import LocalChoice
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.scenario.settings import NegotiationSettings
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.sampling import sample
from quartier.units.schedule import Schedule


class Choice(Protocol):
    """An agent's way to choose a schedule of its units."""

    def update(self, terms: ConnectionTerms) -> None:
        """Take new prices and limits."""
        ...

    def best(self, residual_kw: Array, curtailable_kw: Array) -> Option:
        """Best option against the others' sum, shape ``(T,)``, and what is curtailable in it."""
        ...


def option_of(schedule: Schedule, terms: ConnectionTerms) -> Option:
    """Reduce a schedule to what the others need to know, its own cost in one sum."""
    return Option(schedule.p_kw, schedule.curtailable_kw, terms.own_eur(schedule), schedule)


class SampledChoice:
    """Choose among schedules sampled beforehand.

    Parameters
    ----------
    schedules
        Feasible schedules of the agent's units, at least one.
    """

    def __init__(self, schedules: Sequence[Schedule], terms: ConnectionTerms) -> None:
        self._schedules = tuple(schedules)
        self._p_kw = np.array([s.p_kw for s in schedules])
        self._curtailable_kw = np.array([s.curtailable_kw for s in schedules])
        self._is_curtailable = bool(self._curtailable_kw.any())
        self.update(terms)

    def update(self, terms: ConnectionTerms) -> None:
        """Take new prices and limits."""
        self._terms = terms
        self._options: dict[int, Option] = {}
        self._cost_eur = np.array([terms.own_eur(s) for s in self._schedules])

    def best(self, residual_kw: Array, curtailable_kw: Array) -> Option:
        """Value all schedules at once, shape ``(K, T)``, and take the first of the best."""
        loose = self._curtailable_kw + curtailable_kw if self._is_curtailable else curtailable_kw
        value = self._terms.cost_eur(self._p_kw + residual_kw, loose) + self._cost_eur
        best = int(np.argmin(value))
        if best not in self._options:
            self._options[best] = option_of(self._schedules[best], self._terms)
        return self._options[best]


class ExactChoice:
    """Choose by the units' own optimisation against the residual."""

    def __init__(self, units: Sequence[UnitData], terms: ConnectionTerms) -> None:
        self._model = LocalChoice(units, terms)
        self._terms = terms

    def update(self, terms: ConnectionTerms) -> None:
        """Take new prices and limits."""
        self._model.update(terms)
        self._terms = terms

    def best(self, residual_kw: Array, curtailable_kw: Array) -> Option:
        """Solve the units' LP or MILP with the others fixed."""
        return option_of(self._model.best(residual_kw, curtailable_kw), self._terms)


def is_flexible(units: Sequence[UnitData]) -> bool:
    """Whether the units leave a choice: curtailment does not count, it follows from γ."""
    kinds = [KINDS[unit.kind] for unit in units]
    return any(kind.controls and not kind.curtailable for kind in kinds)


def choice_for(
    units: Sequence[UnitData],
    terms: ConnectionTerms,
    settings: NegotiationSettings,
    rng: np.random.Generator,
) -> Choice:
    """Return the choice that the scenario asks for; units without any have one schedule."""
    if not is_flexible(units):
        return SampledChoice(sample(units, 1, rng, terms.penalty_eur_per_kwh), terms)
    if settings.local_choice == "exact":
        return ExactChoice(units, terms)
    return SampledChoice(sample(units, settings.samples, rng, terms.penalty_eur_per_kwh), terms)
