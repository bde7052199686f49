"""Whether all agents are settled on the same: nobody can tell another one anything new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartier.agents.counters import Counters
from quartier.agents.messages import Negotiation, Settled, snapshot
from quartier.agents.unanimity import Unanimity

NAMES = ("a", "b", "c")
OMEGA: Counters = snapshot({"a": 3, "b": 1, "c": 0})
HERE = Settled(Negotiation("here", 0), "speaker", -5.0, "b", -1, 4)


def said(name: str) -> Settled:
    return replace(HERE, agent=name, own=OMEGA[name])


@pytest.fixture
def unanimity() -> Unanimity:
    """All agree."""
    found = Unanimity()
    for name in NAMES:
        found.heard(name, said(name))
    return found


def test_all_that_said_the_same_are_unanimous(unanimity: Unanimity) -> None:
    assert unanimity.holds(NAMES, set(), HERE, OMEGA)
    assert not Unanimity().holds(NAMES, set(), HERE, OMEGA)


@pytest.mark.parametrize(
    "otherwise", [{"value": -4.0}, {"author": "a"}, {"known": 3}, {"own": 2}, {"own": 0}]
)
def test_one_that_says_otherwise_is_waited_for(
    unanimity: Unanimity, otherwise: dict[str, object]
) -> None:
    unanimity.heard("b", replace(said("b"), **otherwise))
    for _ in range(2):  # also when it is known who dissents
        assert not unanimity.holds(NAMES, set(), HERE, OMEGA)
    assert unanimity.holds(NAMES, {"b"}, HERE, OMEGA)  # nobody counts on it any more
    unanimity.heard("b", said("b"))
    assert unanimity.holds(NAMES, set(), HERE, OMEGA)


def test_the_next_one_that_dissents_is_found(unanimity: Unanimity) -> None:
    for name in ("a", "c"):
        unanimity.heard(name, replace(said(name), known=9))
    assert not unanimity.holds(NAMES, set(), HERE, OMEGA)
    unanimity.heard("a", said("a"))
    assert not unanimity.holds(NAMES, set(), HERE, OMEGA)
    unanimity.heard("c", said("c"))
    assert unanimity.holds(NAMES, set(), HERE, OMEGA)


def test_nobody_is_asked_when_another_one_is_known_here(unanimity: Unanimity) -> None:
    assert not unanimity.holds(NAMES, set(), replace(HERE, value=-6.0), OMEGA)
    assert unanimity.holds(NAMES, set(), HERE, OMEGA)
