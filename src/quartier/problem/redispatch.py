"""Redispatch: a grid operator removes congestion by taps and caps on what was offered (M4).

It knows the grid, all other injections and the offers; its cost stands in
:mod:`quartier.problem.upper_cost`. :class:`Offer` is what it hears, caps are what it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from quartier.grid.network import Network
from quartier.problem.coupling import Coupling
from quartier.quantities import Array, Horizon
from quartier.scenario.models import RedispatchSettings
from quartier.units.base import UnitData


@dataclass(frozen=True)
class Offer:
    """What a connection point offers: schedule and band, shape ``(T,)`` each (M5).

    ``p_kw - down_kw .. p_kw + up_kw`` is what it could do in any single step.
    """

    asset: str
    kind: str
    """``neighbourhood`` or ``der``."""
    bus: int
    p_kw: Array
    down_kw: Array
    up_kw: Array
    q_kvar: Array
    price_eur_per_kwh: float
    """Redispatch price of lowering its power: renewable energy lost."""
    raise_price_eur_per_kwh: float
    """Redispatch price of raising its power: load reduced."""
    rated_kw: float | None = None
    """Rated power, which discrete steps are shares of; None: the greatest power offered."""
    curtailed_kw: Array | float = 0.0
    """Renewable power that the schedule itself curtails: nobody is paid for that."""


@dataclass(frozen=True)
class NetworkProblem:
    """The upper level over one planning window.

    ``background_p_mw`` and ``background_q_mvar`` are the injections at every bus of all that
    makes no offer (loads, small plants), shape ``(T, n_bus)``, columns in the order of
    ``network.buses``.
    """

    network: Network
    horizon: Horizon
    background_p_mw: Array
    background_q_mvar: Array
    settings: RedispatchSettings
    tap_pos: int
    """Tap position before the DSO acts."""
    tap_is_fixed: bool = False
    """Whether the tap position was chosen at an earlier gate and stays."""
    co2_kg_per_kwh: Array | None = None
    """Emissions of what is drawn from the upper grid, shape ``(T,)``; none if left out."""


@dataclass(frozen=True)
class Redispatch(Coupling):
    """Neighbourhoods and plants coupled by a grid with limits."""

    kind: ClassVar[str] = "redispatch"
    coordinator: ClassVar[str] = "grid operator"
    answers: ClassVar[frozenset[str]] = frozenset({"offers", "caps", "tap_pos"})
    tables: ClassVar[tuple[str, ...]] = ("redispatch", "congestion", "rounds", "sensitivities")
    kpis: ClassVar[tuple[str, ...]] = (
        "congestion_solved",
        "congestion_solved_energy",
        "voltage_solved",
        "redispatch_activation_rate",
        "redispatch_calls",
        "redispatch_energy",
        "cap_violations",
        "cap_violation_energy",
        "redispatch_cost",
        "upper_cost",
        "congestion_payments",
        "congestion_cost",
        "rounds",
        "certified_gap",
        "numbers_exchanged",
        "longest_answer",
    )

    plants: tuple[UnitData, ...]
    """Redispatchable units outside the neighbourhoods."""
    plant_q_kvar: Mapping[str, Array]
    grid: NetworkProblem
