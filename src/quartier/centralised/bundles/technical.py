"""The system that serves: sizes and typical days at least cost, whoever buys (M11, ``V(z)``).

Sizes cost a capital recovery and upkeep once a year, days count as often as their weights say
(seed 004 adds both up over all months and hours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quartier.optimisation import pyo
from quartier.optimisation.sized import Day, DayTerms, add_day
from quartier.problem.bundles import Investment
from quartier.quantities import ELECTRICITY, Array
from quartier.scenario.bundles_asked import CONNECTION
from quartier.units import KINDS
from quartier.units.base import UnitData

__all__ = ["Investment", "Technical"]


@dataclass(frozen=True)
class Technical:
    """A system to be sized.

    Parameters
    ----------
    days
        Typical days; all with the same units.
    investments
        By unit, and ``grid``: a kW of the connection to it, which carries both ways.
    needs_kw
        By day, needs of the groups at the nodes, by carrier, shape ``(U, T)``.
    tariff_of
        Carrier that a node's needs are bought as, where it is another one (cooling as heat).
    alike
        Whether a store begins all days with the same energy, so that they can follow each other;
        without it, each ends as it began.
    """

    days: Sequence[Day]
    investments: Mapping[str, Investment]
    needs_kw: Sequence[Mapping[str, Array]]
    interest: float
    co2_eur_per_kg: float
    tariff_of: Mapping[str, str]
    alike: bool = False

    def add(self, model: Any, served: Mapping[tuple[int, str], Any]) -> list[DayTerms]:
        """Add sizes, days and balances to a Pyomo model; ``model.system_eur`` is the cost.

        Parameters
        ----------
        served
            Whether a group is served a carrier, by ``(group, carrier)``: an expression.
        """
        model.size = pyo.Var(list(self.investments), domain=pyo.NonNegativeReals)
        for name, investment in self.investments.items():
            model.size[name].setub(investment.most)
            model.size[name].setlb(investment.least)
        model.begin = pyo.Var([u.name for u in self.days[0].units if self._begins_alike(u)])
        model.day = pyo.Block(range(len(self.days)))
        found = [
            add_day(model.day[d], day, model.size, model.begin) for d, day in enumerate(self.days)
        ]
        built = sum(
            one.annual_eur(self.interest) * model.size[name]
            for name, one in self.investments.items()
        )
        run = sum(
            day.weight * (terms.cost_eur + self.co2_eur_per_kg * terms.co2_kg)
            for day, terms in zip(self.days, found, strict=True)
        )
        model.system_eur = pyo.Expression(expr=built + run)
        model.balance = pyo.ConstraintList()
        for day, terms, needs in zip(self.days, found, self.needs_kw, strict=True):
            for carrier in day.nodes:
                for t, net_kw in enumerate(terms.flows_kw[carrier]):
                    model.balance.add(net_kw >= self._need(needs, carrier, t, served))
            for t, bought_kw in enumerate(terms.bought_kw[ELECTRICITY].values()):
                need = self._need(needs, ELECTRICITY, t, served)
                model.balance.add(bought_kw <= model.size[CONNECTION])
                left_kw = terms.flows_kw[ELECTRICITY][t] - need
                model.balance.add(left_kw <= model.size[CONNECTION])  # is fed in
        return found

    def _begins_alike(self, unit: UnitData) -> bool:
        return self.alike and KINDS[unit.kind].stores

    def _need(
        self,
        needs: Mapping[str, Array],
        carrier: str,
        t: int,
        served: Mapping[tuple[int, str], Any],
    ) -> Any:
        if carrier not in needs:
            return 0.0
        bought_as = self.tariff_of.get(carrier, carrier)
        return sum(
            float(need_kw) * served[group, bought_as]
            for group, need_kw in enumerate(needs[carrier][:, t])
        )
