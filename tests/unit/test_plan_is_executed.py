"""The plan is executed as planned, and costs what the optimiser says, for any units of a hub."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.centralised.neighbourhood import plans_of
from quartier.optimisation import NeighbourhoodModel
from quartier.units.group import Group

from . import hubs

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


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_plan_of_any_hub_is_carried_out_at_the_cost_found(seed):
    problem = hubs.neighbourhood(seed)
    solution = NeighbourhoodModel(problem).solve()
    assert_carried_out(problem, solution, dict(plans_of(problem, solution, problem.terms)))
    if not solution.repairs:
        assert solution.cost_eur == pytest.approx(solution.objective_eur, rel=1e-5, abs=1e-3)
    assert solution.cost_eur >= solution.bound_eur - 1e-3 - 1e-5 * abs(solution.bound_eur)
