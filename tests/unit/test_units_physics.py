"""Physics of units under any set points: balances to 1e-9, limits kept, vehicles served."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.units import KINDS
from quartier.units.balance import capacity_kwh
from quartier.units.base import HEAT
from quartier.units.evaluate import evaluate
from quartier.units.group import Group
from quartier.units.heat_pump import cop_from_temperature
from quartier.units.node import Node
from quartier.units.step import Fleet
from quartier.units.switching import steps_of

from . import factories

STEPS = 48
wishes = st.lists(
    st.one_of(st.just(np.nan), st.floats(-1200, 1200)), min_size=STEPS, max_size=STEPS
).map(np.array)
any_wishes = settings(max_examples=30)


def simulate(units, **set_points):
    controls = Group(units).run({f"place.{kind}": p for kind, p in set_points.items()})
    return {unit: {name: v[0] for name, v in x.items()} for unit, x in controls.items()}


@any_wishes
@given(wishes, st.sampled_from([0.0, 0.01]), st.sampled_from([0.3, 0.5, 0.9]))
def test_battery_balances_and_keeps_its_limits(set_points, loss, start):
    unit = factories.unit("battery", steps=STEPS, standing_loss_per_h=loss, start_soc=start)
    u, dt = unit.parameters, 0.25
    x = simulate([unit], battery=set_points)[unit.name]
    energy = evaluate([unit], {unit.name: x}, 10.0).energy_kwh[unit.name]
    gained = u.charge_efficiency * x["charge_kw"] - x["discharge_kw"] / u.discharge_efficiency
    lost = loss * dt * energy[:-1]
    assert energy[-1] - energy[0] == pytest.approx(np.sum(dt * gained - lost), abs=1e-9)
    assert np.all(np.minimum(x["charge_kw"], x["discharge_kw"]) == 0.0)
    assert np.all(np.maximum(x["charge_kw"], x["discharge_kw"]) <= u.power_kw)
    assert np.all(energy >= 0.1 * u.energy_kwh - 1e-9)
    assert np.all(energy <= 0.9 * u.energy_kwh + 1e-9)
    assert energy[-1] >= unit.start_energy_kwh - 1e-9


@any_wishes
@given(wishes, st.integers(0, 10_000))
def test_every_vehicle_leaves_with_what_it_is_due(set_points, seed):
    unit = factories.unit("ev_station", steps=STEPS, seed=seed)
    x = simulate([unit], ev_station=set_points)[unit.name]
    schedule = evaluate([unit], {unit.name: x}, 10.0)
    energy = schedule.energy_kwh[unit.name]
    present = np.zeros(STEPS, dtype=bool)
    for session in unit.sessions:
        stay = slice(session.arrival, session.departure)
        present[stay] = True
        delivered = energy[session.departure] - energy[session.arrival]
        assert delivered == pytest.approx(session.due_kwh, abs=1e-9)
        assert np.all(x["charge_kw"][stay] <= min(session.max_kw, 22.0) + 1e-9)
    assert np.all(x["charge_kw"][~present] == 0.0)


@any_wishes
@given(wishes)
def test_shifting_a_vehicle_against_charging_on_arrival_sums_to_zero(set_points):
    unit = factories.unit("ev_station", steps=STEPS)
    shifted = simulate([unit], ev_station=set_points)[unit.name]["charge_kw"]
    on_arrival = simulate([unit])[unit.name]["charge_kw"]
    for session in unit.sessions:  # seed 001 eq. 18
        stay = slice(session.arrival, session.departure)
        assert np.sum(shifted[stay] - on_arrival[stay]) == pytest.approx(0.0, abs=1e-9)


@any_wishes
@given(
    wishes,
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([0.0, 0.75, 1.5]),
    st.sampled_from([None, 120.0, 400.0]),
)
def test_chp_keeps_its_limits(set_points, up_h, down_h, ramp):
    unit = factories.unit("chp", steps=STEPS, min_up_h=up_h, min_down_h=down_h, ramp_kw_per_h=ramp)
    x = simulate([unit], chp=set_points)[unit.name]
    on, p_kw = x["on"], x["p_kw"]
    assert set(np.unique(on)) <= {0.0, 1.0}
    assert np.all(p_kw >= 60.0 * on)
    assert np.all(p_kw <= 150.0 * on)
    np.testing.assert_array_equal(x["start"], np.diff(on, prepend=0.0) > 0)
    for length, is_on in inner_runs(on):
        assert length >= steps_of(up_h if is_on else down_h, 0.25)
    if ramp:
        running = (on[1:] > 0) & (on[:-1] > 0)
        assert np.all(np.abs(np.diff(p_kw))[running] <= ramp * 0.25 + 1e-9)


def inner_runs(on):
    """Length and state of the runs that begin and end within the horizon."""
    edges = np.flatnonzero(np.diff(on)) + 1
    return [(b - a, on[a] > 0.5) for a, b in itertools.pairwise(edges)]


def test_chp_turns_fuel_into_power_and_heat():
    unit = factories.unit("chp", steps=4, start_eur=3.0)
    u = unit.parameters
    flow = KINDS["chp"].flow(u, {"on": 1.0, "start": 1.0, "p_kw": 100.0}, {}, 0.25)
    assert flow.fuel_kw == pytest.approx(100.0 / 0.36)
    assert flow.heat_kw == pytest.approx(100.0 / 0.36 * 0.52)
    assert flow.cost_eur == pytest.approx(0.07 * 100.0 / 0.36 * 0.25 + 3.0)
    assert flow.co2_kg == pytest.approx(0.201 * 100.0 / 0.36 * 0.25)


@any_wishes
@given(wishes, wishes)
def test_heat_hub_balances_whatever_is_asked(chp, storage):
    units = factories.heat_hub("chp", "thermal_storage", "boiler", steps=STEPS)
    controls = simulate(units, chp=chp, thermal_storage=storage)
    schedule = evaluate(units, controls, 10.0)
    heat = np.zeros(STEPS)
    for unit in units:
        s = unit.series
        heat += KINDS[unit.kind].flow(unit.parameters, controls[unit.name], s, 0.25).heat_kw
    left = Node("heat", HEAT).balance(heat)
    assert schedule.unserved_kwh == pytest.approx(0.25 * left.unserved_kw.sum(), abs=1e-9)
    boiler = controls["place.boiler"]["heat_kw"]
    assert np.all(boiler <= 500.0)
    assert np.all((left.unserved_kw < 1e-9) | (boiler > 500.0 - 1e-9))
    assert np.all((left.rejected_kw < 1e-9) | (boiler < 1e-9))
    energy = schedule.energy_kwh["place.thermal_storage"]
    assert np.all(energy >= -1e-9)
    assert energy[-1] >= 750.0 - 1e-6


@any_wishes
@given(wishes)
def test_curtailable_power_stays_below_what_is_available(set_points):
    unit = factories.unit("pv", steps=STEPS)
    p_kw = simulate([unit], pv=set_points)[unit.name]["p_kw"]
    available = unit.series["available_kw"]
    np.testing.assert_array_equal(
        p_kw, np.where(np.isnan(set_points), available, np.clip(set_points, 0, available))
    )


@any_wishes
@given(wishes)
def test_power_to_heat_draws_what_is_asked_within_its_rating(set_points):
    unit = factories.unit("heat_pump", steps=STEPS)
    wanted = np.nan_to_num(set_points)
    draw = simulate([unit], heat_pump=wanted)[unit.name]["draw_kw"]
    np.testing.assert_array_equal(draw, np.clip(-wanted, 0.0, 60.0))


def test_cop_follows_carnot_with_a_quality_grade():
    cop = cop_from_temperature(np.array([-7.0, 7.0, 44.0]), 45.0, 0.4)
    np.testing.assert_allclose(cop, 0.4 * 318.15 / np.array([52.0, 38.0, 15.0]))


def test_own_rules_serve_heat_and_refill_the_store():
    units = factories.heat_hub("chp", "thermal_storage", "boiler")
    schedule = evaluate(units, simulate(units), 10.0)
    assert schedule.unserved_kwh == pytest.approx(0.0, abs=1e-9)
    assert schedule.energy_kwh["place.thermal_storage"][-1] >= 750.0 - 1e-9
    assert 0.0 < schedule.controls["place.chp"]["on"].mean() < 1.0


def test_electric_hub_serves_heat_without_a_boiler():
    units = factories.heat_hub("heat_pump", "electric_heater", "thermal_storage")
    assert evaluate(units, simulate(units), 10.0).unserved_kwh == pytest.approx(0.0, abs=1e-9)


def test_vehicles_charge_on_arrival_when_nobody_plans():
    unit = factories.unit("ev_station")
    x = simulate([unit])[unit.name]
    energy = evaluate([unit], {unit.name: x}, 10.0).energy_kwh[unit.name]
    np.testing.assert_allclose(energy, unit.series["energy_max_kwh"], atol=1e-9)


def test_battery_is_greedy_on_what_the_neighbourhood_leaves_over():
    unit = factories.unit("battery", steps=60)
    others = np.where(np.arange(60) < 4, 80.0, -30.0)
    x = Group([unit]).run({}, others)["place.battery"]
    net_kw = (x["discharge_kw"] - x["charge_kw"])[0]
    np.testing.assert_allclose(net_kw[:8], -others[:8])


def test_units_of_a_kind_share_what_their_hub_lacks_by_size():
    small = factories.unit("boiler", name="a", heat_max_kw=100.0)
    large = factories.unit("boiler", name="b", heat_max_kw=300.0)
    result = Fleet("boiler", [small, large]).step(
        0, np.full(2, np.nan), {"heat_missing_kw": np.full(2, 200.0)}
    )
    np.testing.assert_allclose(result.heat_kw, [50.0, 150.0])


def test_copies_in_a_fleet_are_independent():
    unit = factories.unit("battery")
    fleet = Fleet("battery", [unit], copies=3)
    wanted = np.array([-400.0, 0.0, 400.0])
    result = fleet.step(0, wanted)
    np.testing.assert_allclose(result.p_kw, wanted)
    assert np.all(np.diff(result.energy_kwh) < 0)
    assert fleet.state_of(1) == {"energy_kwh": 500.0}


def test_quantities_that_do_not_apply_are_nan():
    result = Fleet("household", [factories.unit("household")]).step(0, np.zeros(1))
    assert np.isnan(result.available_kw[0])
    assert np.isnan(result.energy_kwh[0])
    assert result.p_kw[0] < 0.0
    assert result.q_kvar[0] < 0.0


def test_only_heat_stores_count_as_capacity_of_a_hub():
    assert capacity_kwh(factories.unit("thermal_storage")) == 1500.0
    assert capacity_kwh(factories.unit("battery")) == 0.0
    assert capacity_kwh(factories.unit("ev_station")) == 0.0
