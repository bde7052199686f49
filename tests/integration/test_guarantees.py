"""What every variant of `fliegerhorst` promises under `cohda`, read from its tables.

Whole runs on the AC grid: nothing here looks at what a planner believed.
"""

from __future__ import annotations

import numpy as np
import pandapower as pp
import pytest

from quartier import Result

VARIANTS = ("max-feed-in", "max-load", "three-neighbourhoods")


@pytest.fixture(scope="module", params=VARIANTS)
def agreed(request, run_of) -> Result:
    """A finished `cohda` run of each variant."""
    return run_of(request.param, "cohda")


def test_run_is_complete(agreed: Result) -> None:
    assert agreed.manifest["status"] == "complete", agreed.manifest.get("error")
    assert agreed.table("steps")["converged"].all()


def test_no_line_or_transformer_is_overloaded(agreed: Result, limits_of) -> None:
    limits = limits_of(agreed)
    lines, transformers = agreed.table("lines"), agreed.table("transformers")
    assert (lines["loading_percent"] - lines["index"].map(limits.line)).max() <= 0.5
    excess = transformers["loading_percent"] - transformers["index"].map(limits.transformer)
    assert excess.max() <= 0.5


def test_no_bus_leaves_its_band(agreed: Result, limits_of) -> None:
    limits, buses = limits_of(agreed), agreed.table("buses")
    assert (buses["vm_pu"] - buses["bus"].map(limits.vm_max)).max() <= 0.001
    assert (buses["bus"].map(limits.vm_min) - buses["vm_pu"]).max() <= 0.001


def test_every_cap_is_kept(agreed: Result) -> None:
    points = agreed.table("connection_points")
    above = (points["p_kw"] - points["p_set_max_kw"]).fillna(-np.inf)
    below = (points["p_set_min_kw"] - points["p_kw"]).fillna(-np.inf)
    assert max(above.max(), below.max()) <= 0.1


def test_every_vehicle_gets_its_energy(agreed: Result) -> None:
    sessions = agreed.table("ev_sessions")
    assert len(sessions) > 0
    np.testing.assert_allclose(sessions["delivered_kwh"], sessions["due_kwh"], atol=1e-3)


def test_heat_is_served(agreed: Result) -> None:
    assert agreed.table("nodes")["unserved_kw"].abs().max() <= 1e-3


def test_stores_end_where_they_began(agreed: Result) -> None:
    units = agreed.table("units")
    stores = units[units["kind"].isin(["battery", "thermal_storage"])]
    last = stores[stores["time"] == stores["time"].max()].set_index("unit")["energy_kwh"]
    start = agreed.manifest["start_energy_kwh"]
    assert len(last) > 0
    for unit, energy_kwh in last.items():
        assert energy_kwh >= start[unit] - 1e-3, unit


def test_one_tap_position_for_the_horizon(agreed: Result) -> None:
    taps = agreed.table("transformers")["tap_pos"]
    assert taps.nunique() == 1


def test_all_agents_agree_in_every_negotiation(agreed: Result) -> None:
    negotiations = agreed.table("negotiations")
    assert negotiations["agreed"].all()
    assert (negotiations["agents"] >= 5).all()


def test_little_renewable_energy_is_curtailed(agreed: Result) -> None:
    units = agreed.table("units")
    renewable = units[units["available_kw"].notna()]
    lost = (renewable["available_kw"] - renewable["p_kw"]).clip(lower=0).sum()
    assert lost <= 0.08 * renewable["available_kw"].sum()


def test_replay_without_quartier_gives_the_recorded_loadings(agreed: Result) -> None:
    """Plain pandapower on grid.json with the recorded bus injections and tap positions."""
    net = pp.from_json(str(agreed.dir / "grid.json"))
    net.sgen.drop(net.sgen.index, inplace=True)
    buses, lines = agreed.table("buses"), agreed.table("lines")
    taps = agreed.table("transformers")
    slack = set(net.ext_grid.bus)
    for bus in sorted(set(buses["bus"]) - slack):
        pp.create_sgen(net, bus, p_mw=0.0, q_mvar=0.0)
    times = sorted(buses["time"].unique())
    for time in times[:: max(1, len(times) // 10)]:
        now = buses[buses["time"] == time].set_index("bus")
        net.sgen["p_mw"] = now.loc[net.sgen.bus, "p_mw"].to_numpy()
        net.sgen["q_mvar"] = now.loc[net.sgen.bus, "q_mvar"].to_numpy()
        tap = taps[taps["time"] == time].set_index("index")["tap_pos"]
        net.trafo["tap_pos"] = tap.loc[net.trafo.index].to_numpy()
        pp.runpp(net, tolerance_mva=1e-9)
        recorded = lines[lines["time"] == time].set_index("index")["loading_percent"]
        np.testing.assert_allclose(
            net.res_line.loading_percent, recorded.loc[net.line.index], atol=1e-4
        )
