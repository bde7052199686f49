"""CHP: `p_min u <= p <= p_max u`, `fuel = p / η_el`, `heat = p η_th / η_el` (M1).

Start costs, minimum up and down times, ramp limit: seed 001 eq. 17 leaves the dynamics open. The
constraints on starts are those of Rajan and Takriti (2005, IBM RC23628), which describe the
convex hull of minimum up and down times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from quartier.quantities import POWER_TOLERANCE_KW, Array
from quartier.units.base import (
    ELECTRICITY,
    GAS,
    HEAT,
    HYDROGEN,
    Carrier,
    Control,
    Flow,
    HeatParameters,
    Limits,
    Quantity,
    Shown,
    UnitData,
    UnitKind,
    Values,
)
from quartier.units.burner import blend
from quartier.units.switching import History, can_toggle, steps_before, steps_left, steps_of

START_BELOW = 0.2
STOP_ABOVE = 0.8
"""Heat-led: starts when the hub's stores are emptier, stops when they are fuller (shares of what
is usable of them, between the least and the greatest state of charge)."""


class ChpParameters(HeatParameters):
    """A combined heat and power unit that feeds a heat hub."""

    kind: Literal["chp"]
    p_max_kw: PositiveFloat
    """Greatest electric power in kW."""
    p_min_kw: NonNegativeFloat = 0.0
    """Least electric power in kW while it runs."""
    electric_efficiency: float = Field(0.36, gt=0, lt=1)
    """Electric power per fuel η_el (lower heating value)."""
    thermal_efficiency: float = Field(0.52, gt=0, le=1)
    """Heat per fuel η_th (lower heating value)."""
    fuel_eur_per_kwh: NonNegativeFloat | None = None
    """Fuel price in EUR/kWh; without it, fuel is drawn from a node of gas at its price."""
    fuel_co2_kg_per_kwh: NonNegativeFloat = 0.201
    """Emissions of the fuel in kg/kWh (natural gas 55.9 t/TJ, German Environment Agency)."""
    hydrogen_share: float = Field(0.0, ge=0, le=1)
    """Share of the fuel's energy that is hydrogen, always the same, from a node of hydrogen (0.07:
    20 % by volume). The rest is gas, to which fuel price and emissions apply."""
    start_eur: NonNegativeFloat = 0.0
    """Cost of a start in EUR."""
    min_up_h: NonNegativeFloat = 0.0
    """Hours that it runs at least once started."""
    min_down_h: NonNegativeFloat = 0.0
    """Hours that it rests at least once stopped."""
    ramp_kw_per_h: PositiveFloat | None = None
    """Greatest change of power in kW per hour while it runs; without it, any."""
    available: bool = True
    """Whether it can run at all."""


class Chp(UnitKind):
    """Runs between its least and greatest power, or rests."""

    Parameters = ChpParameters
    gives = (HEAT,)
    takes = (GAS, HYDROGEN)
    priced: ClassVar[Mapping[str, tuple[str, str]]] = {
        GAS: ("fuel_eur_per_kwh", "fuel_co2_kg_per_kwh")
    }
    still: ClassVar[Mapping[str, float]] = {"on": 1.0, "start": 0.0}
    shown = Shown("CHP", "vermilion", "\\", "longdash", "cross", 5)
    controls = (Control("on", binary=True), Control("start"), Control("p_kw"))
    memory = ("on", "p_kw", "hours")
    command = ELECTRICITY
    order = 2
    shared_by = "p_max_kw"

    def served(self, u: Any) -> tuple[Carrier, ...]:
        """Hydrogen only where it is blended in."""
        return self.carriers if u.hydrogen_share > 0 else (HEAT, GAS)

    def problems(self, u: ChpParameters) -> Iterable[str]:
        """Check powers and efficiencies against each other."""
        if u.p_min_kw > u.p_max_kw:
            yield f"p_min_kw {u.p_min_kw} exceeds p_max_kw {u.p_max_kw}"
        if u.electric_efficiency + u.thermal_efficiency > 1.1:
            yield "electric_efficiency + thermal_efficiency exceeds 1.1 (lower heating value)"

    def initial(self, u: ChpParameters) -> Mapping[str, float]:
        """Rest long enough to start at once."""
        return {"on": 0.0, "p_kw": 0.0, "hours": max(u.min_up_h, u.min_down_h)}

    def convex(self, unit: UnitData) -> UnitData:
        """Any power up to the greatest, at any time.

        Least power, costs of starts, minimum times and ramps go with the on/off decision that they
        belong to. A relaxation of the relaxation u in [0, 1] (M7), in which hardly anything is
        left of them, with proven bounds on its duals.
        """
        free = {"p_min_kw": 0.0, "start_eur": 0.0, "min_up_h": 0.0, "min_down_h": 0.0}
        parameters = unit.parameters.model_copy(update={**free, "ramp_kw_per_h": None})
        return replace(unit, parameters=parameters, state={"on": 1.0, "p_kw": 0.0, "hours": 1.0})

    def flow(self, u: Any, x: Values, s: Values, dt_h: float) -> Flow:
        """Power, heat and fuel in fixed proportion, and the cost of starts."""
        fuel_kw = x["p_kw"] / u.electric_efficiency
        burnt = blend(fuel_kw, u.hydrogen_share)
        return Flow(
            {ELECTRICITY: x["p_kw"], HEAT: u.thermal_efficiency * fuel_kw, **burnt},
            co2_kg=u.fuel_co2_kg_per_kwh * -burnt[GAS] * dt_h,
            cost_eur=u.fuel_eur_per_kwh * -burnt[GAS] * dt_h + u.start_eur * x["start"],
        )

    def bounds(self, u: ChpParameters, s: Values) -> Mapping[str, tuple[Quantity, Quantity]]:
        """A unit that is not available stays off; one that may idle for nothing is always on."""
        switches = (u.p_min_kw > 0) | (u.start_eur > 0) | (u.min_up_h > 0) | (u.min_down_h > 0)
        return {
            "on": (1.0 * u.available * (1 - switches), 1.0 * u.available),
            "start": (0.0, 1.0 * u.available),
            "p_kw": (0.0, u.p_max_kw * u.available),
        }

    def rows(
        self, u: ChpParameters, x: Mapping[str, Any], t: int, unit: UnitData
    ) -> Iterable[tuple[str, Quantity]]:
        """Power only while it runs, starts, minimum up and down times, ramps.

        A unit without a least power idles for nothing where it would otherwise stop, as executed.
        """
        dt_h = unit.horizon.dt_h
        past = History(x, unit.state, steps_before(unit.state, u, dt_h))
        on, start, p_kw = x["on"][t], x["start"][t], x["p_kw"][t]
        was_on = past.on(t - 1)
        yield "least", u.p_min_kw * on - p_kw
        yield "most", p_kw - u.p_max_kw * on
        yield "start", on - was_on - start
        yield "rested", start - (1 - was_on)
        up, down = steps_of(u.min_up_h, dt_h), steps_of(u.min_down_h, dt_h)
        yield "up", sum(past.start(k) for k in range(t - up + 1, t + 1)) - on
        if down > 1:
            recent = sum(past.start(k) for k in range(t - down + 1, t + 1))
            yield "down", recent - (1 - past.on(t - down))
        if not u.p_min_kw and u.available and (u.start_eur or up > 1 or down > 1):
            yield "idle", was_on - on
        if u.ramp_kw_per_h is not None:
            most_kw = u.ramp_kw_per_h * dt_h
            rise = p_kw - past.p_kw(t - 1)
            yield "rise", rise - most_kw - u.p_min_kw * start
            yield "fall", -rise - most_kw - u.p_min_kw * (was_on - on + start)

    def execute(
        self, u: Any, state: Values, s: Values, set_point_kw: Array, dt_h: float
    ) -> dict[str, Array]:
        """Run if that is nearer to the set point than to rest, unless it must run or rest.

        Without a least power it idles rather than stops.
        """
        was_on = state["on"] > 0.5
        ramp_kw = np.where(np.isnan(u.ramp_kw_per_h), np.inf, u.ramp_kw_per_h) * dt_h
        served = steps_left(state["hours"], np.where(was_on, u.min_up_h, u.min_down_h), dt_h) == 0
        can_stop = (
            served & (u.p_min_kw > 0) & (state["p_kw"] <= ramp_kw + u.p_min_kw + POWER_TOLERANCE_KW)
        )
        wanted = (set_point_kw > 0) & (set_point_kw >= u.p_min_kw / 2)
        on = np.where(was_on, wanted | ~can_stop, wanted & served) & (u.available > 0)
        low_kw = np.maximum(u.p_min_kw, np.where(was_on, state["p_kw"] - ramp_kw, 0.0))
        high_kw = np.where(was_on, state["p_kw"] + ramp_kw, u.p_min_kw + ramp_kw)
        p_kw = np.clip(set_point_kw, low_kw, np.minimum(u.p_max_kw, high_kw)) * on
        return {"on": on.astype(float), "start": (on & ~was_on).astype(float), "p_kw": p_kw}

    def rule(self, u: Any, state: Values, s: Values, dt_h: float) -> Array:
        """Heat-led: fill the hub's stores between two marks, or follow the demand without any."""
        filled, capacity_kwh = s["heat_energy_kwh"], s["heat_capacity_kwh"]
        room_kwh = capacity_kwh - filled
        mark = np.where(state["p_kw"] > 0, STOP_ABOVE, START_BELOW) * capacity_kwh
        heat_kw = np.maximum(s["heat_missing_kw"] + np.maximum(room_kwh, 0.0) / dt_h, 0.0)
        p_kw = np.minimum(heat_kw * u.electric_efficiency / u.thermal_efficiency, u.p_max_kw)
        due = (filled < mark) | (capacity_kwh <= 0)
        return np.where(due & (p_kw >= u.p_min_kw), p_kw, 0.0)

    def next_memory(
        self, u: ChpParameters, state: Values, x: Values, s: Values, dt_h: float
    ) -> dict[str, Array]:
        """Count the hours in the present state."""
        same = x["on"] == state["on"]
        hours = np.where(same, state["hours"] + dt_h, dt_h)
        return {"on": x["on"], "p_kw": x["p_kw"], "hours": hours}

    def limits(
        self, u: Any, x: Values, s: Values, out_kw: Quantity, in_kw: Quantity
    ) -> tuple[Limits, Limits]:
        """From rest to the greatest power."""
        return (self.bounds(u, s)["p_kw"][1] - x["p_kw"],), (x["p_kw"],)

    def band(
        self, unit: UnitData, x: Mapping[str, Array], energy_kwh: Array | None
    ) -> tuple[Array, Array]:
        """Modulate while it runs; start or stop where minimum times and ramps allow.

        With a ramp limit, only what neighbouring steps allow counts.
        """
        u: Any = unit.parameters
        on = x["on"] > 0.5
        toggle = can_toggle(on, unit.state, u, unit.horizon.dt_h)
        up = np.where(on | toggle, u.p_max_kw - x["p_kw"], 0.0)
        down = np.where(on, x["p_kw"] - np.where(toggle, 0.0, u.p_min_kw), 0.0)
        if u.ramp_kw_per_h is not None:
            most, least = _ramped(
                x["p_kw"], unit.state["p_kw"], u.ramp_kw_per_h * unit.horizon.dt_h
            )
            up, down = np.minimum(up, most), np.minimum(down, least)
        return np.maximum(up, 0.0) * u.available, np.maximum(down, 0.0) * u.available

    def settled(
        self, unit: UnitData, x: Mapping[str, Array], up_kw: Array, down_kw: Array
    ) -> tuple[Array, Array]:
        """Leave out powers between rest and the least power."""
        u: Any = unit.parameters
        p_kw, low_kw = x["p_kw"], np.where(x["on"] > 0.5, u.p_min_kw, 0.0)
        up_kw = np.where(p_kw + up_kw < u.p_min_kw, 0.0, up_kw)
        between = (p_kw - down_kw > 0) & (p_kw - down_kw < low_kw)
        return up_kw, np.where(between, p_kw - low_kw, down_kw)


def _ramped(p_kw: Array, before_kw: float, ramp_kw: float) -> tuple[Array, Array]:
    """Power by which a step can rise and fall beside its neighbours, shape ``(..., T)``."""
    first = np.full((*p_kw.shape[:-1], 1), before_kw)
    before = np.concatenate([first, p_kw[..., :-1]], axis=-1)
    after = np.concatenate([p_kw[..., 1:], p_kw[..., -1:]], axis=-1)
    rise = np.minimum(before, after) + ramp_kw - p_kw
    return rise, p_kw - (np.maximum(before, after) - ramp_kw)
