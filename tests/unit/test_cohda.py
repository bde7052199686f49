"""COHDA's working memory: perceive, decide, act (M6), without any transport."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from quartier.agents.cohda import MANY, Option, WorkingMemory
from quartier.agents.messages import Candidate, Entry, Gossip, Negotiation, frozen, snapshot
from quartier.agents.shelf import Shelf
from quartier.problem import ConnectionTerms
from quartier.quantities import Array

HERE = Negotiation("here", 0)


def terms_for(steps: int, p_max_kw: float = np.inf) -> ConnectionTerms:
    """Import costs 0.3 EUR/kWh, export earns 0.1, hours of one step each."""
    return ConnectionTerms(
        dt_h=1.0,
        export_eur_per_kwh=np.full(steps, 0.1),
        import_eur_per_kwh=np.full(steps, 0.3),
        curtailment_eur_per_kwh=0.2,
        co2_eur_per_kg=0.0,
        peak_eur_per_kw=0.0,
        penalty_eur_per_kwh=10.0,
        p_max_kw=np.full(steps, p_max_kw),
        p_min_kw=np.full(steps, -np.inf),
    )


class Sampled:
    """Chooses the best of given schedules."""

    def __init__(self, schedules: Array, terms: ConnectionTerms) -> None:
        self.schedules, self.terms = schedules, terms

    def __call__(self, residual: Array, loose: Array) -> Option:
        value = self.terms.cost_eur(self.schedules + residual, loose)
        best = self.schedules[int(np.argmin(value))]
        return Option(best, np.zeros_like(best), 0.0)


def society(count: int, steps: int, seed: int) -> list[WorkingMemory]:
    """Agents with ten random schedules each, that start with their first."""
    rng = np.random.default_rng(seed)
    terms = terms_for(steps)
    agents = []
    for i in range(count):
        choose = Sampled(rng.normal(0, 5, (10, steps)), terms)
        agent = WorkingMemory(f"a{i}", HERE, terms, choose)
        first = choose.schedules[0]
        agent.seed(Option(first, np.zeros(steps), 0.0))
        agents.append(agent)
    return agents


def talk(agents: list[WorkingMemory], rounds: int = 200) -> int:
    """Exchange news around a ring until nobody has any; return the rounds that took."""
    for turn in range(rounds):
        busy = False
        for i, agent in enumerate(agents):
            for j in ((i - 1) % len(agents), (i + 1) % len(agents)):
                if agent.has_news_for(agents[j].name):
                    busy = True
                    agents[j].perceive(agent.name, agent.news_for(agents[j].name))
            busy |= agent.decide()
        if not busy:
            return turn
    raise AssertionError("the agents never came to rest")


@pytest.mark.parametrize("seed", range(5))
def test_all_agents_end_with_the_same_candidate(seed: int) -> None:
    agents = society(6, 4, seed)
    talk(agents)
    gammas = {(tuple(sorted(a.gamma.counters.items())), a.gamma.value) for a in agents if a.gamma}
    assert len(gammas) == 1


@pytest.mark.parametrize("seed", range(5))
def test_no_single_agent_can_improve_the_agreed_candidate(seed: int) -> None:
    agents = society(6, 4, seed)
    talk(agents)
    for agent in agents:
        assert agent.gamma is not None
        value = agent.gamma.value
        residual, loose, _ = agent.total(agent.gamma.counters, without=agent.name)
        for schedule in agent._choose.schedules:  # type: ignore[union-attr]
            assert float(agent.terms.cost_eur(residual + schedule, loose)) >= value - 1e-5


def test_agreed_value_is_near_the_optimum_of_three_agents() -> None:
    agents = society(3, 4, seed=7)
    options = [agent._choose.schedules for agent in agents]  # type: ignore[union-attr]
    sums = [sum(chosen) for chosen in itertools.product(*options)]
    optimum = min(float(agents[0].terms.cost_eur(s, np.zeros(4))) for s in sums)
    talk(agents)
    assert agents[0].gamma is not None
    worst = max(float(agents[0].terms.cost_eur(s, np.zeros(4))) for s in sums)
    assert agents[0].gamma.value <= optimum + 0.1 * (worst - optimum)


def test_recorded_value_is_the_value_of_the_referenced_schedules() -> None:
    agents = society(5, 4, seed=3)
    talk(agents)
    for agent in agents:
        assert agent.gamma is not None
        assert agent.gamma.value == pytest.approx(agent.value(agent.gamma.counters), abs=1e-9)


def entry(agent: str, counter: int, p_kw: float) -> Entry:
    return Entry(agent, counter, frozen(np.array([p_kw])), frozen(np.zeros(1)), 0.0)


def gossip(gamma: dict[str, int], value: float, author: str, *entries: Entry) -> Gossip:
    omega = snapshot({e.agent: e.counter for e in entries})
    return Gossip(HERE, entries, omega, Candidate(snapshot(gamma), value, author))


def listener() -> WorkingMemory:
    return WorkingMemory("z", HERE, terms_for(1))


def test_a_candidate_with_more_agents_wins_over_a_better_value() -> None:
    memory = listener()
    memory.perceive("a", gossip({"a": 0}, -5.0, "a", entry("a", 0, 50.0)))
    both = (entry("a", 0, 50.0), entry("b", 0, -1.0))
    memory.perceive("b", gossip({"a": 0, "b": 0}, -4.9, "b", *both))
    assert memory.gamma is not None
    assert set(memory.gamma.counters) == {"a", "b"}


def test_equal_values_are_settled_by_the_authors_name() -> None:
    one, other = (
        gossip({"a": 0, "b": n}, 1.0, author, entry("a", 0, 0.0), entry("b", n, float(n)))
        for n, author in ((0, "b"), (1, "a"))
    )
    for order in ((one, other), (other, one)):
        memory = listener()
        for message in order:
            memory.perceive("a", message)
        assert memory.gamma is not None
        assert memory.gamma.author == "a"


def test_candidates_of_different_agents_are_joined_and_valued_anew() -> None:
    memory = listener()
    memory.perceive("a", gossip({"a": 0}, 0.3, "a", entry("a", 0, -1.0)))
    memory.perceive("b", gossip({"b": 0}, -0.1, "b", entry("b", 0, 1.0)))
    assert memory.gamma is not None
    assert memory.gamma.counters == {"a": 0, "b": 0}
    assert memory.gamma.value == pytest.approx(0.0)
    assert memory.gamma.author == "z"


def crossed(
    kwh: tuple[float, float], terms: ConnectionTerms, order: Sequence[int], count: int = MANY
) -> Candidate:
    """Let two candidates meet: in each, other ``count`` agents moved, by kWh a head each."""
    groups = [[f"{group}{i}" for i in range(count)] for group in "ab"]
    memory = WorkingMemory("z", HERE, terms, participants=(*groups[0], *groups[1]))
    for i in order:
        gamma = {name: int(name in groups[i]) for name in (*groups[0], *groups[1])}
        chosen = [entry(name, n, n * kwh[i]) for name, n in gamma.items()]
        value = float(terms.cost_eur(sum(e.p_kw for e in chosen), np.zeros(1)))
        memory.perceive("n", gossip(gamma, value, groups[i][0], *chosen))
    assert memory.gamma is not None
    return memory.gamma


BOTH_ORDERS = pytest.mark.parametrize("order", [(0, 1), (1, 0)])


@BOTH_ORDERS
def test_choices_made_at_the_same_time_are_in_one_candidate_if_together_they_are_better(
    order: tuple[int, int],
) -> None:
    """All feed in, for 0.1 EUR/kWh."""
    gamma = crossed((1.0, 2.0), terms_for(1), order)
    assert set(gamma.counters.values()) == {1}
    assert gamma.value == pytest.approx(-0.3 * MANY)
    assert gamma.author == "a0"  # wherever they meet: nobody tells the same twice


@BOTH_ORDERS
def test_of_choices_that_spoil_each_other_the_better_are_kept(order: tuple[int, int]) -> None:
    """All together feed in more than they may."""
    gamma = crossed((1.0, 2.0), terms_for(1, p_max_kw=2.0 * MANY), order)
    assert gamma.value == pytest.approx(-0.2 * MANY)
    assert {name[0] for name, counter in gamma.counters.items() if counter} == {"b"}


def test_few_that_moved_at_the_same_time_move_again() -> None:
    gamma = crossed((1.0, 2.0), terms_for(1), (0, 1), MANY - 1)
    assert gamma.value == pytest.approx(-0.2 * (MANY - 1))


def test_an_older_choice_never_replaces_a_newer_one() -> None:
    memory = listener()
    memory.perceive("a", gossip({"a": 3}, 0.0, "a", entry("a", 3, 1.0)))
    memory.perceive("a", gossip({"a": 3}, 0.0, "a", entry("a", 1, 2.0), entry("a", 3, 1.0)))
    assert memory.omega == {"a": 3}
    assert not memory.perceive("b", gossip({"a": 3}, 0.0, "a", entry("a", 2, 5.0)))
    assert memory.omega == {"a": 3}


def test_a_candidate_with_an_unknown_schedule_is_asked_for_not_believed() -> None:
    memory = listener()
    memory.perceive("a", gossip({"a": 0, "b": 4}, -9.0, "a", entry("a", 0, 1.0)))
    assert memory.gamma is None
    assert memory.wanted == {("b", 4)}


def test_what_others_of_the_process_know_is_not_known_before_it_is_told() -> None:
    shelf = Shelf(1)
    teller, memory = (WorkingMemory(n, HERE, terms_for(1), shelf=shelf) for n in ("y", "z"))
    said = gossip({"a": 0}, -9.0, "a", entry("a", 0, 1.0))
    teller.perceive("a", said)
    memory.perceive("y", teller.news_for("z", digest=True))  # references only
    assert memory.gamma is None
    assert memory.wanted == {("a", 0)}
    with pytest.raises(KeyError):
        memory.entry("a", 0)
    memory.perceive("y", teller.answer("z", memory.wanted))
    assert memory.entry("a", 0) == said.entries[0]
    assert memory.gamma == said.gamma


def test_nothing_is_sent_twice_and_a_digest_undoes_false_belief() -> None:
    first, second = society(2, 4, seed=1)
    lost = first.news_for(second.name)  # never arrives
    assert lost.entries
    assert not first.has_news_for(second.name)
    first.perceive(second.name, second.news_for(first.name, digest=True))
    assert first.has_news_for(second.name)
    assert first.news_for(second.name).entries


def test_messages_are_snapshots() -> None:
    first, second = society(2, 4, seed=1)
    message = first.news_for(second.name)
    counters = dict(message.omega)
    first.perceive(second.name, second.news_for(first.name))
    first.decide()
    assert dict(message.omega) == counters
    with pytest.raises(ValueError, match="read-only"):
        message.entries[0].p_kw[0] = 1.0


def test_an_agent_finds_in_gamma_what_a_vain_choice_of_another_hides() -> None:
    """The other's newest choice is hopeless; with its choice in γ, there is something to gain."""
    nothing = np.zeros(1)
    free = {"export_eur_per_kwh": nothing, "import_eur_per_kwh": nothing, "p_min_kw": nothing}
    terms = replace(terms_for(1, p_max_kw=0.0), **free)  # 10 EUR for each kWh either way
    options = [Option(np.array([p]), nothing, 0.0) for p in (2.0, 1.0)]

    def nearest(residual: Array, loose: Array) -> Option:
        return min(options, key=lambda o: abs(float(residual[0] + o.p_kw[0])))

    memory = WorkingMemory("m", HERE, terms, nearest, participants=("m", "o"))
    memory.seed(options[0])
    memory.perceive("o", gossip({"o": 0}, 10.0, "o", entry("o", 0, -1.0)))
    assert memory.gamma is not None
    assert memory.gamma.value == pytest.approx(10.0)
    memory.perceive("o", Gossip(HERE, (entry("o", 1, -9.0),), snapshot({"o": 1}), None))
    assert memory.omega["o"] == 1
    assert memory.decide()
    assert memory.gamma.value == pytest.approx(0.0)
    assert memory.gamma.counters["o"] == 0


def test_an_urgent_message_holds_the_candidate_alone() -> None:
    first, second = society(2, 4, seed=1)
    first.perceive(second.name, second.news_for(first.name))
    first.decide()
    news = first.news_for(second.name, urgent=True)
    assert not news.omega
    assert news.gamma is first.gamma
    second.perceive(first.name, news)
    assert not first.has_candidate_for(second.name)
    assert second.gamma is not None
    assert second.gamma.counters.keys() == {first.name, second.name}
