"""What the player can earn at most, by linear programs alone (M10).

Its profit is what all neighbourhoods pay at prices π less what all of it costs: Σ v_n(π) - C(x).
No plan costs less than one owner's, C*, and Σ v_n is concave in the prices: its greatest value is
that of neighbourhoods that buy at the caps and sell at the floors, together where prices are
uniform, each where they are not. So the profit is at most max_π Σ v_n(π) - C*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quartier.centralised.pricing.pooled import loosened, together
from quartier.optimisation import NeighbourhoodModel
from quartier.problem import Pricing
from quartier.program import Highs


def most_paid(pricing: Pricing, models: Mapping[str, NeighbourhoodModel]) -> float:
    """What neighbourhoods pay at most at prices between floors and caps, in EUR.

    Parameters
    ----------
    models
        Programs of the neighbourhoods by name, at prices of 0.
    """
    groups = [models] if pricing.mode == "uniform" else [{n: m} for n, m in models.items()]
    return sum(_paid(pricing, group) for group in groups)


def _paid(pricing: Pricing, models: Mapping[str, NeighbourhoodModel]) -> float:
    """Least cost of neighbourhoods that buy together at caps, and sell together at floors."""
    nothing = {c: replace(p, wholesale_eur_per_kwh=None) for c, p in pricing.carriers.items()}
    arrays, _ = together(replace(pricing, carriers=nothing), models, tuple(nothing))
    ends = {c: (p.cap_eur_per_kwh, -p.floor_eur_per_kwh) for c, p in nothing.items()}
    return (
        Highs("at the worst prices", loosened(pricing, arrays, ends).relaxed()).needed().objective
    )


def least_cost(pricing: Pricing, models: Mapping[str, NeighbourhoodModel]) -> float:
    """What one owner of all would pay at least, in EUR: C*.

    Parameters
    ----------
    models
        Programs of the neighbourhoods by name, at wholesale prices; 0 of what has none.
    """
    arrays, _ = together(pricing, models, (*pricing.balanced, *pricing.limited))
    return Highs("one owner of all", arrays.relaxed()).needed().objective
