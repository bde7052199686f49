"""The protocol of a coordination mechanism, the Plan it returns, and the registry of names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from quartier.errors import InputError
from quartier.own_code import named

if TYPE_CHECKING:  # the registry is read to list what there is: that imports nothing heavy
    import numpy as np

    from quartier.problem import Offer, Problem, State
    from quartier.quantities import Array

COORDINATIONS: dict[str, dict[str, str]] = {
    "uncontrolled": {
        "redispatch": "quartier.agents.strategies.uncontrolled:Uncontrolled",
        "sharing": "quartier.agents.strategies.uncontrolled:Uncontrolled",
        "market": "quartier.agents.strategies.uncontrolled:Uncontrolled",
        "pricing": "quartier.centralised.pricing.mechanisms:UncontrolledPricing",
        "bundles": "quartier.centralised.bundles.mechanisms:UncontrolledBundles",
    },
    "cohda": {
        "redispatch": "quartier.agents.strategies.cohda:Cohda",
        "sharing": "quartier.agents.strategies.cohda:SharingCohda",
        "market": "quartier.agents.strategies.cohda:MarketCohda",
    },
    "mo-cohda": {"redispatch": "quartier.agents.strategies.mo_cohda:MoCohda"},
    "individual": {
        "redispatch": "quartier.centralised.individual:Individual",
        "sharing": "quartier.centralised.sharing:IndividualSharing",
        "market": "quartier.centralised.market:IndividualMarket",
    },
    "central": {
        "redispatch": "quartier.centralised.central:Central",
        "sharing": "quartier.centralised.sharing:CentralSharing",
        "market": "quartier.centralised.market:CentralMarket",
        "pricing": "quartier.centralised.pricing.mechanisms:CentralPricing",
        "bundles": "quartier.centralised.bundles.mechanisms:CentralBundles",
    },
    "bilevel": {
        "redispatch": "quartier.centralised.bilevel:Bilevel",
        "sharing": "quartier.centralised.sharing:BilevelSharing",
        "pricing": "quartier.centralised.pricing.mechanisms:BilevelPricing",
        "bundles": "quartier.centralised.bundles.mechanisms:BilevelBundles",
    },
    "all-at-caps": {"pricing": "quartier.centralised.pricing.mechanisms:AllAtCaps"},
    "price-response": {
        "redispatch": "quartier.agents.strategies.congestion:CongestionPrices",
        "sharing": "quartier.agents.strategies.price_response:PriceResponse",
        "market": "quartier.agents.strategies.price_response:PriceResponse",
    },
    "auction": {
        "redispatch": "quartier.agents.strategies.flexibility:FlexibilityAuction",
        "sharing": "quartier.agents.strategies.auction:Auction",
        "market": "quartier.agents.strategies.auction:Auction",
    },
}
"""Known mechanisms × problems they answer: ``module:Class`` (mosaik's notation), resolved when
used."""


@dataclass(frozen=True)
class UnitPlan:
    """What a unit shall do, shape ``(T,)`` each.

    ``command_kw`` is its set point (NaN: follow the own rule; for a curtailable unit it is a
    ceiling, ``inf`` where nothing is curtailed); ``p_kw`` is the electric power planned.
    """

    command_kw: Array
    p_kw: Array
    up_kw: Array | float = 0.0
    """Power by which each single step could be raised instead, of all units of its agent that are
    planned together: with one of them. Likewise ``down_kw``."""
    down_kw: Array | float = 0.0


@dataclass(frozen=True)
class Cap:
    """P_set of a connection point, shape ``(T,)``: feed-in at most, and (negative) at least."""

    p_max_kw: Array
    p_min_kw: Array

    def excess_kw(self, p_kw: Array) -> Array:
        """Power beyond the cap, shape ``(T,)``."""
        import numpy as np

        over, under = p_kw - self.p_max_kw, self.p_min_kw - p_kw
        return np.asarray(np.maximum(over, 0.0) + np.maximum(under, 0.0), dtype=float)


@dataclass(frozen=True)
class Plan:
    """The answer to a :class:`~quartier.problem.Problem`.

    ``records`` holds what goes into the tables of the run folder by table name
    (``redispatch``, ``negotiations``, ``traces``, ``solves``, ``messages``, ``fronts``,
    ``plans``, ``rounds``, ``signals``): a sequence of rows, or a mapping of columns. The column
    ``gate`` is added when they are written.
    """

    units: Mapping[str, UnitPlan] = field(default_factory=dict)
    offers: Mapping[str, Offer] = field(default_factory=dict)
    caps: Mapping[str, Cap] = field(default_factory=dict)
    prices: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    """What a carrier costs a neighbourhood in EUR/kWh by ``(carrier, neighbourhood)``, shape
    ``(T,)``: what it draws it buys at this price from the coordinator, what it feeds in it sells
    so. Where there is none (or NaN), the scenario's tariffs hold. Of a market with zones also by
    ``(carrier, zone)``, for suppliers there. The KPIs settle on executed energy
    (:mod:`quartier.kpi.settlement`): electricity at the connection point, other carriers as far as
    nodes buy and sell them."""
    sales: Mapping[str, Array] = field(default_factory=dict)
    """Most that a node sells in kW by the node's full name, shape ``(T,)``: what is left over
    beyond it is thrown away. Where there is none (or NaN), a node sells whatever it can."""
    allocation: str | None = None
    """Rule that hands out what a pool costs after the fact, on executed energy, to those that have
    no price (:data:`quartier.problem.allocation.RULES`). None: the scenario's tariffs hold."""
    tap_pos: int | None = None
    """Tap position for the window; None leaves it as it is."""
    records: Mapping[str, Sequence[Mapping[str, Any]] | Mapping[str, Any]] = field(
        default_factory=dict
    )
    degraded: tuple[str, ...] = ()
    """What went wrong without stopping the plan; makes the run ``degraded``."""


class Coordination(Protocol):
    """A coordination mechanism. One object serves all gates of a run.

    One that chooses sizes has a method ``design(problem)``, too, which returns a
    :class:`~quartier.problem.Design`: it is asked once, before anything is built, about all steps.

    What it remembers from gate to gate in attributes of its own it also hands out as
    ``snapshot()``, a mapping of names to numbers, texts, arrays, or lists and mappings of them, and
    takes back as ``restore(snapshot)``: without these two methods a run is not continued before
    its last gate, but begins anew.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Answer the problem asked in ``state``; every random draw comes from ``rng``."""
        ...


def problems() -> tuple[str, ...]:
    """Kinds of problems that some known mechanism answers."""
    return tuple(dict.fromkeys(kind for answered in COORDINATIONS.values() for kind in answered))


def mechanisms(problem: str) -> tuple[str, ...]:
    """Known mechanisms that answer a problem, by its kind."""
    return tuple(name for name, answered in COORDINATIONS.items() if problem in answered)


def resolve(name: str, problem: str) -> type[Coordination]:
    """Return the class of a mechanism for a problem.

    Parameters
    ----------
    name
        A known mechanism, or a ``module:Class`` in the working directory.
    problem
        Kind of the problem.

    Raises
    ------
    InputError
        If the name is unknown, the mechanism does not answer the problem, the module cannot be
        imported, or the class has no ``plan``.
    """
    if name in COORDINATIONS:
        return _shipped(name, problem)
    known = ", ".join(mechanisms(problem))
    if ":" not in name:
        raise InputError(
            [f"coordination {name!r} is unknown; known: {known}; or module:Class of your own"]
        )
    found = named(name, f"coordination {name!r}")
    if not callable(getattr(found, "plan", None)):
        class_name = name.partition(":")[2]
        raise InputError(
            [f"coordination {name!r}: {class_name} has no method plan(problem, state, rng)"]
        )
    return found  # type: ignore[no-any-return]


def path_of(name: str, problem: str) -> str:
    """Return the ``module:Class`` of a mechanism of ours for a problem.

    Raises
    ------
    InputError
        If it does not answer the problem.
    """
    answered = COORDINATIONS[name]
    if problem not in answered:
        raise InputError(
            [
                f"coordination {name!r} does not answer the problem {problem!r}, only"
                f" {', '.join(answered)}; those that do: {', '.join(mechanisms(problem))};"
                " or module:Class of your own"
            ]
        )
    return answered[problem]


def _shipped(name: str, problem: str) -> type[Coordination]:
    """Import a mechanism of ours: an error in it is nobody's input."""
    module_name, _, class_name = path_of(name, problem).partition(":")
    found: type[Coordination] = getattr(importlib.import_module(module_name), class_name)
    return found
