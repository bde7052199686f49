"""What a scenario file may say of prices, and of the nodes of a neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, NonNegativeFloat, PositiveFloat, Tag

from quartier.units.base import CsvColumn, Frozen, Source

TIME_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d$"


class TimeOfUse(Frozen):
    """A price from a time of day on."""

    start: str = Field(alias="from", pattern=TIME_PATTERN)
    """Local time of day (Europe/Berlin), `HH:MM`."""
    eur_per_kwh: float
    """Price in EUR/kWh until the next entry."""


def _once_a_day(entries: list[TimeOfUse]) -> list[TimeOfUse]:
    starts = [entry.start for entry in entries]
    if twice := sorted({start for start in starts if starts.count(start) > 1}):
        raise ValueError(f"more than one price from {', '.join(twice)} on: keep one of each")
    return entries


class MarketPrice(Frozen):
    """A price of a market, and what comes on top of it."""

    market: Source
    """A column of a CSV file, as SMARD exports it, or `synthetic:day-ahead`, a synthetic series of
    hours with the shape of German day-ahead prices."""
    plus_eur_per_kwh: float = 0.0
    """Grid fees, levies and taxes on top in EUR/kWh."""


def _tag_of_price(data: Any) -> str:
    of_market = isinstance(data, MarketPrice) or (isinstance(data, Mapping) and "market" in data)
    return "of-market" if of_market else "stated"


_Stated: TypeAlias = (
    float | Annotated[list[TimeOfUse], Field(min_length=1), AfterValidator(_once_a_day)] | CsvColumn
)

Price: TypeAlias = Annotated[
    Annotated[_Stated, Tag("stated")] | Annotated[MarketPrice, Tag("of-market")],
    Discriminator(_tag_of_price),
]
"""A number in EUR/kWh, a list by time of day, a column of a CSV file, or `market` and what comes on
top of it."""


def column_of(price: Any) -> CsvColumn | None:
    """Return the column of a CSV file that a price is read from, if it is."""
    source = price.market if isinstance(price, MarketPrice) else price
    return source if isinstance(source, CsvColumn) else None


CARRIER_PATTERN = r"^[a-z][a-z0-9_]*$"


class BuySettings(Frozen):
    """What a node buys from outside."""

    price_eur_per_kwh: Price
    """Price in EUR/kWh."""
    max_kw: PositiveFloat | None = None
    """Most that is bought at a time in kW; without it, any."""
    co2_kg_per_kwh: NonNegativeFloat = 0.0
    """Emissions of what is bought in kg/kWh."""


class SellSettings(Frozen):
    """What a node sells to outside."""

    price_eur_per_kwh: Price
    """Price in EUR/kWh, at most that at which the node buys."""
    max_kw: PositiveFloat | None = None
    """Most that is sold at a time in kW; without it, any."""


class NodeSettings(Frozen):
    """A node: units of the neighbourhood share the balance of its carrier."""

    carrier: str = Field(pattern=CARRIER_PATTERN)
    """What it balances: `heat`, `cooling`, `gas`, `hydrogen`, or a name of your own. Electricity is
    balanced at the connection point."""
    demand: NonNegativeFloat | CsvColumn | None = None
    """Demand beside that of units in kW: a number, or a column of a CSV file (kW, MW, W)."""
    buy: BuySettings | None = None
    """What it buys from outside; without it, nothing."""
    sell: SellSettings | None = None
    """What it sells to outside; without it, nothing."""
    efficiency: float = Field(1.0, gt=0, le=1)
    """Share that is left, on its way, of what it buys and of what it sells: a pipeline's losses.
    Both are metered, and paid for, outside."""
    unserved_eur_per_kwh: PositiveFloat | None = None
    """Cost in EUR/kWh of what is not served; without it, `objectives.penalty_eur_per_kwh`."""
    rejected_eur_per_kwh: NonNegativeFloat | None = None
    """Cost in EUR/kWh of what nobody takes; without it, 5 % of `objectives.penalty_eur_per_kwh`."""
