"""Who answers, who is waited for, and what is counted on of those that do not (M6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartier.agents.attendance import LAST_RETRY_S, Attendance, retry_s
from quartier.agents.cohda import Option, WorkingMemory
from quartier.agents.messages import (
    OWN_RULE,
    Candidate,
    Entry,
    Gossip,
    Negotiation,
    entry_of,
    snapshot,
)
from quartier.problem import ConnectionTerms

STEPS = 3
ROUNDS = (Negotiation("n", 0), Negotiation("n", 1))
TERMS = ConnectionTerms(
    dt_h=1.0,
    export_eur_per_kwh=np.full(STEPS, 0.1),
    import_eur_per_kwh=np.full(STEPS, 0.3),
    curtailment_eur_per_kwh=0.2,
    co2_eur_per_kg=0.0,
    peak_eur_per_kw=0.0,
    penalty_eur_per_kwh=10.0,
    p_max_kw=np.full(STEPS, np.inf),
    p_min_kw=np.full(STEPS, -np.inf),
)


# -- attendance -------------------------------------------------------------------------------
def asked(patience_s: float = 10.0) -> Attendance:
    attendance = Attendance("abc", patience_s)
    attendance.ask(5.0)
    return attendance


def test_whoever_was_not_heard_is_asked_again_and_waited_for() -> None:
    attendance = asked()
    attendance.heard("a", 6.0)
    assert attendance.unheard == attendance.awaited == {"b", "c"}
    assert attendance.lose_patience(14.9, attendance.awaited) == set()


def test_an_absent_agent_is_asked_on_but_not_waited_for() -> None:
    attendance = asked()
    attendance.heard("a", 6.0)
    assert attendance.lose_patience(15.0, attendance.awaited) == {"b", "c"}
    assert attendance.lose_patience(16.0, attendance.awaited) == set()
    assert attendance.unheard == attendance.lost == {"b", "c"}
    assert attendance.awaited == set()


def test_nobody_is_absent_if_none_of_several_answers() -> None:
    """It is the own line that is down; patience begins with the first answer."""
    attendance = asked()
    assert attendance.lose_patience(99.0, "abc") == set()
    attendance.heard("a", 100.0)
    assert attendance.lose_patience(108.0, "bc") == set()
    assert attendance.lose_patience(109.0, "bc") == {"b", "c"}
    alone = asked()
    assert alone.lose_patience(15.0, "a") == {"a"}


def test_an_absent_agent_that_is_heard_is_there_again() -> None:
    attendance = asked()
    attendance.lose_patience(15.0, "b")
    attendance.ask(20.0)
    assert attendance.awaited == {"a", "c"}
    attendance.heard("b", 21.0)
    attendance.ask(22.0)
    assert attendance.awaited == {"a", "b", "c"}


def test_an_agent_that_failed_is_neither_asked_nor_waited_for_and_stays_lost() -> None:
    attendance = asked()
    attendance.failed("b", "broken")
    attendance.heard("b", 6.0)
    assert attendance.unheard == {"a", "c"}
    assert attendance.lost == {"b"}
    assert attendance.failures == {"b": "broken"}


def test_silence_is_counted_from_the_last_word() -> None:
    attendance = asked()
    attendance.heard("a", 12.0)
    assert attendance.lose_patience(15.0, "ab") == {"b"}
    assert attendance.lose_patience(22.0, "ab") == {"a"}


def test_strangers_are_not_counted() -> None:
    attendance = asked()
    attendance.heard("stranger", 6.0)
    assert attendance.unheard == {"a", "b", "c"}


def test_questions_follow_each_other_more_slowly_up_to_a_limit() -> None:
    assert [retry_s(k) for k in (1, 2, 3, 9)] == [1.0, 2.0, LAST_RETRY_S, LAST_RETRY_S]


# -- standing in, in the working memory -----------------------------------------------------------
def option(power_kw: float) -> Option:
    return Option(np.full(STEPS, power_kw), np.zeros(STEPS), 0.0)


def memory(name: str, power_kw: float, own_rule_kw: float = -9.0) -> WorkingMemory:
    """An agent that always chooses the same power."""

    def choose(*_: object) -> Option:
        return option(power_kw)

    made = WorkingMemory(name, ROUNDS[0], TERMS, choose, ("a", "b"), lambda: option(own_rule_kw))
    made.seed(choose())
    return made


def standing_in(agent: str, power_kw: float) -> Entry:
    chosen = option(power_kw)
    return entry_of(agent, OWN_RULE, chosen.p_kw, chosen.curtailable_kw, chosen.cost_eur)


def told(entry: Entry) -> Gossip:
    counters = snapshot({entry.agent: entry.counter})
    return Gossip(ROUNDS[0], (entry,), counters, Candidate(counters, 0.0, "speaker"))


def test_a_choice_that_stands_in_completes_the_candidate() -> None:
    one = memory("a", 5.0)
    one.perceive("speaker", told(standing_in("b", -9.0)))
    one.decide()
    assert dict(one.gamma.counters) == {"a": 1, "b": OWN_RULE}
    assert one.gamma.value == pytest.approx(0.3 * 4 * STEPS)


def test_an_agent_that_comes_back_replaces_what_stands_in_for_it() -> None:
    one, other = memory("a", 5.0), memory("b", 7.0)
    one.perceive("speaker", told(standing_in("b", -9.0)))
    one.perceive("b", other.news_for("a"))
    one.decide()
    assert one.gamma.counters["b"] == one.omega["b"] == 1
    one.perceive("speaker", told(standing_in("b", -9.0)))
    assert one.gamma.counters["b"] == one.omega["b"] == 1


def test_an_agent_can_carry_out_what_stood_in_for_it() -> None:
    assert memory("b", 7.0).own(OWN_RULE).p_kw == pytest.approx(-9.0)


def test_a_new_round_can_put_another_choice_in_place() -> None:
    one, other = memory("a", 5.0), memory("b", 7.0)
    one.perceive("b", other.news_for("a"))
    one.restart(ROUNDS[1], TERMS, (standing_in("b", -9.0),))
    assert dict(one.omega) == dict(one.gamma.counters) == {"a": 1, "b": OWN_RULE}
    assert one.gamma.value == pytest.approx(0.3 * 4 * STEPS)


# -- counters name one choice for ever ------------------------------------------------------------
def later_choice_given_up() -> tuple[WorkingMemory, int]:
    """An agent that chose twice, and whose first choice the round ended with."""
    one = memory("b", 7.0)
    settled = one.gamma
    one._choose = lambda *_: option(8.0)
    one.decide()
    latest = one.omega["b"]
    one.gamma = settled
    one.restart(ROUNDS[1], TERMS)
    assert one.omega["b"] == 1 < latest
    return one, latest


def test_a_counter_is_never_used_again_for_another_choice() -> None:
    one, latest = later_choice_given_up()
    one._choose = lambda *_: option(9.0)
    one.decide()
    assert one.omega["b"] > latest
    assert one.entry("b", one.omega["b"]).p_kw == pytest.approx(9.0)


def test_an_agent_corrects_what_others_believe_of_a_choice_it_gave_up() -> None:
    one, latest = later_choice_given_up()
    believed = replace(standing_in("b", 8.0), counter=latest)
    assert one.perceive("a", Gossip(ROUNDS[1], (believed,), snapshot({"b": latest}), None))
    assert one.omega["b"] > latest
    assert one.entry("b", one.omega["b"]).p_kw == pytest.approx(7.0)
