"""What a scenario may say of its medium: old keys still hold, every problem is told at once."""

from __future__ import annotations

import pytest

from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.communication import LognormalDelay
from quartier.scenario.load import load


def problems(*overrides: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        build(load("fliegerhorst", list(overrides)), 1)
    return caught.value.problems


def test_a_number_is_still_a_delay_and_a_mapping_is_a_distribution() -> None:
    assert load("fliegerhorst", ["communication.delay_s=1"]).scenario.communication.delay_s == 1
    drawn = load(
        "fliegerhorst", ["communication.delay_s={kind: lognormal, mean_s: 0.2, sd_s: 0.1}"]
    ).scenario.communication.delay_s
    assert drawn == LognormalDelay(kind="lognormal", mean_s=0.2, sd_s=0.1)


def test_wrong_values_are_all_told_with_what_was_meant() -> None:
    told = problems(
        "communication.delay_s={kind: unifrm, max_s: 1}",
        "communication.loss=1",
        "communication.bandwidth_kbit_per_s=0",
        "communication.links={wan: {senders: dso, receivers: fliegerhorst, delya_s: 3}}",
        "communication.outages=[{agent: dso, link: wan, from_s: 3, to_s: 1}]",
    )
    text = "\n".join(told)
    assert "communication.delay_s: unknown kind 'unifrm'; did you mean uniform?" in text
    assert "communication.loss: should be less than 1" in text
    assert "communication.bandwidth_kbit_per_s: should be greater than 0" in text
    assert "communication.links.wan.delya_s: unknown key; did you mean delay_s?" in text
    assert "name exactly one of 'agent' and 'link'; from_s 3 is not before to_s 1" in text


@pytest.mark.parametrize(
    ("delay", "problem"),
    [
        ("{kind: uniform, min_s: 2, max_s: 1}", "min_s 2 is not below max_s 1"),
        ("{kind: exponential, mean_s: 1, min_s: 1, max_s: 1}", "min_s 1 is not below max_s 1"),
        ("{kind: normal, mean_s: 3, sd_s: 1, max_s: 2}", "mean_s 3 lies outside"),
        ("{kind: lognormal, mean_s: 3, sd_s: 1, max_s: 2}", "mean_s 3 lies outside"),
    ],
)
def test_distributions_that_hold_nothing_are_refused(delay: str, problem: str) -> None:
    (told,) = problems(f"communication.delay_s={delay}")
    assert told.startswith(f"communication.delay_s: {problem}")


def test_agents_and_links_that_are_not_there_are_told_with_suggestions() -> None:
    told = problems(
        "communication.links={wan: {senders: fliegerhrst, receivers: dso}}",
        "communication.outages=[{agent: fliegerhorst.batery}, {link: wn},"
        " {agent: dso, gates: [7]}]",
    )
    assert len(told) == 4
    assert "links.wan: there is no agent 'fliegerhrst'; did you mean fliegerhorst" in told[0]
    assert "outages.0: there is no agent 'fliegerhorst.batery'; did you mean fl" in told[1]
    assert "outages.1: there is no link 'wn' in communication.links; did you mean wan?" in told[2]
    assert "outages.2: there is no gate 7; the last one is 0" in told[3]


def test_an_outage_with_wrong_times_still_names_what_is_not_there() -> None:
    told = problems(
        "communication.links={wan: {senders: fliegerhrst, receivers: dso}}",
        "communication.outages=[{link: wn, from_s: 5, to_s: 1}, {agent: dso, from_s: 9}]",
    )
    assert len(told) == 3
    assert "outages.0: from_s 5 is not before to_s 1" in told[0]
    assert "links.wan: there is no agent 'fliegerhrst'" in told[1]
    assert "outages.0: there is no link 'wn'" in told[2]


def test_parts_that_are_wrong_themselves_are_not_called_missing() -> None:
    told = problems(
        "communication.links={wan: {senders: dso, receiver: fliegerhorst, receivers: []}}",
        "communication.outages=[{link: wan, from_s: 5}, {agent: fliegerhorst.battery}]",
        "neighbourhoods.fliegerhorst.units.battery={kind: battery}",
    )
    assert "there is no" not in "\n".join(told)


def test_links_that_never_come_into_play_are_told() -> None:
    told = problems(
        "communication.links={all: {senders: '*', receivers: '*'},"
        " wan: {senders: dso, receivers: fliegerhorst},"
        " far: {senders: fliegerhorst.pv, receivers: dso}}",
    )
    assert told == (
        "communication.links.wan: earlier links take all of its pairs of agents; put it before "
        "them (changed by --set communication.links)",
        "communication.links.far: none of its senders ever talks to one of its receivers; remove "
        "it (changed by --set communication.links)",
    )


def test_outages_of_the_same_agent_must_not_overlap() -> None:
    one = "{agent: dso, from_s: 5, to_s: 20, gates: [0]}"
    (told,) = problems(f"communication.outages=[{one}, {{agent: dso, from_s: 10}}]")
    assert told.startswith("communication.outages.1: overlaps with outage 0 of the same; join them")
    build(load("fliegerhorst", [f"communication.outages=[{one}, {{agent: dso, from_s: 20}}]"]), 1)


def test_a_neighbourhood_cannot_have_the_name_of_the_dso() -> None:
    told = problems(
        "neighbourhoods.dso={bus: 15, units: {pv: {kind: pv, power_kw: 10, profile: PV3}}}"
    )
    assert any("neighbourhoods.dso: is the name of the DSO's agent" in line for line in told)
