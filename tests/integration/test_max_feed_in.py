"""`fliegerhorst:max-feed-in`: congestion by feed-in, and how caps remove it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from quartier import Result
from quartier.agents import society
from quartier.agents.society import Society
from quartier.grid.power_flow import BatchPowerFlow
from quartier.instance import Instance, build
from quartier.optimisation import NeighbourhoodModel
from quartier.problem import Problem
from quartier.quantities import KW_PER_MW
from quartier.scenario.load import load


@pytest.fixture(scope="module")
def uncontrolled(run_of) -> Result:
    return run_of("max-feed-in", "uncontrolled")


@pytest.fixture(scope="module")
def agreed(run_of) -> Result:
    return run_of("max-feed-in", "cohda")


@pytest.fixture(scope="module")
def instance() -> Instance:
    return build(load("fliegerhorst:max-feed-in"), 1)


@pytest.fixture(scope="module")
def problem(instance: Instance) -> Problem:
    return instance.problem(0, 0, instance.initial_state())


@pytest.fixture(scope="module")
def agents(problem: Problem) -> Society:
    """The agents of the gate, after they have done their work."""
    living = society.build(problem, np.random.default_rng(1))
    society.run_apart(living.live(problem.lead_s))
    return living


def loading(result: Result, line: int) -> pd.Series:
    lines = result.table("lines")
    return lines.loc[lines["index"] == line, "loading_percent"]


def test_uncontrolled_overloads_line_10(uncontrolled: Result) -> None:
    percent = loading(uncontrolled, 10)
    assert len(percent) == 130
    assert (percent > 100).sum() > 100
    assert percent.max() > 120


def test_at_least_25_agents_agree(agreed: Result) -> None:
    negotiations = agreed.table("negotiations")
    assert (negotiations["agents"] >= 25).all()
    assert negotiations["agreed"].all()


def test_pro_rata_caps_the_neighbourhood_in_more_than_100_steps(agreed: Result) -> None:
    rows = agreed.table("redispatch")
    own = rows[(rows["asset"] == "fliegerhorst") & (rows["p_set_kw"] < rows["offered_kw"] - 1e-3)]
    assert own["time"].nunique() > 100


def test_caps_are_met_by_renegotiation(agreed: Result) -> None:
    rounds = agreed.table("negotiations")["round"]
    assert set(rounds) >= {0, 1}
    points = agreed.table("connection_points")
    own = points[points["name"] == "fliegerhorst"]
    assert (own["p_kw"] <= own["p_set_max_kw"] + 0.1).all()


def test_binding_element_is_at_its_limit_with_every_asset_at_its_cap(
    agents: Society, problem: Problem
) -> None:
    """98-100.5 % in AC, in every step in which something was reduced."""
    result, grid = agents.dso.history[-1].result, problem.grid
    p_mw, q_mvar = grid.background_p_mw.copy(), grid.background_q_mvar.copy()
    reduced = np.zeros(problem.horizon.steps, dtype=bool)
    for name, offer in agents.dso.offers.items():
        cap_kw = result.caps[name].p_max_kw if name in result.caps else np.inf
        at_cap_kw = np.where(np.isfinite(cap_kw), cap_kw, offer.p_kw)
        reduced |= at_cap_kw < offer.p_kw - 0.1
        p_mw[:, grid.network.position(offer.bus)] += at_cap_kw / KW_PER_MW
        q_mvar[:, grid.network.position(offer.bus)] += offer.q_kvar / KW_PER_MW
    state = BatchPowerFlow(grid.network).solve(p_mw, q_mvar, result.tap_pos)
    used = np.max(100 * state.line_loading_percent / grid.network.line_limit_percent, axis=1)
    band = grid.network.vm_max_pu - grid.network.vm_min_pu
    high = np.max(100 * (state.vm_pu - grid.network.vm_min_pu) / band, axis=1)
    binding = np.maximum(used, high)[reduced]
    assert reduced.sum() > 100
    assert binding.min() >= 98.0
    assert used.max() <= 100.5


def test_agents_plan_under_the_caps_costs_at_most_2_percent_more_than_the_optimum(
    agents: Society, problem: Problem
) -> None:
    """Battery, vehicles and CHP act before PV and wind are curtailed: the optimum does so too."""
    (neighbourhood,) = problem.neighbourhoods
    speaker = agents.speakers[neighbourhood.name]
    best = NeighbourhoodModel(
        replace(neighbourhood, terms=speaker.terms), relax_binaries=True
    ).solve()
    reached = speaker.outcomes[-1].objective_eur
    assert reached >= best.bound_eur - 1e-3
    assert reached - best.objective_eur <= 0.02 * abs(best.objective_eur)


def test_flexible_units_absorb_before_renewables_are_curtailed(agreed: Result) -> None:
    """With the battery charging only where it helps, less is curtailed than the caps take away."""
    rows = agreed.table("redispatch")
    own = rows[rows["asset"] == "fliegerhorst"]
    asked_kwh = (own["offered_kw"] - own["p_set_kw"]).clip(lower=0).sum() / 4
    units = agreed.table("units")
    units = units[(units["neighbourhood"] == "fliegerhorst") & units["available_kw"].notna()]
    curtailed_kwh = (units["available_kw"] - units["p_kw"]).clip(lower=0).sum() / 4
    assert 0 < curtailed_kwh < asked_kwh
