"""An EV fleet drives on what it has charged, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.simulators.unit_maker import UnitMaker
from quartier.units import KINDS
from quartier.units.base import ELECTRICITY
from quartier.units.step import Fleet

from . import factories

FLEET = KINDS["ev_fleet"]
ALWAYS_THERE = {"away_share": 0.0, "charge_efficiency": 1.0, "v2g_kw": 0.0}
"""Drives at all hours, and can charge at all hours."""


def fleet(steps, dt_h=1.0, **changes):
    return factories.unit("ev_fleet", steps=steps, dt_h=dt_h, **changes)


def driving(kw):
    """Energy of a year of driving with this power."""
    return kw * 24 * 365.25


def test_what_cannot_be_charged_is_refused_with_time_and_amount():
    """From 50 kWh, 10 in and 20 out an hour: 40, 30, 20, 10 with at least 20 kWh."""
    unit = fleet(
        4,
        energy_kwh=100.0,
        power_kw=10.0,
        start_soc=0.5,
        driving_kwh_per_year=driving(20.0),
        **ALWAYS_THERE,
    )
    (problem,) = FLEET.shortfalls(unit)
    assert "min_soc 0.2 (20 kWh) is undercut in 1 of 4 steps" in problem
    assert "first by 10 kWh in that of 2016-07-25 02:00 UTC" in problem
    assert "lower driving_kwh_per_year, or raise power_kw or energy_kwh" in problem


def test_what_can_just_be_charged_is_not_refused():
    """40, 30, 20 kWh: the energy ends at the least that there must be."""
    unit = fleet(
        3,
        energy_kwh=100.0,
        power_kw=10.0,
        start_soc=0.5,
        driving_kwh_per_year=driving(20.0),
        **ALWAYS_THERE,
    )
    assert list(FLEET.shortfalls(unit)) == []


def test_a_full_battery_does_not_charge_ahead():
    """Whatever the power, no more than 100 kWh are there when all of them leave."""
    day = {"energy_kwh": 100.0, "power_kw": 1000.0, "away_share": 1.0, "spread_h": 0.1}
    (problem,) = FLEET.shortfalls(fleet(24, driving_kwh_per_year=100 * 365.25, **day))
    assert "is undercut" in problem
    assert list(FLEET.shortfalls(fleet(24, driving_kwh_per_year=79 * 365.25, **day))) == []


@pytest.mark.parametrize("steps", [11, 14, 18, 37])
def test_a_fleet_that_cannot_end_as_it_began_still_has_bounds_with_room(steps):
    """The run ends while vehicles are away: no full battery would do for the end rule."""
    day = {"energy_kwh": 100.0, "power_kw": 3.0, "away_share": 1.0}
    unit = fleet(steps, driving_kwh_per_year=60 * 365.25, **day)
    assert list(FLEET.shortfalls(unit)) == []
    assert np.all(unit.series["energy_min_kwh"] <= unit.series["energy_max_kwh"])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    power_kw=st.floats(1.0, 60.0),
    v2g_kw=st.floats(0.0, 60.0),
    daily_kwh=st.floats(1.0, 150.0),
    min_soc=st.floats(0.0, 0.5),
    start_soc=st.floats(0.5, 1.0),
    loss=st.floats(0.0, 0.02),
    steps=st.integers(4, 72),
)
def test_energy_never_falls_below_its_least(
    seed, power_kw, v2g_kw, daily_kwh, min_soc, start_soc, loss, steps
):
    """Whatever is asked of a fleet that is not refused, it drives and keeps what it must."""
    unit = fleet(
        steps,
        energy_kwh=100.0,
        power_kw=power_kw,
        v2g_kw=v2g_kw,
        driving_kwh_per_year=daily_kwh * 365.25,
        min_soc=min_soc,
        start_soc=start_soc,
        standing_loss_per_h=loss,
    )
    if list(FLEET.shortfalls(unit)):
        return
    rng = np.random.default_rng(seed)
    simulated = Fleet("ev_fleet", [unit])
    for t in range(steps):
        set_point = rng.choice([-1000.0, 0.0, 1000.0, np.nan, rng.uniform(-60, 60)])
        result = simulated.step(t, np.array([set_point]))
        assert result.energy_kwh[0] >= 100.0 * min_soc - 1e-3
        assert result.driving_kw[0] == unit.series["driving_kw"][t]


def test_energy_that_is_not_there_is_never_driven_silently():
    """As of a fleet that came past the validation: it starts with 90 kWh and drives 120 an hour."""
    drives = driving(120.0)
    unit = fleet(1, energy_kwh=100.0, power_kw=1.0, driving_kwh_per_year=drives, **ALWAYS_THERE)
    simulated = Fleet("ev_fleet", [unit])
    with pytest.raises(AssertionError, match="energy that is not there"):
        simulated.step(0, np.full(1, np.nan))


def test_fleets_of_plain_parameters_are_refused_as_well():
    maker = UnitMaker("ev_fleet", 1.0, 24, "2016-01-25T00:00")
    plain = {"energy_kwh": 100.0, "power_kw": 1.0, "driving_kwh_per_year": 200_000.0}
    with pytest.raises(ValueError, match="more is driven than can be charged"):
        maker.make(1, plain, 0)
    assert len(maker.make(2, {**plain, "driving_kwh_per_year": 2000.0}, 0)) == 2


def test_electric_stores_are_those_that_give_back():
    stores = {name for name, kind in KINDS.items() if kind.holds == ELECTRICITY}
    assert stores == {"battery", "ev_fleet", "pumped_hydro"}
