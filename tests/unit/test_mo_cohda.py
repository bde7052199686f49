"""MO-COHDA's working memory: perceive, decide, act (M6), without any transport."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.agents.messages import Negotiation
from quartier.agents.mo_agents import front_goal, scouting_goal
from quartier.agents.mo_cohda import FrontMemory, FrontOption
from quartier.agents.mo_front import Judge
from quartier.pareto import Scale, efficient, hypervolume
from quartier.scenario.settings import NegotiationSettings

from . import factories

HERE = Negotiation("here", 0)
STEPS, OPTIONS = 4, 5


def terms_for(p_max_kw=np.inf):
    return factories.terms(STEPS, 1.0, p_max_kw=p_max_kw)


class Enumerated:
    """Chooses the best of a few options in a direction."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        nothing = np.zeros(STEPS)
        self.options = [
            FrontOption(rng.normal(-5, 5, STEPS), nothing, 0.0, None, *rng.uniform(0, 10, 2))
            for _ in range(OPTIONS)
        ]

    def __call__(self, residual_kw, loose_kw, co2_kg, direction, width, ranges):
        return min(
            self.options, key=lambda o: self._cost(o, residual_kw, co2_kg, direction, ranges)
        )

    @staticmethod
    def _cost(option, residual_kw, co2_kg, direction, ranges):
        beyond_kw = np.maximum(-(residual_kw + option.p_kw) - direction.peak_kw, 0.0).max()
        beyond_kg = max(co2_kg + option.co2_kg - direction.co2_kg, 0.0)
        costs = np.array([5 * beyond_kw, -option.flexibility_kw, 5 * beyond_kg])
        return float(np.array(direction.weights) @ (costs / ranges))


def options_of(count, seed):
    return {f"a{i}": Enumerated(100 * seed + i) for i in range(count)}


def everything(chooses):
    """Objectives of all combinations, less is better, shape ``(combinations, 3)``."""
    found = []
    for chosen in itertools.product(*(c.options for c in chooses.values())):
        p_kw = np.sum([o.p_kw for o in chosen], axis=0)
        flexibility, co2 = sum(o.flexibility_kw for o in chosen), sum(o.co2_kg for o in chosen)
        found.append([-p_kw.min(), -flexibility, co2])
    return np.array(found)


def goal_for(chooses, points=30, make=front_goal):
    values = everything(chooses)
    scale = Scale.of(values[efficient(values, Scale.of(values))])
    return make(scale, NegotiationSettings(front_points=points))


def society(count=4, seed=1, points=30, make=front_goal, terms=None):
    chooses = options_of(count, seed)
    goal, names = goal_for(chooses, points, make), tuple(chooses)
    memories = [
        FrontMemory(name, HERE, terms or terms_for(), goal, names, choose.options[0], choose)
        for name, choose in chooses.items()
    ]
    return memories, chooses


def talk(agents, rounds=200):
    """Exchange news around a ring and decide until nobody has anything to say."""
    for _ in range(rounds):
        busy = False
        for i, agent in enumerate(agents):
            for j in ((i - 1) % len(agents), (i + 1) % len(agents)):
                if agent.has_news_for(agents[j].name):
                    busy = True
                    hear(agents[j], agent)
            busy |= agent.decide() or not agent.is_finished
        if not busy:
            return
    raise AssertionError("the agents never came to rest")


def hear(listener, speaker):
    return listener.perceive(speaker.name, speaker.news_for(listener.name))


@pytest.mark.parametrize("seed", range(4))
def test_all_agents_end_with_the_same_front(seed):
    agents, _ = society(seed=seed)
    talk(agents)
    assert len({agent.front.key for agent in agents}) == 1
    assert len({tuple(agent.gamma.counters.items()) for agent in agents}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_front_is_nearly_the_exact_one_of_all_combinations(seed):
    agents, chooses = society(seed=seed)
    talk(agents)
    every, scale = everything(chooses), agents[0].goal.scale
    found = agents[0].front.values
    distances = np.abs(found[:, None] - every[None]).max(axis=2).min(axis=1)
    assert distances.max() < 1e-4, "a point that no combination has"
    assert hypervolume(found, scale) > 0.95 * hypervolume(every, scale)


def test_scouting_finds_the_best_in_each_objective():
    agents, chooses = society(seed=2, make=scouting_goal)
    talk(agents)
    every, ranges = everything(chooses), agents[0].goal.scale.ranges
    missed = (agents[0].front.values.min(axis=0) - every.min(axis=0)) / ranges
    assert missed.max() < 0.05
    assert len(agents[0].front.values) <= 3


def test_points_are_worth_what_their_schedules_are():
    agents, _ = society(seed=3)
    talk(agents)
    for agent in agents:
        front = agent.front
        for row, values in zip(front.choices, front.values, strict=True):
            chosen = [agent.entry(n, c) for n, c in zip(agent.judge.names, row, strict=True)]
            p_kw = np.sum([entry.p_kw for entry in chosen], axis=0)
            shares = [sum(e.flexibility_kw for e in chosen), sum(e.co2_kg for e in chosen)]
            assert values.tolist() == [-p_kw.min(), -shares[0], shares[1]]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(1, 6))
def test_merging_never_loses_hypervolume(seed, points, decisions):
    """Two agents that know everybody's first choices go separate ways, then hear each other."""
    (one, other, third), _ = society(3, seed, points)
    for first, second in itertools.permutations((one, other, third), 2):
        hear(first, second)
    for _ in range(decisions):
        one.decide()
        other.decide()
    before = (one.front.worth, other.front.worth)
    hear(one, other)
    assert one.front.worth <= min(before)
    hear(other, one)
    assert other.front.key <= one.front.key
    assert len(one.front.values) <= points


def test_hypervolume_never_falls_while_agents_talk():
    agents, _ = society(5, seed=4)
    for _ in range(3):  # until everybody is known
        for one, other in itertools.permutations(agents, 2):
            hear(other, one)
    best = agents[0].hypervolume()
    for _ in range(8):
        for one, other in itertools.permutations(agents, 2):
            one.decide()
            hear(other, one)
            assert agents[0].hypervolume() >= best
            best = agents[0].hypervolume()


def test_a_front_of_more_agents_wins_over_a_better_one():
    agents, _ = society(3, seed=5)
    hear(agents[0], agents[1])
    assert agents[0].front.agents.tolist() == [True, True, False]
    assert not agents[1].front.agents[0]
    hear(agents[1], agents[0])
    assert agents[1].front.agents.tolist() == [True, True, False]


def test_fronts_of_different_agents_are_joined():
    (one, other, third), _ = society(3, seed=5)
    hear(third, one)
    hear(third, other)
    assert third.front.agents.all()


def test_an_older_choice_never_replaces_a_newer_one():
    (one, other), _ = society(2, seed=6)
    early = one.news_for("x")
    hear(one, other)
    hear(other, one)
    while not one.is_finished:
        one.decide()
    hear(other, one)
    newest = other.tracks[one.name]
    assert newest.version > 0
    assert not other.perceive(one.name, early)
    assert other.tracks[one.name] == newest


def test_a_front_with_an_unknown_schedule_is_asked_for_not_believed():
    (one, other), _ = society(2, seed=7)
    told = one.news_for(other.name)
    assert not other.perceive(one.name, replace(told, entries=()))
    assert other.wanted == {(one.name, 0)}
    assert other.front.agents.tolist() == [False, True]
    assert other.perceive(one.name, one.answer(other.name, other.wanted))
    assert not other.wanted
    assert other.front.agents.all()


def test_nothing_is_sent_twice_and_a_digest_undoes_false_belief():
    (one, other), _ = society(2, seed=8)
    assert one.news_for(other.name).entries  # never arrives
    assert not one.has_news_for(other.name)
    one.perceive(other.name, other.news_for(one.name, digest=True))
    assert one.has_news_for(other.name)
    assert one.news_for(other.name).entries


def test_messages_are_snapshots():
    (one, other), _ = society(2, seed=9)
    message = one.news_for(other.name)
    tracks, choices = dict(message.tracks), message.gamma.choices.copy()
    hear(one, other)
    while not one.is_finished:
        one.decide()
    assert dict(message.tracks) == tracks
    assert (message.gamma.choices == choices).all()
    with pytest.raises(ValueError, match="read-only"):
        message.gamma.values[0] = 0.0
    with pytest.raises(TypeError):
        message.tracks["x"] = None


def test_a_message_grows_by_references_only():
    """Once schedules are known, another agent costs its counters, nothing with its steps."""
    sizes = []
    for count in (4, 5):
        agents, _ = society(count, seed=1)
        talk(agents)
        sizes.append(
            (agents[0].news_for("a1", digest=True).size_bytes, len(agents[0].front.values))
        )
    (small, few), (large, many) = sizes
    directions = len(front_goal(Scale(np.zeros(3), np.ones(3)), NegotiationSettings()).directions)
    assert large - small <= 8 * (many * (5 + 5) - few * (4 + 5) + directions + 1)


def test_points_that_keep_a_cap_come_before_all_others():
    free, _ = society(3, seed=1)
    talk(free)
    top_kw = np.max([p_kw_of(free[0], row).max() for row in free[0].front.choices])
    capped, chooses = society(3, seed=1, terms=terms_for(top_kw - 3.0))
    talk(capped)
    kept = [
        np.sum([o.p_kw for o in chosen], axis=0).max() <= top_kw - 3.0
        for chosen in itertools.product(*(c.options for c in chooses.values()))
    ]
    assert any(kept)
    assert (capped[0].front.excess_kwh == 0).all()
    assert all(p_kw_of(capped[0], row).max() <= top_kw - 2.98 for row in capped[0].front.choices)


def p_kw_of(memory, row):
    names = memory.judge.names
    return np.sum([memory.entry(n, c).p_kw for n, c in zip(names, row, strict=True)], axis=0)


def test_a_new_round_begins_from_the_points_known_under_the_new_caps():
    agents, _ = society(3, seed=2)
    talk(agents)
    before, terms = agents[0].front, terms_for(0.5)
    for agent in agents:
        agent.restart(Negotiation("here", 1), terms, agent.goal)
    again = Judge(terms, agents[0].goal, agents[0].judge.names, "a0")
    assert {row.tobytes() for row in agents[0].front.choices} <= {
        row.tobytes() for row in before.choices
    }
    assert len({agent.front.key for agent in agents}) == 1
    worths = [agent.front.worth for agent in agents]
    talk(agents)
    assert again.terms is terms
    assert agents[0].front.worth <= min(worths)


@pytest.mark.parametrize("choice", ["cost", "knee"])
def test_what_is_carried_out_follows_the_rule(choice):
    chooses = options_of(4, 1)
    goal = replace(goal_for(chooses), choice=choice)
    agents = [
        FrontMemory(n, HERE, terms_for(), goal, tuple(chooses), c.options[0], c)
        for n, c in chooses.items()
    ]
    talk(agents)
    front = agents[0].front
    worst = goal.scale.normalised(front.values).max(axis=1)
    least = front.cost_eur if choice == "cost" else worst
    assert least[front.chosen] == pytest.approx(least.min(), abs=1e-8)
    chosen = dict(zip(agents[0].judge.names, front.choices[front.chosen].tolist(), strict=True))
    assert dict(front.counters) == chosen
