"""One hour's auction: bids and what others ask, in the order of their prices (M9).

Whoever asks less gives first. Steps at the price of the hour share what is left in proportion to
their power; a step that is whole or nothing is taken if that would be half of it or more, and the
rest is cleared anew. So such a step may be taken below its price, or left above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quartier.optimisation.prices.bids import Bid
from quartier.optimisation.prices.coupled import Steps, couple
from quartier.problem import Supply, ZonedSupply
from quartier.program import Flags
from quartier.quantities import Array

SAME_EUR_PER_KWH = 1e-7
"""Prices closer than this are one: less than a bid can tell."""

NOTHING_KW = 1e-6
"""Power that counts as none."""

HALF = 0.5
"""Share of a whole step from which on it is taken."""


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
        By bidder. In a bid of another hour may be prices that cannot be in this one: what is sold
        above the highest is not taken.
    supply
        What others ask and pay; among them somebody that gives, and one that takes, without end.
    """
    names = list(bids)
    sizes = [bids[name].power_kw.size for name in names]
    owner = np.repeat(np.arange(len(names)), sizes)
    place = np.concatenate([np.arange(size) for size in sizes]) if sizes else np.zeros(0)
    price = np.concatenate([*(b.price_eur_per_kwh for b in bids.values()), np.zeros(0)])
    power = np.concatenate([*(b.power_kw for b in bids.values()), np.zeros(0)])
    whole = np.repeat([b.whole for b in bids.values()], sizes).astype(bool)
    if isinstance(supply, ZonedSupply):
        return _in_zones(bids, supply, step, owner, place, price, power, whole)
    low, high = supply.lowest_eur_per_kwh[step], supply.highest_eur_per_kwh[step]
    least, most = np.zeros_like(power), np.where(price > high, 0.0, power)
    price = np.clip(price, low, high)
    needed = -sum(bid.base_kw for bid in bids.values())
    price, asked = _alike(price, supply.price_eur_per_kwh[:, step])
    gives, takes = supply.most_kw[:, step], supply.least_kw[:, step]
    while True:
        at, share, given = _merit(price, least, most, asked, gives, takes, needed)
        torn = np.flatnonzero(whole & (price == at) & (most > least) & (share < 1.0))
        if not torn.size:
            break
        first = torn[0]
        own = owner == owner[first]
        if share >= HALF:
            least[own & (place <= place[first])] = most[own & (place <= place[first])]
        else:
            most[own & (place >= place[first])] = least[own & (place >= place[first])]
    filled = _filled(price, least, most, at, share)
    by_name = {name: filled[owner == k] for k, name in enumerate(names)}
    net = {name: bids[name].base_kw + float(own.sum()) for name, own in by_name.items()}
    return Cleared(at, by_name, net, given)


def _in_zones(
    bids: Mapping[str, Bid],
    supply: ZonedSupply,
    step: int,
    owner: NDArray[np.int64],
    place: Array,
    price: Array,
    power: Array,
    whole: Flags,
) -> Cleared:
    """The same in zones that lines couple."""
    home = np.array([supply.members[name] for name in bids], dtype=np.int64)
    at = home[owner] * supply.steps + step
    low, high = supply.lowest_eur_per_kwh[at], supply.highest_eur_per_kwh[at]
    least, most = np.zeros_like(power), np.where(price > high, 0.0, power)
    price = np.clip(price, low, high)
    base = np.zeros(len(supply.zones))
    np.add.at(base, home, [bid.base_kw for bid in bids.values()])
    while True:
        found, filled, given = couple(Steps(home[owner], price, least, most), base, supply, step)
        part = filled - least
        torn = np.flatnonzero(whole & (part > NOTHING_KW) & (part < most - least - NOTHING_KW))
        if not torn.size:
            break
        first = torn[0]
        own = owner == owner[first]
        if part[first] >= HALF * (most - least)[first]:
            least[own & (place <= place[first])] = most[own & (place <= place[first])]
        else:
            most[own & (place >= place[first])] = least[own & (place >= place[first])]
    by_name = {name: filled[owner == k] for k, name in enumerate(bids)}
    net = {name: bids[name].base_kw + float(own.sum()) for name, own in by_name.items()}
    return Cleared(found, by_name, net, given)


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
) -> tuple[float, float, Array]:
    """Price of the hour, the share that steps at it give, and what each of the others gives."""
    needed = needed_kw - float(least.sum())
    if needed < 0:
        return _taken(asked, takes, needed)
    gives = np.minimum(gives, needed)  # nobody is asked for more
    room = most - least
    every = np.concatenate([asked[gives > 0], price[room > 0], [asked.min()]])
    before = 0.0
    for at in np.unique(every):
        here = float(gives[asked == at].sum() + room[price == at].sum())
        if before + here >= needed:
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
