"""Sharing: neighbourhoods share a pool with an outer grid at two tariffs (M8; seed 000, eq. 1-2).

What they come to together is bought from the outer grid at the import price (grid fees included) or
sold to it at the export price; inside the pool there are no fees. So the pool costs what its sum
costs (eq. 2), at most what the neighbourhoods would pay one by one (eq. 1). The energy shared is
``min(Σ_n P_n⁺, Σ_n P_n⁻)·Δ``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from quartier.problem.coupling import Coupling
from quartier.quantities import Array


@dataclass(frozen=True)
class Sharing(Coupling):
    """Neighbourhoods coupled by a pool; arrays have shape ``(T,)``."""

    kind: ClassVar[str] = "sharing"
    coordinator: ClassVar[str] = "sharing pool"
    answers: ClassVar[frozenset[str]] = frozenset()
    tables: ClassVar[tuple[str, ...]] = ("shares",)
    kpis: ClassVar[tuple[str, ...]] = ("shared_energy", "pool_cost", "system_cost")

    dt_h: float
    export_eur_per_kwh: Array
    """What the outer grid pays."""
    import_eur_per_kwh: Array
    """What the outer grid asks, fees included; at least the export price."""


def pool_eur(
    net_kw: Array, export_eur_per_kwh: Array, import_eur_per_kwh: Array, dt_h: float
) -> float:
    """What the pool pays the outer grid in EUR (eq. 2, without the members' own costs).

    Parameters
    ----------
    net_kw
        Power of all neighbourhoods together, positive into the outer grid, shape ``(T,)``.
    """
    bought, sold = np.maximum(-net_kw, 0.0), np.maximum(net_kw, 0.0)
    return float(np.sum(bought * import_eur_per_kwh - sold * export_eur_per_kwh)) * dt_h


def shared_kw(p_kw: Array) -> Array:
    """What every neighbourhood gets from the others in kW; negative: what it gives them.

    Whoever draws gets a share of what is given in proportion to what it draws, and likewise.

    Parameters
    ----------
    p_kw
        Power of the neighbourhoods, positive into the grid, shape ``(..., N)``.
    """
    given, drawn = np.maximum(p_kw, 0.0), np.maximum(-p_kw, 0.0)
    given_sum = given.sum(axis=-1, keepdims=True)
    drawn_sum = drawn.sum(axis=-1, keepdims=True)
    shared = np.minimum(given_sum, drawn_sum)
    got = np.divide(drawn, drawn_sum, out=np.zeros_like(drawn), where=drawn_sum > 0)
    gave = np.divide(given, given_sum, out=np.zeros_like(given), where=given_sum > 0)
    return np.asarray(shared * (got - gave), dtype=float)


def internal_price(
    net_kw: Array, export_eur_per_kwh: Array, import_eur_per_kwh: Array, tolerance_kw: float
) -> Array:
    """Price inside the pool at which it neither gains nor loses, shape ``(T,)``.

    The import price while the pool buys, the export price while it sells, as in the welfare optimum
    (M8: the dual of the balance). Where the pool is balanced any price between the two pays for
    itself; it is their mean, the paper's price of shared energy (seed 000, below eq. 2).
    """
    mean = (export_eur_per_kwh + import_eur_per_kwh) / 2
    price = np.where(net_kw > tolerance_kw, export_eur_per_kwh, mean)
    return np.where(net_kw < -tolerance_kw, import_eur_per_kwh, price)
