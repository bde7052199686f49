"""An agent's program beside a partner who may do any mix of what it said it could do (M6).

The agent knows its own limits, and of its partner a few schedules with their costs. The linear
program of both together, in which the partner does a mix of those, is the restricted master program
of Dantzig and Wolfe (1960, Decomposition principle for linear programs, Operations Research 8),
with the agent's own part exact: its dual price asks the partner for the schedule that is missing
most, and says how much two of them together could still gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from quartier.optimisation.assembly import Assembly
from quartier.optimisation.connection import served_names
from quartier.problem import ConnectionTerms
from quartier.program import Arrays, Highs
from quartier.quantities import Array
from quartier.units.base import UnitData

Answered = tuple[Array, float]
"""A schedule of the partner, kW, shape ``(T,)``, and what it costs it in EUR."""


@dataclass(frozen=True)
class Joint:
    """What an agent and a mix of its partner's schedules come to."""

    objective_eur: float
    """Cost at the connection point, of the agent, and of the partner."""
    price_eur_per_kwh: Array
    """What a kWh more from anybody would save, shape ``(T,)``."""
    p_kw: Array
    """The agent's own power, nothing curtailed, shape ``(T,)``."""


class Beside(Assembly):
    """The linear program of an agent's units beside a partner; what switches may run partly.

    Parameters
    ----------
    units
        Units of one agent, ready for the planning window.
    terms
        Prices and limits at the connection point.
    """

    def __init__(self, units: Sequence[UnitData], terms: ConnectionTerms) -> None:
        name = f"joint choice of {units[0].agent}"
        super().__init__(name, units, terms, relax_binaries=True, gap=0.0, all_steps=True)

    def joint(
        self, others_kw: Array, curtailable_kw: Array, partner: Sequence[Answered] = ()
    ) -> Joint:
        """Return what is best for both.

        Parameters
        ----------
        others_kw, curtailable_kw
            Power of all but the two, nothing curtailed, and renewable power in that of all but the
            agent, shape ``(T,)``.
        partner
            What the partner may mix; nothing: there is none.

        Raises
        ------
        SolveFailed
            If the units have no feasible schedule.
        """
        arrays = self._beside(others_kw, curtailable_kw, partner)
        answer = Highs(self.name, arrays).needed()
        mix = answer.values[self.compiled.arrays.size :]
        exported, imported = self.traded_columns
        served = [self.declared._columns(name)[0] for name in self._served]
        p_kw = answer.values[exported] - answer.values[imported] + self.curtailed_kw(answer.values)
        for columns in served:
            p_kw = p_kw - answer.values[columns]
        for weight, (kw, _) in zip(mix, partner, strict=True):
            p_kw = p_kw - weight * kw
        price = -answer.column_dual[self._given_columns] / self.terms.dt_h
        return Joint(answer.objective, price, p_kw - others_kw)

    @property
    def _served(self) -> list[str]:
        return [] if self.terms.served is None else served_names(self.terms.served)

    def _beside(
        self, others_kw: Array, curtailable_kw: Array, partner: Sequence[Answered]
    ) -> Arrays:
        """The program with a column for every schedule of the partner: it acts as given power."""
        own = self.arrays_under(self.terms)
        own.lower[self._given_columns] += others_kw
        own.upper[self._given_columns] += others_kw
        own.upper[self._curtailed_columns] += curtailable_kw
        if not partner:
            return own
        costs = np.array([cost for _, cost in partner])
        mixed = own.with_columns(costs, np.zeros(costs.size), np.full(costs.size, np.inf))
        given = own.matrix[:, self._given_columns]
        powers = sparse.csr_array(np.array([kw for kw, _ in partner]).T)
        matrix = sparse.csr_array(sparse.hstack([own.matrix, given @ powers]))
        ones = sparse.csr_array(np.append(np.zeros(own.size), np.ones(costs.size))[None, :])
        return replace(mixed, matrix=matrix).with_rows(ones, np.ones(1), np.ones(1))
