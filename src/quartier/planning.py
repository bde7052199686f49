"""What every mechanism for redispatch puts its plan together from.

Who takes part and at which prices, terms under P_set, schedules turned into set points, and the
rows that redispatch leaves in the tables of the run folder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.coordination import Cap, UnitPlan
from quartier.optimisation import Solution
from quartier.problem import ConnectionTerms, NeighbourhoodProblem, Offer, Problem
from quartier.problem.upper_cost import lower_price
from quartier.quantities import Array, share_of
from quartier.redispatch.rounds import Round
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.schedule import Schedule

Row = Mapping[str, Any]


# -- who takes part ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Asset:
    """What the DSO knows of a connection point before it offers anything."""

    name: str
    kind: str
    bus: int
    price_eur_per_kwh: float
    raise_price_eur_per_kwh: float
    rated_kw: float | None = None


def assets_of(problem: Problem) -> list[Asset]:
    """Connection points that the DSO asks: the neighbourhoods', then the plants'."""
    settings = problem.grid.settings
    raising = settings.raise_price_eur_per_kwh
    points = [
        Asset(n.name, "neighbourhood", n.bus, n.redispatch_price_eur_per_kwh, raising)
        for n in problem.neighbourhoods
    ]
    plants = [
        Asset(p.name, "der", _bus(p), lower_price(settings, p), raising, rated(p))
        for p in problem.plants
    ]
    return [*points, *plants]


def rated(unit: UnitData) -> float | None:
    """Rated power of a unit in kW, if its parameters state one."""
    found = getattr(unit.parameters, "power_kw", None)
    return None if found is None else float(found)


def _bus(plant: UnitData) -> int:
    if plant.bus is None:
        raise ValueError(f"{plant.name}: a plant outside the neighbourhoods needs a bus")
    return plant.bus


def reactive_kvar(problem: NeighbourhoodProblem) -> Array:
    """Reactive power of a neighbourhood's households in kvar, shape ``(T,)``."""
    known = [u.series["q_kvar"] for u in problem.units if "q_kvar" in u.series]
    return np.sum(known, axis=0) if known else np.zeros(problem.horizon.steps)


# -- offers -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Forecast:
    """What is published of a connection point beforehand: all that is known of one that is silent.

    Shape ``(T,)`` each.
    """

    p_kw: Array
    q_kvar: Array


@dataclass(frozen=True)
class Band:
    """What a connection point does, and what it could do otherwise in any single step (M5).

    What its own limits or prices curtail can be raised again, and all other renewable power be
    lowered. Shape ``(T,)`` each.
    """

    p_kw: Array
    down_kw: Array
    up_kw: Array
    curtailed_kw: Array

    @classmethod
    def of(
        cls, p_kw: Array, curtailable_kw: Array, up_kw: Array, down_kw: Array, curtailed_kw: Array
    ) -> Band:
        """Curtail a part of the renewable power in a schedule and in the band of its loads."""
        down_kw = down_kw + curtailable_kw - curtailed_kw
        return cls(p_kw - curtailed_kw, down_kw, up_kw + curtailed_kw, curtailed_kw)

    @classmethod
    def of_plant(cls, available_kw: Array) -> Band:
        """Feed in what is available, all of which can be curtailed."""
        nothing = np.zeros_like(available_kw)
        return cls.of(available_kw, available_kw, nothing, nothing, nothing)


def offer_of(asset: Asset, band: Band, q_kvar: Array) -> Offer:
    """Put what a connection point says of itself together with what the DSO knows of it."""
    return Offer(
        asset=asset.name,
        kind=asset.kind,
        bus=asset.bus,
        p_kw=band.p_kw,
        down_kw=band.down_kw,
        up_kw=band.up_kw,
        q_kvar=q_kvar,
        price_eur_per_kwh=asset.price_eur_per_kwh,
        raise_price_eur_per_kwh=asset.raise_price_eur_per_kwh,
        rated_kw=asset.rated_kw,
        curtailed_kw=band.curtailed_kw,
    )


def neighbourhood_offer(
    asset: Asset, problem: NeighbourhoodProblem, schedules: Collection[Schedule]
) -> Offer:
    """Offer of a neighbourhood: what its agents' schedules come to, and the band around it."""
    p_kw, loose_kw, up_kw, down_kw = (
        np.sum([getattr(schedule, name) for schedule in schedules], axis=0)
        for name in ("p_kw", "curtailable_kw", "up_kw", "down_kw")
    )
    curtailed_kw = problem.terms.curtailed_kw(p_kw, loose_kw)
    band = Band.of(p_kw, loose_kw, up_kw, down_kw, curtailed_kw)
    return offer_of(asset, band, reactive_kvar(problem))


def plant_offers(problem: Problem) -> list[Offer]:
    """Offers of the plants: the available power, all of which can be curtailed."""
    plants = {p.name: p for p in problem.plants}
    return [
        offer_of(
            asset,
            Band.of_plant(plants[asset.name].series["available_kw"]),
            problem.plant_q_kvar[asset.name],
        )
        for asset in assets_of(problem)
        if asset.name in plants
    ]


# -- caps -------------------------------------------------------------------------------------
def under_cap(terms: ConnectionTerms, p_max_kw: Array, p_min_kw: Array) -> ConnectionTerms:
    """Terms with P_set besides the limits that there are anyway."""
    return replace(
        terms,
        p_max_kw=np.minimum(terms.p_max_kw, p_max_kw),
        p_min_kw=np.maximum(terms.p_min_kw, p_min_kw),
    )


# -- set points -------------------------------------------------------------------------------
def unit_plans(
    units: Sequence[UnitData],
    schedule: Schedule,
    share: Array,
    room: Array | None = None,
) -> Iterator[tuple[str, UnitPlan]]:
    """What an agent's units shall do, a share of the renewable power curtailed.

    Parameters
    ----------
    share
        Share of the available renewable power to curtail, shape ``(T,)``.
    room
        What P_set leaves above the plan, per kW of rated renewable power, shape ``(T,)``: so
        much more may a unit feed in if more is available than was forecast. None: no limit.
    """
    room = np.full_like(share, np.inf) if room is None else room
    band: tuple[Array | float, Array | float] = (schedule.up_kw, schedule.down_kw)
    for unit in units:
        p_kw = schedule.unit_p_kw[unit.name]
        if KINDS[unit.kind].curtailable:
            p_kw = (1 - share) * p_kw
            ceiling = p_kw + room * (rated(unit) or float(np.max(schedule.unit_p_kw[unit.name])))
            free = schedule.unit_p_kw[unit.name] - p_kw
            yield unit.name, UnitPlan(np.where(share > 0, p_kw, ceiling), p_kw, free, p_kw)
        else:
            yield unit.name, UnitPlan(schedule.command_kw[unit.name], p_kw, *band)
            band = (0.0, 0.0)


def room_per_rated(units: Sequence[UnitData], p_kw: Array, p_max_kw: Array) -> Array:
    """What P_set leaves above a plan, per kW of rated renewable power, shape ``(T,)``.

    Parameters
    ----------
    units
        All units behind the connection point.
    p_kw, p_max_kw
        Planned power at the connection point, and what it may feed in.
    """
    curtailable = [unit for unit in units if KINDS[unit.kind].curtailable]
    total_kw = sum(rated(unit) or 0.0 for unit in curtailable)
    return np.maximum(p_max_kw - p_kw, 0.0) / max(total_kw, 1.0)


def plant_plan(available_kw: Array, p_max_kw: Array) -> UnitPlan:
    """What a plant shall do under its cap, also where more is available than was forecast."""
    return UnitPlan(p_max_kw, np.minimum(available_kw, p_max_kw))


def is_kept(p_kw: Array, cap: Cap, tolerance_kw: float) -> bool:
    """Whether a power keeps a cap in every step."""
    return bool(cap.excess_kw(p_kw).max() <= tolerance_kw)


def plans_of(
    problem: NeighbourhoodProblem, solution: Solution, terms: ConnectionTerms | None = None
) -> Iterator[tuple[str, UnitPlan]]:
    """Set points that carry out a solution, curtailed as ``terms`` demand, or as it says itself."""
    loose = np.sum([s.curtailable_kw for s in solution.schedules.values()], axis=0)
    full = np.sum([s.p_kw for s in solution.schedules.values()], axis=0)
    curtailed = total(solution.curtailed_kw, problem)
    if terms is not None:
        curtailed = terms.curtailed_kw(full, loose)
    share = share_of(curtailed, loose)
    terms = terms or problem.terms
    room = room_per_rated(problem.units, solution.p_kw, terms.p_max_kw)
    for agent, units in problem.agents.items():
        yield from unit_plans(units, solution.schedules[agent], share, room)


def total(by_unit: Mapping[str, Array], problem: NeighbourhoodProblem) -> Array:
    """Sum over units, shape ``(T,)``."""
    found: Array = np.sum([*by_unit.values(), np.zeros(problem.horizon.steps)], axis=0)
    return found


# -- tables -----------------------------------------------------------------------------------
def redispatch_rows(history: Sequence[Round]) -> Iterator[Row]:
    """Rows of the table ``redispatch``."""
    for step in history:
        for row in step.result.rows:
            yield {**row, "round": step.number}


def solve_rows(history: Sequence[Round]) -> Iterator[Row]:
    """Rows of the table ``solves`` about the rounds of redispatch."""
    for step in history:
        yield {
            "problem": f"redispatch-{step.number}",
            "status": "unsolved" if step.result.unsolved.any() else "optimal",
            "objective": step.result.cost_eur,
            "wall_s": step.wall_s,
        }


def before_rows(problem: Problem, history: Sequence[Round]) -> Iterator[Row]:
    """Congestion with everything offered, per step: what the KPIs call "before" (M12)."""
    if not history:
        return
    before = history[0].result.before_violations
    for name, unit, values in (
        ("overloads_offered", "1", before.overloads),
        ("overload_energy_offered", "MWh", before.overload_mwh),
        ("voltage_violations_offered", "1", before.voltages),
    ):
        for time, value in zip(problem.horizon.times, values, strict=True):
            yield {"time": time, "name": name, "value": float(value), "unit": unit}


def shiftable_rows(problem: Problem, neighbourhood: str, shiftable_kw: Array) -> Iterator[Row]:
    """Band of the loads that can be moved in time, in the schedule offered, per step (M12)."""
    name = f"shiftable_band[{neighbourhood}]"
    for time, value in zip(problem.horizon.times, shiftable_kw, strict=True):
        yield {"time": time, "name": name, "value": float(value), "unit": "kW"}


def plan_columns(
    problem: Problem, blocks: Sequence[tuple[int, str, Array]]
) -> dict[str, Array | list[str]]:
    """Columns of the table ``plans`` from round, unit and power, shape ``(T,)``, of each."""
    if not blocks:
        return {}
    times = problem.horizon.times
    return {
        "round": np.repeat([number for number, _, _ in blocks], len(times)),
        "time": np.tile(times.to_numpy(), len(blocks)),
        "unit": np.repeat([unit for _, unit, _ in blocks], len(times)),
        "p_kw": np.concatenate([p_kw for _, _, p_kw in blocks]),
    }
