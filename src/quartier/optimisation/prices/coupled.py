"""One hour's auction in zones that lines couple: all bids cleared at once (M9).

As power exchanges couple their markets, without whole bids on either side of them: what is bid and
what suppliers ask is cleared at least cost, lines within their capacity, and every zone's price is
the multiplier of its balance: where steps are just filled, that of the step served last. Of a
zone's steps at its price each gives the same share. Steps that are whole or nothing are taken or
left as :mod:`quartier.optimisation.prices.indivisible` says; prices are then the least ones at
which nothing that was taken is at a loss, and lines carry from cheap to dear.
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

NOTHING_KW = 1e-6
"""Power that counts as none."""

PER_MWH = 1e3
"""Prices are counted in EUR/MWh, so that the solver can tell them apart."""


@dataclass(frozen=True)
class Steps:
    """Steps of all bids, shape ``(K,)`` each: zone, price, and between which powers they give."""

    zone: Indices
    price_eur_per_kwh: Array
    least_kw: Array
    most_kw: Array


@dataclass(frozen=True)
class Coupled:
    """What came of an hour."""

    price_eur_per_kwh: Array
    """Of each zone, shape ``(Z,)``."""
    filled_kw: Array
    """Of each step, shape ``(K,)``."""
    supplied_kw: Array
    """Of each block, shape ``(S,)``."""
    flow_kw: Array
    """Of each line, positive from start to end, shape ``(L,)``."""


def couple(steps: Steps, base_kw: Array, supply: ZonedSupply, step: int) -> Coupled:
    """Clear an hour at least cost.

    Parameters
    ----------
    base_kw
        What is fed into each zone at any price, shape ``(Z,)``.
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
    values = Highs("zones, clearing of an hour", arrays).needed().values
    every = cost[:count] / PER_MWH
    finite = np.isfinite(arrays.lower[:count] + arrays.upper[:count])
    marginal = finite & (np.abs(every - price[place]) <= SAME_EUR_PER_KWH)
    filled = _shared(values[:count], marginal, place, arrays.lower[:count], arrays.upper[:count])
    size = steps.zone.size
    return Coupled(price, filled[:size], filled[size:], values[count:])


def least_prices(
    needs: Steps, found: Coupled, supply: ZonedSupply, step: int, same: float
) -> Array:
    """The least price of each zone at which what is done suits, shape ``(Z,)``.

    Parameters
    ----------
    needs
        Steps that are worth it from their price on, and how much of them was taken.
    same
        Powers closer than this, relative to the largest, are one.
    """
    asked, _, _ = supply.asked(step)
    price = supply.lowest_eur_per_kwh[step :: supply.steps].copy()
    place = np.concatenate([needs.zone, np.array(supply.block_zones, dtype=np.int64)])
    given = np.concatenate([needs.most_kw, found.supplied_kw])
    little = same * max(float(np.abs(given).max(initial=0.0)), NOTHING_KW)
    every = np.concatenate([needs.price_eur_per_kwh, asked])
    np.maximum.at(price, place[given > little], every[given > little])
    for _ in supply.zones:  # power is nowhere cheaper than where lines with room come from
        for line, flow in zip(supply.lines, found.flow_kw.tolist(), strict=True):
            start, end = supply.zones.index(line.start), supply.zones.index(line.end)
            if flow > little - line.back_kw:
                price[end] = max(price[end], price[start])
            if flow < line.most_kw - little:
                price[start] = max(price[start], price[end])
    return price


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
