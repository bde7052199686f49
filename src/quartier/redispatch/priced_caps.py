"""Rows of the table ``redispatch`` where limits have prices: who is capped for which limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from quartier.coordination import Cap
from quartier.problem import Offer
from quartier.quantities import KW_PER_MW, Array, Horizon
from quartier.redispatch.limit_prices import LimitPrices


def cap_rows(
    search: LimitPrices,
    horizon: Horizon,
    offers: Mapping[str, Offer],
    caps: Mapping[str, Cap],
) -> Iterator[dict[str, Any]]:
    """Rows without gate, by asset and step: the reason is the limit that takes most of its price.

    Where no limit has a price, the plant is lowered for what it costs in losses: there is none.
    """
    grid = search.supply.grid
    rows, worth = grid.rows, search.supply.limit_values(search.best)
    elements = grid.model.elements
    for k, name in enumerate(grid.assets.names):
        limit_kw, offer = caps[name].p_max_kw, offers[name]
        cost_eur = _cost_eur(search, k, limit_kw)
        effect = worth * rows.slopes[:, k]
        for step in np.flatnonzero(np.isfinite(limit_kw)).tolist():
            here = np.flatnonzero((rows.step == step) & (effect > 0))
            row = int(here[effect[here].argmax()]) if here.size else None
            element = None if row is None else int(rows.element[row])
            yield {
                "time": horizon.times[step],
                "round": 1,
                "asset": name,
                "kind": offer.kind,
                "offered_kw": float(offer.p_kw[step]),
                "p_set_kw": float(limit_kw[step]),
                "reason_element": None if element is None else elements.label(element),
                "sensitivity": np.nan
                if row is None or element is None
                else elements.physical(element, float(rows.slopes[row, k])),
                "cost_eur": float(cost_eur[step]),
            }


def _cost_eur(search: LimitPrices, asset: int, limit_kw: Array) -> Array:
    """Cost of the reductions by step."""
    assets = search.supply.grid.assets
    lowered_kw = np.maximum(KW_PER_MW * assets.offered_mw[:, asset] - limit_kw, 0.0)
    return np.asarray(lowered_kw * assets.lower_price[asset] / KW_PER_MW * assets.dt_h)
