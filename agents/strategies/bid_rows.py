"""What was bid in an auction and what of it was accepted, as rows of the table `bids` (M9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from quartier.optimisation.prices import Blocks, Pass
from quartier.planning import Row
from quartier.problem import Supply
from quartier.quantities import Array


def bids_of(times: Iterable[Any], held: Pass) -> Iterator[Row]:
    """What everybody asked in every hour, and what of it was accepted."""
    hours = zip(times, held.bids, held.cleared, held.offered, strict=True)
    for step, (time, bids, found, (owners, supply)) in enumerate(hours):
        ends = (supply.lowest_eur_per_kwh, supply.highest_eur_per_kwh)
        for name, bid in bids.items():
            low, high = (float(supply.seen(name, end)[step]) for end in ends)
            for price, p_kw, accepted_kw in bid.parts(found.filled_kw[name], low, high):
                yield _row(time, name, price, p_kw, accepted_kw)
        yield from _supplied(time, step, owners, supply, found.supplied_kw)


def blocks_of(times: Iterable[Any], search: Blocks) -> Iterator[Row]:
    """What everybody offered for all hours at once, and what of it was accepted.

    A block of a neighbourhood is a profile that stands for itself: it has a cost, and no price.
    """
    owners, supply = search.of_suppliers.offered
    parts = {name: search.cost_of(name, shares)[1] for name, shares in search.shares.items()}
    supplied = supply.own(supply.dispatch_kw(supply.needed_kw(parts)))
    for step, time in enumerate(times):
        for name, shares in search.shares.items():
            for number, block in search.known(name).items():
                p_kw, share = float(block.p_kw[step]), shares.get(number, 0.0)
                row = _row(time, name, np.nan, p_kw, share * p_kw)
                yield row | {"block": float(number), "block_eur": block.cost_eur, "share": share}
        yield from _supplied(time, step, owners, supply, supplied[:, step])


def _supplied(
    time: Any, step: int, owners: Iterable[str], supply: Supply, supplied_kw: Array
) -> Iterator[Row]:
    """What suppliers asked for their blocks in an hour."""
    prices, least, most = supply.asked(step)
    power = np.where(most > 0, most, least)
    for name, *numbers in zip(owners, prices, power, supplied_kw, strict=True):
        yield _row(time, name, *numbers)


def _row(time: Any, name: str, price: float, p_kw: float, accepted_kw: float) -> dict[str, Any]:
    return {
        "time": time,
        "agent": name,
        "price_eur_per_kwh": float(price),
        "p_kw": float(p_kw) if np.isfinite(p_kw) else np.nan,
        "accepted_kw": float(accepted_kw),
    }
