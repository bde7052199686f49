"""What redispatch costs the DSO (U1-U3, M4), stated once for mechanisms and KPIs.

Per step and connection point, against the fixed offer p_off and without any threshold:

* *lost* is renewable energy that could have been used and was not ("Ausfallarbeit"), less what
  p_off itself curtails: an owner that does not want to feed in at negative prices is not paid for
  it. Energy that a cap drives into a store is not lost, unlike in seed 001 eq. 4-5. Power that a
  conventional plant is lowered by counts likewise: its available power is what it offered.
* *reduced* is load that P_set orders off: what is drawn less than p_off, as far as the order goes,
  at most the load offered. What a load does beyond its order is its own choice.

Programs state the same as rows, see :mod:`quartier.redispatch.joint`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.quantities import Array
from quartier.scenario.models import RedispatchSettings
from quartier.units import KINDS
from quartier.units.base import UnitData


def lost_kw(available_kw: Array, used_kw: Array, own_kw: Array | float) -> Array:
    """Power lost to redispatch in kW, any shape.

    Parameters
    ----------
    available_kw, used_kw
        Power that a connection point's plants could feed in, and do.
    own_kw
        What p_off itself curtails.
    """
    return np.maximum(available_kw - used_kw - own_kw, 0.0)


def reduced_kw(p_kw: Array, p_off_kw: Array, p_min_kw: Array) -> Array:
    """Load that an order takes off in kW, any shape.

    Parameters
    ----------
    p_kw, p_off_kw
        Power at the connection point, as it is and as it was offered.
    p_min_kw
        P_set on consumption; ``-inf`` where there is none.
    """
    ordered = np.minimum(p_kw, p_min_kw) - p_off_kw
    return np.clip(ordered, 0.0, load_kw(p_off_kw))


def load_kw(p_kw: Array) -> Array:
    """What a connection point draws in kW, 0 where it feeds in."""
    return np.maximum(-p_kw, 0.0)


def lower_price(settings: RedispatchSettings, plant: UnitData) -> float:
    """What lowering a plant costs the DSO in EUR/kWh: its own price, or by its minimum factor."""
    merit = settings.minimum_factor
    if merit is None:
        return settings.plant_prices.get(plant.name, settings.price_eur_per_kwh)
    if KINDS[plant.kind].renewable:
        return merit.renewable * merit.conventional_eur_per_kwh
    factor = merit.chp if getattr(plant.parameters, "chp", False) else 1.0
    return factor * merit.conventional_eur_per_kwh


def redispatch_eur(
    lost: Array, price_eur_per_kwh: Any, reduced: Array, raise_price_eur_per_kwh: Any, dt_h: float
) -> float:
    """U3: cost of redispatch in EUR; powers in kW and prices of shapes that multiply."""
    paid = np.sum(lost * price_eur_per_kwh) + np.sum(reduced * raise_price_eur_per_kwh)
    return float(paid) * dt_h


def grid_eur(
    loss_kwh: float, loss_price_eur_per_kwh: float, co2_kg: float, co2_price_eur_per_kg: float
) -> float:
    """U1 and U2: cost of losses, and of the CO2 of what is drawn from the upper grid, in EUR."""
    co2_eur = co2_kg * co2_price_eur_per_kg if co2_price_eur_per_kg else 0.0
    return loss_kwh * loss_price_eur_per_kwh + co2_eur
