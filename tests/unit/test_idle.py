"""Settings that a problem has no use for are noted, never dropped in silence."""

from __future__ import annotations

import pytest

from quartier.instance import build
from quartier.scenario.load import load

NOBODY_CAPS = "stands for nothing: nobody caps in problem:"


def noted(scenario: str, **settings: object) -> dict[str, str]:
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    notes = build(load(scenario, overrides)).notes
    return {note.where: note.what for note in notes if "stands for nothing" in note.what}


@pytest.mark.parametrize("scenario", ["aachen", "germany", "mep", "bundles"])
def test_nothing_of_a_shipped_scenario_is_idle(scenario):
    assert noted(scenario) == {}


@pytest.mark.parametrize("scenario", ["aachen:summer", "mep", "bundles"])
def test_settings_of_redispatch_are_idle_where_nobody_caps(scenario):
    found = noted(scenario, redispatch__margin=0.1, gates__rounds=2, record__fronts=True)
    assert list(found) == ["redispatch", "gates.rounds", "record.fronts"]
    assert all(what.startswith(NOBODY_CAPS) for what in found.values())


def test_they_are_not_where_a_pool_is_capped():
    assert noted("aachen:on-grid", redispatch__margin=0.1, gates__rounds=2) == {}


def test_what_the_user_states_as_it_is_by_default_is_no_note():
    assert noted("mep", redispatch__margin=0.0, communication__loss=0.0) == {}


def test_settings_of_agents_are_idle_where_there_are_none():
    assert list(noted("mep", communication__loss=0.1)) == ["communication"]
    assert noted("aachen:summer", communication__loss=0.1) == {}
