"""Agents and links that are cut off: for a while, for good, and whoever it is (M6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mango.simulation.communication import MessagePackage, PackageResult

import quartier
from quartier.agents import society
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.messages import Commit, Failed, Start
from quartier.agents.society import Society
from quartier.agents.speaker import SpeakerAgent
from quartier.agents.strategies.cohda import plans, trouble
from quartier.agents.unit import UnitAgent
from quartier.instance import build
from quartier.problem import Problem
from quartier.scenario.load import load

HERE = "fliegerhorst"
BATTERY = f"{HERE}.battery"
STATION = f"{HERE}.ev11-1"
SHORT = "horizon.steps=32"
TWENTY = (
    SHORT,
    f"neighbourhoods.{HERE}.units.ev11.count=6",
    f"neighbourhoods.{HERE}.units.ev22.count=5",
)


def asked(*overrides: str) -> Problem:
    instance = build(load("fliegerhorst:max-feed-in", list(overrides)), 1)
    return instance.problem(0, 0, instance.initial_state())


def lived(
    problem: Problem, seed: int = 1, loses: Callable[[MessagePackage], bool] | None = None
) -> Society:
    """Let the agents of a gate live, with some messages lost."""
    agents = society.build(problem, np.random.default_rng(seed))
    if loses is not None:
        agents = replace(agents, medium=LosesSome(problem, loses))
    society.run_apart(agents.live(problem.lead_s))
    return agents


class LosesSome(MeasuredCommunication):
    """Loses the messages that a test names, besides what the scenario says."""

    def __init__(self, problem: Problem, loses: Callable[[MessagePackage], bool]) -> None:
        super().__init__(problem.communication, np.random.default_rng(1))
        self._loses = loses
        self.lost = 0

    def _sent(self, now_s: float, message: MessagePackage) -> PackageResult:
        result = super()._sent(now_s, message)
        if not self._loses(message):
            return result
        self.lost += 1
        return replace(result, reached=False)


def first(kind: type, receiver: str, count: int = 1) -> Callable[[MessagePackage], bool]:
    """Whether a message is one of the first of a kind to an agent."""
    seen = []

    def is_one(message: MessagePackage) -> bool:
        if isinstance(message.content[0], kind) and message.receiver_id == receiver:
            seen.append(message)
            return len(seen) <= count
        return False

    return is_one


def committed(agents: Society, which: int) -> set[str]:
    """Agents that committed in a negotiation, to one candidate: their sum is what was said."""
    speaker = agents.speakers[HERE]
    outcome = speaker.outcomes[which]
    found = {
        name: option.p_kw
        for name, agent in agents.units[HERE].items()
        for number, option, _ in agent.history
        if number == outcome.negotiation.round
    }
    rest = [agent.own_rule.p_kw for name, agent in agents.units[HERE].items() if name not in found]
    total = np.sum([*found.values(), *rest], axis=0)
    assert total == pytest.approx(outcome.p_kw + outcome.curtailed_kw, abs=1e-3)
    return set(found)


def keeps_its_cap(problem: Problem, agents: Society) -> bool:
    """Whether what all units will do keeps P_set in every step, and P_set binds in some."""
    planned = dict(plans(problem, agents))
    own = [plan.p_kw for name, plan in planned.items() if name.startswith(f"{HERE}.")]
    assert len(own) == len(problem.neighbourhoods[0].units)
    p_max_kw = agents.dso.caps[HERE].p_max_kw
    assert np.isfinite(p_max_kw).any()
    return bool((np.sum(own, axis=0) <= p_max_kw + 0.01).all())


@pytest.fixture(scope="module")
def everybody() -> set[str]:
    return set(asked(SHORT).neighbourhoods[0].agents)


@pytest.fixture(scope="module")
def heard() -> Society:
    """Everybody heard everything."""
    return lived(asked(SHORT))


# -- lost, late, raising --------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 5])
def test_a_lost_start_message(count: int, everybody: set[str]) -> None:
    """It is said again: an agent that was not heard is not taken for one without news."""
    problem = asked(SHORT)
    agents = lived(problem, loses=first(Start, BATTERY, count))
    assert agents.medium.lost == count
    assert [committed(agents, k) for k in (0, 1)] == [everybody] * 2
    assert not list(trouble(problem, agents))


def test_a_lost_start_message_of_the_renegotiation(everybody: set[str], heard: Society) -> None:
    """Everybody is known from the first round: silence alone must not end the second."""
    problem = asked(SHORT)

    def loses(message: MessagePackage) -> bool:
        content = message.content[0]
        again = isinstance(content, Start) and content.negotiation.round == 1
        return again and message.receiver_id == BATTERY and message.sent_time < until_s

    until_s = heard.speakers[HERE].outcomes[1].started_s + 20.0
    agents = lived(problem, loses=loses)
    assert agents.medium.lost > 5
    assert committed(agents, 1) == everybody
    values = [a.speakers[HERE].outcomes[1].objective_eur for a in (agents, heard)]
    assert values[0] == pytest.approx(values[1], rel=0.02)


def test_a_lost_commit(everybody: set[str]) -> None:
    problem = asked(SHORT)
    agents = lived(problem, loses=first(Commit, BATTERY, 3))
    assert agents.medium.lost == 3
    assert committed(agents, 0) == everybody
    assert not list(trouble(problem, agents))


def test_a_late_agent(everybody: set[str]) -> None:
    """It is there only when all others have long agreed, and before patience is at an end."""
    problem = asked(SHORT, f"communication.outages=[{{agent: {BATTERY}, to_s: 60}}]")
    agents = lived(problem)
    outcome = agents.speakers[HERE].outcomes[0]
    assert committed(agents, 0) == everybody
    assert 60 < outcome.ended_s - outcome.started_s < problem.negotiation.deadline_s
    assert not list(trouble(problem, agents))


def test_an_agent_that_raises_in_the_middle(
    everybody: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had told the others of a choice; they agree, and its units follow their own rules."""
    problem = asked(SHORT)
    decide, times = UnitAgent._decide, []

    def decides_once(self: UnitAgent) -> None:
        if self.title == BATTERY:
            times.append(self.now_s)
            if len(times) > 1:
                raise ZeroDivisionError("this agent's model is broken")
        decide(self)

    monkeypatch.setattr(UnitAgent, "_decide", decides_once)
    agents = lived(problem)
    assert len(times) == 2
    told = list(trouble(problem, agents))
    assert f"agent {BATTERY} failed: ZeroDivisionError: this agent's model is broken" in told
    assert f"{HERE}: not all agents committed: {BATTERY}" in told
    assert committed(agents, 0) == committed(agents, 1) == everybody - {BATTERY}
    assert keeps_its_cap(problem, agents)
    assert np.isnan(dict(plans(problem, agents))[BATTERY].command_kw).all()


# -- dead agents ------------------------------------------------------------------------------
def test_two_dead_of_twenty_agents() -> None:
    dead = {BATTERY, STATION}
    outages = ", ".join(f"{{agent: {name}}}" for name in sorted(dead))
    problem = asked(*TWENTY, f"communication.outages=[{outages}]")
    participants = set(problem.neighbourhoods[0].agents)
    assert len(participants) == 20
    agents = lived(problem)
    outcomes = agents.speakers[HERE].outcomes
    assert [committed(agents, k) for k in range(len(outcomes))] == [participants - dead] * 2
    assert all(o.ended_s - o.started_s < problem.negotiation.deadline_s for o in outcomes)
    assert keeps_its_cap(problem, agents)
    named = f"{HERE}: not all agents committed: {BATTERY}, {STATION}"
    assert list(trouble(problem, agents)) == [named]


def test_an_agent_that_dies_before_the_commit_is_counted_on_as_it_will_act() -> None:
    """The others believe in its last choice until the renegotiation, which has its own rule."""
    problem = asked(SHORT, f"communication.outages=[{{agent: {BATTERY}, from_s: 5}}]")
    agents = lived(problem)
    assert BATTERY not in committed(agents, 0) | committed(agents, 1)
    start = agents.speakers[HERE]._start
    assert [(entry.agent, entry.counter) for entry in start.instead] == [(BATTERY, 0)]
    assert keeps_its_cap(problem, agents)


def test_an_agent_that_comes_back_after_patience_takes_part_in_the_next_round(
    everybody: set[str],
) -> None:
    problem = asked(
        SHORT,
        "negotiation.patience_s=20",
        f"communication.outages=[{{agent: {BATTERY}, to_s: 24.5}}]",
    )
    agents = lived(problem)
    rounds = agents.speakers[HERE].outcomes
    assert rounds[0].missing == (BATTERY,)
    assert rounds[0].ended_s < 24.5 < rounds[1].ended_s
    assert committed(agents, 1) == everybody
    assert keeps_its_cap(problem, agents)


def test_an_agent_that_was_cut_off_in_the_middle_rejoins_and_agrees(everybody: set[str]) -> None:
    problem = asked(SHORT, f"communication.outages=[{{agent: {BATTERY}, from_s: 1, to_s: 40}}]")
    agents = lived(problem)
    assert committed(agents, 0) == committed(agents, 1) == everybody
    assert not list(trouble(problem, agents))


def test_all_agents_of_a_neighbourhood_dead_but_its_speaker() -> None:
    """It offers what they do by their own rules."""
    problem = asked(
        SHORT,
        "negotiation.patience_s=20",
        f"communication.links={{own: {{senders: '{HERE}.*', receivers: ['{HERE}', '{HERE}.*']}}}}",
        "communication.outages=[{link: own}]",
    )
    agents = lived(problem)
    outcome = agents.speakers[HERE].outcomes[0]
    assert committed(agents, 0) == set()
    assert len(outcome.missing) == outcome.agents == 29
    assert HERE in agents.dso.offers


# -- speakers, the DSO, and the way between them -----------------------------------------------
def test_a_dead_neighbourhood_agent_leaves_the_dso_with_its_forecast() -> None:
    """All others are capped for the power of units that follow their own rules."""
    problem = asked(SHORT, f"communication.outages=[{{agent: {HERE}}}]")
    agents = lived(problem)
    assert HERE not in agents.dso.offers
    assert len(agents.dso.history) == 1
    assert not agents.dso.history[0].result.unsolved.any()
    told = list(trouble(problem, agents))
    assert f"no offer from {HERE}: the DSO counted on its forecast" in told
    assert any(line.startswith(f"{HERE}: no agreement") for line in told)
    at = problem.grid.network.position(problem.neighbourhoods[0].bus)
    counted_kw = 1000 * (agents.dso.rounds.problem.background_p_mw - problem.grid.background_p_mw)
    own_rules = np.sum([agent.own_rule.p_kw for agent in agents.units[HERE].values()], axis=0)
    assert counted_kw[:, at] == pytest.approx(own_rules)


def test_a_dso_that_is_cut_off_leaves_everybody_to_own_rules() -> None:
    """It takes the silence of all for its own line's, and goes on asking."""
    problem = asked(SHORT, "communication.outages=[{agent: dso}]")
    agents = lived(problem)
    told = list(trouble(problem, agents))
    assert not agents.dso.offers
    assert any(line.startswith("no redispatch: no offer from") for line in told)
    assert f"{HERE}: no agreement within the lead time; its units follow their own rules" in told
    assert not [name for name in dict(plans(problem, agents)) if name.startswith(f"{HERE}.")]
    assert not agents.dso.history


@pytest.mark.parametrize(("from_s", "to_s"), [(0, 300), (1, 100), (16.2, 250)])
def test_a_dso_that_is_cut_off_for_a_while_asks_again(
    from_s: float, to_s: float, everybody: set[str]
) -> None:
    """Before anybody offered, during the negotiation, and when P_set is on its way."""
    outage = f"{{agent: dso, from_s: {from_s}, to_s: {to_s}}}"
    problem = asked(SHORT, f"communication.outages=[{outage}]")
    agents = lived(problem)
    assert committed(agents, 1) == everybody
    assert not list(trouble(problem, agents))
    assert len(agents.dso.history) == 1


def test_an_offer_that_comes_late_is_redispatched_in_another_round(everybody: set[str]) -> None:
    """The DSO loses patience with the neighbourhood, then hears it again."""
    problem = asked(SHORT, f"communication.outages=[{{agent: {HERE}, from_s: 5, to_s: 200}}]")
    agents = lived(problem)
    assert agents.dso.history[0].result.caps.keys() == agents.dso.assets.keys() - {HERE}
    assert HERE in agents.dso.history[1].result.caps
    assert committed(agents, 1) == everybody
    assert keeps_its_cap(problem, agents)
    assert not list(trouble(problem, agents))


def test_p_set_that_is_never_heard_is_told_and_counted_on_by_the_dso(heard: Society) -> None:
    """The way to the neighbourhood breaks after its offer: redispatch again without its help."""
    offered_s = heard.speakers[HERE].outcomes[0].ended_s
    problem = asked(
        SHORT,
        f"communication.links={{wan: {{senders: dso, receivers: {HERE}}}}}",
        f"communication.outages=[{{link: wan, from_s: {offered_s + 0.06}}}]",
    )
    agents = lived(problem)
    assert len(agents.speakers[HERE].outcomes) == 1
    assert f"no answer to P_set from {HERE}: it may not be kept" in trouble(problem, agents)
    assert len(agents.dso.history) > 1
    last = agents.dso.history[-1].result
    offered_kw = agents.dso.offers[HERE].p_kw
    assert (last.caps[HERE].p_max_kw >= offered_kw - 0.01).all()
    assert not last.unsolved.any()


def test_a_way_to_the_dso_that_breaks_for_a_while_delays_only(everybody: set[str]) -> None:
    problem = asked(
        SHORT,
        f"communication.links={{wan: {{senders: dso, receivers: {HERE}}}}}",
        "communication.outages=[{link: wan, from_s: 10, to_s: 90}]",
    )
    agents = lived(problem)
    assert committed(agents, 1) == everybody
    assert agents.speakers[HERE].outcomes[1].started_s > 90
    assert not list(trouble(problem, agents))


def test_a_neighbourhood_agent_that_raises_is_named_and_the_dso_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its word of that is lost at first: it says so again when it is asked again."""

    def raises(self: SpeakerAgent) -> None:
        raise ZeroDivisionError("no way to publish")

    monkeypatch.setattr(SpeakerAgent, "_publish", raises)
    problem = asked(SHORT)
    agents = lived(problem, loses=first(Failed, "dso"))
    assert agents.medium.lost == 1
    told = list(trouble(problem, agents))
    assert f"agent {HERE} failed: ZeroDivisionError: no way to publish" in told
    assert f"no offer from {HERE}: the DSO counted on its forecast" in told
    assert len(agents.dso.history) == 1


# -- whole runs -----------------------------------------------------------------------------------
def test_a_run_with_a_dead_agent_is_degraded_names_it_and_keeps_p_set(tmp_path: Path) -> None:
    result = quartier.run(
        "fliegerhorst:max-feed-in",
        overrides=[
            SHORT,
            f"communication.outages=[{{agent: {BATTERY}}}]",
            "communication.delay_s={kind: uniform, min_s: 0.1, max_s: 0.4}",
            "record.messages=true",
        ],
        out=tmp_path / "run",
    )
    assert result.status == "degraded"
    assert f"not all agents committed: {BATTERY}" in result.manifest["error"]
    assert not result.table("negotiations")["agreed"].any()
    points = result.table("connection_points")
    own = points[(points["name"] == HERE) & points["p_set_max_kw"].notna()]
    assert len(own) > 10
    assert (own["p_kw"] - own["p_set_max_kw"]).max() <= 0.01
    battery = result.table("units").query("unit == @BATTERY")
    assert battery["p_kw"].abs().max() > 100  # its own rule, beside what the others do
    assert (battery["p_kw"] - battery["planned_kw"]).abs().max() <= 0.1
    messages = result.table("messages")
    lost = messages[~messages["delivered"]]
    assert set(lost["lost_to"]) == {"receiver is down"}
    assert set(lost["receiver"]) == {BATTERY}
    assert messages.loc[messages["delivered"], "delay_s"].between(0.1, 0.4).all()


# -- the medium ---------------------------------------------------------------------------------
BAD = (
    SHORT,
    "communication.loss=0.3",
    "communication.delay_s={kind: lognormal, mean_s: 0.3, sd_s: 0.3, max_s: 3}",
    "communication.bandwidth_kbit_per_s=256",
    f"communication.outages=[{{agent: {BATTERY}, from_s: 5, to_s: 15}}]",
    "record.messages=true",
)


def test_a_bad_medium_with_everything_at_once_and_the_same_seed(everybody: set[str]) -> None:
    problem = asked(*BAD)
    one, same, other = lived(problem, 1), lived(problem, 1), lived(problem, 2)
    for agents in (one, other):
        assert committed(agents, 0) == committed(agents, 1) == everybody
        assert not list(trouble(problem, agents))
    assert one.medium.rows == same.medium.rows
    assert one.medium.rows != other.medium.rows
    lost = {row["lost_to"] for row in one.medium.rows if not row["delivered"]}
    assert lost == {"loss", "sender is down", "receiver is down"}
