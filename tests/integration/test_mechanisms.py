"""The centralised mechanisms, each executed on the AC grid by the same world as the agents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from quartier import Result

MECHANISMS = ("individual", "central", "bilevel")


SHORT = ("horizon.start=2016-07-25T12:00+01:00", "horizon.steps=32")
"""Eight hours with vehicles, and with line 10 overloaded in most of them."""


@pytest.fixture(scope="module")
def run_of(run_once) -> Callable[[str], Result]:
    """Return the finished run of a mechanism on a part of the default variant."""
    baseline = run_once("fliegerhorst", *SHORT, coordination="uncontrolled")
    own = f"baseline={baseline.dir}"
    return lambda mechanism: run_once("fliegerhorst", *SHORT, own, coordination=mechanism)


@pytest.fixture(scope="module", params=MECHANISMS)
def executed(request, run_of) -> Result:
    return run_of(request.param)


def test_run_is_complete(executed: Result) -> None:
    assert executed.manifest["status"] == "complete", executed.manifest.get("error")


def test_no_limit_is_violated_after_execution(executed: Result, limits_of) -> None:
    limits = limits_of(executed)
    lines, transformers = executed.table("lines"), executed.table("transformers")
    assert (lines["loading_percent"] - lines["index"].map(limits.line)).max() <= 0.1
    excess = transformers["loading_percent"] - transformers["index"].map(limits.transformer)
    assert excess.max() <= 0.1
    buses = executed.table("buses")
    assert (buses["vm_pu"] - buses["bus"].map(limits.vm_max)).max() <= 1e-4
    assert (buses["bus"].map(limits.vm_min) - buses["vm_pu"]).max() <= 1e-4


def test_caps_are_kept(executed: Result) -> None:
    assert executed.kpis["cap_violations"] == 0


def test_needs_are_met(executed: Result) -> None:
    sessions = executed.table("ev_sessions")
    np.testing.assert_allclose(sessions["delivered_kwh"], sessions["due_kwh"], atol=1e-3)
    assert executed.table("nodes")["unserved_kw"].abs().max() <= 1e-3


def test_reference_offer_is_the_same_in_all_mechanisms(run_of) -> None:
    offers = [run_of(m).table("connection_points")["offer_kw"] for m in MECHANISMS]
    for other in offers[1:]:
        np.testing.assert_allclose(other, offers[0], atol=1e-6)


def test_foresight_pays(run_of) -> None:
    """The DSO pays less the more it knows; the bound of the plan holds for the plan only."""
    cost = {m: run_of(m).kpis["redispatch_cost"] for m in MECHANISMS}
    assert cost["bilevel"] <= 0.99 * cost["individual"]


def test_solves_say_how_good_they_are(run_of) -> None:
    solves = run_of("bilevel").table("solves").set_index("problem")
    row, bound = solves.loc["bilevel"], solves.loc["bound"]
    assert bound["objective"] <= row["bound"] + 1e-6 <= row["objective"] + 2e-6
    assert row["gap"] <= 0.01
    assert row["follower_suboptimality"] <= 1e-6
    assert (row["status"] == "optimal") == (row["gap"] <= 1e-3)


def test_what_is_executed_is_what_was_planned(run_of) -> None:
    run = run_of("bilevel")
    planned = run.table("solves").set_index("problem").loc["bilevel", "objective"]
    assert run.kpis["upper_cost"] == pytest.approx(planned, rel=0.01)
