"""`mo-cohda` on the shipped scenario: agreed, non-dominated, carried out as the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.agents import society
from quartier.agents.mo_agents import FrontSpeakerAgent
from quartier.agents.strategies.cohda import plans, trouble
from quartier.agents.strategies.mo_cohda import UNDER_CAPS, MoCohda
from quartier.agents.unit import UnitAgent
from quartier.centralised.fronts import Objectives
from quartier.instance import build
from quartier.optimisation.directed import flexibility_kw
from quartier.pareto import OBJECTIVES, Scale, as_costs, efficient, hypervolume
from quartier.redispatch.rounds import KEPT_KW
from quartier.scenario.load import load

PLACE = "fliegerhorst"
SHORT = ("horizon.steps=16", "negotiation.front_decisions=6")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Four hours, with lines overloaded."""
    out = tmp_path_factory.mktemp("runs") / "mo"
    return quartier.run(PLACE, coordination="mo-cohda", overrides=list(SHORT), out=out)


@pytest.fixture(scope="module")
def lived():
    """Agents after a gate of the same scenario, with what they were asked."""
    return live_under()


def live_under(*overrides, seed=1, change=None):
    instance = build(load(PLACE, [*SHORT, *overrides]), 1)
    problem = instance.problem(0, 0, instance.initial_state())
    agents = MoCohda().society(problem, np.random.default_rng(seed))
    if change is not None:
        change(agents)
    society.run_apart(agents.live(problem.lead_s))
    return problem, agents


def speaker_of(agents):
    speaker = agents.speakers[PLACE]
    assert isinstance(speaker, FrontSpeakerAgent)
    return speaker


def values_of(rows):
    """Objectives of a front in the table, less is better, shape ``(points, 3)``."""
    table = rows.pivot_table(index="point", columns="objective", values="value")
    return as_costs(table[list(OBJECTIVES)].to_numpy())


def test_run_is_complete_and_everybody_agreed(result):
    assert result.status == "complete"
    negotiations = result.table("negotiations")
    assert set(negotiations["mechanism"]) == {"mo-cohda"}
    assert negotiations["agreed"].all()
    assert len(negotiations) >= 2, "the offer is capped, and negotiated again"


def test_only_the_chosen_point_may_be_dominated_for_it_is_the_cheapest(result):
    rows = result.table("fronts")
    assert set(rows["method"]) == {"mo-cohda", UNDER_CAPS}
    for _, front in rows.groupby(["gate", "neighbourhood", "method"]):
        values, points = values_of(front), np.unique(front["point"])
        dominated = set(points) - set(points[efficient(values, Scale.of(values))])
        chosen = set(front.loc[front["chosen"], "point"])
        assert len(chosen) == 1
        assert dominated <= chosen
        assert front["chosen"].sum() == len(OBJECTIVES)
    assert rows.loc[rows["method"] == "mo-cohda", "point"].nunique() > 10


def test_hypervolume_is_a_figure_of_the_run(result):
    assert 0.3 < result.kpis["negotiation_hypervolume"] < 1.0


def test_p_set_is_kept_in_execution(result):
    points = result.table("connection_points")
    own = points[points["name"] == PLACE]
    capped = own["p_set_max_kw"].notna()
    assert capped.sum() > 10
    assert (own["p_kw"] - own["p_set_max_kw"])[capped].max() <= KEPT_KW
    assert result.kpis["cap_violations"] == 0


def test_offer_is_what_was_chosen(result):
    """L1 in the table is that of the power offered."""
    rows = result.table("fronts")
    chosen = rows[rows["chosen"] & (rows["method"] == "mo-cohda")]
    peak_kw = chosen.set_index("objective")["value"]["peak_import_kw"]
    points = result.table("connection_points")
    offered_kw = points.loc[points["name"] == PLACE, "offer_kw"]
    assert peak_kw == pytest.approx(-offered_kw.min(), abs=1e-3)


def test_objectives_are_those_of_the_schedules_committed_to(lived):
    _, agents = lived
    speaker = speaker_of(agents)
    for number, front, _ in speaker.fronts:
        schedules = {
            agent: next(o for n, o, _ in agent.history if n == number).carried_out
            for agent in agents.units[PLACE].values()
        }
        outcome = next(o for o in speaker.outcomes if o.negotiation.round == number)
        flexible = sum(flexibility_kw(a.units, s) for a, s in schedules.items())
        emitted = sum(s.co2_kg for s in schedules.values())
        peak_kw, less_flexible, co2_kg = front.values[front.chosen]
        assert peak_kw == pytest.approx(-outcome.p_kw.min(), abs=1e-3)
        assert -less_flexible == pytest.approx(flexible, rel=1e-6)
        assert co2_kg == pytest.approx(emitted, abs=1e-3)


def test_offered_front_is_near_the_exact_one(lived):
    problem, agents = lived
    exact = Objectives(problem.neighbourhoods[0]).front()
    values = as_costs(np.array([[p.values[name] for name in OBJECTIVES] for p in exact]))
    scale, found = Scale.of(values), speaker_of(agents).fronts[0][1].values
    assert hypervolume(found, scale) >= 0.9 * hypervolume(values, scale)
    beaten = (scale.normalised(found) < scale.normalised(values)[:, None] - 1e-3).all(axis=2)
    assert not beaten.any(), "better than an exact point in every objective"


def test_same_seed_same_front(lived):
    _, agents = lived
    _, again = live_under()
    for one, other in zip(speaker_of(agents).fronts, speaker_of(again).fronts, strict=True):
        pd.testing.assert_frame_equal(pd.DataFrame(one[1].values), pd.DataFrame(other[1].values))
        assert one[1].key == other[1].key


def test_all_agree_with_a_third_of_the_messages_lost(lived):
    problem, agents = live_under("communication.loss=0.3")
    speaker, lossless = speaker_of(agents), speaker_of(lived[1])
    assert [o.agreed for o in speaker.outcomes] == [True] * len(lossless.outcomes)
    assert not list(trouble(problem, agents))
    assert speaker.fronts[0][2] >= 0.9 * lossless.fronts[0][2]


def test_an_agent_that_raises_does_not_keep_the_others_from_agreeing():
    battery = f"{PLACE}.battery"

    def broken(self: UnitAgent) -> None:
        raise ZeroDivisionError("this agent's model is broken")

    def change(agents):
        agents.units[PLACE][battery]._decide = lambda: broken(None)

    problem, agents = live_under(change=change)
    told = list(trouble(problem, agents))
    assert any(battery in line and "this agent's model is broken" in line for line in told)
    assert speaker_of(agents).fronts[0][2] > 0.3
    own = [plan.p_kw for name, plan in plans(problem, agents) if name.startswith(f"{PLACE}.")]
    assert (np.sum(own, axis=0) <= agents.dso.caps[PLACE].p_max_kw + KEPT_KW).all()
