"""Both engines agree on many networks, step after step; what one cannot model goes to the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pandapower.networks as shipped
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.errors import InputError
from quartier.grid import simbench
from quartier.grid.engines import PowerGridModelFlow, StepPowerFlow, step_power_flow
from quartier.grid.network import Network
from quartier.grid.recycled import RecycledPowerFlow, StepResult
from tests.unit.grids import FEED_IN_ROW, background, network
from tests.unit.test_power_flow import (
    with_bus_out_of_service,
    with_shunt_and_impedance,
    with_two_slacks,
)

AGREE = {"pu": 1e-6, "percent": 1e-4, "degree": 1e-5, "ka": 1e-6, "mw": 1e-5}
"""Agreement asked of two engines, by the unit at the end of a figure's name."""


def ieee30_without_held_voltages() -> pp.pandapowerNet:
    """Transformers off their nominal ratio, shunts, at 132 kV and below."""
    net = shipped.case_ieee30()
    net.gen = net.gen.iloc[:0]
    return net


def with_lines_open_at_one_end() -> pp.pandapowerNet:
    net = shipped.create_cigre_network_mv()
    net.trafo["shift_degree"] = [30.0, 150.0]
    net.line.loc[4, "in_service"] = False
    pp.create_switch(net, int(net.line.to_bus[5]), 5, et="l", closed=False)
    pp.create_switch(net, 1, 0, et="t", closed=False)
    return net


def with_lopsided_transformers() -> pp.pandapowerNet:
    """What a T circuit has more at one end is lost in it, and loads it."""
    net = shipped.create_cigre_network_mv()
    net.trafo["leakage_resistance_ratio_hv"] = 0.3
    net.trafo["leakage_reactance_ratio_hv"] = 0.7
    net.trafo["i0_percent"], net.trafo["pfe_kw"] = 20.0, 500.0
    return net


NETWORKS: dict[str, Callable[[], pp.pandapowerNet]] = {
    "cigre-mv": lambda: shipped.create_cigre_network_mv("all"),
    "cigre-lv": shipped.create_cigre_network_lv,
    "33-buses": shipped.case33bw,
    "oberrhein": shipped.mv_oberrhein,
    "kerber": shipped.create_kerber_dorfnetz,
    "dickert": shipped.create_dickert_lv_network,
    "branches-out": shipped.four_loads_with_branches_out,
    "ieee-30": ieee30_without_held_voltages,
    "shunt-and-impedance": with_shunt_and_impedance,
    "two-slacks": with_two_slacks,
    "bus-out-of-service": with_bus_out_of_service,
    "open-ends": with_lines_open_at_one_end,
    "lopsided": with_lopsided_transformers,
    "urban": lambda: simbench.network("1-MV-urban--0-sw"),
    "rural-lv": lambda: simbench.network("1-LV-rural2--0-sw"),
}


def injected(net: pp.pandapowerNet, grid: Network) -> tuple[np.ndarray, np.ndarray]:
    """What loads draw and generators feed in, per bus."""
    at_bus = np.zeros((2, grid.buses.size))
    for table, sign in ((net.load, -1), (net.sgen, 1)):
        for k, name in enumerate(("p_mw", "q_mvar")):
            np.add.at(at_bus[k], [grid.position(b) for b in table.bus], sign * table[name])
    return at_bus[0], at_bus[1]


def assert_agree(one: StepResult, other: StepResult) -> None:
    assert one.converged == other.converged
    for field in dataclasses.fields(StepResult):
        if field.name not in {"converged", "iterations"}:
            mine, theirs = getattr(one, field.name), getattr(other, field.name)
            allowed = AGREE[field.name.rsplit("_", 1)[-1]]
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=allowed, err_msg=field.name)


@pytest.mark.filterwarnings("ignore:tap_dependency_table is missing:DeprecationWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_engines_agree(name):
    net = NETWORKS[name]()
    grid = Network(net)
    one, other = PowerGridModelFlow(grid), RecycledPowerFlow(grid)
    p_mw, q_mvar = injected(net, grid)
    rng = np.random.default_rng(5)
    for tap_pos in {grid.tap_pos, grid.tap_min, grid.tap_max}:
        for share in (1.0, *rng.uniform(0.0, 1.2, 2)):
            one.step(share * p_mw, share * q_mvar, tap_pos)
            other.step(share * p_mw, share * q_mvar, tap_pos)
            assert_agree(one.result, other.result)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    size_mw=st.floats(0.0, 0.4),
    tap_pos=st.integers(-9, 9),
    grid=st.sampled_from([network(), network((0,), (93,)), network((10, 20), (94, 96))]),
)
def test_engines_agree_on_random_injections_taps_and_outages(seed, size_mw, tap_pos, grid):
    p_mw, q_mvar = np.random.default_rng(seed).normal(0.0, size_mw, (2, grid.buses.size))
    one, other = PowerGridModelFlow(grid), RecycledPowerFlow(grid)
    one.step(p_mw, q_mvar / 3, tap_pos)
    other.step(p_mw, q_mvar / 3, tap_pos)
    assert_agree(one.result, other.result)


@pytest.mark.parametrize("engine", ["power-grid-model", "pandapower"])
def test_a_failed_step_changes_no_other(engine):
    """Steps after one without a solution, or with no number in it, are those of a run without."""
    p_mw, q_mvar = (a[:6] for a in background(FEED_IN_ROW))
    broken = p_mw.copy()
    broken[1, network().position(11)] -= 100.0
    broken[3, 5] = np.nan
    with_failures, without = (step_power_flow(network(), engine) for _ in range(2))
    for row, tap_pos in enumerate((0, 0, 0, 2, 2, 2)):
        assert with_failures.step(broken[row], q_mvar[row], tap_pos) == (row not in {1, 3})
        without.step(p_mw[row], q_mvar[row], tap_pos)
        if row in {1, 3}:
            assert np.isnan(with_failures.result.vm_pu).all()
            assert np.isnan(with_failures.result.line_i_ka).all()
        else:
            assert_agree(with_failures.result, without.result)


@pytest.mark.parametrize("engine", ["power-grid-model", "pandapower"])
def test_steps_at_once_are_those_one_by_one(engine):
    """To the last bit, also beside a step without a solution and one with no number in it."""
    p_mw, q_mvar = (a[:9].copy() for a in background(FEED_IN_ROW))
    at_once, one_by_one = (step_power_flow(network(), engine) for _ in range(2))
    for _ in range(2):
        found = at_once.solve_steps(p_mw, q_mvar, 0)
        for row in range(9):
            one_by_one.step(p_mw[row], q_mvar[row], 0)
            for field in dataclasses.fields(StepResult):
                mine = getattr(one_by_one.result, field.name)
                np.testing.assert_array_equal(getattr(found, field.name)[row], mine, field.name)
        p_mw[4, network().position(11)] -= 100.0
        p_mw[6, 5] = np.nan
    assert found.converged.tolist() == [row not in {4, 6} for row in range(9)]


def test_near_the_collapse_pandapower_has_the_last_word():
    p_mw, q_mvar = (a[0].copy() for a in background(FEED_IN_ROW))
    p_mw[network().position(11)] -= 28.0
    one, other = PowerGridModelFlow(network()), RecycledPowerFlow(network())
    assert one.step(p_mw, q_mvar, 0) == other.step(p_mw, q_mvar, 0)
    assert_agree(one.result, other.result)


def test_what_it_cannot_model_is_refused_by_name_and_auto_takes_pandapower():
    held = shipped.case9()
    held.gen["name"] = ["north", "south"]
    pp.create_impedance(held, 4, 7, rft_pu=0.1, xft_pu=0.1, sn_mva=10.0, rtf_pu=0.2, xtf_pu=0.1)
    grid = Network(held)
    with pytest.raises(InputError) as refused:
        step_power_flow(grid, "power-grid-model")
    assert list(refused.value.problems) == [
        "engine: power-grid-model cannot model it: generator 0 north holds a voltage; "
        "take pandapower",
        "engine: power-grid-model cannot model it: generator 1 south holds a voltage; "
        "take pandapower",
        "engine: power-grid-model cannot model it: impedance 0 differs by direction; "
        "take pandapower",
    ]
    flow: StepPowerFlow = step_power_flow(grid, "auto")
    assert isinstance(flow, RecycledPowerFlow)
    assert isinstance(step_power_flow(network(), "auto"), PowerGridModelFlow)
