"""A market: suppliers serve what neighbourhoods draw together, the cheapest first (M9; seed 003).

A supplier's cost is piecewise linear: blocks of power, each at a price. A reserve without an end
serves what they lack at the ceiling of the price, and takes what nobody wants at its floor. So the
price never leaves these two, and every need can be met. Sharing is a market of two such blocks
alone, the outer grid's tariffs.

With zones, each has a reserve of its own, and what lines between them may carry couples them
(:mod:`quartier.problem.zones`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from quartier.problem.pooling import Pooling
from quartier.problem.supply import Supply
from quartier.problem.zones import ZonedSupply, Zones
from quartier.quantities import Array
from quartier.scenario.communication import MARKET

RESERVE = "balancing reserve"
"""Who serves what suppliers lack, and takes what nobody wants. No supplier has a blank in its
name."""


@dataclass(frozen=True)
class Market(Pooling):
    """Neighbourhoods coupled by suppliers; arrays have shape ``(S, T)``, one row a block."""

    kind: ClassVar[str] = "market"
    coordinator: ClassVar[str] = MARKET
    answers: ClassVar[frozenset[str]] = frozenset()
    tables: ClassVar[tuple[str, ...]] = ("supply", "rounds", "bids", "zones", "flows")
    kpis: ClassVar[tuple[str, ...]] = (
        "leader_cost",
        "system_cost",
        "system_cost_change",
        "cost_change",
        "follower_suboptimality",
        "rounds",
        "certified_gap",
        "numbers_exchanged",
        "longest_answer",
        "supplied_energy",
        "supplier_surplus",
        "price_mean",
        "price_spread",
        "unserved_by_suppliers",
        "congestion_rent",
        "hours_congested",
        "zone_price",
    )

    dt_h: float
    suppliers: tuple[str, ...]
    """Supplier of each block; the last two are the reserve's, or of every zone two."""
    blocks: Supply

    @classmethod
    def of(
        cls,
        dt_h: float,
        steps: int,
        suppliers: Mapping[str, Sequence[tuple[float | Array, float]]],
        floor_eur_per_kwh: float,
        ceiling_eur_per_kwh: float,
        zones: Zones | None = None,
    ) -> Market:
        """Make a market of blocks: power in kW, of each step or all, and price in EUR/kWh."""
        every = [(name, *block) for name, blocks in suppliers.items() for block in blocks]
        price = [block_price for _, _, block_price in every]
        price += [floor_eur_per_kwh, ceiling_eur_per_kwh]
        least = [*(0.0 for _ in every), -np.inf, 0.0]
        most = [*(power for _, power, _ in every), 0.0, np.inf]
        columns = [
            np.array([np.broadcast_to(value, steps) for value in rows], dtype=float)
            for rows in (price, least, most)
        ]
        names = tuple(name for name, _, _ in every)
        blocks = Supply(dt_h, *columns)
        if zones is None:
            return cls(dt_h, (*names, RESERVE, RESERVE), blocks)
        reserves = [f"{RESERVE} {zone}" for zone in zones.names for _ in range(2)]
        return cls(dt_h, (*names, *reserves), zones.supply(blocks, (*names, RESERVE, RESERVE)))

    @property
    def supply(self) -> Supply:
        """What suppliers and the reserve ask and pay."""
        return self.blocks

    @property
    def owners(self) -> tuple[str, ...]:
        """Suppliers, and the reserve."""
        return self.suppliers

    @property
    def asked(self) -> Mapping[str, Supply]:
        """Every supplier's own blocks."""
        names = dict.fromkeys(name for name in self.suppliers if not name.startswith(RESERVE))
        owners = np.array(self.suppliers)
        return {name: self.blocks.alone(np.flatnonzero(owners == name)) for name in names}

    @property
    def public(self) -> tuple[tuple[str, ...], Supply]:
        """The reserve, or that of every zone: floor and ceiling of the price are rules."""
        rows = np.flatnonzero([name.startswith(RESERVE) for name in self.suppliers])
        return tuple(self.suppliers[k] for k in rows.tolist()), self.blocks.of(rows)

    @cached_property
    def inside_fee_eur_per_kwh(self) -> Array:
        """There is none."""
        return np.zeros(self.blocks.steps)

    @property
    def zones(self) -> ZonedSupply | None:
        """The supply by zones; None if there are none."""
        return self.blocks if isinstance(self.blocks, ZonedSupply) else None

    @property
    def places(self) -> tuple[str, ...]:
        """Zones have prices as well, for suppliers in them."""
        return self.zones.zones if self.zones is not None else ()

    def by_supplier(
        self, needed_kw: Array, power_kw: Array | None = None
    ) -> dict[str, tuple[Array, Array]]:
        """Power in kW and cost in EUR of each supplier for a need, shape ``(T,)`` each.

        With zones both have a value at every balance, 0 in other zones than its own.

        Parameters
        ----------
        power_kw
            What blocks do for that, if it is known.
        """
        power = self.blocks.dispatch_kw(needed_kw) if power_kw is None else power_kw
        cost = power * self.blocks.price_eur_per_kwh * self.dt_h
        return {
            name: (power[rows].sum(axis=0), cost[rows].sum(axis=0))
            for name in dict.fromkeys(self.suppliers)
            if (rows := [k for k, owner in enumerate(self.suppliers) if owner == name])
        }
