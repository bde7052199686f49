"""`rural:winter`: heat pumps and vehicles in low voltage, and how caps there keep its limits."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def runs(run_once):
    before = run_once("rural:winter", coordination="uncontrolled")
    return before, run_once("rural:winter", f"baseline={before.dir}", coordination="cohda")


def test_own_rules_pass_limits_of_low_voltage(runs) -> None:
    before, _ = runs
    assert before.kpis["overloads"] > 0
    assert before.kpis["voltage_violations"] > 0
    assert before.table("buses")["vm_pu"].min() < 0.9


def test_agents_keep_them_in_ac(runs, limits_of) -> None:
    _, after = runs
    assert after.manifest["status"] == "complete"
    assert after.kpis["overloads"] == after.kpis["voltage_violations"] == 0
    buses = after.table("buses")
    assert (buses["vm_pu"] >= buses["bus"].map(limits_of(after).vm_min) - 1e-4).all()


def test_nobody_is_left_in_the_cold_or_at_the_charging_point(runs) -> None:
    totals = [run.table("ev_sessions")["delivered_kwh"].sum() for run in runs]
    assert totals[0] == pytest.approx(totals[1], abs=1e-3)
    for run in runs:
        assert run.table("nodes")["unserved_kw"].abs().max() <= 1e-3
