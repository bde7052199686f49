"""An agent's choice in a direction: its ends are the exact optima, and it does what it is told."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from quartier.centralised.fronts import Objectives
from quartier.optimisation.directed import NO_LIMIT, DirectedChoice, Direction, flexibility_kw
from quartier.problem import NeighbourhoodProblem
from quartier.units.convex import convexified

from . import factories

SIZE = {"steps": 24, "dt_h": 1.0}
NOTHING = np.zeros(24)
RANGES = np.array([50.0, 500.0, 100.0])
FREE = Direction(NO_LIMIT, NO_LIMIT)
WIDTH = 1e-3
AGENTS = {
    "battery": ("battery",),
    "station": ("ev_station",),
    "hub": ("heat_demand", "chp", "thermal_storage", "boiler"),
    "pumps": ("heat_demand", "electric_heater", "heat_pump", "thermal_storage", "boiler"),
}


@cache
def units_of(agent):
    return tuple(factories.unit(kind, **SIZE) for kind in AGENTS[agent])


def terms(**changes):
    return factories.terms(24, 1.0, penalty_eur_per_kwh=10.0, **changes)


@cache
def exact(agent):
    """The exact front of a neighbourhood of one agent: ideal, and L1 where it is least."""
    units = units_of(agent)
    problem = NeighbourhoodProblem("place", 1, units[0].horizon, units, terms(), 0.1)
    values = [point.values for point in Objectives(problem).front()]
    return {
        "flexibility_kw": max(v["flexibility_kw"] for v in values),
        "co2_kg": min(v["co2_kg"] for v in values),
        "peak_import_kw": min(v["peak_import_kw"] for v in values),
    }


def best(agent, direction, residual_kw=NOTHING, width=WIDTH, **changes):
    choice = DirectedChoice(units_of(agent), terms(**changes))
    return choice.best(residual_kw, NOTHING, 0.0, direction, width, RANGES)


@pytest.mark.parametrize("agent", AGENTS)
def test_without_targets_it_is_as_flexible_as_can_be(agent):
    """The linear band is never more than the band of the schedule, so that this may have more."""
    found = flexibility_kw(units_of(agent), best(agent, FREE))
    assert found >= exact(agent)["flexibility_kw"] * (1 - 2e-3)


def test_an_agent_without_controls_has_one_choice():
    choice = DirectedChoice((factories.unit("household", **SIZE),), terms())
    schedule = choice.best(NOTHING, NOTHING, 0.0, FREE, WIDTH, RANGES)
    assert (schedule.p_kw <= 0).all()


@pytest.mark.parametrize("agent", ["hub", "pumps"])
def test_with_a_target_of_nothing_it_emits_the_least(agent):
    schedule = best(agent, Direction(NO_LIMIT, 0.0, (0.0, 0.01, 1.0)))
    assert schedule.co2_kg == pytest.approx(exact(agent)["co2_kg"], rel=1e-3, abs=0.1)


@pytest.mark.parametrize("agent", ["station", "pumps"])
def test_it_keeps_a_peak_that_it_can_keep(agent):
    least_kw = exact(agent)["peak_import_kw"]
    schedule = best(agent, Direction(least_kw + 0.5, NO_LIMIT, (10.0, 1.0, 1.0)))
    assert -schedule.p_kw.min() <= least_kw + 0.5 + 8 * WIDTH * RANGES[0]


@pytest.mark.parametrize("agent", AGENTS)
def test_what_was_asked_before_does_not_matter(agent):
    """Of equally good choices there is one, whatever basis the solver begins from."""
    targets = (FREE, Direction(10.0, NO_LIMIT), Direction(NO_LIMIT, 0.0), Direction(-5.0, 5.0))
    alone = [best(agent, target) for target in targets]
    for order in ((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)):
        choice = DirectedChoice(units_of(agent), terms())
        for k in order:
            again = choice.best(NOTHING, NOTHING, 0.0, targets[k], WIDTH, RANGES)
            np.testing.assert_allclose(again.p_kw, alone[k].p_kw, rtol=0, atol=2e-6)


def test_it_lifts_the_valley_of_the_others():
    """The lower the others' power, the more the battery gives; with smooth costs, evenly."""
    residual_kw = np.where(np.arange(24) % 12 < 3, -60.0, -20.0)
    schedule = best("battery", Direction(20.0, NO_LIMIT, (10.0, 0.1, 1.0)), residual_kw, 0.05)
    low = residual_kw < -50
    assert (schedule.p_kw[low] > 5.0).all()
    assert (schedule.p_kw[~low] < 1.0).all()
    assert np.ptp(schedule.p_kw[low]) < 10.0


def test_caps_come_before_flexibility():
    residual_kw = np.full(24, 30.0)
    p_max_kw = np.where(np.arange(24) == 5, 10.0, np.inf)
    for agent in ("battery", "hub"):
        schedule = best(agent, FREE, residual_kw if agent == "battery" else NOTHING)
        capped = best(
            agent, FREE, residual_kw if agent == "battery" else NOTHING, p_max_kw=p_max_kw
        )
        given = residual_kw if agent == "battery" else NOTHING
        assert (given + capped.p_kw)[5] <= 10.0 + 1e-3
        loss = flexibility_kw(units_of(agent), schedule) - flexibility_kw(units_of(agent), capped)
        assert loss >= -1e-3


def test_schedules_of_switched_units_can_be_carried_out():
    """Between rest and the least power there is nothing, whatever the relaxation would like."""
    schedule = best("hub", Direction(-20.0, NO_LIMIT, (5.0, 1.0, 1.0)))
    chp = next(unit for unit in units_of("hub") if unit.kind == "chp")
    p_kw = schedule.unit_p_kw[chp.name]
    running = p_kw > 1e-6
    assert running.any()
    assert (p_kw[running] >= chp.parameters.p_min_kw - 1e-4).all()
    assert schedule.unserved_kwh == pytest.approx(0.0, abs=1e-3)


def test_flexibility_counts_switched_units_as_the_exact_front_does():
    units = units_of("hub")
    schedule = best("hub", FREE)
    relaxed = [convexified(unit) for unit in units]
    chp = next(unit for unit in relaxed if unit.kind == "chp")
    assert (
        flexibility_kw(units, schedule) >= float((schedule.up_kw + schedule.down_kw).sum()) - 1e-6
    )
    assert chp.parameters.p_min_kw == 0.0
