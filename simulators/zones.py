"""A step of a market with zones as it was executed, as columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from quartier.problem import Market
from quartier.quantities import ELECTRICITY, Array

Columns = dict[str, Any]
"""Columns of a table without ``time``."""


def executed(
    market: Market, names: Sequence[str], p_kw: Array, planned: Mapping[str, float]
) -> dict[str, Columns]:
    """Let suppliers serve what was drawn, at least cost, as far as lines carry it.

    A zone's price is that of the plan; without one, what one more kWh there would cost.

    Parameters
    ----------
    market
        What suppliers and lines can do in the step.
    names, p_kw
        Neighbourhoods and their power, positive into the grid, shape ``(N,)``.
    planned
        Prices of the plan by zone or neighbourhood, in EUR/kWh; NaN: none.

    Returns
    -------
    dict
        Columns of ``prices``, ``supply``, ``zones`` and ``flows``.
    """
    supply = market.zones
    assert supply is not None
    needed = supply.needed_kw({n: np.array([kw]) for n, kw in zip(names, p_kw, strict=True)})
    found = supply.served(needed)
    price = np.array(
        [
            _price(zone, [n for n in names if supply.members[n] == k], planned, marginal)
            for k, (zone, marginal) in enumerate(
                zip(supply.zones, found.price_eur_per_kwh, strict=True)
            )
        ]
    )
    home = np.array([supply.members[name] for name in names])
    own = np.array([planned.get(name, np.nan) for name in names])
    served = market.by_supplier(needed, found.power_kw)
    where = dict(zip(market.suppliers, supply.block_zones, strict=True))
    supplied = found.power_kw.sum(axis=0)
    apart, flow = supply.apart(price)[:, 0], found.flow_kw[:, 0]
    return {
        "prices": {
            "neighbourhood": list(names),
            "carrier": [ELECTRICITY] * len(names),
            "price_eur_per_kwh": np.where(np.isnan(own), price[home], own),
        },
        "supply": {
            "supplier": list(served),
            "p_kw": np.array([power.sum() for power, _ in served.values()]),
            "price_eur_per_kwh": price[[where[name] for name in served]],
            "cost_eur": np.array([cost.sum() for _, cost in served.values()]),
        },
        "zones": {
            "zone": list(supply.zones),
            "price_eur_per_kwh": price,
            "drawn_kw": needed,
            "supplied_kw": supplied,
            "imported_kw": needed - supplied,
        },
        "flows": {
            "line": [line.name for line in supply.lines],
            "start": [line.start for line in supply.lines],
            "end": [line.end for line in supply.lines],
            "p_kw": flow,
            "p_min_kw": np.array([-line.back_kw for line in supply.lines]),
            "p_max_kw": np.array([line.most_kw for line in supply.lines]),
            "rent_eur": flow * apart * supply.dt_h,
        },
    }


def _price(
    zone: str, inside: Sequence[str], planned: Mapping[str, float], otherwise: float
) -> float:
    """Price of a zone: its own of the plan, or the mean of what neighbourhoods there pay."""
    own = planned.get(zone, np.nan)
    paid = [planned[name] for name in inside if not np.isnan(planned.get(name, np.nan))]
    if not np.isnan(own):
        return own
    return float(np.mean(paid)) if paid else otherwise
