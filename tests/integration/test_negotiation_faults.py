"""What becomes of a negotiation when messages are lost and agents die."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.agents import society
from quartier.agents.society import Society
from quartier.agents.strategies.cohda import plans, trouble
from quartier.agents.unit import UnitAgent
from quartier.instance import build
from quartier.optimisation import NeighbourhoodModel
from quartier.problem import Problem
from quartier.scenario.load import load

BATTERY = "fliegerhorst.battery"


SHORT = "horizon.steps=32"
"""Eight hours, with P_set in most of them."""


def asked(*overrides: str) -> Problem:
    instance = build(load("fliegerhorst:max-feed-in", [SHORT, *overrides]), 1)
    return instance.problem(0, 0, instance.initial_state())


def lived(problem: Problem, agents: Society) -> Society:
    society.run_apart(agents.live(problem.lead_s))
    return agents


def made(problem: Problem, seed: int = 1) -> Society:
    return society.build(problem, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def quiet() -> Society:
    """Nothing is lost and nobody dies."""
    problem = asked()
    return lived(problem, made(problem))


@pytest.mark.parametrize("loss", [0.1, 0.3, 0.5])
def test_lost_messages_do_not_keep_agents_from_agreeing(loss: float, quiet: Society) -> None:
    problem = asked(f"communication.loss={loss}")
    agents = lived(problem, made(problem))
    outcomes = agents.speakers["fliegerhorst"].outcomes
    lossless = quiet.speakers["fliegerhorst"].outcomes
    assert [o.agreed for o in outcomes] == [True] * len(lossless)
    # P_set follows from the offers, of which several are as good: each is held to its own optimum.
    (neighbourhood,), capped = problem.neighbourhoods, agents.speakers["fliegerhorst"].terms
    for one in outcomes:
        terms = capped if one.negotiation.round else neighbourhood.terms
        bound = NeighbourhoodModel(replace(neighbourhood, terms=terms), relax_binaries=True).solve()
        assert one.objective_eur == pytest.approx(bound.objective_eur, rel=0.002)
    assert not list(trouble(problem, agents))


def test_delay_changes_the_time_that_agreeing_takes_not_the_agreement(quiet: Society) -> None:
    problem = asked("communication.delay_s=1")
    agents = lived(problem, made(problem))
    slow = agents.speakers["fliegerhorst"].outcomes
    fast = quiet.speakers["fliegerhorst"].outcomes
    assert all(o.agreed for o in slow)
    assert slow[0].ended_s - slow[0].started_s > fast[0].ended_s - fast[0].started_s


def raising(self: UnitAgent) -> None:
    raise ZeroDivisionError("this agent's model is broken")


def test_an_agent_that_raises_is_named_and_the_others_agree(monkeypatch) -> None:
    problem = asked()
    agents = made(problem)
    monkeypatch.setattr(agents.units["fliegerhorst"][BATTERY], "_act", lambda: raising(None))
    lived(problem, agents)
    told = list(trouble(problem, agents))
    assert any(BATTERY in line and "this agent's model is broken" in line for line in told)
    outcome = agents.speakers["fliegerhorst"].outcomes[-1]
    assert outcome.agents == 29
    assert not outcome.agreed
    committed = [a for a in agents.units["fliegerhorst"].values() if a.history]
    assert len(committed) == 28
    assert np.isnan(dict(plans(problem, agents))[BATTERY].command_kw).all()


@pytest.mark.parametrize("dead", [BATTERY, "fliegerhorst.wind", "fliegerhorst.pv"])
def test_caps_are_kept_without_the_agent_that_died(dead: str, monkeypatch) -> None:
    """Its units follow their own rules; a plant's feed-in is curtailed all the same."""
    problem = asked()
    agents = made(problem)
    monkeypatch.setattr(agents.units["fliegerhorst"][dead], "_act", lambda: raising(None))
    lived(problem, agents)
    planned = dict(plans(problem, agents))
    own = [plan.p_kw for name, plan in planned.items() if name.startswith("fliegerhorst.")]
    assert len(own) == len(problem.neighbourhoods[0].units)
    cap = agents.dso.caps["fliegerhorst"]
    assert np.isfinite(cap.p_max_kw).sum() > 20
    assert (np.sum(own, axis=0) <= cap.p_max_kw + 0.01).all()


def test_a_silent_agent_does_not_block_the_others() -> None:
    """It never hears anything: its neighbours wait for it no longer than the deadline."""
    problem = asked("negotiation.deadline_s=60")
    agents = made(problem)
    deaf = agents.units["fliegerhorst"][BATTERY]
    deaf.failure = "switched off"
    lived(problem, agents)
    outcomes = agents.speakers["fliegerhorst"].outcomes
    assert len(outcomes) == 2
    assert all(o.ended_s - o.started_s < 70 for o in outcomes)
    expected = f"fliegerhorst: not all agents committed: {BATTERY}"
    assert expected in list(trouble(problem, agents))


def test_too_short_a_lead_time_is_told_and_leaves_the_units_to_their_own_rules() -> None:
    problem = asked("gates.lead_s=1")
    agents = lived(problem, made(problem))
    assert any("within the lead time" in line for line in trouble(problem, agents))
    assert not [name for name in dict(plans(problem, agents)) if name.startswith("fliegerhorst.")]


def test_more_wind_than_forecast_does_not_break_the_cap(tmp_path) -> None:
    """Ceilings leave room up to P_set, no more, where the forecast needed no curtailment."""
    actual = build(load("fliegerhorst:max-feed-in", [SHORT]), 1)
    wind = next(u for u in actual.units if u.name == "fliegerhorst.wind").series["available_kw"]
    forecast = pd.Series(0.5 * wind, actual.horizon.times, name="wind_kw")
    file = tmp_path / "forecast.csv"
    forecast.rename_axis("time").to_csv(file)
    column = f"{{csv: {file}, column: wind_kw}}"
    result = quartier.run(
        "fliegerhorst:max-feed-in",
        overrides=[f"forecasts={{fliegerhorst.wind: {column}}}", SHORT],
        out=tmp_path / "run",
    )
    points = result.table("connection_points")
    own = points[points["name"] == "fliegerhorst"]
    capped = own["p_set_max_kw"].notna()
    assert capped.sum() > 10
    assert (own["p_kw"] - own["p_set_max_kw"])[capped].max() <= 0.01
    overloads = result.kpis["overloads"]
    assert overloads > 0  # the line behind which more wind blows than anybody foresaw
    assert result.status == "complete"
    (warning,) = result.manifest["warnings"]
    assert warning.startswith(f"{overloads:g} overloads (element and step)")
