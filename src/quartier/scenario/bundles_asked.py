"""What a scenario says of bundles: who needs what, what is offered, what units cost (M11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from quartier.scenario.node_settings import CARRIER_PATTERN
from quartier.scenario.settings import Name, Share
from quartier.units.base import CsvColumn, Frozen

CONNECTION = "grid"
"""Name of the connection among what is sized; full names of units hold a dot."""
CarrierName: TypeAlias = Annotated[str, Field(pattern=CARRIER_PATTERN)]


class SoldSettings(Frozen):
    """A carrier that is sold."""

    most_eur_per_kwh: NonNegativeFloat | None = None
    """Highest unit price in EUR/kWh in any bundle. Without one, the choice of the groups has no
    bound: a scenario needs it."""
    serves: list[CarrierName] | None = Field(default=None, min_length=1)
    """Carriers that are needed and sold as this one, e.g. heat and cooling as `heat`; without it,
    itself alone."""


class GroupSettings(Frozen):
    """Users of one kind, who decide alike."""

    households: PositiveInt = 1
    """How many they are: energies and bills may be read for each."""
    needs: dict[CarrierName, CsvColumn] = Field(min_length=1)
    """What all of them need at a time, by carrier: a power, or with unit `1` a shape."""
    kwh_per_household: dict[CarrierName, PositiveFloat] = Field(default_factory=dict)
    """Energy in kWh that each needs in a year, by the carrier that it is sold as: needs are scaled
    to it. Without it, a power is taken as it is."""
    outside_eur_per_kwh: dict[CarrierName, NonNegativeFloat]
    """What the competitor asks in EUR/kWh, by the carrier that is sold."""


class InvestmentSettings(Frozen):
    """What one of a unit costs."""

    capital_eur: NonNegativeFloat
    """What it costs to build, in EUR."""
    life_years: PositiveFloat
    """Years over which its capital is recovered."""
    upkeep_eur: NonNegativeFloat = 0.0
    """Operation and maintenance in EUR a year."""
    most: NonNegativeFloat | None = None
    """How many there may be; without it, any number."""


class TypicalSettings(Frozen):
    """Typical days, found in the days that the horizon has."""

    count: PositiveInt = 12
    """How many days stand for all others."""
    per: Literal["horizon", "month"] = "horizon"
    """Whether so many stand for all days, or for those of each calendar month."""


class BundlesAsked(Frozen):
    """An operator offers carriers in bundles and sizes the units that serve them (seed 004).

    Its system is the one neighbourhood; each unit there is written as one, e.g. of 1 kW, of which
    `sizes` says what it costs; those without are there already. User groups pay least: they meet
    each need by a bundle or from the competitor. Days of the horizon are typical days; with
    `typical`, they are found in it. Money is of a year.
    """

    needs_grid: ClassVar[bool] = False
    has_agents: ClassVar[bool] = False
    lowers_export: ClassVar[bool] = False

    kind: Literal["bundles"] = "bundles"
    """The problem."""
    method: Literal["direct", "cuts"] = "direct"
    """How `bilevel` is solved: with all least bills as rows of one program, or adding those that a
    group would rather have, until upper and lower bound meet (recorded in the table `rounds`)."""
    rule: Literal["mandatory", "optional", "none"] = "mandatory"
    """Whether a larger bundle gives a discount: for all bundles, for those that are offered (any
    may be left out), or never."""
    discount: Share = 0.95
    """Unit price of a carrier in a larger bundle, at most as a share of that in a smaller one."""
    sold: dict[CarrierName, SoldSettings] = Field(min_length=1)
    """Carriers that are sold."""
    bundles: dict[Name, list[CarrierName]] = Field(min_length=1)
    """Bundles by name: carriers that are sold together."""
    groups: dict[Name, GroupSettings] = Field(min_length=1)
    """User groups by name."""
    sizes: dict[Name, InvestmentSettings] = Field(default_factory=dict)
    """What one costs of each unit whose number is chosen, by the unit's name."""
    connection: InvestmentSettings | None = None
    """What a kW of the connection to the grid costs; without it, there is any, for nothing."""
    interest: NonNegativeFloat = 0.06
    """Interest at which capital is recovered, a year."""
    co2_eur_per_kg: NonNegativeFloat = 0.0
    """What the operator pays for emissions, of fuel and of power from the grid, in EUR/kg."""
    days: list[PositiveFloat] | None = Field(default=None, min_length=1)
    """How many days of the year each day of the horizon stands for; without it, all alike."""
    typical: TypicalSettings | None = None
    """Find typical days in the horizon, e.g. a year; without it, each of its days is one."""

    @model_validator(mode="after")
    def _days_once(self) -> BundlesAsked:
        if self.days is not None and self.typical is not None:
            raise ValueError("days and typical both say what days stand for; remove one")
        return self

    @property
    def serves(self) -> Mapping[str, str]:
        """Carrier that a needed one is sold as."""
        return {
            needed: sold
            for sold, settings in self.sold.items()
            for needed in settings.serves or [sold]
        }
