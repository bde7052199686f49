"""One hour's auction: bids and what others ask, in the order of their prices (M9).

Whoever asks less gives first. Steps at the price of the hour share what is left in proportion to
their power. Where that would tear a step that is whole or nothing, :mod:`.indivisible` says which
of these are taken: none at a loss, but some may be left that would gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.optimisation.prices import indivisible
from quartier.optimisation.prices.bids import Bid
from quartier.optimisation.prices.coupled import NOTHING_KW, Steps, couple, least_prices
from quartier.optimisation.prices.indivisible import Divisible, Whole, Wires
from quartier.problem import Supply, ZonedSupply
from quartier.program import Flags, Indices
from quartier.quantities import Array

SAME_EUR_PER_KWH = 1e-7
"""Prices closer than this are one: less than a bid can tell."""

SAME = 1e-6
"""Powers closer than this, relative to the largest, are one where steps are whole."""


@dataclass(frozen=True)
class Cleared:
    """What came of an hour."""

    price_eur_per_kwh: float | Array
    """With zones one each, shape ``(Z,)``."""
    filled_kw: Mapping[str, Array]
    """How much of each step of its bid was taken, shape ``(K,)``, by bidder."""
    power_kw: Mapping[str, float]
    """Net power of each bidder."""
    supplied_kw: Array
    """Power of each of the others' blocks, shape ``(S,)``."""


def clear(bids: Mapping[str, Bid], supply: Supply, step: int) -> Cleared:
    """Clear an hour.

    Parameters
    ----------
    bids
        By bidder. What is sold above the highest price that there can be is not taken.
    supply
        What others ask and pay; among them somebody that gives, and one that takes, without end.
    """
    names = list(bids)
    sizes = [bids[name].power_kw.size for name in names]
    owner = np.repeat(np.arange(len(names)), sizes)
    price = np.concatenate([*(b.price_eur_per_kwh for b in bids.values()), np.zeros(0)])
    power = np.concatenate([*(b.power_kw for b in bids.values()), np.zeros(0)])
    whole = np.repeat([b.whole for b in bids.values()], sizes).astype(bool)
    if isinstance(supply, ZonedSupply):
        return _in_zones(bids, supply, step, owner, price, power, whole)
    low, high = supply.lowest_eur_per_kwh[step], supply.highest_eur_per_kwh[step]
    least, most = np.zeros_like(power), np.where(price > high, 0.0, power)
    price = np.clip(price, low, high)
    needed = -sum(bid.base_kw for bid in bids.values())
    price, asked = _alike(price, supply.price_eur_per_kwh[:, step])
    gives, takes = supply.most_kw[:, step], supply.least_kw[:, step]
    at, share, given = _merit(price, least, most, asked, gives, takes, needed)
    filled = _filled(price, least, most, at, share)
    if bool((whole & (price == at) & (most > 0) & (share < 1.0)).any()):
        sells = np.concatenate([bid.sells for bid in bids.values()])[whole]
        one = np.zeros(len(asked), dtype=np.int64)
        steps = Whole(price[whole], most[whole], owner[whole], sells, 0 * owner[whole])
        own, need, zones = ~whole, np.array([needed]), (0 * owner[~whole], one)
        parts, back = _parts(price[own], most[own], asked, takes, gives, need, steps, zones)
        taken = indivisible.filled(parts, steps, need + back)
        least[whole] = most[whole] = np.where(taken, most[whole], 0.0)
        at, share, given = _merit(price, least, most, asked, gives, takes, needed, SAME)
        filled = _filled(price, least, most, at, share)
        at = max(at, float(steps.price_eur_per_kwh[taken & sells].max(initial=at)))
    by_name = {name: filled[owner == k] for k, name in enumerate(names)}
    net = {name: bids[name].base_kw + float(own.sum()) for name, own in by_name.items()}
    return Cleared(at, by_name, net, given)


def _in_zones(
    bids: Mapping[str, Bid],
    supply: ZonedSupply,
    step: int,
    owner: NDArray[np.int64],
    price: Array,
    power: Array,
    whole: Flags,
) -> Cleared:
    """The same in zones that lines couple."""
    home = np.array([supply.members[name] for name in bids], dtype=np.int64)
    zone = home[owner]
    at = zone * supply.steps + step
    low, high = supply.lowest_eur_per_kwh[at], supply.highest_eur_per_kwh[at]
    least, most = np.zeros_like(power), np.where(price > high, 0.0, power)
    price = np.clip(price, low, high)
    base = np.zeros(len(supply.zones))
    np.add.at(base, home, [bid.base_kw for bid in bids.values()])
    found = couple(Steps(zone, price, least, most), base, supply, step)
    paid = found.price_eur_per_kwh
    torn = whole & (found.filled_kw > NOTHING_KW) & (found.filled_kw < most - NOTHING_KW)
    if bool(torn.any()):
        sells = np.concatenate([bid.sells for bid in bids.values()])[whole]
        steps = Whole(price[whole], most[whole], owner[whole], sells, zone[whole])
        own, parts = ~whole, supply.asked(step)
        place = np.array(supply.block_zones, dtype=np.int64)
        divisible, back = _parts(price[own], most[own], *parts, -base, steps, (zone[own], place))
        taken = indivisible.filled(divisible, steps, back - base, Wires.of(supply))
        least[whole] = most[whole] = np.where(taken, most[whole], 0.0)
        found = couple(Steps(zone, price, least, most), base, supply, step)
        needs = np.where(own, found.filled_kw, 0.0)
        needs[whole] = np.where(taken & sells, most[whole], 0.0)
        paid = least_prices(Steps(zone, price, 0 * needs, needs), found, supply, step, SAME)
    by_name = {name: found.filled_kw[owner == k] for k, name in enumerate(bids)}
    net = {name: bids[name].base_kw + float(own.sum()) for name, own in by_name.items()}
    return Cleared(paid, by_name, net, found.supplied_kw)


def _parts(
    price: Array,
    most: Array,
    asked: Array,
    takes: Array,
    gives: Array,
    needed_kw: Array,
    whole: Whole,
    zones: tuple[Indices, Indices],
) -> tuple[Divisible, Array]:
    """What can be given in parts, and what of it is taken in each zone if nobody gives.

    Who takes what is left over gives it back from its price on.
    """
    ends = [kw[np.isfinite(kw)].sum() for kw in (most, gives, -takes, whole.power_kw)]
    end = float(np.abs(needed_kw).sum() + np.sum(ends))
    back = np.minimum(-takes, end)
    power = np.concatenate([most, np.minimum(gives, end), back])
    prices, given = np.concatenate([price, asked, asked]), power > 0
    own, others = zones
    place = np.concatenate([own, others, others])
    taken = np.asarray(np.bincount(others, back, minlength=needed_kw.size), dtype=float)
    return Divisible(prices[given], power[given], place[given]), taken


def _alike(price: Array, asked: Array) -> tuple[Array, Array]:
    """Prices of bids and of others, the highest of them for all that are the same."""
    values = np.unique(np.concatenate([price, asked]))
    begins = np.concatenate([[True], np.diff(values) > SAME_EUR_PER_KWH])
    highest = values[np.append(np.flatnonzero(begins)[1:] - 1, values.size - 1)]
    group = np.cumsum(begins) - 1
    same = highest[group]
    return same[np.searchsorted(values, price)], same[np.searchsorted(values, asked)]


def _merit(
    price: Array,
    least: Array,
    most: Array,
    asked: Array,
    gives: Array,
    takes: Array,
    needed_kw: float,
    slack: float = 0.0,
) -> tuple[float, float, Array]:
    """Price of the hour, the share that steps at it give, and what each of the others gives.

    Steps that come as near to a need as ``slack``, relative to it, meet it.
    """
    needed = needed_kw - float(least.sum())
    if needed < 0:
        return _taken(asked, takes, needed)
    gives = np.minimum(gives, needed)  # nobody is asked for more
    room = most - least
    every = np.concatenate([asked[gives > 0], price[room > 0], [asked.min()]])
    before = 0.0
    for at in np.unique(every):
        here = float(gives[asked == at].sum() + room[price == at].sum())
        if before + here >= needed - slack * abs(needed_kw):
            break
        before += here
    share = (needed - before) / here if here > 0 else 0.0
    return float(at), share, _filled(asked, np.zeros_like(gives), gives, float(at), share)


def _taken(asked: Array, takes: Array, needed_kw: float) -> tuple[float, float, Array]:
    """The same where bids leave power over: who pays most for it takes first."""
    given, left = np.zeros_like(takes), -needed_kw
    at = float(asked.min())
    for k in np.argsort(-asked, kind="stable"):
        if left <= 0 or takes[k] == 0:
            continue
        given[k] = max(takes[k], -left)
        left += given[k]
        at = float(asked[k])
    return at, 0.0, given


def _filled(price: Array, least: Array, most: Array, at: float, share: float) -> Array:
    """Steps below a price given whole, those at it in part."""
    room: NDArray[np.float64] = most - least
    return np.asarray(least + np.where(price < at, room, np.where(price == at, share * room, 0.0)))
