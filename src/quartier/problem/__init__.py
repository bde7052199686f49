"""What is asked: the one statement that agents, DSO and centralised mechanisms all read.

Lower level: :class:`NeighbourhoodProblem` with its objectives (M3). Upper level: what couples the
neighbourhoods, one file each (:data:`COUPLINGS`): what the coordinator knows, its cost, what a plan
may say, which tables and KPIs it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from quartier.problem.bundles import Bundling
from quartier.problem.coupling import Coupling
from quartier.problem.design import Design
from quartier.problem.market import Market
from quartier.problem.pooling import Pooling
from quartier.problem.pricing import PricedCarrier, Pricing
from quartier.problem.redispatch import NetworkProblem, Offer, Redispatch
from quartier.problem.sharing import Sharing
from quartier.problem.supply import Supply
from quartier.problem.zones import Line, ZonedSupply, Zones
from quartier.quantities import Array, Horizon, through
from quartier.scenario.models import (
    CommunicationSettings,
    MarketSettings,
    NegotiationSettings,
    OptimisationSettings,
)
from quartier.units.base import UnitData
from quartier.units.schedule import Schedule

__all__ = [
    "COUPLINGS",
    "Bundling",
    "ConnectionTerms",
    "Coupling",
    "Design",
    "Line",
    "Market",
    "NeighbourhoodProblem",
    "NetworkProblem",
    "Offer",
    "Pooling",
    "PricedCarrier",
    "Pricing",
    "Problem",
    "Redispatch",
    "Sharing",
    "State",
    "Supply",
    "ZonedSupply",
    "Zones",
]

COUPLINGS: Mapping[str, type[Coupling]] = {
    c.kind: c for c in (Redispatch, Sharing, Market, Pricing, Bundling)
}
"""What neighbourhoods can be coupled by, by the kind of problem that a scenario names."""

C = TypeVar("C", bound=Coupling)


@dataclass(frozen=True)
class ConnectionTerms:
    """Prices and limits at a neighbourhood's connection point; arrays have shape ``(T,)``.

    Costs of the schedule ``S`` (kW, positive into the grid) are those of M3: L0 curtailment,
    L1 peak import (not clipped at zero), L4 energy revenue, and a penalty, dominating all else,
    on what a cap forbids. ``import_eur_per_kwh >= export_eur_per_kwh`` keeps them convex.
    """

    dt_h: float
    export_eur_per_kwh: Array
    import_eur_per_kwh: Array
    curtailment_eur_per_kwh: Array | float
    """L0; where flexibility has a price, what curtailing adds to one side of the band, and takes
    from the other, counts in it."""
    co2_eur_per_kg: float
    peak_eur_per_kw: float
    penalty_eur_per_kwh: float
    p_max_kw: Array
    """P_set: most feed-in; ``inf`` where there is no cap."""
    p_min_kw: Array
    """P_set: least (most negative) power, i.e. most consumption; ``-inf`` where there is none."""
    up_eur_per_kwh: Array | None = None
    """L2 and L5: what a kW of the band upwards is worth over an hour, at least 0; None: nothing."""
    down_eur_per_kwh: Array | None = None
    """Likewise downwards; None where the other is."""
    served: Supply | None = None
    """Blocks that serve what is drawn before it is imported, none dearer than imports; they take
    nothing. None: there are none."""

    def curtailed_kw(self, p_kw: Array, curtailable_kw: Array) -> Array:
        """Renewable power to curtail: what a cap demands, or what export would cost to feed in.

        With a price on the peak the steps hang together, see :meth:`_spared_kw`.

        Parameters
        ----------
        p_kw
            Power at the connection point with nothing curtailed, shape ``(..., T)``.
        curtailable_kw
            Renewable power in it, shape ``(T,)`` or ``(..., T)``.
        """
        forbidden = np.maximum(p_kw - self.p_max_kw, 0.0)
        dear = -self.export_eur_per_kwh > self.curtailment_eur_per_kwh
        unwanted = np.where(dear, np.maximum(p_kw, 0.0), 0.0)
        # Where even drawing is paid that well, as much is curtailed as may be drawn instead.
        paid = -self.import_eur_per_kwh > self.curtailment_eur_per_kwh
        unwanted = np.where(paid, np.maximum(p_kw - self.p_min_kw, 0.0), unwanted)
        curtailed = np.minimum(np.maximum(forbidden, unwanted), curtailable_kw)
        if self.peak_eur_per_kw and np.any(dear):
            spared = self._spared_kw(p_kw, curtailed, np.minimum(forbidden, curtailable_kw))
            curtailed = curtailed - spared
        return np.asarray(curtailed, dtype=float)

    def _spared_kw(self, p_kw: Array, curtailed_kw: Array, forced_kw: Array) -> Array:
        """Power fed in at a loss all the same, for it lowers the peak, which is not clipped at 0.

        It matters where power is fed in throughout: the least of it is the peak, and all steps
        below a level have to be raised to it. The level rises as long as the peak is worth it.
        """
        net = p_kw - curtailed_kw
        loss = self.dt_h * (-self.export_eur_per_kwh - self.curtailment_eur_per_kwh)
        order = np.argsort(net, axis=-1, kind="stable")
        rate = np.cumsum(np.take(loss, order), axis=-1)
        levels = np.take_along_axis(net, order, axis=-1)
        above = np.where(rate >= self.peak_eur_per_kw, levels, np.inf).min(axis=-1, keepdims=True)
        can = curtailed_kw - forced_kw
        level = np.minimum(above, (net + can).min(axis=-1, keepdims=True))
        return np.asarray(np.clip(level - net, 0.0, can), dtype=float)

    def _lost_eur_per_h(self, curtailed_kw: Array) -> Any:
        """What is curtailed, shape ``(..., T)``, at its cost, shape ``(...)``."""
        if np.ndim(self.curtailment_eur_per_kwh):
            return curtailed_kw @ self.curtailment_eur_per_kwh
        return self.curtailment_eur_per_kwh * curtailed_kw.sum(axis=-1)

    @property
    def band_eur_per_kwh(self) -> tuple[Array, Array] | None:
        """What a kW of the band is worth over an hour, up and down; None: nothing."""
        if self.up_eur_per_kwh is None or self.down_eur_per_kwh is None:
            return None
        return self.up_eur_per_kwh, self.down_eur_per_kwh

    def band_eur(self, up_kw: Array, down_kw: Array) -> float:
        """What a band is worth in EUR: `Σ (up π_up + down π_dn) Δ` (seed 001 eq. 21, M3)."""
        if self.band_eur_per_kwh is None:
            return 0.0
        up, down = self.band_eur_per_kwh
        return self.dt_h * float(up_kw @ up + down_kw @ down)

    def own_eur(self, schedule: Schedule) -> float:
        """What a schedule costs wherever it is connected: its own cost, emissions at their price.

        Less what its band is worth, with nothing curtailed.
        """
        band = self.band_eur(schedule.up_kw, schedule.down_kw + schedule.curtailable_kw)
        return schedule.cost_eur + self.co2_eur_per_kg * schedule.co2_kg - band

    def at_price(self, price_eur_per_kwh: Array, fee_eur_per_kwh: Array) -> ConnectionTerms:
        """Terms of who trades at a price, with a fee on what it draws, shape ``(T,)`` each."""
        return replace(
            self,
            export_eur_per_kwh=price_eur_per_kwh,
            import_eur_per_kwh=price_eur_per_kwh + fee_eur_per_kwh,
        )

    def excess_kw(self, p_kw: Array) -> Array:
        """Power beyond the caps, shape of ``p_kw``."""
        above, below = p_kw - self.p_max_kw, self.p_min_kw - p_kw
        beyond = np.maximum(above, 0.0, out=above)
        beyond += np.maximum(below, 0.0, out=below)
        return np.asarray(beyond, dtype=float)

    @cached_property
    def _is_capped(self) -> bool:
        return bool(np.isfinite(self.p_max_kw).any() or np.isfinite(self.p_min_kw).any())

    def cost_eur(self, p_kw: Array, curtailable_kw: Array) -> Array:
        """Cost at the connection point of schedules with nothing curtailed yet.

        Parameters
        ----------
        p_kw
            Shape ``(..., T)``.
        curtailable_kw
            Shape ``(T,)`` or ``(..., T)``.

        Returns
        -------
        Array
            Cost in EUR, shape ``(...)``, penalty included.
        """
        net = p_kw
        energy: Any = 0.0
        if np.count_nonzero(curtailable_kw):  # quicker than any()
            curtailed = self.curtailed_kw(p_kw, curtailable_kw)
            net = p_kw - curtailed
            energy = self._lost_eur_per_h(curtailed)
        # Import and export in two products, import * -net + (import - export) * max(net, 0):
        # this is what agents with sampled schedules spend their time on.
        spread = self.import_eur_per_kwh - self.export_eur_per_kwh
        energy = energy + np.maximum(net, 0.0) @ spread - net @ self.import_eur_per_kwh
        if self.served is not None:
            energy = energy - self.served.saved_eur_per_h(-net, self.import_eur_per_kwh)
        if self._is_capped:
            energy = energy + self.penalty_eur_per_kwh * self.excess_kw(net).sum(axis=-1)
        total = self.dt_h * energy
        if self.peak_eur_per_kw:
            total = total + self.peak_eur_per_kw * (-net).max(axis=-1)
        return np.asarray(total, dtype=float)


@dataclass(frozen=True)
class NeighbourhoodProblem:
    """The lower level of one neighbourhood over one planning window."""

    name: str
    bus: int
    horizon: Horizon
    units: tuple[UnitData, ...]
    terms: ConnectionTerms
    redispatch_price_eur_per_kwh: float
    """What the DSO pays for renewable energy that the neighbourhood must curtail."""
    efficiency: float = 1.0
    """Share of what is drawn and fed in that is left on its way through the connection. Powers of
    units and terms, and the prices of terms, are per kWh inside."""

    def metered_kw(self, p_kw: Array) -> Array:
        """Power outside the connection of a power inside, both positive into the grid."""
        return through(p_kw, self.efficiency)

    def metered(self, export_eur_per_kwh: Array, import_eur_per_kwh: Array) -> NeighbourhoodProblem:
        """The same at prices of what is fed in and drawn as metered outside, ``(T,)`` each."""
        terms = replace(
            self.terms,
            export_eur_per_kwh=export_eur_per_kwh * self.efficiency,
            import_eur_per_kwh=import_eur_per_kwh / self.efficiency,
        )
        return replace(self, terms=terms)

    @property
    def agents(self) -> Mapping[str, tuple[UnitData, ...]]:
        """Units by the agent that plans for them, in order."""
        groups: dict[str, list[UnitData]] = {}
        for unit in self.units:
            groups.setdefault(unit.agent, []).append(unit)
        return {name: tuple(units) for name, units in groups.items()}


@dataclass(frozen=True)
class State:
    """Where the system stands when a plan is asked for."""

    units: Mapping[str, Mapping[str, float]]
    """State of every unit by name, e.g. ``{"energy_kwh": 500.0}``."""
    tap_pos: int
    """Tap position of the transformers; 0 where there is no grid."""


@dataclass(frozen=True)
class Problem:
    """All that a coordination mechanism is asked at a gate."""

    gate: int
    first: int
    """First step that the plan is for, counted over the run."""
    horizon: Horizon
    neighbourhoods: tuple[NeighbourhoodProblem, ...]
    coupling: Coupling
    """What couples the neighbourhoods, and what their coordinator knows."""
    negotiation: NegotiationSettings
    communication: CommunicationSettings
    lead_s: float
    """Simulated time that all negotiations of the gate may take together."""
    rounds: int
    """Most rounds of redispatch and renegotiation."""
    record_messages: bool = False
    record_fronts: bool = False
    record_sensitivities: bool = False
    optimisation: OptimisationSettings = field(default_factory=OptimisationSettings)
    """How the centralised mechanisms search."""
    market: MarketSettings = field(default_factory=MarketSettings)
    """How prices and bids are found."""
    forecast_eur_per_kwh: Array | None = None
    """What is expected of the price, shape ``(T,)``; None: nothing is given."""
    stage: object | None = None
    """Where agents live (:class:`quartier.agents.stage.Stage`); None: in a simulated world."""

    def asks(self, coupling: type[C]) -> C:
        """Return what couples the neighbourhoods, if it is what a mechanism answers.

        Raises
        ------
        TypeError
            If the scenario asks something else.
        """
        if not isinstance(self.coupling, coupling):
            raise TypeError(
                f"the scenario asks for {self.coupling.kind!r}, this answers {coupling.kind!r} only"
            )
        return self.coupling

    @property
    def grid(self) -> NetworkProblem:
        """The upper level of redispatch (TypeError: something else is asked)."""
        return self.asks(Redispatch).grid

    @property
    def plants(self) -> tuple[UnitData, ...]:
        """Redispatchable units outside the neighbourhoods (TypeError: something else is asked)."""
        return self.asks(Redispatch).plants

    @property
    def plant_q_kvar(self) -> Mapping[str, Array]:
        """Reactive power of the plants by name, shape ``(T,)``."""
        return self.asks(Redispatch).plant_q_kvar
