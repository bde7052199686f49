"""What a scenario file may say: frozen models, unknown keys forbidden.

The docstring under a field is its text in the JSON schema and in the reference page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias

import pandas as pd
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from quartier.errors import InputError
from quartier.grid import Engine
from quartier.quantities import LOCAL, Horizon
from quartier.scenario.asked import Asked, RedispatchAsked
from quartier.scenario.forecast_error import ForecastErrorSettings
from quartier.scenario.node_settings import NodeSettings, Price, TimeOfUse
from quartier.scenario.own_simulators import OwnSimulator
from quartier.scenario.settings import (
    LOWER_EUR_PER_KWH,
    NAME_PATTERN,
    CheckpointSettings,
    CommunicationSettings,
    DeadlineSettings,
    GateSettings,
    MarketSettings,
    Name,
    NegotiationSettings,
    OptimisationSettings,
    RecordSettings,
    RedispatchSettings,
    StoreSettings,
)
from quartier.units.base import CsvColumn, Frozen, Source, UnitParameters
from quartier.units.kinds import is_own, own_kind

__all__ = [
    "LOCAL",
    "NAME_PATTERN",
    "CheckpointSettings",
    "CommunicationSettings",
    "DeadlineSettings",
    "GateSettings",
    "GridSettings",
    "HorizonSettings",
    "MarketSettings",
    "Name",
    "NegotiationSettings",
    "NeighbourhoodSettings",
    "NodeSettings",
    "ObjectiveSettings",
    "OptimisationSettings",
    "Price",
    "RecordSettings",
    "RedispatchSettings",
    "Scenario",
    "SignalSettings",
    "TimeOfUse",
]


def _written_time(value: Any) -> Any:
    if not isinstance(value, (str, datetime)):
        raise ValueError("write a time, e.g. 2016-07-25T00:00 (local) or 2016-07-25T00:00+01:00")
    return value


def _unique_time(value: datetime) -> datetime:
    to_utc(value)
    return value


def to_utc(time: datetime) -> pd.Timestamp:
    """Return a time as UTC; without an offset it is local time (Europe/Berlin).

    Raises
    ------
    ValueError
        If daylight saving repeats or skips the local time.
    """
    stamp = pd.Timestamp(time)
    if stamp.tzinfo is not None:
        return stamp.tz_convert("UTC")
    local = stamp.tz_localize(LOCAL, ambiguous="NaT", nonexistent="NaT")
    if not isinstance(local, pd.Timestamp):
        raise ValueError(
            f"{time:%Y-%m-%d %H:%M} in {LOCAL.key} is repeated or skipped by daylight saving; add "
            "the offset, e.g. +01:00"
        )
    return local.tz_convert("UTC")


class HorizonSettings(Frozen):
    """The intervals that a run goes through."""

    start: Annotated[datetime, BeforeValidator(_written_time), AfterValidator(_unique_time)]
    """Start of the first interval: local time (Europe/Berlin), or with an offset."""
    steps: PositiveInt = 130
    """Number of intervals; 130 of 15 min are the 32.5 h of Redispatch 2.0 (seed 001)."""
    step_minutes: Literal[5, 10, 15, 30, 60] = 15
    """Length of an interval in minutes."""

    @model_validator(mode="after")
    def _ends(self) -> HorizonSettings:
        try:
            # with some days more, for any offset from UTC
            self.start + timedelta(minutes=(self.steps + 1440) * self.step_minutes)
        except OverflowError as error:
            raise ValueError(f"{self.steps} steps go beyond the year 9999") from error
        return self

    @property
    def horizon(self) -> Horizon:
        """The intervals in UTC."""
        return Horizon(to_utc(self.start), self.steps, self.step_minutes / 60)


class GridSettings(Frozen):
    """The distribution grid: a SimBench grid, or one's own as pandapower JSON."""

    simbench: str | None = None
    """SimBench code, e.g. `1-MV-rural--2-sw`."""
    json_file: str | None = Field(default=None, alias="json")
    """pandapower JSON file, relative to the scenario's folder."""
    profiles: dict[str, CsvColumn] = Field(default_factory=dict)
    """Profiles (share of the rated power) by the name in the column `profile` of loads and
    sgens; other names are SimBench's. Without a name an element keeps its power."""
    engine: Engine = "auto"
    """Power-flow engine of the execution: power-grid-model, which is some ten times as fast, or
    pandapower; `auto` takes power-grid-model where it can model the grid."""
    tap_pos: int | None = None
    """Tap position at the start of the transformers whose taps the grid operator moves; without
    it, every transformer keeps its own of the grid's data."""
    tap_changers: list[int | str] | None = None
    """Transformers whose taps the grid operator moves (all by the same number of steps), by index
    or name; without it, those from high (above 36 kV) to medium voltage (above 1 kV)."""
    lines_out: list[int | str] = Field(default_factory=list)
    """Lines out of service, by index or name."""
    lines_in: list[int | str] = Field(default_factory=list)
    """Lines whose open switches get closed, by index or name."""
    max_loading_percent: PositiveFloat | dict[int | str, PositiveFloat] | None = None
    """Loading limit in percent of all lines, or of single lines by index or name; without it,
    the limits of the grid's data hold."""

    @model_validator(mode="after")
    def _one_grid(self) -> GridSettings:
        if (self.simbench is None) == (self.json_file is None):
            raise ValueError("name the grid by exactly one of 'simbench' and 'json'")
        return self


def _tag_of_grid(data: Any) -> str:
    return "none" if isinstance(data, str) else "grid"


MaybeGrid: TypeAlias = Annotated[
    Annotated[GridSettings, Tag("grid")] | Annotated[Literal["none"], Tag("none")],
    Discriminator(_tag_of_grid),
]
"""A grid, or the word `none`."""


class SignalSettings(Frozen):
    """Prices, emission factors and weather."""

    export_eur_per_kwh: Price
    """Price in EUR/kWh that a neighbourhood gets for what it feeds in."""
    import_eur_per_kwh: Price
    """Price in EUR/kWh that a neighbourhood pays for what it draws, at least the export price."""
    flexibility_up_eur_per_kwh: Price | None = None
    """L5: price in EUR/kWh expected for every kW by which a step could be raised."""
    flexibility_down_eur_per_kwh: Price | None = None
    """L5: price in EUR/kWh expected for every kW by which a step could be lowered."""
    co2_kg_per_kwh: NonNegativeFloat = 0.38
    """Emissions of electricity from the upper grid in kg/kWh."""
    temperature: Source | float | None = None
    """Outdoor temperature in °C: a number, a column of a CSV file (unit `degC` or `K`), or the
    German test reference year of a region (`try:3`). Heat pumps need it."""


FLEXIBILITY = ("flexibility_up_eur_per_kwh", "flexibility_down_eur_per_kwh")
"""Signals that are prices of flexibility, upwards and downwards (L5)."""


class ObjectiveSettings(Frozen):
    """What the neighbourhoods' objectives weigh (M3)."""

    curtailment_eur_per_kwh: NonNegativeFloat = 0.10
    """L0: cost in EUR/kWh of curtailed PV and wind energy; above wear, so that storage acts
    first."""
    peak_eur_per_kw: NonNegativeFloat = 0.0
    """L1: cost in EUR/kW of the greatest import over the window."""
    imported_eur_per_kwh: NonNegativeFloat = 0.0
    """L1e: cost in EUR/kWh of imported energy, besides its price."""
    flexibility_eur_per_kwh: NonNegativeFloat = 0.0
    """L2: worth in EUR/kWh of every kW by which a step could be raised or lowered."""
    co2_eur_per_kg: NonNegativeFloat = 0.0
    """L3: cost in EUR/kg of the emissions of all fuel burnt."""
    penalty_eur_per_kwh: PositiveFloat = 10.0
    """Cost in EUR/kWh of what a cap forbids and of heat not served; dominates all else."""


def _lazy_union(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    from quartier.units import KINDS

    choices = {name: handler.generate_schema(kind.Parameters) for name, kind in KINDS.items()}
    shipped = core_schema.tagged_union_schema(choices, discriminator="kind")
    return core_schema.no_info_wrap_validator_function(
        _parameters, shipped, serialization=core_schema.simple_ser_schema("any")
    )


def _parameters(data: Any, shipped: Callable[[Any], Any]) -> Any:
    """Check parameters by the model of their kind: one of ours, or one of the user's own."""
    name = data.get("kind") if isinstance(data, Mapping) else None
    if not is_own(name):
        return shipped(data)
    try:
        return own_kind(str(name)).Parameters.model_validate(data)
    except InputError as error:
        raise PydanticCustomError("own_kind", "{problem}", {"problem": error.problems[0]}) from None


def _with_own_kinds(schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """JSON schema of the kinds that Quartier ships, or any parameters for one's own kind."""
    union = handler(schema)
    own = {
        "type": "object",
        "title": "A kind of your own",
        "description": "Parameters of a kind of your own; they are checked by its class.",
        "properties": {"kind": {"type": "string", "pattern": OWN_PATTERN}},
        "required": ["kind"],
    }
    return {**union, "oneOf": [*union["oneOf"], own]}


class _ByKind:
    """Makes a unit's parameters the model that its `kind` has in `quartier.units.KINDS`."""

    __get_pydantic_core_schema__ = staticmethod(_lazy_union)
    __get_pydantic_json_schema__ = staticmethod(_with_own_kinds)


OWN_PATTERN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""How a class of the user's own is named: `module:Class`."""

Unit: TypeAlias = Annotated[UnitParameters, _ByKind]
"""Parameters of any kind of unit, told apart by `kind`: a known one, or `module:Class`."""


def _bus_may_lack(schema: dict[str, Any]) -> None:
    """A schema cannot say that a neighbourhood needs a bus only where there is a grid."""
    schema["required"] = [key for key in schema["required"] if key != "bus"]


class NeighbourhoodSettings(Frozen):
    """A neighbourhood behind one connection point."""

    model_config = ConfigDict(defer_build=True, json_schema_extra=_bus_may_lack)

    bus: NonNegativeInt | str | None
    """Bus of the grid that it is connected to, by index or name; needed where there is a grid."""
    zone: Name | None = None
    """Zone of the market that it trades in, for `problem: market` with `zones`."""
    redispatch_price_eur_per_kwh: NonNegativeFloat = LOWER_EUR_PER_KWH
    """Price in EUR/kWh at which the DSO may lower its feed-in."""
    p_max_kw: NonNegativeFloat | None = None
    """Most power in kW that it may feed in at any time by its connection contract."""
    p_min_kw: float | None = Field(default=None, le=0)
    """Least (most negative) power in kW: what it may draw by its connection contract."""
    connection_efficiency: float = Field(1.0, gt=0, le=1)
    """Share that is left of what it draws and of what it feeds in on the way through its
    connection: a transformer's losses, which are metered, and paid for, with the rest. For
    `problem: pricing` without a grid; a grid has losses of its own."""
    units: dict[Name, Unit] = Field(min_length=1)
    """Its units by name."""
    nodes: dict[Name, NodeSettings] = Field(default_factory=dict)
    """Its nodes of other carriers than electricity, by name. Heat hubs, and nodes without demand
    and tariffs, need not be declared."""


class Scenario(Frozen):
    """A study: the grid, the neighbourhoods, prices, and how they are coordinated."""

    model_config = ConfigDict(defer_build=True)

    name: Name
    """Name, also of the folder of its runs."""
    title: str = ""
    """Title in one line."""
    description: str = ""
    """What the study is about, and where its data come from."""
    problem: Asked = RedispatchAsked()
    """What is coordinated: `redispatch`, the DSO's caps; `sharing`, a pool of neighbourhoods;
    `market`, suppliers that serve them; `pricing`, a player that sets prices of carriers; or
    `bundles`, an operator that offers carriers together and sizes its units."""
    coordination: str = Field(default="cohda", min_length=1)
    """Mechanism: a known name, or `module:Class` of one's own."""
    seed: NonNegativeInt = 1
    """Seed of everything drawn at random."""
    horizon: HorizonSettings
    """The intervals that a run goes through."""
    gates: GateSettings = GateSettings()
    """When planning happens."""
    grid: MaybeGrid
    """The distribution grid; or `none`, a copper plate: then power is not restricted by a grid, and
    there are no results of one."""
    signals: SignalSettings
    """Prices, emission factors and weather."""
    objectives: ObjectiveSettings = ObjectiveSettings()
    """What the neighbourhoods' objectives weigh."""
    stores: StoreSettings = StoreSettings()
    """How stores end what is planned."""
    redispatch: RedispatchSettings = RedispatchSettings()
    """How the DSO removes congestion."""
    optimisation: OptimisationSettings = OptimisationSettings()
    """How the centralised mechanisms search."""
    negotiation: NegotiationSettings = NegotiationSettings()
    """How the agents negotiate."""
    market: MarketSettings = MarketSettings()
    """How a market finds its prices."""
    communication: CommunicationSettings = CommunicationSettings()
    """What the messages go through."""
    record: RecordSettings = RecordSettings()
    """What is recorded beyond the usual tables."""
    checkpoints: CheckpointSettings = CheckpointSettings()
    """When a run is kept to go on from there."""
    deadlines: DeadlineSettings = DeadlineSettings()
    """How long a run waits before it fails."""
    baseline: str = Field(default="uncontrolled", min_length=1)
    """What the KPIs compare with: a mechanism, or the folder of an earlier run."""
    forecasts: dict[str, CsvColumn] = Field(default_factory=dict)
    """Forecasts by unit (`<neighbourhood>.<unit>` or a plant's name) that planning uses instead
    of the unit's own series; the run itself keeps to the latter."""
    forecast_error: ForecastErrorSettings = ForecastErrorSettings()
    """How much forecasts err that are drawn at random; without it they do not."""
    neighbourhoods: dict[Name, NeighbourhoodSettings] = Field(min_length=1)
    """The neighbourhoods by name."""
    simulators: dict[Name, OwnSimulator] = Field(default_factory=dict)
    """Simulators of your own by name, each of which acts for a unit."""

    @model_validator(mode="before")
    @classmethod
    def _no_bus_without_grid(cls, data: Any) -> Any:
        """Let neighbourhoods go without a bus on a copper plate."""
        if not isinstance(data, Mapping) or data.get("grid") != "none":
            return data
        neighbourhoods = data.get("neighbourhoods")
        if not isinstance(neighbourhoods, Mapping):
            return data
        named = {
            name: {"bus": None, **neighbourhood}
            if isinstance(neighbourhood, Mapping)
            else neighbourhood
            for name, neighbourhood in neighbourhoods.items()
        }
        return {**data, "neighbourhoods": named}

    @property
    def grid_settings(self) -> GridSettings | None:
        """Settings of the grid, None if there is none."""
        return self.grid if isinstance(self.grid, GridSettings) else None

    def unit_items(self) -> Mapping[tuple[str, str], UnitParameters]:
        """All units by neighbourhood and name, in the order of the file."""
        return {
            (neighbourhood, name): unit
            for neighbourhood, settings in self.neighbourhoods.items()
            for name, unit in settings.units.items()
        }
