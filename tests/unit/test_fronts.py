"""Points of a front are efficient, its ends are optima, and its flexibility can be had."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import quartier
from quartier.centralised.fronts import GRID, Objectives
from quartier.optimisation import NeighbourhoodModel
from quartier.pareto import OBJECTIVES
from quartier.problem import NeighbourhoodProblem
from quartier.units.convex import convexified
from quartier.units.evaluate import evaluate
from quartier.units.sampling import sample

from . import factories

STEPS, HOUR = 24, 1.0
PENALTY = 10.0
SENSE = np.array(list(OBJECTIVES.values()))
SIZE = {"steps": STEPS, "dt_h": HOUR}


def units_of(name):
    more = {
        "power": ("pv", "battery"),
        "chp": ("pv", "battery", "heat_demand", "chp", "thermal_storage", "boiler"),
        "pumps": ("heat_demand", "electric_heater", "heat_pump", "thermal_storage", "boiler"),
    }
    stations = [factories.unit("ev_station", f"place.ev{i}", seed=i, **SIZE) for i in range(2)]
    load = factories.unit("household", energy_kwh_per_year=2900.0, **SIZE)
    return (load, *stations, *(factories.unit(kind, **SIZE) for kind in more[name]))


def problem_of(units, **terms):
    horizon = units[0].horizon
    own = factories.terms(horizon.steps, horizon.dt_h, penalty_eur_per_kwh=PENALTY, **terms)
    return NeighbourhoodProblem("place", 1, horizon, tuple(units), own, 0.1)


@cache
def front_of(name, grid=GRID):
    return Objectives(problem_of(units_of(name))).front(grid)


def values_of(points):
    """Objectives of points, all to be minimised, shape ``(points, 3)``."""
    return SENSE * np.array([[point.values[name] for name in OBJECTIVES] for point in points])


def beaten(own, others):
    """Which points are dominated by any of the others."""
    ranges = np.maximum(np.ptp(np.vstack([own, others]), axis=0), 1.0)
    gain = (own[:, None] - others[None]) / ranges
    return ((gain >= -1e-6).all(axis=2) & (gain > 1e-3).any(axis=2)).any(axis=1)


@pytest.mark.parametrize("name", ["power", "chp", "pumps"])
def test_no_point_dominates_another(name):
    found = values_of(front_of(name))
    assert len(found) > 3
    assert not beaten(found, found).any()


def test_finer_grid_stays_on_the_front():
    coarse, fine = (values_of(front_of("chp", grid)) for grid in (3, 7))
    assert len(fine) > len(coarse)
    assert not beaten(coarse, fine).any()
    assert not beaten(fine, coarse).any()


PRICED = {"peak_import_kw": {"peak_eur_per_kw": 1.0}, "co2_kg": {"co2_eur_per_kg": 1.0}}


@pytest.mark.parametrize("name", ["chp", "pumps"])
@pytest.mark.parametrize("objective", PRICED)
def test_ends_are_the_single_optima(name, objective):
    """The neighbourhood's own optimum with nothing but the one objective priced."""
    free = dict.fromkeys(
        ("export_eur_per_kwh", "import_eur_per_kwh", "curtailment_eur_per_kwh"), 0.0
    )
    units = [costless(convexified(unit)) for unit in units_of(name)]
    solution = NeighbourhoodModel(problem_of(units, **free, **PRICED[objective]), True).solve()
    least = min(point.values[objective] for point in front_of(name))
    assert least == pytest.approx(solution.objective_eur, rel=1e-5, abs=1e-3)


def costless(unit):
    prices = {"fuel_eur_per_kwh": 0.0, "wear_eur_per_kwh": 0.0}
    own = {name: price for name, price in prices.items() if hasattr(unit.parameters, name)}
    return replace(unit, parameters=unit.parameters.model_copy(update=own))


def test_no_sampled_schedule_offers_more_flexibility():
    units = units_of("power")
    best = max(point.values["flexibility_kw"] for point in front_of("power"))
    for schedule in sample(units, 200, np.random.default_rng(3), PENALTY):
        assert offered_kw(schedule) <= best + 1e-3


def test_flexibility_of_a_store_by_hand():
    """It must end as full as it began: a step can only put in what there is room for."""
    battery = factories.unit("battery", steps=1, dt_h=HOUR)
    (point,) = Objectives(problem_of([battery])).front()
    assert point.values["flexibility_kw"] == pytest.approx(400.0 / 0.95)


@pytest.mark.parametrize("name", ["power", "chp", "pumps"])
def test_points_are_what_their_schedules_are_worth(name):
    units = [convexified(unit) for unit in units_of(name)]
    for point in front_of(name):
        schedule = evaluate(units, point.controls, PENALTY)
        assert schedule.unserved_kwh == pytest.approx(0.0, abs=1e-4)
        assert -schedule.p_kw.min() == pytest.approx(point.values["peak_import_kw"], abs=1e-3)
        assert schedule.co2_kg == pytest.approx(point.values["co2_kg"], abs=1e-3)
        assert point.values["flexibility_kw"] <= offered_kw(schedule) + 1e-3


def offered_kw(schedule):
    """Flexibility summed over the steps; curtailable units offer what is available."""
    return float((schedule.up_kw + schedule.down_kw + schedule.curtailable_kw).sum())


def test_linear_flexibility_is_exact_at_its_greatest():
    units = [convexified(unit) for unit in units_of("chp")]
    best = max(front_of("chp"), key=lambda point: point.values["flexibility_kw"])
    schedule = evaluate(units, best.controls, PENALTY)
    assert best.values["flexibility_kw"] == pytest.approx(offered_kw(schedule), rel=1e-3)


def test_needs_come_before_objectives():
    """Without fuel there would be no emissions; the demand is served all the same."""
    point = min(front_of("chp"), key=lambda point: point.values["co2_kg"])
    assert point.values["co2_kg"] > 100.0


def test_caps_come_before_objectives():
    units = [convexified(unit) for unit in units_of("chp")]
    for point in Objectives(problem_of(units, p_max_kw=50.0)).front(3):
        schedule = evaluate(units, point.controls, PENALTY)
        assert (schedule.p_kw - schedule.curtailable_kw).max() <= 50.0 + 1e-3


def test_run_writes_the_front_where_asked(tmp_path):
    result = quartier.run(
        "fliegerhorst",
        coordination="individual",
        overrides=["horizon.steps=4", "record.fronts=true"],
        out=tmp_path / "run",
    )
    rows = result.table("fronts")
    assert list(rows.columns) == [
        "gate", "neighbourhood", "method", "point", "objective", "value", "chosen",
    ]  # fmt: skip
    assert set(rows["objective"]) == set(OBJECTIVES)
    assert set(rows["method"]) == {"augmecon"}
    assert rows.groupby("point")["objective"].count().eq(3).all()
    assert rows["value"].notna().all()
    assert not rows["chosen"].any()
