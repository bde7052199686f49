"""What the medium makes of messages: delays, losses, bandwidth and outages, as drawn and seeded."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mango.simulation.communication import MessagePackage
from scipy import stats

from quartier.agents.communication import Fate, MeasuredCommunication
from quartier.agents.delays import drawn_s
from quartier.agents.messages import AskStart, Negotiation, size_bytes
from quartier.scenario.communication import (
    CommunicationSettings,
    ExponentialDelay,
    LognormalDelay,
    NormalDelay,
    UniformDelay,
)

MANY = 5000
SIGNIFICANCE = 1e-3
"""The seed is fixed: a wrong distribution falls below this by orders of magnitude."""


def medium(seed: int = 1, gate: int = 0, keep: bool = False, **said) -> MeasuredCommunication:
    settings = CommunicationSettings.model_validate(said)
    return MeasuredCommunication(settings, np.random.default_rng(seed), gate, keep)


def sent(made: MeasuredCommunication, count: int, size: int = 100) -> list[Fate]:
    """What becomes of messages from a to b, one every 1,000 s."""
    return [made.fate("a", "b", 1000.0 * k, size) for k in range(count)]


# -- delays -----------------------------------------------------------------------------------
LOGARITHMIC = {"s": math.sqrt(math.log(5)), "scale": 0.2 / math.sqrt(5)}
"""Lognormal with mean 0.2 and standard deviation 0.4: sigma² = ln(1 + (0.4/0.2)²)."""


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (UniformDelay(kind="uniform", min_s=0.1, max_s=0.4), stats.uniform(0.1, 0.3)),
        (
            NormalDelay(kind="normal", mean_s=1.0, sd_s=0.5, min_s=0.0, max_s=2.0),
            stats.truncnorm(-2.0, 2.0, 1.0, 0.5),
        ),
        (LognormalDelay(kind="lognormal", mean_s=0.2, sd_s=0.4), stats.lognorm(**LOGARITHMIC)),
        (ExponentialDelay(kind="exponential", mean_s=0.3, min_s=0.1), stats.expon(0.1, 0.3)),
        (
            ExponentialDelay(kind="exponential", mean_s=0.3, min_s=0.1, max_s=0.7),
            stats.truncexpon(2.0, 0.1, 0.3),
        ),
    ],
    ids=["uniform", "normal", "lognormal", "exponential", "exponential, cut off"],
)
def test_delays_are_distributed_as_asked(delay, expected) -> None:
    drawn = drawn_s(delay, MANY, np.random.default_rng(7))
    assert stats.kstest(drawn, expected.cdf).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_delays_are_cut_off(kind: str) -> None:
    made = medium(delay_s={"kind": kind, "mean_s": 1.0, "sd_s": 2.0, "max_s": 1.5})
    drawn = np.array([fate.delay_s for fate in sent(made, MANY)])
    assert drawn.min() >= 0
    assert 1.4 < drawn.max() <= 1.5


def test_a_number_is_the_delay_of_every_message() -> None:
    assert {fate.delay_s for fate in sent(medium(delay_s=0.25), 50)} == {0.25}


# -- losses -----------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", [0.1, 0.5])
def test_messages_are_lost_as_often_as_asked_and_independently(loss: float) -> None:
    lost = np.array([fate.lost_to == "loss" for fate in sent(medium(loss=loss), MANY)])
    assert stats.binomtest(int(lost.sum()), MANY, loss).pvalue > SIGNIFICANCE
    both = int((lost[1:] & lost[:-1]).sum())
    assert stats.binomtest(both, MANY - 1, loss**2).pvalue > SIGNIFICANCE


def test_the_same_seed_brings_the_same_fates_and_another_seed_others() -> None:
    said = {"loss": 0.3, "delay_s": {"kind": "exponential", "mean_s": 1.0}}
    assert sent(medium(3, **said), 500) == sent(medium(3, **said), 500)
    assert sent(medium(3, **said), 500) != sent(medium(4, **said), 500)


def test_what_happens_on_one_link_changes_nothing_on_another() -> None:
    said = {
        "loss": 0.3,
        "delay_s": {"kind": "exponential", "mean_s": 1.0},
        "links": {"wan": {"senders": "a", "receivers": "c"}},
    }
    alone, beside = medium(**said), medium(**said)
    for _ in range(100):
        beside.fate("a", "c", 0.0, 10)
    assert sent(alone, 100) == sent(beside, 100)


# -- links ------------------------------------------------------------------------------------
def test_a_link_has_its_own_delay_and_loss_both_ways() -> None:
    made = medium(links={"wan": {"senders": "n", "receivers": ["dso"], "delay_s": 2.0}})
    assert made.fate("n", "dso", 0.0, 10).delay_s == 2.0
    assert made.fate("dso", "n", 0.0, 10).delay_s == 2.0
    assert made.fate("n", "n.pv", 0.0, 10).delay_s == 0.05


def test_the_first_link_that_fits_is_taken_and_patterns_name_many() -> None:
    made = medium(
        links={
            "cable": {"senders": "n.pv", "receivers": "n", "both_ways": False, "delay_s": 1.0},
            "radio": {"senders": "n.*", "receivers": ["n", "n.*"], "delay_s": 3.0},
        }
    )
    assert made.fate("n.pv", "n", 0.0, 10).delay_s == 1.0
    assert made.fate("n", "n.pv", 0.0, 10).delay_s == 3.0
    assert made.fate("n.pv", "n.wind", 0.0, 10).delay_s == 3.0
    assert made.fate("m.pv", "m", 0.0, 10).delay_s == 0.05


# -- bandwidth --------------------------------------------------------------------------------
def test_a_message_takes_its_size_over_the_bandwidth() -> None:
    made = medium(delay_s=0.5, bandwidth_kbit_per_s=8.0)  # 1,000 bytes a second
    assert made.fate("a", "b", 0.0, 3000).delay_s == pytest.approx(3.5)


def test_messages_on_a_link_wait_for_those_before_them() -> None:
    made = medium(delay_s=0.0, bandwidth_kbit_per_s=8.0)
    assert [made.fate("a", "b", 0.0, 1000).delay_s for _ in range(3)] == pytest.approx([1, 2, 3])
    assert made.fate("b", "a", 0.0, 1000).delay_s == pytest.approx(1)
    assert made.fate("a", "b", 2.5, 1000).delay_s == pytest.approx(1.5)
    assert made.fate("a", "b", 9.0, 1000).delay_s == pytest.approx(1)


def test_all_pairs_wait_for_each_other_on_a_shared_link() -> None:
    link = {"senders": "*", "receivers": "*", "bandwidth_kbit_per_s": 8.0, "shared": True}
    made = medium(delay_s=0.0, links={"radio": link})
    pairs = [("a", "b"), ("c", "d"), ("b", "a")]
    assert [made.fate(*pair, 0.0, 1000).delay_s for pair in pairs] == pytest.approx([1, 2, 3])


def test_a_lost_message_held_the_link_all_the_same() -> None:
    made = medium(delay_s=0.0, bandwidth_kbit_per_s=8.0, loss=0.99)
    fates = [made.fate("a", "b", 0.0, 1000) for _ in range(5)]
    assert "loss" in {fate.lost_to for fate in fates}
    assert fates[-1].delay_s == pytest.approx(5)


# -- outages ----------------------------------------------------------------------------------
def test_nothing_is_sent_or_arrives_while_an_agent_is_down() -> None:
    made = medium(delay_s=1.0, outages=[{"agent": "a", "from_s": 10, "to_s": 20}])
    assert made.fate("a", "b", 9.5, 1).lost_to == ""
    assert made.fate("b", "a", 9.5, 1).lost_to == "receiver is down"
    assert made.fate("a", "b", 10.0, 1).lost_to == "sender is down"
    assert made.fate("b", "a", 19.5, 1).lost_to == ""
    assert made.fate("a", "b", 20.0, 1).lost_to == ""
    assert made.fate("b", "c", 15.0, 1).lost_to == ""


def test_what_is_on_a_link_when_it_goes_down_is_lost() -> None:
    said = {"links": {"wan": {"senders": "a", "receivers": "b", "delay_s": 2.0}}}
    made = medium(**said, outages=[{"link": "wan", "from_s": 10, "to_s": 20}])
    assert made.fate("a", "b", 7.5, 1).lost_to == ""
    assert made.fate("a", "b", 8.5, 1).lost_to == "link is down"
    assert made.fate("b", "a", 15.0, 1).lost_to == "link is down"
    assert made.fate("a", "b", 20.0, 1).lost_to == ""
    assert made.fate("a", "c", 15.0, 1).lost_to == ""


def test_an_outage_without_an_end_lasts_and_happens_at_its_gates_only() -> None:
    outages = [{"agent": "a", "from_s": 5, "gates": [1]}]
    assert medium(outages=outages, gate=1).fate("a", "b", 1e9, 1).lost_to == "sender is down"
    assert medium(outages=outages, gate=0).fate("a", "b", 1e9, 1).lost_to == ""


# -- in mango's world ---------------------------------------------------------------------------
def test_every_message_is_counted_and_kept_with_its_fate() -> None:
    made = medium(keep=True, delay_s=1.0, outages=[{"agent": "b"}])
    here = Negotiation("n", 0)
    package = MessagePackage("a", "b", 3.0, (AskStart(here), {}))
    (result,) = made.calculate_communication(3.0, [package]).package_results
    assert not result.reached
    size = size_bytes(AskStart(here))
    assert (made.traffic[here].messages, made.traffic[here].payload_bytes) == (1, size)
    assert made.rows == [
        {
            "sim_time_s": 3.0,
            "sender": "a",
            "receiver": "b",
            "kind": "AskStart",
            "bytes": size,
            "delivered": False,
            "delay_s": 1.0,
            "lost_to": "receiver is down",
        }
    ]
