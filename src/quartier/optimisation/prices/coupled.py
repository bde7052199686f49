"""One hour's auction in zones that lines couple: all bids cleared at once (M9).

As power exchanges couple their markets, without whole bids on either side of them: what is bid and
what suppliers ask is cleared at least cost, lines within their capacity, and every zone's price is
the multiplier of its balance: where steps are just filled, that of the step served last. Of a
zone's steps at its price each gives the same share. Steps that are whole or nothing are taken or
left as in :mod:`quartier.optimisation.prices.clearing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from quartier.problem import ZonedSupply
from quartier.problem.zones import just_below
from quartier.program import Arrays, Flags, Highs, Indices
from quartier.quantities import Array

SAME_EUR_PER_KWH = 1e-7
"""Prices closer than this are one: less than a bid can tell."""

PER_MWH = 1e3
"""Prices are counted in EUR/MWh, so that the solver can tell them apart."""


@dataclass(frozen=True)
class Steps:
    """Steps of all bids, shape ``(K,)`` each: zone, price, and between which powers they give."""

    zone: Indices
    price_eur_per_kwh: Array
    least_kw: Array
    most_kw: Array


def couple(
    steps: Steps, base_kw: Array, supply: ZonedSupply, step: int
) -> tuple[Array, Array, Array]:
    """Clear an hour at least cost.

    Parameters
    ----------
    base_kw
        What is fed into each zone at any price, shape ``(Z,)``.

    Returns
    -------
    price, filled, supplied
        Of each zone, step and block, shape ``(Z,)``, ``(K,)`` and ``(S,)``.
    """
    asked, takes, gives = supply.asked(step)
    zones, count = len(supply.zones), steps.zone.size + asked.size
    place = np.concatenate([steps.zone, np.array(supply.block_zones, dtype=np.int64)])
    own = sparse.csr_array((np.ones(count), (place, np.arange(count))), shape=(zones, count))
    ends = np.zeros((zones, len(supply.lines)))
    for k, line in enumerate(supply.lines):
        ends[supply.zones.index(line.start), k] = -1.0
        ends[supply.zones.index(line.end), k] = 1.0
    most = np.array([line.most_kw for line in supply.lines])
    back = np.array([line.back_kw for line in supply.lines])
    cost = PER_MWH * np.concatenate([steps.price_eur_per_kwh, asked, np.zeros(most.size)])
    arrays = Arrays(
        cost=cost,
        lower=np.concatenate([steps.least_kw, takes, -back]),
        upper=np.concatenate([steps.most_kw, gives, most]),
        integer=np.zeros(cost.size, dtype=bool),
        matrix=sparse.csr_array(sparse.hstack([own, sparse.csr_array(ends)])),
        row_lower=-base_kw,
        row_upper=-base_kw,
    )
    less = just_below(-base_kw)
    below = replace(arrays, row_lower=less, row_upper=less)
    price = Highs("zones, price of an hour", below).needed().row_dual / PER_MWH
    values = Highs("zones, clearing of an hour", arrays).needed().values[:count]
    every = cost[:count] / PER_MWH
    finite = np.isfinite(arrays.lower[:count] + arrays.upper[:count])
    marginal = finite & (np.abs(every - price[place]) <= SAME_EUR_PER_KWH)
    filled = _shared(values, marginal, place, arrays.lower[:count], arrays.upper[:count])
    return price, filled[: steps.zone.size], filled[steps.zone.size :]


def _shared(values: Array, marginal: Flags, place: Indices, least: Array, most: Array) -> Array:
    """The same, but that of each zone's steps at its price all give the same share."""
    found = values.copy()
    for zone in np.unique(place[marginal]):
        here = marginal & (place == zone)
        room = float((most - least)[here].sum())
        if room > 0:
            share = float((values - least)[here].sum()) / room
            found[here] = least[here] + share * (most - least)[here]
    return found
