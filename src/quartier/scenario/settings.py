"""Settings of the process between the DSO and the neighbourhoods: redispatch, negotiation."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from quartier.scenario.communication import CommunicationSettings
from quartier.units.base import CsvColumn, Frozen

__all__ = [
    "NAME_PATTERN",
    "CommunicationSettings",
    "GateSettings",
    "MarketSettings",
    "Name",
    "NegotiationSettings",
    "OptimisationSettings",
    "RecordSettings",
    "RedispatchSettings",
    "Share",
    "StoreSettings",
]

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]*$"

Name: TypeAlias = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name: a letter, then letters, digits, `_` and `-`."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""


class GateSettings(Frozen):
    """When planning happens, and how long it may take (M5)."""

    first: NonNegativeInt = 0
    """Step of the first gate."""
    every: PositiveInt | None = None
    """Steps between gates; without it there is one gate only."""
    horizon_steps: PositiveInt | None = None
    """Steps that a gate plans ahead; without it, all that remain."""
    lead_s: PositiveFloat = 900.0
    """Simulated time in s that all negotiations of a gate may take together."""
    rounds: PositiveInt = 4
    """Most rounds of redispatch and renegotiation at a gate."""


LOWER_EUR_PER_KWH = 0.10
"""Price of renewable energy lost by redispatch, of plants and neighbourhoods, unless given."""


class StoreSettings(Frozen):
    """How stores end what is planned: a gate's window, and the run (M1).

    Vehicles and flexible demands are served by the end in any case.
    """

    end: Literal["as-start", "free", "value"] = "as-start"
    """`as-start`: no emptier than they began the run; `free`: at any energy; `value`: likewise, and
    what they gain or lose over the window counts at `value_eur_per_kwh`."""
    value_eur_per_kwh: NonNegativeFloat | dict[str, NonNegativeFloat] | None = None
    """Worth in EUR of a kWh left in a store: one for all, or by the carrier that they hold (others
    are worth nothing). For `end: value` only."""

    @model_validator(mode="after")
    def _one_value(self) -> StoreSettings:
        if (self.end == "value") != (self.value_eur_per_kwh is not None):
            raise ValueError("'value_eur_per_kwh' goes with 'end: value': state both, or neither")
        return self

    def worth(self, carrier: str) -> float | None:
        """EUR/kWh of what is left of a carrier; None if stores end as they began."""
        if self.end == "as-start":
            return None
        value = self.value_eur_per_kwh
        return value.get(carrier, 0.0) if isinstance(value, dict) else value or 0.0


class MinimumFactorSettings(Frozen):
    """Merit of plants by one price of conventional power, times a minimum factor (M4).

    German Redispatch 2.0 ranks renewable power as if it were that much dearer (EnWG § 13 (1a);
    BNetzA, decision PGMF-8116-EnWG § 13j: 10, and 5 for CHP).
    """

    conventional_eur_per_kwh: NonNegativeFloat
    """Price in EUR/kWh of lowering a conventional plant."""
    renewable: PositiveFloat = 10.0
    """Factor of plants that lose renewable energy."""
    chp: PositiveFloat = 5.0
    """Factor of plants that burn fossil fuel for power and heat."""


class RedispatchSettings(Frozen):
    """How the DSO removes congestion: taps first, then the cheapest caps (M4)."""

    taps: bool = True
    """Whether the DSO may choose another tap position, one for the whole window."""
    threshold_kw: NonNegativeFloat = 100.0
    """Least rated power in kW of a plant that takes part (Redispatch 2.0: 100 kW)."""
    aggregates: bool = False
    """Whether SimBench's aggregates of small plants (`lv_RES`) take part."""
    price_eur_per_kwh: NonNegativeFloat = LOWER_EUR_PER_KWH
    """Price in EUR/kWh of lowering a plant's feed-in: renewable energy lost."""
    plant_prices: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Prices in EUR/kWh of single plants by name; the others have `price_eur_per_kwh`."""
    minimum_factor: MinimumFactorSettings | None = None
    """Merit of plants by a price of conventional power times minimum factors, in place of
    `price_eur_per_kwh` and `plant_prices`: one or the other. Neighbourhoods keep theirs."""
    raise_price_eur_per_kwh: NonNegativeFloat = 0.30
    """Price in EUR/kWh of reducing a load."""
    sensitivity_threshold: Share = 0.01
    """Assets that act on a congestion by less than this share of the strongest are left out."""
    share_tolerance: Share = 0.1
    """Assets of equal price whose sensitivities differ by less than this share pro rata."""
    margin: float = Field(0.0, ge=0, lt=1)
    """Share of every limit of the grid that is kept free when P_set and taps are chosen, against
    forecasts that err: of the loading that is allowed, and of a voltage's way from the middle of
    its band. What counts as a violation in the end is as without it."""
    discrete_steps: list[Share] | None = Field(default=None, min_length=2)
    """Shares of the rated power that a cap may take, e.g. `[1, 0.6, 0.3, 0]`; without it, any."""
    loading_tolerance_percent: NonNegativeFloat = 0.1
    """Loading in percentage points above its limit at which an element counts as overloaded."""
    voltage_tolerance_pu: NonNegativeFloat = 1e-4
    """Voltage in pu outside its band at which a bus counts as violated."""
    max_iterations: PositiveInt = 10
    """Most rounds of linearising, solving and checking by AC power flow."""
    loss_price_eur_per_kwh: NonNegativeFloat = 0.06
    """Price in EUR/kWh of grid losses."""
    loss_saving: bool = False
    """Whether `bilevel` may cap neighbourhoods to save losses alone, at their cost. Without it,
    P_set needs a congestion that it cures."""
    import_co2_eur_per_kg: NonNegativeFloat = 0.0
    """Price in EUR/kg of the CO2 of what the grid draws from the upper grid (U2), for `central` and
    `bilevel`."""

    cross_check: bool = False
    """Whether `central` and `bilevel` also look for a local optimum of the AC equations, by Ipopt,
    beside the linear network's `bound`: its cost, distance and limits stand in the table `solves`.
    It takes the extra `ac`, and minutes for a day of a large grid."""
    min_cos_phi: float | None = Field(default=None, gt=0, le=1)
    """Least power factor of plants: how much reactive power the cross-check may let them feed in or
    draw for the voltages' sake. Without it, and in all plans, they keep that of the data."""

    @model_validator(mode="after")
    def _one_merit(self) -> RedispatchSettings:
        priced = self.plant_prices or self.price_eur_per_kwh != LOWER_EUR_PER_KWH
        if self.minimum_factor is not None and priced:
            raise ValueError(
                "the merit of plants is given twice; keep either 'minimum_factor', or "
                "'price_eur_per_kwh' and 'plant_prices'"
            )
        if self.min_cos_phi is not None and not self.cross_check:
            raise ValueError(
                "'min_cos_phi' acts in the AC cross-check only: set 'cross_check: true'"
            )
        return self


class OptimisationSettings(Frozen):
    """How `central` and `bilevel` search, and when they stop (M7)."""

    gap: PositiveFloat = 1e-3
    """Relative gap at which a solution is good enough."""
    max_nodes: PositiveInt = 1
    """Most nodes of the bi-level branch-and-bound: a limit that does not depend on the machine's
    speed. The bound at the root is good; more nodes seldom raise it."""
    time_limit_s: PositiveFloat | None = 60.0
    """Wall time in s after which the proof of the bi-level bound ends. Only the bound and the gap
    in the table `solves` then depend on the machine's speed; what is planned does not."""
    single_sessions: bool = False
    """Whether the bi-level follower has every charging station apart; without it, they make one
    envelope of power and cumulative energy per neighbourhood."""


class NegotiationSettings(Frozen):
    """How the agents of a neighbourhood negotiate (M6)."""

    local_choice: Literal["exact", "sampled"] = "exact"
    """How an agent chooses its schedule: by its own optimisation, or among sampled ones."""
    samples: PositiveInt = 200
    """Schedules that an agent samples, for the local choice `sampled`."""
    shortcuts: Share = 0.1
    """Small world: ring plus this share of random shortcuts."""
    quiet_s: PositiveFloat = 15.0
    """Simulated time in s without news after which a negotiation has ended."""
    deadline_s: PositiveFloat = 300.0
    """Simulated time in s after which a negotiation ends in any case."""
    patience_s: PositiveFloat = 120.0
    """Simulated time in s after which an agent that answers nothing is not waited for any more; its
    units are then expected to follow their own rules. At most half the deadline counts."""
    drain_s: NonNegativeFloat = 2.0
    """An agent decides after a random time up to this (simulated s): it weighs together all that
    came in meanwhile, and agents do not all answer the same news at once."""
    rebroadcast_s: PositiveFloat = 5.0
    """Simulated time in s between two digests that an agent sends against lost messages."""
    front_points: PositiveInt = 30
    """`mo-cohda`: most points of the front."""
    front_decisions: PositiveInt = 10
    """`mo-cohda`: how often an agent answers the others, each time more exactly."""
    front_choice: Literal["cost", "knee"] = "cost"
    """`mo-cohda`: which point of the front is carried out: `cost`, the cheapest at the scenario's
    prices and objectives, as in the mechanisms with one objective; `knee`, the one whose worst
    objective, as a share of its range, is best."""


class MarketSettings(Frozen):
    """How a market finds its prices (M9)."""

    method: Literal["memory", "admm"] = "memory"
    """`price-response`: how the next price is found. `memory`: from all answers so far, by what
    they could be mixed to (Dantzig-Wolfe). `admm`: from the imbalance of the last answers alone, by
    the exchange ADMM, as in seed 003; it needs units that do not switch."""
    stabilisation: Literal["smooth", "level"] = "smooth"
    """`memory`: what keeps prices from jumping. `smooth`: halfway between the best price so far and
    the one that all answers ask for. `level`: as near to the best price as promises half of what
    is left to gain; fewer rounds, each a little quadratic program."""
    bids: Literal["exact", "algorithm-1"] = "exact"
    """`auction`: how a neighbourhood bids for an hour. `exact`: its whole curve of net power by
    price. `algorithm-1`: as printed in seed 003, by samples at a few prices: the ceiling, the
    lowest price forecast, and the opportunity costs of other carriers."""
    clearing: Literal["hourly", "day-ahead"] = "hourly"
    """`auction`: `hourly`, one hour after the other, each with bids of its own; `day-ahead`, all
    hours of the window at once, with profiles as divisible blocks and rounds of bidding again."""
    forecast: Literal["previous-day", "learned", "perfect"] | CsvColumn = "previous-day"
    """`auction`: what bidders expect of prices. `previous-day`: those cleared a day before; on the
    first day, those at which all would follow their own rules. `learned`: from there on, halfway to
    what the auction came to, which is held again, up to eight times. `perfect`: those that
    `price-response` would find, which nobody can know beforehand. Or a column of a CSV file."""
    look_ahead_h: PositiveFloat = 24.0
    """`auction`: hours ahead for which a bidder believes the forecast; beyond, it expects the mean
    of those."""
    tolerance: PositiveFloat = 1e-5
    """Certified gap, relative to the cost of all, at which prices are good enough."""
    rounds: PositiveInt = 200
    """Most rounds of prices and answers."""
    answer_s: PositiveFloat = 10.0
    """Simulated time in s that a round waits for answers, asking again meanwhile; then the last
    answer of whoever is late counts."""


class CheckpointSettings(Frozen):
    """When a run is kept so that `quartier run --resume` can go on from there.

    There is a checkpoint after the first step, usually a gate, that ends a minute or more after
    the one before. A checkpoint changes no figure.
    """

    every_steps: PositiveInt | None = None
    """Steps after which there is a checkpoint in any case."""
    at_end: bool = True
    """Whether there is one after the last step, so that a finished run can go on with a longer
    horizon."""


class DeadlineSettings(Frozen):
    """How long a run waits in wall time for what takes part in it, before it fails."""

    call_s: PositiveFloat | None = 300.0
    """Longest time in s that a simulator may take for one call; null: no limit."""
    plan_s: PositiveFloat | None = None
    """Likewise for whoever plans, at one gate; without it, planning takes as long as it takes."""


class RecordSettings(Frozen):
    """What is recorded beyond the usual tables."""

    messages: bool = False
    """Whether every message gets a row in the table `messages`."""
    fronts: bool = False
    """Whether `individual`, `central` and `bilevel` write the exact front of every neighbourhood's
    objectives (peak import, flexibility offered, CO2) at each gate to the table `fronts`. Takes
    a second, with hundreds of charging stations half a minute. `bilevel` adds a front of the grid
    operator's own objectives (redispatch cost, losses, CO2 of imports), which takes half a minute
    or more; how good its points are is in the table `solves`."""
    sensitivities: bool = False
    """Whether `central`, for `redispatch`, writes to the table `sensitivities` what a little more
    of every limit of the grid that binds, and of every power and energy of the units, would be
    worth over the window. Takes some seconds a gate."""
