"""What a market came to: rounds as they were held, what is awarded, what is proven of it (M9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quartier.agents.messages import Negotiation
from quartier.optimisation.prices import Response, Round
from quartier.problem import Supply
from quartier.quantities import Array

Done = Mapping[str, tuple[float, Array]]
"""Cost in EUR, energy apart, and power of what neighbourhoods really do, shape ``(T,)``."""


@dataclass(frozen=True)
class Held:
    """A round as it was held."""

    found: Round
    ended_s: float
    """Simulated time in s since the gate began."""


@dataclass(frozen=True)
class Outcome:
    """What the market came to."""

    negotiation: Negotiation
    price_eur_per_kwh: Array
    """The price of the best bound, of every balance."""
    shares: Mapping[str, Mapping[int, float]]
    cost_eur: float
    decided_s: float


@dataclass(frozen=True)
class Certificate:
    """How good it is what all do."""

    cost_eur: float
    bound_eur: float
    """No plan can cost less."""
    is_enough: bool
    """Whether the two are near enough."""
    responses: Mapping[str, tuple[float, float]]
    """What each comes to at the price, and the least it could come to, in EUR: of those that
    answered that price."""


def responses_at(
    price_eur_per_kwh: Array, done: Done, known: Mapping[str, Response], supply: Supply
) -> dict[str, tuple[float, float]]:
    """What each comes to at a price that it answered, and the least it could come to, in EUR."""
    return {
        name: (
            own - supply.dt_h * float(supply.seen(name, price_eur_per_kwh) @ p_kw),
            known[name].bound_eur,
        )
        for name, (own, p_kw) in done.items()
        if name in known
    }
