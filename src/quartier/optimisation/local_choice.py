"""An agent's exact local choice: its cheapest schedule against the sum of all others (M6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quartier.optimisation.assembly import Assembly
from quartier.optimisation.repair import netted
from quartier.problem import ConnectionTerms
from quartier.quantities import Array
from quartier.units.base import UnitData
from quartier.units.evaluate import evaluate
from quartier.units.schedule import Schedule

GAP = 1e-3
"""Relative gap at which a choice with binaries is good enough."""


class LocalChoice:
    """The cheapest schedule of one agent's units, found again and again.

    It minimises own cost + emissions at their price + cost at the connection point of everybody's
    power together, ``terms.cost_eur(residual_kw + p_kw, curtailable_kw + own curtailable)``.

    Parameters
    ----------
    units
        Units of one agent, ready for the planning window.
    terms
        Prices and limits at the connection point.
    """

    def __init__(self, units: Sequence[UnitData], terms: ConnectionTerms) -> None:
        self.units = tuple(units)
        self.name = f"local choice of {units[0].agent}"
        self.repairs = 0
        """Steps in which a store charged and discharged at once, over all choices so far."""
        self._priced: LocalChoice | None = None
        self._assembly = Assembly(self.name, self.units, terms, relax_binaries=False, gap=GAP)

    def update(self, terms: ConnectionTerms) -> None:
        """Take new caps and prices in place."""
        self._assembly.update(terms)

    def at_price(self, price_eur_per_kwh: Array) -> Schedule:
        """Return the cheapest own schedule if power had a price, shape ``(T,)``, and no limits.

        Raises
        ------
        SolveFailed
            If the units have no feasible schedule.
        """
        terms, nothing = self._assembly.terms, np.zeros_like(price_eur_per_kwh)
        traded = priced(terms, price_eur_per_kwh)
        if not self._assembly.declared.fits(traded):  # blocks, or a price on the peak
            if self._priced is None:
                self._priced = LocalChoice(self.units, traded)
            self._priced.update(traded)
            return self._priced.best(nothing, nothing)
        self.update(traded)
        try:
            return self.best(nothing, nothing)
        finally:
            self.update(terms)

    def best(self, residual_kw: Array, curtailable_kw: Array) -> Schedule:
        """Return the cheapest own schedule.

        Parameters
        ----------
        residual_kw
            Power of all others, nothing curtailed, shape ``(T,)``.
        curtailable_kw
            Renewable power in it, shape ``(T,)``.

        Raises
        ------
        SolveFailed
            If the units have no feasible schedule.
        """
        self._assembly.give(residual_kw, curtailable_kw)
        controls, _, repairs = self._assembly.solve()
        self.repairs += repairs
        done = netted(self.units, controls)
        return evaluate(self.units, done, self._assembly.terms.penalty_eur_per_kwh)


def priced(terms: ConnectionTerms, price_eur_per_kwh: Array) -> ConnectionTerms:
    """Terms of who trades at a price, shape ``(T,)``, whatever P_set, peak and suppliers are."""
    traded = terms.at_price(price_eur_per_kwh, np.zeros_like(price_eur_per_kwh))
    unlimited = np.full_like(price_eur_per_kwh, np.inf)
    return replace(
        traded, peak_eur_per_kw=0.0, p_max_kw=unlimited, p_min_kw=-unlimited, served=None
    )
