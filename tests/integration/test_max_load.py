"""`fliegerhorst:max-load`: undervoltage by consumption, and how preventive caps remove it."""

from __future__ import annotations


def test_uncontrolled_falls_below_the_band(run_of, limits_of) -> None:
    result = run_of("max-load", "uncontrolled")
    buses = result.table("buses")
    low = buses[buses["vm_pu"] < buses["bus"].map(limits_of(result).vm_min)]
    assert low["time"].nunique() >= 10
    assert 0.93 < low["vm_pu"].min() < 0.945


def test_agents_stay_within_the_band(run_of, limits_of) -> None:
    result = run_of("max-load", "cohda")
    buses = result.table("buses")
    assert (buses["vm_pu"] >= buses["bus"].map(limits_of(result).vm_min) - 1e-4).all()


def test_consumption_is_shifted_not_lost(run_of) -> None:
    before, after = (run_of("max-load", name) for name in ("uncontrolled", "cohda"))
    totals = [run.table("ev_sessions")["delivered_kwh"].sum() for run in (before, after)]
    assert abs(totals[0] - totals[1]) < 1e-3
    assert after.table("nodes")["unserved_kw"].abs().max() <= 1e-3
