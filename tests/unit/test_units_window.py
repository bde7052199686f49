"""Units as a planner sees them in the middle of a run: series, stores and sessions cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartier.units.base import Stack
from quartier.units.group import Group
from quartier.units.stays import Session

from . import factories


def test_window_shifts_sessions_and_keeps_the_corridor():
    unit = factories.unit("ev_station", seed=7)
    first = unit.sessions[1].arrival + 3  # a vehicle is there
    on_arrival = unit.series["energy_max_kwh"][first]
    part = unit.window(first, 40, {"energy_kwh": on_arrival})
    assert part.sessions[1].arrival == -3
    for name in ("energy_min_kwh", "energy_max_kwh"):
        whole = np.maximum(unit.series[name][first : first + 41], on_arrival)
        np.testing.assert_allclose(part.series[name][1:], whole[1:])
    np.testing.assert_array_equal(
        part.series["plug_kw"], unit.series["plug_kw"][first : first + 40]
    )


def test_window_asks_a_store_to_end_where_the_run_began():
    unit = factories.unit("battery")
    part = unit.window(50, 40, {"energy_kwh": 300.0})
    assert part.series["energy_min_kwh"][0] == 300.0
    assert part.series["energy_min_kwh"][-1] == unit.start_energy_kwh == 500.0
    assert len(part.series["energy_min_kwh"]) == 41


def test_store_that_cannot_reach_its_start_climbs_as_fast_as_it_can():
    unit = factories.unit("battery", steps=2, power_kw=100.0)
    part = factories.with_state(unit, energy_kwh=200.0)
    reach = 200.0 + 2 * 0.25 * 100.0 * 0.95
    assert part.series["energy_min_kwh"][-1] == pytest.approx(reach)
    p_kw = Group([part]).run({part.name: np.full(2, 50.0)})[part.name]["charge_kw"][0]
    np.testing.assert_allclose(p_kw, 100.0)


def test_store_above_its_upper_bound_is_not_infeasible():
    unit = factories.unit("battery", steps=4, standing_loss_per_h=0.1, start_soc=0.9)
    part = factories.with_state(unit, energy_kwh=950.0)
    assert np.all(part.series["energy_max_kwh"] >= part.series["energy_min_kwh"])
    assert part.series["energy_max_kwh"][1] == pytest.approx(950.0 * (1 - 0.1 * 0.25))


def test_session_that_needs_its_whole_stay_leaves_no_corridor():
    unit = factories.unit("ev_station", steps=8)
    full = replace(unit, sessions=(Session(1, 5, 4 * 0.25 * 11.0, 11.0),))
    part = factories.with_state(full, energy_kwh=0.0)
    np.testing.assert_allclose(part.series["energy_min_kwh"], part.series["energy_max_kwh"])


def test_stack_holds_numbers_only_and_nan_for_those_left_out():
    units = [factories.unit("chp"), factories.unit("chp", ramp_kw_per_h=100.0)]
    stack = Stack([u.parameters for u in units])
    np.testing.assert_array_equal(stack.ramp_kw_per_h, [np.nan, 100.0])
    np.testing.assert_array_equal(stack.available, [1.0, 1.0])
    with pytest.raises(AttributeError, match="hub"):
        _ = stack.hub


def test_start_outside_the_states_of_charge_is_named():
    unit = factories.unit("battery", start_soc=0.95)
    (problem,) = factories.KINDS["battery"].problems(unit.parameters)
    assert "0.95" in problem
    assert "max_soc" in problem
