"""What a unit is: parameters, controls, physics, bounds and its own rule.

The physics of a unit is written once, as functions of ``+ - * /``, so that floats, NumPy arrays
and Pyomo expressions all go through the same line: the simulator's step, the optimiser's
constraint and the agent's sampler cannot drift apart. Each of these functions takes

``u``
    the unit's parameters: the pydantic model of one unit, or a :class:`Stack` of many, whose
    fields are arrays of shape ``(N,)``;
``x``
    its controls by name: floats, arrays of shape ``(N,)`` or Pyomo variables;
``s``
    its series at the step by name (available power, load, COP, bounds of the store, ...).
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from quartier.quantities import Array, Horizon
from quartier.units.node import Node
from quartier.units.stays import Session, Stays

Quantity: TypeAlias = Any
"""A float, a NumPy array or a Pyomo expression."""

Carrier: TypeAlias = str
"""A form of energy: one of those below, or a name of the user's own."""

ELECTRICITY, HEAT, COOLING, GAS, HYDROGEN = "electricity", "heat", "cooling", "gas", "hydrogen"

Values: TypeAlias = Mapping[str, Quantity]


class Frozen(BaseModel):
    """Base of everything a scenario file may say: immutable, unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class CsvColumn(Frozen):
    """A column of a CSV file as the source of a series."""

    # A kind that needs another unit derives a column of its own: `unit: Literal["m3/s"] = "m3/s"`.

    csv: str
    """Path of the file, relative to the scenario's folder."""
    column: str
    """Name of the column."""
    unit: Literal["kW", "MW", "1", "W", "kWh", "MWh", "Wh", "K", "degC", "EUR/kWh", "EUR/MWh"] = (
        "kW"
    )
    """Unit of the column: power, energy of each interval (as meters write it), temperature, price,
    or `1` for a share of the rated power (of a household or heat demand: a shape)."""
    timezone: str = "Europe/Berlin"
    """Time zone of time stamps without an offset (daylight saving is resolved), e.g. `UTC`."""
    stamps: Literal["start", "middle", "end"] = "start"
    """What a time stamp is of its interval, whose mean the value is: start, middle or end."""
    dates: Literal["day-first", "month-first"] | None = None
    """What 02/05/2016 is; without it, the one reading that fits the whole column is taken."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark; without it, the one that fits the whole column is taken."""


Source: TypeAlias = str | CsvColumn
"""A SimBench profile (`PV3`), a standard series (`bdew:EFH`, `pv:3`), a signal of the scenario
(`signal:temperature`), or a column of a CSV file."""


def is_measured(source: Source) -> bool:
    """Whether a source is a power (or energy) itself, which no annual energy scales."""
    return isinstance(source, CsvColumn) and source.unit.removesuffix("h") in ("kW", "MW", "W")


class UnitParameters(Frozen):
    """Parameters that every unit has."""

    kind: str
    """Kind of the unit."""
    count: int = Field(1, gt=0, le=100_000)
    """Number of units of this description; they are named `<name>-1`, `<name>-2`, ..."""
    agents: Literal["single", "aggregated"] | PositiveInt = "single"
    """Who plans for them: an agent each, one agent for all, or this number of agents."""
    nodes: dict[str, str] = Field(default_factory=dict)
    """Node by carrier, where the neighbourhood has several of a carrier."""


@dataclass(frozen=True)
class Control:
    """A quantity that a planner chooses in every step."""

    name: str
    binary: bool = False


@dataclass(frozen=True)
class SeriesRequest:
    """A series that a unit needs: ``source`` times ``factor`` gives ``unit``.

    Power, prices and temperatures are converted; of any other unit (``m3/s``) the source must
    have just this one.
    """

    source: Source
    unit: str
    factor: float = 1.0
    annual_kwh: float | None = None
    """Scale a share so that its mean power over the source's year gives this energy (times
    ``factor``)."""
    annual_source: Source | None = None
    """The source whose scaling by ``annual_kwh`` is used, if not its own: reactive power is
    scaled as the active power it belongs to."""
    rated_kw: float | None = None
    """Rated power that the series is held against: far more or less of it is another unit."""


@dataclass(frozen=True)
class Flow:
    """What a unit does in a step.

    Parameters
    ----------
    power_kw
        Power by carrier, positive when the unit delivers it: electricity to the grid, heat to its
        hub; what it takes (fuel, a demand) is negative.
    co2_kg, cost_eur
        Emissions and cost of the step. Curtailment and energy prices are not in it: they belong to
        the connection point, and to the nodes of other carriers.
    """

    power_kw: Mapping[Carrier, Quantity] = field(default_factory=dict)
    co2_kg: Quantity = 0.0
    cost_eur: Quantity = 0.0
    q_kvar: Quantity = 0.0

    def of(self, carrier: Carrier | None) -> Quantity:
        """Power of a carrier, 0 where the unit has nothing to do with it."""
        return self.power_kw.get(carrier, 0.0) if carrier else 0.0

    @property
    def p_kw(self) -> Quantity:
        """Active power, positive into the grid."""
        return self.of(ELECTRICITY)

    @property
    def heat_kw(self) -> Quantity:
        """Heat, positive when the unit delivers it."""
        return self.of(HEAT)

    @property
    def fuel_kw(self) -> Quantity:
        """Gas burnt (lower heating value)."""
        return -self.of(GAS)


class Stack:
    """Parameters of many units of one kind, each numeric field an array of shape ``(N,)``.

    Fields are read as attributes, so that physics written for one unit serves many. A number
    left out (None) is NaN.
    """

    def __init__(self, parameters: Sequence[UnitParameters]) -> None:
        for name in type(parameters[0]).model_fields:
            values = [getattr(p, name) for p in parameters]
            if all(v is None or isinstance(v, (int, float)) for v in values):
                self.__dict__[name] = np.array(values, dtype=float)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no numeric parameter {name!r}")


@dataclass(frozen=True)
class UnitData:
    """A unit made ready for a horizon: parameters, series in kW or kWh, state at the start.

    Parameters
    ----------
    name
        Unique over the scenario, ``<neighbourhood>.<unit>`` or the plant's name.
    agent
        Name of the agent that plans for it.
    nodes
        Nodes whose balances it shares, by carrier; the one that it serves first, first.
    series
        Shape ``(T,)``, or ``(T+1,)`` for ``energy_min_kwh`` and ``energy_max_kwh``, the bounds
        of the store at the boundaries of the steps.
    state
        State at the start by name, e.g. ``energy_kwh``.
    start_energy_kwh
        Energy of the store at the start of the run, which the end-of-horizon rule refers to.
    end_eur_per_kwh
        Worth of a kWh in the store at the end of the horizon, which then is free; None: the
        end-of-horizon rule holds.
    """

    name: str
    parameters: UnitParameters
    neighbourhood: str | None
    agent: str
    horizon: Horizon
    nodes: Mapping[Carrier, Node] = field(default_factory=dict)
    bus: int | None = None
    series: Mapping[str, Array] = field(default_factory=dict)
    state: Mapping[str, float] = field(default_factory=dict)
    sessions: Sequence[Session] = ()
    start_energy_kwh: float = 0.0
    end_eur_per_kwh: float | None = None
    simulated: UnitData | None = None
    """In a planning window, the unit with the bounds that its execution keeps."""

    @property
    def kind(self) -> str:
        """Kind of the unit, a key of :data:`quartier.units.KINDS`."""
        return self.parameters.kind

    @property
    def description(self) -> str:
        """Name that the scenario gives it: where one stands for several, without its number."""
        return self.name if self.parameters.count == 1 else self.name.rpartition("-")[0]

    @property
    def hub(self) -> str | None:
        """Name of the node that it serves first: its heat hub, if it has one."""
        return next((node.name for node in self.nodes.values()), None)

    def end_eur(self, energy_kwh: Quantity) -> Quantity:
        """What the store gained over the horizon is worth in EUR, from its energy at the end.

        A loss is negative; nothing where the end-of-horizon rule holds (M1).
        """
        if not self.end_eur_per_kwh:
            return 0.0
        return self.end_eur_per_kwh * (energy_kwh - self.state["energy_kwh"])

    def window(self, first: int, steps: int, state: Mapping[str, float]) -> UnitData:
        """Return the unit as a planner sees it at step ``first``, in ``state``, for ``steps``.

        The bounds of a store are taken anew, so that the end-of-horizon rule holds at the end
        of the window; :attr:`simulated` keeps those of the run.
        """
        from quartier.units import KINDS

        horizon = self.horizon.window(first, steps)
        cut = {
            name: values[first : first + horizon.steps + len(values) - self.horizon.steps]
            for name, values in self.series.items()
        }
        part = replace(
            self,
            horizon=horizon,
            nodes={carrier: node.window(first, steps) for carrier, node in self.nodes.items()},
            series=cut,
            state=dict(state),
            sessions=Stays.of(self.sessions).from_step(first) if self.sessions else (),
            simulated=None,
        )
        return replace(KINDS[self.kind].bounded(part), simulated=part)


class Shown(NamedTuple):
    """How figures show a kind: what readers call it, and how it is told from others."""

    label: str
    colour: str
    """Name of a colour in ``quartier.figures.style.PALETTE``."""
    pattern: str = ""
    dash: str = "solid"
    symbol: str = "circle"
    place: int = 99
    """Place in a stack of several kinds."""


Limits: TypeAlias = Sequence[Quantity]
"""What a power is at most: the least of these."""


class UnitKind(ABC):
    """A kind of unit. Every method is pure; a kind has no state of its own.

    A new kind is one file with one such class, and one entry in :data:`quartier.units.KINDS`.
    """

    Parameters: ClassVar[type[UnitParameters]]
    controls: ClassVar[tuple[Control, ...]] = ()
    stores: ClassVar[bool] = False
    """Whether it carries ``energy_kwh``, bounded by the series ``energy_min/max_kwh``."""
    memory: ClassVar[tuple[str, ...]] = ()
    """Names of further states that only :meth:`execute` and :meth:`rows` look at."""
    command: ClassVar[Carrier | None] = None
    """What a set point means: power of this carrier; None: the unit takes none."""
    gives: ClassVar[tuple[Carrier, ...]] = ()
    """Carriers beside electricity that it delivers; what a unit gives of electricity is known."""
    takes: ClassVar[tuple[Carrier, ...]] = ()
    """Carriers beside electricity that it needs."""
    priced: ClassVar[Mapping[Carrier, tuple[str, str]]] = {}
    """Parameters for price and emissions of a carrier that it may buy itself; it draws from a node
    if the price is None."""
    holds: ClassVar[Carrier | None] = None
    """Carrier that it stores: taking it up is no demand, giving it back no generation, and having
    more of it is worth something. What its series ``driving_kw`` takes out is its demand. None of a
    load that is only moved in time: a charging station, a flexible demand."""
    sessions: ClassVar[bool] = False
    """Whether it serves stays of vehicles; its store is then what they were delivered."""
    envelope: ClassVar[tuple[str, ...]] = ()
    """Series that, added up over several units, make one larger unit of the kind: a relaxation.
    Nothing, if there is no such unit."""
    still: ClassVar[Mapping[str, float]] = {}
    """Controls, and what they stand at, in the convex relaxation (:meth:`convex`)."""
    shown: ClassVar[Shown | None] = None
    """How figures show it; None: by its name, in the next look that is free."""
    shiftable: ClassVar[bool] = False
    """Whether it is a load that can be moved in time: what demand flexibility counts (M12)."""
    balances: ClassVar[bool] = False
    """Whether it makes up what its hub lacks in the end: it follows its set point but for its
    part in what deviates from the plan (:func:`quartier.units.balance.made_up`). Where the hub
    buys whatever it lacks, it keeps to its set point."""
    curtailable: ClassVar[bool] = False
    """Whether it could feed in ``available_kw``, and can be lowered to any power below."""
    renewable: ClassVar[bool] = False
    """Whether ``available_kw - p_kw`` is renewable energy lost."""
    order: ClassVar[float] = 0
    """Place in a step: 0 follows nobody, 0.5 takes heat to make cold, 1-3 are led by the hub and
    its store (solar thermal, CHP, fuel cell), 4 stores heat, 5-7 make the heat that is still
    lacking (heat pump, heater, boiler), 8 makes the hydrogen that is (reformer), 9 balances the
    neighbourhood's power. A unit sees what lower places did in the same step."""
    shared_by: ClassVar[str | None] = None
    """Parameter by which several units of the kind share a missing heat or power pro rata."""

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """Carriers beside electricity that it has to do with; the one it serves first, first."""
        touched = dict.fromkeys((*self.gives, *self.takes, self.holds))
        return tuple(c for c in touched if c is not None and c != ELECTRICITY)

    def served(self, u: Any) -> tuple[Carrier, ...]:
        """Those of its carriers that a unit with these parameters has to do with."""
        return self.carriers

    # -- data -----------------------------------------------------------------------------
    def requests(self, u: Any) -> Mapping[str, SeriesRequest]:
        """Series that have to be read for the unit, by name."""
        return {}

    def problems(self, u: Any) -> Iterable[str]:
        """What is wrong with the parameters beyond the range of each."""
        return ()

    def initial(self, u: Any) -> Mapping[str, float]:
        """State at the start of a run."""
        return {}

    def bounded(self, unit: UnitData) -> UnitData:
        """Return the unit with derived series, such as the bounds of its store, taken anew."""
        return unit

    def shortfalls(self, unit: UnitData) -> Iterable[str]:
        """What a unit that is :meth:`bounded` lacks over its horizon, whatever anybody plans."""
        return ()

    def convex(self, unit: UnitData) -> UnitData:
        """Return the convex relaxation of the unit: without what its switching asks for."""
        return unit

    # -- physics: + - * / only --------------------------------------------------------------
    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """What the controls do in a step of ``dt_h`` hours."""
        raise NotImplementedError

    def next_energy(
        self, u: Any, energy_kwh: Quantity, x: Values, s: Values, dt_h: float
    ) -> Quantity:
        """Energy of the store at the end of the step: affine in the energy and the controls."""
        raise NotImplementedError

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Lower and upper bound of every control."""
        return {}

    def rows(
        self, u: Any, x: Mapping[str, Any], t: int, unit: UnitData
    ) -> Iterable[tuple[str, Quantity]]:
        """Further constraints of step ``t`` as ``(name, expression)``, ``expression <= 0``.

        ``x[name][t]`` is the control in step ``t``; the state before step 0 is ``unit.state``.
        """
        return ()

    # -- execution: vectorised over units --------------------------------------------------
    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Controls that come nearest to the set point and keep every limit of the unit.

        ``s`` holds ``energy_min_kwh`` and ``energy_max_kwh`` at the step's **end**. A unit
        without controls has nothing to execute.
        """
        return {}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Set point that the unit gives itself when nobody plans for it (``uncontrolled``).

        ``s`` also holds, for every carrier with a node, ``heat_missing_kw`` (demand of its node
        less what lower places have given in the step, the unit's share of it),
        ``heat_energy_kwh``, ``heat_capacity_kwh`` (the node's stores at the step's start: what
        is usable of their energy, above the least state of charge, and how much can be), likewise
        ``hydrogen_missing_kw``, ...; and ``p_others_kw`` (power of all lower places in the
        neighbourhood, the unit's share of it). Of kinds that balance, the rule says what all of
        them at a node make together. Asked of units with controls only.
        """
        raise NotImplementedError

    def next_memory(
        self, u: Any, state: Values, x: Values, s: Values, dt_h: float
    ) -> dict[str, Array]:
        """Memory at the end of the step, for the names in :attr:`memory`."""
        return {}

    # -- flexibility: + - * / only in `limits` ------------------------------------------------
    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """What a step could be raised and lowered by: the least of these, and nothing below zero.

        Parameters
        ----------
        out_kw, in_kw
            Power that could leave the store and enter it (inside the store); 0 without one.

        Returns
        -------
        up, down
            Linear in controls and energy; of a unit that switches, as if it could run partly.
        """
        return (0.0,), (0.0,)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Power by which each single step could be raised and lowered, the others kept (M3, L2).

        Parameters
        ----------
        x
            Scheduled controls, shape ``(..., T)`` each.
        energy_kwh
            Energy at the boundaries of the steps, shape ``(..., T+1)``, if the unit stores any.

        Returns
        -------
        up_kw, down_kw
            Shape ``(..., T)``, both non-negative. A store gives back later what the step took,
            and its limits hold for the rest of the horizon; the band is not jointly deliverable
            over several steps.
        """
        zero = np.zeros(unit.horizon.steps)
        return zero, zero

    def settled(
        self, unit: UnitData, x: Mapping[str, Array], up_kw: Array, down_kw: Array
    ) -> tuple[Array, Array]:
        """Return the band up to the last power that the unit can really take within it."""
        return up_kw, down_kw


class HeatParameters(UnitParameters):
    """Parameters of a unit that shares a heat balance."""

    hub: str = Field(default="heat", min_length=1)
    """Name of the heat hub; units of a neighbourhood with the same hub share one balance and
    are planned by one agent."""
