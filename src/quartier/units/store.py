"""What all stores share: `E' = (1 - σΔ) E + Δ (η_c c - d / η_d)` (M1), and its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat

from quartier.quantities import Array
from quartier.units.base import (
    ELECTRICITY,
    Carrier,
    Control,
    Flow,
    Limits,
    Quantity,
    UnitData,
    UnitKind,
    UnitParameters,
    Values,
)

REFILL_H = 12.0
"""Hours before the end of the horizon in which a store that nobody plans for refills."""


class StoreParameters(UnitParameters):
    """Parameters of a store that charges and discharges."""

    energy_kwh: PositiveFloat
    """Rated energy M in kWh."""
    power_kw: PositiveFloat
    """Limit of charging and of discharging in kW, at the terminals."""
    charge_efficiency: float = Field(0.95, gt=0, le=1)
    """Efficiency of charging η_c."""
    discharge_efficiency: float = Field(0.95, gt=0, le=1)
    """Efficiency of discharging η_d."""
    standing_loss_per_h: float = Field(0.0, ge=0, lt=0.5)
    """Share of the stored energy lost per hour σ."""
    min_soc: float = Field(0.1, ge=0, lt=1)
    """Least state of charge α."""
    max_soc: float = Field(0.9, gt=0, le=1)
    """Greatest state of charge β."""
    start_soc: float = Field(0.5, ge=0, le=1)
    """State of charge at the start, and at least at the end, of the run."""


class StoreKind(UnitKind):
    """Charges and discharges; ends the horizon no emptier than it began.

    A store of another carrier than electricity sets ``holds`` and ``command`` to it.
    """

    controls = (Control("charge_kw"), Control("discharge_kw"))
    stores = True
    holds: ClassVar[Carrier] = ELECTRICITY
    command = ELECTRICITY
    shared_by: ClassVar[str | None] = "power_kw"

    def problems(self, u: Any) -> Iterable[str]:
        """Check that the states of charge are in order."""
        if not u.min_soc <= u.start_soc <= u.max_soc:
            yield (
                f"start_soc {u.start_soc} is outside min_soc {u.min_soc} .. max_soc {u.max_soc}; "
                "choose a start between them"
            )

    def initial(self, u: Any) -> Mapping[str, float]:
        """Start at ``start_soc``."""
        return {"energy_kwh": u.start_soc * u.energy_kwh}

    def bounded(self, unit: UnitData) -> UnitData:
        """Bounds α·M and β·M, tightened by the end-of-horizon rule."""
        u: Any = unit.parameters
        return bounded_store(
            unit,
            u.min_soc * u.energy_kwh,
            u.max_soc * u.energy_kwh,
            u.charge_efficiency * u.power_kw,
            u.standing_loss_per_h,
        )

    def next_energy(
        self, u: Any, energy_kwh: Quantity, x: Values, s: Values, dt_h: float
    ) -> Quantity:
        """`(1 - σΔ) E + Δ (η_c c - d / η_d)`."""
        kept = (1 - u.standing_loss_per_h * dt_h) * energy_kwh
        gained = u.charge_efficiency * x["charge_kw"] - x["discharge_kw"] / u.discharge_efficiency
        return kept + dt_h * gained

    def bounds(self, u: Any, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """Both powers lie between zero and the rated power."""
        return {"charge_kw": (0.0, u.power_kw), "discharge_kw": (0.0, u.power_kw)}

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Net power of what it holds."""
        return Flow({self.holds: x["discharge_kw"] - x["charge_kw"]})

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Greedy: take what others have left over, give what they lack, refill before the end.

        Of electricity, in the neighbourhood; of another carrier, at its node.
        """
        high_kw = net_power_to(u, state["energy_kwh"], s["energy_rule_kwh"], dt_h)
        electric = self.holds == ELECTRICITY
        lacking_kw: Array = -s["p_others_kw"] if electric else s[f"{self.holds}_missing_kw"]
        return np.minimum(lacking_kw, high_kw)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Power limit, and the energy that can be shifted."""
        return shifted_band(self, unit, x, energy_kwh)

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """By shifting, as :func:`store_limits` says."""
        return store_limits(u, x, out_kw, in_kw)

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Net power nearest to the set point that keeps the store within its bounds."""
        low_kw = net_power_to(u, state["energy_kwh"], s["energy_max_kwh"], dt_h)
        high_kw = net_power_to(u, state["energy_kwh"], s["energy_min_kwh"], dt_h)
        net_kw = np.minimum(np.maximum(set_point_kw, low_kw), high_kw)
        net_kw = np.minimum(np.maximum(net_kw, -u.power_kw), u.power_kw)
        return {"charge_kw": np.maximum(-net_kw, 0.0), "discharge_kw": np.maximum(net_kw, 0.0)}


def net_power_to(u: Any, energy_kwh: Array, end_kwh: Array, dt_h: float) -> Array:
    """Net power (discharging positive) that brings a store to an energy at the step's end."""
    inside_kw = ((1 - u.standing_loss_per_h * dt_h) * energy_kwh - end_kwh) / dt_h
    out_kw, in_kw = inside_kw * u.discharge_efficiency, inside_kw / u.charge_efficiency
    net_kw: Array = np.where(inside_kw > 0, out_kw, in_kw)
    return net_kw


def bounded_store(
    unit: UnitData,
    low_kwh: float,
    high_kwh: float,
    most_kw: float | Array,
    loss_per_h: float,
    drain_kw: float | Array = 0.0,
) -> UnitData:
    """Give a store its bounds: the physical ones, tightened so that it can end where it began.

    The end-of-horizon rule (M1) asks for at least ``unit.start_energy_kwh`` at the end, unless
    what is left then has a worth (``unit.end_eur_per_kwh``), be it zero. Going
    backwards, a boundary needs what is asked of the next one less what a step can add. A store
    that nobody plans for refills sooner, in the last ``REFILL_H``, so as to not end in a rush.

    Parameters
    ----------
    low_kwh, high_kwh
        Physical bounds of the stored energy.
    most_kw
        Greatest power into the store, inside the store (after the charging loss), of every step or
        of each, shape ``(T,)``.
    loss_per_h
        Standing loss as a share per hour.
    drain_kw
        Power that leaves the store whatever is chosen, likewise.

    Returns
    -------
    UnitData
        With series ``energy_min_kwh`` and ``energy_max_kwh``, and ``energy_rule_kwh``, the floor
        of the own rule, shape ``(T+1,)`` each.
    """
    steps, dt_h = unit.horizon.steps, unit.horizon.dt_h
    now_kwh = unit.state["energy_kwh"]
    kept = 1 - loss_per_h * dt_h
    gain_kwh = dt_h * np.broadcast_to(most_kw - drain_kw, steps)
    drain_kwh = dt_h * np.broadcast_to(drain_kw, steps)
    least = np.full(steps + 1, low_kwh)
    if unit.end_eur_per_kwh is None:
        least[-1] = max(low_kwh, min(unit.start_energy_kwh, high_kwh))
    for t in range(steps - 1, 0, -1):
        least[t] = max(low_kwh, (least[t + 1] - gain_kwh[t]) / kept)
    # A store that starts too low for the rule climbs as fast as it can; nothing is infeasible.
    # Likewise one that starts above its upper bound.
    fall = fullest(now_kwh, -drain_kwh, kept, np.inf)
    most = np.maximum(high_kwh, fall) if now_kwh > high_kwh else np.full(steps + 1, high_kwh)
    least = np.minimum(least, fullest(now_kwh, gain_kwh, kept, most))
    remaining_h = dt_h * np.arange(steps, -1, -1.0)
    refill = low_kwh + (least[-1] - low_kwh) * (1 - remaining_h / REFILL_H)
    floor = np.maximum(least, refill)
    least[0] = most[0] = now_kwh
    bounds = {"energy_min_kwh": least, "energy_max_kwh": most, "energy_rule_kwh": floor}
    return replace(unit, series={**unit.series, **bounds})


def fullest(now_kwh: float, gain_kwh: Array, kept: float, most_kwh: float | Array) -> Array:
    """Greatest energy that a store can have at the boundaries of the steps, shape ``(T+1,)``.

    Parameters
    ----------
    gain_kwh
        Most that each step adds, less what leaves whatever is chosen, shape ``(T,)``.
    kept
        Share of the energy that a step keeps.
    most_kwh
        Upper bound of the energy, at all boundaries or at each.
    """
    found = np.empty(len(gain_kwh) + 1)
    found[0] = now_kwh
    most_kwh = np.broadcast_to(most_kwh, found.shape)
    for t, gained in enumerate(gain_kwh):
        found[t + 1] = min(kept * found[t] + gained, most_kwh[t + 1])
    return found


def shifted_band(
    kind: UnitKind, unit: UnitData, x: Values, energy_kwh: Array | None
) -> tuple[Array, Array]:
    """Power by which each step of a store, or of a load that is moved, can be raised and lowered.

    Parameters
    ----------
    kind
        Its limits say what power allows.
    x
        Controls as scheduled, shape ``(..., T)``.
    energy_kwh
        Planned energy, shape ``(..., T+1)``.

    Returns
    -------
    up_kw, down_kw
        Shape ``(..., T)``.
    """
    assert energy_kwh is not None
    out_kwh, in_kwh = shift_band(unit, energy_kwh)
    dt_h = unit.horizon.dt_h
    up, down = kind.limits(unit.parameters, x, unit.series, out_kwh / dt_h, in_kwh / dt_h)
    return least(up), least(down)


def store_limits(
    u: Any, x: Values, out_kw: Quantity, in_kw: Quantity
) -> tuple[list[Quantity], list[Quantity]]:
    """Limits of a store's band from what can leave and enter it in a step (inside the store).

    Raised, it first ends charging (η_c of a kWh leaves the store), then discharges (1/η_d);
    lowered, it first ends discharging, for which there is room in what left the store. (If it
    charges and discharges at once, less is counted than there is.)
    """
    gain, loss = u.charge_efficiency, u.discharge_efficiency
    charge_kw, discharge_kw = x["charge_kw"], x["discharge_kw"]
    net_kw, both = discharge_kw - charge_kw, gain * loss
    up = [loss * out_kw + (1 - both) * charge_kw, out_kw / gain, u.power_kw - net_kw]
    down = [in_kw / gain - (1 / both - 1) * discharge_kw, u.power_kw + net_kw]
    return up, down


def least(limits: Sequence[Quantity]) -> Array:
    """The least of some limits, in numbers; nothing below zero."""
    found: Array = np.maximum(np.minimum.reduce(np.broadcast_arrays(*limits)), 0.0)
    return found


def shift_band(unit: UnitData, energy_kwh: Array) -> tuple[Array, Array]:
    """Energy that each step could take out of the store, or add to it, by shifting.

    What a step takes is given back later, so the limits have to be kept at its end, where the
    lower one already tells from where the rest of the horizon can still be served: the end rule
    of a store, the departure of a vehicle. (With all other steps unchanged, as M3 words it, a
    vehicle that is just served by its departure would have no flexibility at all, whereas seed
    001 eq. 18 means the shift.)

    Parameters
    ----------
    energy_kwh
        Planned energy at the boundaries of the steps, shape ``(..., T+1)``.

    Returns
    -------
    out_kwh, in_kwh
        Shape ``(..., T)``, non-negative.
    """
    end_kwh = energy_kwh[..., 1:]
    out_kwh = np.maximum(end_kwh - unit.series["energy_min_kwh"][1:], 0.0)
    in_kwh = np.maximum(unit.series["energy_max_kwh"][1:] - end_kwh, 0.0)
    return out_kwh, in_kwh
