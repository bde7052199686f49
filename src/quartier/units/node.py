"""Nodes: where the units of a neighbourhood balance a carrier (M1).

``Σ flows + η bought - sold / η = demand - unserved + rejected`` in every step; flows are positive
when a unit delivers, and η is what is left on the way from and to outside (1: no losses). The heat
hub is a node; so is whatever gas is drawn from. Electricity has none: it is balanced at the
connection point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.quantities import Array

REJECTED_WEIGHT = 0.05
"""Price of what is thrown away as a share of the penalty on what is not served, unless a node
states its own. With the default penalty it is dearer than curtailing the power that would make the
heat, so that nobody heats the open air to spare a curtailment (M1 allows to reject heat, and says
nothing of its price)."""


@dataclass(frozen=True)
class Tariff:
    """What a carrier is bought or sold at.

    Parameters
    ----------
    price_eur_per_kwh
        Shape ``(T,)``.
    max_kw
        Most that is bought or sold at a time.
    co2_kg_per_kwh
        Emissions of what is bought.
    """

    price_eur_per_kwh: Array
    max_kw: float = np.inf
    co2_kg_per_kwh: float = 0.0

    def window(self, first: int, steps: int) -> Tariff:
        """Return the tariff of some steps."""
        return replace(self, price_eur_per_kwh=self.price_eur_per_kwh[first : first + steps])


@dataclass(frozen=True)
class Balance:
    """How a node closes its balance: four powers in kW that are not negative, any shape."""

    bought_kw: Any
    sold_kw: Any
    unserved_kw: Any
    rejected_kw: Any


@dataclass(frozen=True, eq=False)
class Node:
    """A place where units share the balance of a carrier.

    Parameters
    ----------
    name
        Unique over the scenario, ``<neighbourhood>.<node>``.
    carrier
        What is balanced.
    demand_kw
        Demand beside that of units, shape ``(T,)``; None: there is none.
    buy, sell
        Tariffs of what comes from outside and goes there, as metered there; None: nothing does.
    efficiency
        Share that is left of what is bought and of what is sold on its way.
    unserved, rejected
        Price of what is not served and of what is thrown away, as shares of the penalty.
    """

    name: str
    carrier: str
    demand_kw: Array | None = None
    buy: Tariff | None = None
    sell: Tariff | None = None
    efficiency: float = 1.0
    unserved: float = 1.0
    rejected: float = REJECTED_WEIGHT

    def window(self, first: int, steps: int) -> Node:
        """Return the node over some steps."""
        demand = None if self.demand_kw is None else self.demand_kw[first : first + steps]
        buy, sell = (t and t.window(first, steps) for t in (self.buy, self.sell))
        return replace(self, demand_kw=demand, buy=buy, sell=sell)

    @property
    def supplies_all(self) -> bool:
        """Whether it only hands out what anybody takes, so that it ties nobody to others."""
        return self.buy is not None and np.isinf(self.buy.max_kw) and self.demand_kw is None

    def balance(self, net_kw: Any, most_sold_kw: Any = np.inf) -> Balance:
        """Close the balance, given all that flows into the node less all demand.

        What is lacking is bought, what is too much is sold, as far as a plan lets it
        (``most_sold_kw``); a scenario where something else is cheaper is refused.
        """
        kept = self.efficiency
        short_kw, over_kw = np.maximum(-net_kw, 0.0), np.maximum(net_kw, 0.0)
        bought_kw = np.minimum(short_kw / kept, self.buy.max_kw if self.buy else 0.0)
        may_kw = np.minimum(most_sold_kw, self.sell.max_kw if self.sell else 0.0)
        sold_kw = np.minimum(over_kw * kept, may_kw)
        return Balance(bought_kw, sold_kw, short_kw - bought_kw * kept, over_kw - sold_kw / kept)

    @property
    def makes_up(self) -> bool:
        """Whether it buys whatever it lacks, so that units at it keep to what is planned."""
        return self.buy is not None and np.isinf(self.buy.max_kw)

    def penalised(self, unserved: Any, rejected: Any) -> Any:
        """What the penalty is paid for: shares of what is not served and of what is rejected."""
        return self.unserved * unserved + self.rejected * rejected

    def money_eur_per_h(self, bought_kw: Any, sold_kw: Any, step: int | slice = slice(None)) -> Any:
        """What is paid for what is bought, less what is earned by what is sold."""
        paid: Any = 0.0
        if self.buy is not None:
            paid = paid + self.buy.price_eur_per_kwh[step] * bought_kw
        if self.sell is not None:
            paid = paid - self.sell.price_eur_per_kwh[step] * sold_kw
        return paid

    def co2_kg_per_h(self, bought_kw: Any) -> Any:
        """Emissions of what is bought."""
        return self.buy.co2_kg_per_kwh * bought_kw if self.buy is not None else 0.0
