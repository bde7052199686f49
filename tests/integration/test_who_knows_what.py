"""Who knows what: the objects that agents hold, what they say, and what becomes of it.

The table in docs/models/negotiation.md says what each mechanism reveals to whom.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from quartier.agents import messages as m
from quartier.agents import mo_messages as mo
from quartier.agents import society
from quartier.agents.base import QuartierAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.agents.counters import Counters
from quartier.agents.strategies.cohda import Cohda, plans
from quartier.agents.strategies.mo_cohda import MoCohda
from quartier.coordination import COORDINATIONS
from quartier.instance import build
from quartier.problem import ConnectionTerms, NeighbourhoodProblem, Problem
from quartier.scenario.load import load
from quartier.units.base import UnitData
from quartier.units.schedule import Schedule

HERE = "fliegerhorst"
BATTERY = f"{HERE}.battery"
SHORT = ("horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8")
"""Two hours in which line 10 is overloaded unless somebody acts."""
TRANSPORT = {"agenda", "context", "scheduler"}
"""What carries messages and timers of all agents, by attribute."""
SOLVERS = ("pyomo", "highspy", "mango", "asyncio", "threading", "logging")
DOCS = Path(__file__).parents[2] / "docs" / "models" / "negotiation.md"


def children(thing: Any) -> Iterator[Any]:
    """What an object holds: attributes, items, and what a function was given to remember."""
    if isinstance(thing, dict):
        yield from (*thing.keys(), *thing.values())
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from thing
    elif isinstance(thing, FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or ())
        yield from thing.__defaults__ or ()
    elif isinstance(thing, MethodType):
        yield thing.__self__
    else:
        if hasattr(thing, "func"):  # functools.partial
            yield from (thing.func, thing.args, thing.keywords)
        own = getattr(thing, "__dict__", {})
        hidden = TRANSPORT if isinstance(thing, QuartierAgent) else ()
        yield from (value for name, value in own.items() if name not in hidden)


def known(*things: Any) -> list[Any]:
    """All objects that can be reached."""
    found: dict[int, Any] = {}
    waiting = list(things)
    while waiting:
        thing = waiting.pop()
        module = type(thing).__module__ or ""
        atom = isinstance(thing, str | bytes | int | float | np.ndarray | np.generic | type)
        if thing is None or atom or id(thing) in found or module.startswith(SOLVERS):
            continue
        found[id(thing)] = thing
        waiting += children(thing)
    return list(found.values())


def of(kind: Any, things: Iterable[Any]) -> list[Any]:
    return [thing for thing in things if isinstance(thing, kind)]


LIMITS = (UnitData, Schedule, NeighbourhoodProblem, Problem)
"""What tells a unit's parameters, limits or controls."""


class Tapped(MeasuredCommunication):
    """Keeps all that is said."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.said: list[tuple[str | None, str, Any]] = []

    def _sent(self, now_s, message):
        self.said.append((message.sender_id, message.receiver_id, message.content[0]))
        return super()._sent(now_s, message)


class Lived:
    """Agents after their work at a gate, and all that they said."""

    def __init__(self, strategy: Cohda, *overrides: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(society, "MeasuredCommunication", Tapped)
            instance = build(load("fliegerhorst:max-feed-in", [*SHORT, *overrides]), 1)
            self.problem = instance.problem(0, 0, instance.initial_state())
            self.agents = strategy.society(self.problem, np.random.default_rng(1))
        society.run_apart(self.agents.live(self.problem.lead_s))
        self.speaker = self.agents.speakers[HERE]
        self.units = self.agents.units[HERE]
        assert isinstance(self.agents.medium, Tapped)
        self.said = self.agents.medium.said


@pytest.fixture(scope="module", params=[Cohda, MoCohda], ids=["cohda", "mo-cohda"])
def lived(request) -> Lived:
    return Lived(request.param(), "negotiation.front_decisions=2", "negotiation.front_points=8")


# -- what agents hold ---------------------------------------------------------------------------
def test_an_agent_knows_its_own_units_and_no_others(lived: Lived) -> None:
    for agent in lived.units.values():
        own = {unit.name for unit in agent.units}
        found = known(agent)
        assert {unit.name for unit in of(UnitData, found)} >= own
        assert {unit.name.partition("~")[0] for unit in of(UnitData, found)} == own
        assert {name for s in of(Schedule, found) for name in s.unit_p_kw} == own
        assert not of((NeighbourhoodProblem, Problem), found)


def test_the_speaker_knows_schedules_but_no_limits(lived: Lived) -> None:
    found = known(lived.speaker)
    assert {entry.agent for entry in of(m.Entry, found)} == set(lived.units)
    assert not of(LIMITS, found)
    assert {type(model).__name__ for model in of(BaseModel, found)} <= {"NegotiationSettings"}


def test_the_dso_knows_the_sum_of_each_connection_point(lived: Lived) -> None:
    found = known(lived.agents.dso)
    assert set(lived.agents.dso.offers) == {HERE, *lived.agents.plants}
    assert not of((*LIMITS, m.Entry), found)


def test_a_plant_knows_itself(lived: Lived) -> None:
    for name, plant in lived.agents.plants.items():
        assert {unit.name for unit in of(UnitData, known(plant))} == {name}


def test_what_is_hidden_in_a_function_would_be_found(lived: Lived) -> None:
    neighbourhood = lived.problem.neighbourhoods[0]
    assert of(UnitData, known({"a": [lambda: neighbourhood.units]}))
    assert of(UnitData, known(lived.units[BATTERY]._act))


# -- what agents say --------------------------------------------------------------------------
FORMS = [v for module in (m, mo) for v in vars(module).values() if is_dataclass(v)]
PUBLIC = (*FORMS, ConnectionTerms, Counters)
"""Messages and their parts, prices and limits of the connection point."""


def parts(content: Any) -> Iterator[Any]:
    """Everything in a message, down to numbers."""
    yield content
    if isinstance(content, Counters | np.ndarray):
        return
    if is_dataclass(content):
        content = [getattr(content, field.name) for field in fields(content)]
    if hasattr(content, "values") and not isinstance(content, np.ndarray):
        content = list(content.values())
    if isinstance(content, list | tuple | frozenset):
        for part in content:
            yield from parts(part)


def test_messages_hold_schedules_prices_and_references_only(lived: Lived) -> None:
    assert len(lived.said) > 100
    for kind in {type(content) for _, _, content in lived.said}:
        example = next(content for _, _, content in lived.said if type(content) is kind)
        inside = list(parts(example))
        assert not of((*LIMITS, BaseModel, dict), inside)
        plain = (str, int, float, bool, type(None), list, tuple, np.ndarray, np.generic)
        assert not [p for p in inside if not isinstance(p, (*PUBLIC, *plain)) and not _is_part(p)]
        assert not [p for p in inside if isinstance(p, np.ndarray) and p.flags.writeable]


def _is_part(part: Any) -> bool:
    """Mappings that cannot be changed, directions and scales of fronts."""
    return type(part).__name__ in {"mappingproxy", "Direction", "Scale"}


def test_the_dso_hears_sums_only(lived: Lived) -> None:
    heard = {type(content) for _, receiver, content in lived.said if receiver == "dso"}
    assert heard <= {m.Heard, m.OfferMade, m.Accepted, m.Failed}
    told = {type(content) for sender, _, content in lived.said if sender == "dso"}
    assert told <= {m.CallForOffers, m.SetCap}


def test_mo_cohda_asks_its_agents_for_their_own_rules(lived: Lived) -> None:
    answered = {s for s, _, content in lived.said if isinstance(content, mo.OwnRule)}
    asked = {r for _, r, content in lived.said if isinstance(content, mo.AskOwnRule)}
    everybody = set(lived.units) if isinstance(lived.speaker.outcomes, list) else set()
    assert answered == asked
    assert answered in (set(), everybody)
    assert bool(answered) == hasattr(lived.speaker, "goal")


def test_mo_cohda_goes_on_without_agents_that_do_not_answer() -> None:
    """Nobody simulates them: what they would add to flexibility and emissions is not known."""
    few = ("negotiation.front_decisions=2", "negotiation.front_points=8")
    outage = f"communication.outages=[{{agent: {BATTERY}}}]"
    silent = Lived(MoCohda(), *few, outage, "negotiation.patience_s=20")
    (entry,) = (e for e in of(mo.FrontEntry, known(silent.speaker)) if e.agent == BATTERY)
    assert (entry.flexibility_kw, entry.co2_kg) == (0.0, 0.0)
    assert silent.speaker.outcomes[-1].missing == (BATTERY,)


# -- what is committed is what is done ------------------------------------------------------------
def renewable(lived: Lived) -> dict[str, tuple[Any, Any, Any]]:
    """Plan, share told last, and available power of the renewable units."""
    planned = dict(plans(lived.problem, lived.agents))
    return {
        unit.name: (planned[unit.name], agent.history[-1][2], unit.series["available_kw"])
        for agent in lived.units.values()
        for unit in agent.units
        if "available_kw" in unit.series and agent.history
    }


def test_the_share_that_is_committed_is_the_one_executed(lived: Lived) -> None:
    commits = [content for _, _, content in lived.said if isinstance(content, m.Commit)]
    assert commits[-1].curtailed_share.max() > 0
    found = renewable(lived)
    assert len(found) >= 2
    for plan, share, available_kw in found.values():
        assert share is commits[-1].curtailed_share
        np.testing.assert_allclose(plan.p_kw, (1 - share) * available_kw, rtol=1e-12)


def test_agents_are_told_another_share_if_one_of_them_did_not_commit() -> None:
    """It dies before the last commit, and keeps to what it committed to before."""
    ended_s = Lived(Cohda()).speaker.outcomes[-1].ended_s  # 50 ms to it and back after the commit
    dies = f"communication.outages=[{{agent: {BATTERY}, from_s: {ended_s - 0.12}}}]"
    lived = Lived(Cohda(), dies)
    assert lived.speaker.outcomes[-1].missing == (BATTERY,)
    assert [content for _, _, content in lived.said if isinstance(content, m.Curtail)]
    assert {s for s, _, c in lived.said if isinstance(c, m.Curtails)} == {
        name
        for name, agent in lived.units.items()
        if any("available_kw" in unit.series for unit in agent.units)
    }
    for plan, share, available_kw in renewable(lived).values():
        assert (share == lived.speaker.curtailed_share).all()
        assert (plan.p_kw <= (1 - share) * available_kw + 1e-9).all()


# -- what is written down ------------------------------------------------------------------------
def test_the_documentation_says_it_of_every_mechanism() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("## Who knows what")[2].partition("\n## ")
    rows = re.findall(r"^\| `([a-z-]+)` \|", section[0], flags=re.MULTILINE)
    assert sorted(rows) == sorted(COORDINATIONS)
