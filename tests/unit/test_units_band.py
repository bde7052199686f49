"""The band is what a unit can really do in a single step, and sampled schedules are various."""

from __future__ import annotations

import numpy as np
import pytest

from quartier.units import KINDS
from quartier.units.evaluate import evaluate
from quartier.units.group import Group
from quartier.units.sampling import sample
from quartier.units.switching import can_toggle

from . import factories

STEPS = 60
PENALTY = 10.0

GROUPS = {
    "battery": ("battery",),
    "ev_station": ("ev_station",),
    "chp": ("heat_demand", "chp", "thermal_storage", "boiler"),
    "chp-ramp": ("heat_demand", "chp", "boiler"),
    "heat_pump": ("heat_demand", "heat_pump", "thermal_storage", "boiler"),
    "heat_pump-alone": ("heat_demand", "heat_pump", "thermal_storage"),
}


def group(name):
    changes = {"ramp_kw_per_h": 200.0} if name == "chp-ramp" else {}
    return tuple(
        factories.unit(kind, steps=STEPS, **(changes if kind == "chp" else {}))
        for kind in GROUPS[name]
    )


@pytest.mark.parametrize("name", GROUPS)
def test_each_end_of_the_band_can_be_reached_in_its_step(name):
    units = group(name)
    actor = next(u for u in units if u.kind == name.split("-")[0])
    rng = np.random.default_rng(6)
    reached = 0
    for schedule in sample(units, 8, rng, PENALTY):
        for t in rng.integers(0, STEPS, 12):
            for change in (schedule.up_kw[t], -schedule.down_kw[t]):
                done = with_step_changed(units, schedule, actor, t, change)
                np.testing.assert_allclose(done.p_kw[t], schedule.p_kw[t] + change, atol=1e-6)
                np.testing.assert_allclose(done.p_kw[:t], schedule.p_kw[:t], atol=1e-6)
                assert unserved_at(done, units, t) <= unserved_at(schedule, units, t) + 1e-6
                reached += abs(change) > 1.0
    assert reached > 10


def with_step_changed(units, schedule, actor, t, change):
    """Ask for another power in one step; heat stores and boilers make up for it."""
    wanted = {name: values.copy() for name, values in schedule.command_kw.items()}
    before = heat_at(units, schedule.controls, t)
    wanted[actor.name][t] += change
    controls = {**schedule.controls, actor.name: scaled(actor, schedule, t, change)}
    lost = before - heat_at(units, controls, t)
    for unit in units:
        if unit.kind == "thermal_storage":
            wanted[unit.name][t] += max(lost, 0.0)
    controls = Group(units).run(wanted)
    x = {unit: {name: v[0] for name, v in values.items()} for unit, values in controls.items()}
    return evaluate(units, x, PENALTY)


def scaled(actor, schedule, t, change):
    """Controls of the actor with another power in a step."""
    names = {"chp": ("p_kw", 1), "heat_pump": ("draw_kw", -1)}
    name, sign = names.get(actor.kind, ("", 0))
    x = dict(schedule.controls[actor.name])
    if name:
        x[name] = x[name].copy()
        x[name][t] += sign * change
    return x


def heat_at(units, controls, t):
    """Sum of all heat in a step."""
    flows = [KINDS[u.kind].flow(u.parameters, controls[u.name], u.series, 0.25) for u in units]
    return float(sum(np.broadcast_to(flow.heat_kw, STEPS)[t] for flow in flows))


def unserved_at(schedule, units, t):
    return max(-heat_at(units, schedule.controls, t), 0.0)


def test_band_of_vehicles_is_not_all_lost_when_they_leave_just_served():
    unit = factories.unit("ev_station")
    late = sample([unit], 3, np.random.default_rng(1), PENALTY)
    assert max(s.up_kw.max() for s in late) > 1.0
    assert max(s.down_kw.max() for s in late) > 1.0


def test_units_without_choice_have_no_band():
    unit = factories.unit("household")
    (schedule,) = sample([unit], 50, np.random.default_rng(1), PENALTY)
    assert not schedule.up_kw.any()
    assert not schedule.down_kw.any()


def test_can_toggle_respects_minimum_times():
    u = factories.unit("chp", min_up_h=0.5, min_down_h=0.5).parameters
    on = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1], dtype=bool)
    state = {"on": 0.0, "p_kw": 0.0, "hours": 5.0}
    found = can_toggle(on, state, u, 0.25)
    # 0: one step on alone; 1: joins the run; 2: leaves two; 3: one step off alone; 4: leaves two;
    # 5, 8: join a run and leave three off; 6, 7: alone; 9: leaves two; 10: alone; 11: open end.
    assert found.tolist() == [
        False, True, True, False, True, True, False, False, True, True, False, True,
    ]  # fmt: skip


def test_samples_start_with_the_own_rule_and_differ():
    units = factories.heat_hub("chp", "thermal_storage", "boiler")
    drawn = sample(units, 60, np.random.default_rng(1), PENALTY)
    rule = Group(units).run({})
    np.testing.assert_array_equal(drawn[0].controls["place.chp"]["on"], rule["place.chp"]["on"][0])
    assert len({s.p_kw.tobytes() for s in drawn}) > 40


def test_same_seed_draws_the_same_schedules():
    unit = factories.unit("battery")
    one, other = (sample([unit], 40, np.random.default_rng(9), PENALTY) for _ in range(2))
    np.testing.assert_array_equal([s.p_kw for s in one], [s.p_kw for s in other])


def test_curtailable_units_are_scheduled_at_what_is_available():
    unit = factories.unit("wind")
    schedule = evaluate([unit], {}, PENALTY)
    np.testing.assert_array_equal(schedule.p_kw, unit.series["available_kw"])
    np.testing.assert_array_equal(schedule.curtailable_kw, schedule.p_kw)
    assert np.all(np.isinf(schedule.command_kw[unit.name]))
