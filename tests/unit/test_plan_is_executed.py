"""The plan is executed as planned, and costs what the optimiser says, for any units of a hub."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.optimisation import NeighbourhoodModel
from quartier.optimisation.closed_loop import optimal_controls, replay
from quartier.planning import plans_of
from quartier.units.base import HEAT
from quartier.units.evaluate import evaluate
from quartier.units.group import Group
from quartier.units.node import Node
from quartier.units.sampling import own_rules, sample
from quartier.units.step import Fleet
from quartier.units.switching import can_toggle, steps_of

from . import factories, hubs

PENALTY = 10.0
seeds = st.integers(0, 10**6)


def executed(units, plans):
    """Power and heat by unit when the units follow the commands of plans."""
    told = {name: plan.command_kw for name, plan in plans.items()}
    done = Group([unit.simulated or unit for unit in units]).run(told)
    controls = {unit: {n: v[0] for n, v in x.items()} for unit, x in done.items()}
    return hubs.powers(units, controls)


def assert_carried_out(problem, solution, plans):
    """Every unit does what its plan says, within 0.1 kW of power and of heat."""
    found = executed(problem.units, plans)
    planned = {}
    for agent, units in problem.agents.items():
        planned |= hubs.powers(units, solution.schedules[agent].controls)
    for unit, (p_kw, heat_kw) in found.items():
        np.testing.assert_allclose(p_kw, plans[unit].p_kw, atol=0.1, err_msg=unit)
        np.testing.assert_allclose(heat_kw, planned[unit][1], atol=0.1, err_msg=unit)


@settings(max_examples=40)
@given(seeds)
def test_plan_of_any_hub_is_carried_out_at_the_cost_found(seed):
    problem = hubs.neighbourhood(seed)
    solution = NeighbourhoodModel(problem).solve()
    assert_carried_out(problem, solution, dict(plans_of(problem, solution, problem.terms)))
    if not solution.repairs:
        assert solution.cost_eur == pytest.approx(solution.objective_eur, rel=1e-5, abs=1e-3)
    assert solution.cost_eur >= solution.bound_eur - 1e-3 - 1e-5 * abs(solution.bound_eur)


@settings(max_examples=15)
@given(seeds)
def test_every_sampled_schedule_is_carried_out(seed):
    problem = hubs.neighbourhood(seed)
    units = problem.agents["heat"]
    for schedule in sample(units, 12, np.random.default_rng(seed), PENALTY):
        done = Group(units).run(schedule.command_kw)
        controls = {unit: {n: v[0] for n, v in x.items()} for unit, x in done.items()}
        found = evaluate(units, controls, PENALTY)
        np.testing.assert_allclose(found.p_kw, schedule.p_kw, atol=1e-6)
        assert found.cost_eur == pytest.approx(schedule.cost_eur, abs=1e-6)


# -- units that balance a hub ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("heat_kw", "made_kw"),
    [
        (100.0, [90.0, 10.0]),  # the plan holds
        (100.0 + 24.0, [90.0 + 1.0, 10.0 + 23.0]),  # 10 and 230 kW are left of 100 and 240
        (100.0 - 50.0, [90.0 - 45.0, 10.0 - 5.0]),  # less in proportion to what is made
        (400.0, [100.0, 240.0]),  # all they can
        (-30.0, [0.0, 0.0]),
    ],
)
def test_a_deviation_is_shared_by_what_each_can_still_do(heat_kw, made_kw):
    boilers = [
        factories.unit("boiler", name="a", steps=1, heat_max_kw=100.0),
        factories.unit("boiler", name="b", steps=1, heat_max_kw=240.0),
    ]
    result = Fleet("boiler", boilers).step(
        0, np.array([90.0, 10.0]), {"heat_missing_kw": np.full(2, heat_kw)}
    )
    np.testing.assert_allclose(result.heat_kw, made_kw)


def test_hubs_and_copies_make_up_their_own_deviation():
    boilers = [
        replace(
            factories.unit("boiler", name=name, steps=1, heat_max_kw=100.0),
            nodes={HEAT: Node(hub, HEAT)},
        )
        for name, hub in (("a", "one"), ("b", "two"), ("c", "one"))
    ]
    lacking = np.array([60.0, 80.0, 30.0, 40.0, 60.0, 80.0])
    planned = np.array([50.0, 80.0, 0.0, 0.0, 10.0, 0.0])
    result = Fleet("boiler", boilers, copies=2).step(0, planned, {"heat_missing_kw": lacking})
    np.testing.assert_allclose(result.heat_kw, [50.0, 80.0, 30.0, 40.0, 10.0, 0.0])


# -- minimum times off the grid of steps ----------------------------------------------------------
@pytest.mark.parametrize(
    ("hours", "minutes", "rest"),
    [
        (0.3, 5, 4),
        (0.3, 15, 2),
        (0.3, 60, 1),
        (1.0, 5, 12),
        (1.0, 15, 4),
        (1.1, 5, 14),
        (1.1, 15, 5),
        (1.1, 60, 2),
    ],
)
def test_a_rest_of_any_length_ends_at_the_same_step_everywhere(hours, minutes, rest):
    chp = factories.unit("chp", steps=40, dt_h=minutes / 60, min_up_h=0.0, min_down_h=hours)
    assert steps_of(hours, minutes / 60) == rest
    worth, always = np.full(40, 2.0), np.full(40, 150.0)

    def planned(unit):
        return optimal_controls([unit], worth)[unit.name]["on"] > 0.5

    def done(unit, wanted):
        return Group([unit]).run({unit.name: wanted})[unit.name]["on"][0] > 0.5

    # At its start a unit has rested for just as long as it must.
    assert planned(chp).all()
    stop = np.where(np.arange(40) == 1, 0.0, always)
    np.testing.assert_array_equal(np.flatnonzero(~done(chp, stop)), 1 + np.arange(rest))
    stopped = factories.with_state(chp, on=0.0, p_kw=0.0, hours=minutes / 60)
    np.testing.assert_array_equal(planned(stopped), np.arange(40) >= rest - 1)
    np.testing.assert_array_equal(planned(stopped), done(stopped, always))
    may = can_toggle(np.zeros(40, dtype=bool), stopped.state, stopped.parameters, minutes / 60)
    np.testing.assert_array_equal(may, np.arange(40) >= rest - 1)


def test_a_unit_without_least_power_idles_where_it_would_stop():
    """A rest of 1 h would forbid the second peak, a second start would cost 3 EUR."""
    chp = factories.unit("chp", steps=6, p_min_kw=0.0, min_down_h=1.0, start_eur=3.0)
    controls = optimal_controls([chp], np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(controls[chp.name]["p_kw"], [150.0, 0.0, 150.0, 0.0, 0.0, 150.0])
    assert controls[chp.name]["start"].sum() == pytest.approx(1.0)
    done, _ = replay([chp], controls)
    np.testing.assert_allclose(done[chp.name]["p_kw"], controls[chp.name]["p_kw"])
    assert done[chp.name]["start"].sum() == 1.0


# -- own rules ------------------------------------------------------------------------------------
@pytest.mark.parametrize("min_soc", [0.0, 0.2, 0.5, 0.9])
def test_a_chp_fills_what_is_usable_of_its_store(min_soc):
    """It starts below 20 % and stops above 80 % of what is usable, wherever that lies."""
    store = factories.unit(
        "thermal_storage", steps=96, min_soc=min_soc, start_soc=max(min_soc, 0.5), max_soc=1.0
    )
    units = [*factories.heat_hub("chp", "boiler", steps=96), store]
    schedule = own_rules(units, PENALTY)["heat"]
    assert schedule.p_kw.sum() * 0.25 > 1000.0
    on = schedule.controls["place.chp"]["on"] > 0.5
    usable = 1500.0 * (1 - min_soc)
    filled = (schedule.energy_kwh[store.name][:-1] - 1500.0 * min_soc) / usable
    starts = on & ~np.append(False, on[:-1])
    assert starts.any()
    assert filled[starts].max() < 0.2


def test_a_store_that_nobody_plans_for_refills_from_its_least_charge():
    """In the last 12 h, evenly from 50 % to the 80 % it began with."""
    unit = factories.unit("battery", steps=64, min_soc=0.5, start_soc=0.8)
    floor = unit.series["energy_rule_kwh"]
    np.testing.assert_allclose(floor[[16, 40, 64]], [500.0, 650.0, 800.0])


def test_own_rules_know_the_end_of_the_run_and_no_end_of_a_window():
    """In the first hours of a day a battery gives all it can, whatever a window of 4 h asks."""
    battery = factories.unit("battery", steps=96, start_soc=0.5)
    homes = replace(
        factories.unit("household", steps=96),
        series={"load_kw": np.full(96, 200.0)},
    )
    window = [u.window(0, 16, dict(u.state)) for u in (battery, homes)]
    found = own_rules(window, PENALTY)[battery.agent]
    whole = own_rules([battery, homes], PENALTY)[battery.agent]
    np.testing.assert_allclose(found.p_kw, whole.p_kw[:16])
    assert found.energy_kwh[battery.name][-1] == pytest.approx(100.0)


def test_batteries_of_several_agents_share_what_is_left_over():
    small = factories.unit("battery", name="small", steps=4, power_kw=100.0)
    large = factories.unit("battery", name="large", steps=4, power_kw=300.0)
    homes = replace(
        factories.unit("household", name="homes", steps=4), series={"load_kw": np.full(4, 80.0)}
    )
    found = own_rules([small, large, homes], PENALTY)
    np.testing.assert_allclose(found["small"].p_kw[0], 20.0)
    np.testing.assert_allclose(found["large"].p_kw[0], 60.0)
    beside = own_rules([small, large, homes], PENALTY, {"large": np.full(4, 50.0)})
    np.testing.assert_allclose(beside["small"].p_kw[0], 20.0)  # each takes its own share
