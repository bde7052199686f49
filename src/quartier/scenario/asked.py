"""What a scenario asks: one model a problem, told apart by ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    NonNegativeFloat,
    PositiveFloat,
    model_validator,
)
from pydantic_core import CoreSchema

from quartier.quantities import Array
from quartier.scenario.bundles_asked import BundlesAsked, CarrierName
from quartier.scenario.node_settings import Price
from quartier.scenario.settings import Name, Share
from quartier.units.base import Frozen, SeriesRequest, Source, is_measured

MOST_PLAYERS = 6
"""Most neighbourhoods for an allocation that looks at all their coalitions."""


class RedispatchAsked(Frozen):
    """The grid operator removes congestion by taps and caps; its settings stand in `redispatch`."""

    needs_grid: ClassVar[bool] = True
    has_agents: ClassVar[bool] = True
    lowers_export: ClassVar[bool] = False

    kind: Literal["redispatch"] = "redispatch"
    """The problem."""


class SharingAsked(Frozen):
    """The neighbourhoods share a pool with an outer grid.

    It sells at the import price and buys at the export price of `signals`; grid fees are part of
    the import price. Where that is below the export price, the export price is lowered to it (M8).
    """

    needs_grid: ClassVar[bool] = False
    has_agents: ClassVar[bool] = True
    lowers_export: ClassVar[bool] = True
    """Whether the export price gives way where the import price is below it."""

    kind: Literal["sharing"] = "sharing"
    """The problem."""
    grid_fee_eur_per_kwh: NonNegativeFloat = 0.0
    """Grid fees in EUR/kWh that the import price holds; the price of shared energy is without."""
    inside_fee_share: Share = 0.0
    """Part of the grid fees that is due on energy from other neighbourhoods, too: 0 none (seed
    000), 1 all of it (as in Germany), in between a reduced fee (as in Austria's communities). At
    most what lies between import and export price."""
    price: Literal["max-min", "lowest", "highest"] = "max-min"
    """Which of the optimal prices `bilevel` sets: the one that makes the least saving of a
    neighbourhood as large as it can be, the lowest, or the highest."""
    allocation: Literal["retrospective", "equal", "proportional", "shapley"] = "retrospective"
    """How `central` and `cohda` hand out what the pool costs: by the source's rule (seed 000, eq.
    3-5), or what sharing saves split equally, in proportion to the energy shared, or by the
    Shapley value (at most six neighbourhoods)."""
    leader: Literal["pool", "all"] = "pool"
    """What the leader of `bilevel` pays: what the pool costs (eq. 6), or besides what all
    neighbourhoods pay themselves. The first is a linear program with a certificate, the second
    another game, solved by its optimality conditions: for a few units and a day."""
    redispatch: bool = False
    """Whether the operator of the grid caps what the pool planned where it would be congested, by
    the settings of `redispatch`. Prices and certificates are those of before."""


class BlockSettings(Frozen):
    """Power that a supplier sells at a price."""

    power_kw: PositiveFloat
    """Most power in kW."""
    price_eur_per_kwh: float
    """What it costs the supplier in EUR/kWh."""


class SupplierSettings(Frozen):
    """A supplier outside the neighbourhoods: its cost is piecewise linear."""

    blocks: list[BlockSettings] = Field(min_length=1)
    """Blocks of power, in any order; the cheapest are used first."""
    zone: Name | None = None
    """Zone that it sells in, where the market has `zones`."""
    profile: Source | None = None
    """Share that it has of its blocks' power: a SimBench profile (`WP4`), one from weather (`pv:3`,
    `wind:3`), or a CSV column, which may also be the power of all blocks together; without it, all
    of it at any time."""
    energy_kwh_per_year: PositiveFloat | None = None
    """Energy in kWh that it has in a year, which a profile without a unit is scaled to; without it,
    the profile is taken as it is. Of a few peaks, no more than its blocks' power is there."""

    @model_validator(mode="after")
    def _an_energy_has_a_profile(self) -> SupplierSettings:
        if self.energy_kwh_per_year is not None and (
            self.profile is None or is_measured(self.profile)
        ):
            raise ValueError(
                "energy_kwh_per_year scales a profile without a unit, and there is none; remove it"
            )
        return self

    @property
    def power_kw(self) -> float:
        """Power of all blocks in kW."""
        return sum(block.power_kw for block in self.blocks)

    @property
    def request(self) -> SeriesRequest | None:
        """What it asks for to follow its profile; None: it has none."""
        if self.profile is None:
            return None
        # No rated power: what is scaled to its energy is no share of it.
        annual = self.energy_kwh_per_year
        return SeriesRequest(
            self.profile,
            "kW",
            factor=1.0 if annual else self.power_kw,
            annual_kwh=annual,
            rated_kw=None if annual else self.power_kw,
        )


class LineSettings(Frozen):
    """A line between two zones. It loses nothing, and carries any power up to its capacity."""

    start: Name = Field(alias="from")
    """Zone where it starts."""
    end: Name = Field(alias="to")
    """Zone where it ends."""
    capacity_kw: NonNegativeFloat
    """Most power in kW that it carries at a time."""
    back_kw: NonNegativeFloat | None = None
    """Most power in kW that it carries from its end to its start; without it, as much as forth."""


class MarketAsked(Frozen):
    """Suppliers serve what neighbourhoods draw together, the cheapest first (seed 003).

    The prices of `signals` are what neighbourhoods expect: `individual` plans by them. What is
    executed is served by the suppliers' blocks in the order of their prices, and paid at the price
    of the plan; without one, at that of the last block.
    """

    needs_grid: ClassVar[bool] = False
    has_agents: ClassVar[bool] = True
    lowers_export: ClassVar[bool] = False

    kind: Literal["market"] = "market"
    """The problem."""
    suppliers: dict[Name, SupplierSettings] = Field(min_length=1)
    """Suppliers by name. Each is an agent, to `price-response` and `auction`."""
    zones: list[Name] = Field(default_factory=list)
    """Zones of the market by name: every supplier and neighbourhood then says in which `zone` it
    is, and each zone has a price of electricity of its own. Without any, there is one price."""
    lines: dict[Name, LineSettings] = Field(default_factory=dict)
    """Lines between zones by name; zones without a line between them trade nothing."""
    agents: int | None = Field(default=None, gt=0, le=100_000)
    """Suppliers and neighbourhoods that there should be: while there are fewer, one is split in two
    at random (by the run's seed), six suppliers to four neighbourhoods, and totals stay. Without
    it, those that are named."""
    floor_eur_per_kwh: float = 0.0
    """Least price in EUR/kWh: what nobody wants is taken at it."""
    ceiling_eur_per_kwh: float = 3.0
    """Highest price in EUR/kWh: what suppliers lack is served at it. 3 EUR/kWh was the harmonised
    limit of European day-ahead auctions until 2022."""

    @model_validator(mode="after")
    def _within(self) -> MarketAsked:
        wrong = [
            f"supplier {name!r} asks {block.price_eur_per_kwh:g} EUR/kWh"
            for name, supplier in self.suppliers.items()
            for block in supplier.blocks
            if not self.floor_eur_per_kwh <= block.price_eur_per_kwh <= self.ceiling_eur_per_kwh
        ]
        if self.floor_eur_per_kwh >= self.ceiling_eur_per_kwh:
            wrong = ["the floor is not below the ceiling"]
        if wrong:
            raise ValueError(
                f"{'; '.join(wrong)}; prices lie between floor {self.floor_eur_per_kwh:g} and"
                f" ceiling {self.ceiling_eur_per_kwh:g} EUR/kWh"
            )
        return self

    def of_suppliers(
        self, available_kw: Mapping[str, Array]
    ) -> dict[str, list[tuple[float | Array, float]]]:
        """Power in kW and price in EUR/kWh of all blocks, by supplier.

        Parameters
        ----------
        available_kw
            Power that suppliers with a profile have, shape ``(T,)``: that of their blocks, too.
        """
        found: dict[str, list[tuple[float | Array, float]]] = {}
        for name, supplier in self.suppliers.items():
            share: float | Array = 1.0
            if name in available_kw:
                share = np.minimum(available_kw[name] / supplier.power_kw, 1.0)
            found[name] = [(b.power_kw * share, b.price_eur_per_kwh) for b in supplier.blocks]
        return found


class PricedSettings(Frozen):
    """A carrier that the player prices."""

    cap_eur_per_kwh: NonNegativeFloat | None = None
    """Highest price in EUR/kWh. Without one, demand that must be served would pay any price: a
    scenario needs it. The tariffs of neighbourhoods should be no lower, else they could do better
    without the player."""
    floor_eur_per_kwh: NonNegativeFloat = 0.0
    """Lowest price in EUR/kWh."""
    wholesale_eur_per_kwh: Price | None = None
    """Price in EUR/kWh at which the player buys and sells at a market; without it there is none,
    and what some neighbourhoods sell must be what others buy."""
    most_bought_kw: NonNegativeFloat | None = None
    """Most that the player buys at the market at a time, by contract; without it, any."""
    most_sold_kw: NonNegativeFloat | None = None
    """Most that it sells there."""


class PricingAsked(Frozen):
    """A player sets the prices at which neighbourhoods trade carriers with it (seed 002).

    What a neighbourhood would pay without it are the tariffs of `signals` (electricity) and of its
    nodes. Neighbourhoods buy and sell at the price, the same way.
    """

    needs_grid: ClassVar[bool] = False
    has_agents: ClassVar[bool] = False
    lowers_export: ClassVar[bool] = False

    kind: Literal["pricing"] = "pricing"
    """The problem."""
    mode: Literal["uniform", "individual"] = "uniform"
    """Whether `bilevel` sets one price for all neighbourhoods (mode II of the source) or one for
    each (mode III)."""
    carriers: dict[CarrierName, PricedSettings] = Field(min_length=1)
    """Carriers that the player prices; `electricity` is one of them."""


def _in_full(data: Any) -> Any:
    """Take a word for the kind of a problem, and nothing for the default."""
    if isinstance(data, str):
        return {"kind": data}
    return {"kind": "redispatch"} if data == {} else data


class _OrItsWord:
    """Lets editors know that the kind alone will do."""

    @staticmethod
    def __get_pydantic_json_schema__(
        schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        union = handler(schema)
        words = {"type": "string", "enum": list(union["discriminator"]["mapping"])}
        return {**union, "oneOf": [*union["oneOf"], words]}


Asked: TypeAlias = Annotated[
    Annotated[
        RedispatchAsked | SharingAsked | MarketAsked | PricingAsked | BundlesAsked,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_in_full),
    _OrItsWord,
]
"""A problem: its kind as a word, or a mapping with `kind` and its settings."""
