"""Both power flows against plain pandapower, and conservation of power."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandapower as pp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from scipy import sparse

from quartier.grid import admittance
from quartier.grid.compiled import COMPILED, pandapower
from quartier.grid.factors import Factors
from quartier.grid.network import Network
from quartier.grid.power_flow import BatchPowerFlow, RecycledPowerFlow
from quartier.grid.recycled import RECYCLE, grid_json, run
from tests.unit.grids import BINDING, FEED_IN_ROW, background, feeding, network, plants

LOADING, VOLTAGE, POWER = 1e-5, 1e-8, 1e-6
"""Agreement asked of two power flows: percent, pu, MW."""


def offered(steps: int = 130) -> tuple[np.ndarray, np.ndarray]:
    """Injections with everything offered."""
    p_mw, q_mvar = (a[:steps].copy() for a in background(FEED_IN_ROW))
    for offer in [feeding(), *plants(FEED_IN_ROW)]:
        p_mw[:, network().position(offer.bus)] += offer.p_kw[:steps] / 1000
    return p_mw, q_mvar


def plain(grid: Network, p_mw: np.ndarray, q_mvar: np.ndarray, tap_pos: int) -> pp.pandapowerNet:
    """One step by plain pandapower, nothing of ours in it."""
    solved = grid.with_tap(tap_pos)
    pp.create_sgens(solved, grid.buses, p_mw=p_mw, q_mvar=q_mvar)
    pp.runpp(solved)
    return solved


def assert_same(state, row: int, solved: pp.pandapowerNet) -> None:
    """The batch agrees with pandapower; pandapower gives NaN where we give 0: not supplied."""
    close = np.testing.assert_allclose
    close(state.vm_pu[row], solved.res_bus.vm_pu, rtol=0, atol=VOLTAGE)
    lines = np.nan_to_num(solved.res_line.loading_percent)
    close(state.line_loading_percent[row], lines, rtol=0, atol=LOADING)
    trafos = solved.res_trafo.loading_percent
    close(state.transformer_loading_percent[row], trafos, rtol=0, atol=LOADING)
    close(state.slack_p_mw[row], solved.res_ext_grid.p_mw.sum(), rtol=0, atol=POWER)
    lost = np.nansum(solved.res_line.pl_mw) + np.nansum(solved.res_trafo.pl_mw)
    close(state.loss_mw[row], lost, rtol=0, atol=POWER)


def test_published_overload_of_the_uncontrolled_case():
    """M2: line 10 above 100 % in 111 of 130 steps, up to 126.1 %; lines 0-2 in 23-28 steps."""
    state = BatchPowerFlow.of(network()).solve(*offered(), 0)
    over = (state.line_loading_percent > 100).sum(axis=0)
    assert over[[BINDING, 0, 1, 2]].tolist() == [111, 28, 24, 23]
    assert state.line_loading_percent[:, BINDING].max() == pytest.approx(126.1437, abs=1e-3)
    assert state.converged.all()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    size_mw=st.floats(0.0, 0.4),
    tap_pos=st.integers(-9, 9),
    grid=st.sampled_from(
        [network(), network((0,), (93,)), network((0,)), network((10, 20), (94, 96))]
    ),
)
def test_random_injections_taps_and_outages_agree_with_pandapower(seed, size_mw, tap_pos, grid):
    rng = np.random.default_rng(seed)
    p_mw, q_mvar = rng.normal(0.0, size_mw, (2, 1, grid.buses.size))
    state = BatchPowerFlow.of(grid).solve(p_mw, q_mvar / 3, tap_pos)
    assert_same(state, 0, plain(grid, p_mw[0], q_mvar[0] / 3, tap_pos))


def with_shunt_and_impedance() -> pp.pandapowerNet:
    own = pp.networks.create_cigre_network_mv()
    pp.create_shunt(own, 7, -0.5)
    # Lossless, since pandapower does not count its losses with the lines'.
    pp.create_impedance(own, 5, 9, 0.0, 0.05, 10.0)
    return own


def with_two_slacks() -> pp.pandapowerNet:
    own = pp.networks.create_cigre_network_mv()
    pp.create_ext_grid(own, 14, vm_pu=1.02)
    own.trafo["shift_degree"] = 0.0
    return own


def with_bus_out_of_service() -> pp.pandapowerNet:
    own = pp.networks.create_cigre_network_mv()
    own.switch["closed"] = True
    own.bus.loc[5, "in_service"] = False
    return own


@pytest.mark.parametrize(
    "make",
    [
        pp.networks.create_cigre_network_mv,
        pp.networks.create_kerber_landnetz_freileitung_1,
        with_shunt_and_impedance,
        with_two_slacks,
        with_bus_out_of_service,
        pp.networks.case9,  # generators hold voltages: Newton-Raphson
    ],
)
def test_other_networks_agree_with_pandapower(make):
    own = make()
    grid = Network(own)
    rng = np.random.default_rng(3)
    at_bus = np.zeros((2, grid.buses.size))
    for k in (0, 1):
        places = [grid.position(bus) for bus in own.load.bus]
        np.add.at(at_bus[k], places, -own.load[("p_mw", "q_mvar")[k]].to_numpy())
    p_mw, q_mvar = at_bus[:, None, :] * rng.uniform(-0.2, 1.2, (2, 3, 1))
    state = BatchPowerFlow(grid).solve(p_mw, q_mvar, grid.tap_pos)
    for row in range(3):
        assert_same(state, row, plain(grid, p_mw[row], q_mvar[row], grid.tap_pos))


def test_large_networks_are_factorised_and_agree(monkeypatch):
    p_mw, q_mvar = offered(5)
    dense = BatchPowerFlow.of(network()).solve(p_mw, q_mvar, 2)
    monkeypatch.setattr(admittance, "DENSE_BUSES", 10)
    flow = BatchPowerFlow(network())
    factorised = flow.solve(p_mw, q_mvar, 2)
    np.testing.assert_allclose(factorised.vm_pu, dense.vm_pu, rtol=0, atol=1e-10)
    ours = flow.sensitivities(factorised, p_mw, q_mvar, [15, 49])
    theirs = BatchPowerFlow.of(network()).sensitivities(dense, p_mw, q_mvar, [15, 49])
    np.testing.assert_allclose(ours.vm_pu_per_mw, theirs.vm_pu_per_mw, rtol=0, atol=1e-8)


def test_factors_solve_any_matrix_for_one_side_and_many():
    rng = np.random.default_rng(8)
    matrix = rng.normal(size=(30, 30)) * (rng.uniform(size=(30, 30)) < 0.15)
    matrix = matrix + np.roll(np.eye(30), 7, axis=0) * (2 + 1j)  # rows have to be exchanged
    right = rng.normal(size=(30, 4)) + 1j * rng.normal(size=(30, 4))
    found = Factors(sparse.csr_array(matrix))
    np.testing.assert_allclose(found.solve(right), np.linalg.solve(matrix, right), atol=1e-9)
    np.testing.assert_allclose(matrix @ found.solve(right[:, 0]), right[:, 0], atol=1e-9)
    assert found.solve(right[:, :0]).shape == (30, 0)


def test_power_is_conserved():
    p_mw, q_mvar = offered()
    state = BatchPowerFlow.of(network()).solve(p_mw, q_mvar, 3)
    np.testing.assert_allclose(state.slack_p_mw + p_mw.sum(axis=1), state.loss_mw, atol=1e-9)
    assert (state.loss_mw > 0).all()


def test_a_start_from_a_near_state_changes_nothing():
    p_mw, q_mvar = offered(10)
    flow = BatchPowerFlow.of(network())
    cold = flow.solve(p_mw, q_mvar, 0)
    warm = flow.solve(p_mw, q_mvar, 0, start=flow.solve(1.02 * p_mw, q_mvar, 0))
    np.testing.assert_allclose(
        warm.line_loading_percent, cold.line_loading_percent, rtol=0, atol=1e-7
    )


def test_steps_can_be_taken_and_put_back():
    p_mw, q_mvar = offered(6)
    flow = BatchPowerFlow.of(network())
    state, chosen = flow.solve(p_mw, q_mvar, 0), np.array([1, 4])
    part = flow.solve(0.5 * p_mw[chosen], q_mvar[chosen], 0)
    merged = state.put(chosen, part)
    assert np.array_equal(merged.take(chosen).vm_pu, part.vm_pu)
    assert np.array_equal(merged.vm_pu[[0, 2, 3, 5]], state.vm_pu[[0, 2, 3, 5]])
    assert not np.array_equal(state.vm_pu[1], part.vm_pu[0])


def test_a_step_beyond_the_fixed_point_is_left_to_newton():
    """Close to the voltage collapse the iteration fails, Newton-Raphson may not."""
    p_mw, q_mvar = (a[:3].copy() for a in background(FEED_IN_ROW))
    p_mw[1, network().position(11)] -= 28.0
    p_mw[2, network().position(11)] -= 100.0
    state = BatchPowerFlow.of(network()).solve(p_mw, q_mvar, 0)
    assert state.converged.tolist() == [True, True, False]
    assert_same(state, 1, plain(network(), p_mw[1], q_mvar[1], 0))
    for values in (state.vm_pu, state.line_loading_percent, state.slack_p_mw, state.loss_mw):
        assert np.isnan(values[2]).all()
        assert np.isfinite(values[:2]).all()


def test_no_number_gives_no_number():
    p_mw, q_mvar = offered(2)
    p_mw[1, 5] = np.nan
    state = BatchPowerFlow.of(network()).solve(p_mw, q_mvar, 0)
    assert state.converged.tolist() == [True, False]
    assert np.isnan(state.vm_pu[1]).all()


# -- step by step -------------------------------------------------------------------------------
def test_recycled_steps_agree_with_the_batch_through_tap_changes():
    p_mw, q_mvar = offered(12)
    taps = [0, 0, 3, 3, 3, -2, 0, 0, 9, 9, 9, 0]
    recycled, batch = RecycledPowerFlow(network()), BatchPowerFlow.of(network())
    for row, tap_pos in enumerate(taps):
        assert recycled.step(p_mw[row], q_mvar[row], tap_pos)
        state, result = batch.solve(p_mw[[row]], q_mvar[[row]], tap_pos), recycled.result
        close = np.testing.assert_allclose
        close(result.vm_pu, state.vm_pu[0], rtol=0, atol=VOLTAGE)
        close(result.line_loading_percent, state.line_loading_percent[0], rtol=0, atol=LOADING)
        close(result.slack_p_mw, state.slack_p_mw[0], atol=POWER)
        lost = result.line_loss_mw.sum() + result.transformer_loss_mw.sum()
        close(lost, state.loss_mw[0], atol=POWER)


def test_results_are_copies_and_never_stale():
    p_mw, q_mvar = offered(3)
    flow = RecycledPowerFlow(network())
    assert flow.step(p_mw[0], q_mvar[0], 0)
    first, kept = flow.result, flow.result.line_loading_percent.copy()
    assert first.iterations >= 1
    impossible = p_mw[1].copy()
    impossible[network().position(11)] -= 100.0
    assert not flow.step(impossible, q_mvar[1], 0)
    assert not flow.result.converged
    assert flow.result.iterations == 0
    assert np.isnan(flow.result.vm_pu).all()
    assert np.isnan(flow.result.transformer_p_hv_mw).all()
    assert flow.result.line_i_ka.shape == network().lines.shape
    # It recovers, and what was handed out before stays as it was.
    assert flow.step(p_mw[2], q_mvar[2], 0)
    solved = plain(network(), p_mw[2], q_mvar[2], 0)
    np.testing.assert_allclose(flow.result.vm_pu, solved.res_bus.vm_pu, rtol=0, atol=VOLTAGE)
    assert np.array_equal(first.line_loading_percent, kept)


def test_recycled_steps_are_the_same_to_the_bit_without_results_of_switches(monkeypatch):
    p_mw, q_mvar = offered(6)
    one, other = RecycledPowerFlow(network()), RecycledPowerFlow(network())
    monkeypatch.setattr(other, "_recycled", lambda: run(other.net, RECYCLE))
    for row in range(6):
        for flow in (one, other):
            assert flow.step(p_mw[row], q_mvar[row], 2)
        for name, value in vars(other.result).items():
            np.testing.assert_array_equal(getattr(one.result, name), value, strict=True)
    assert one.net.switch.equals(other.net.switch)


def test_anyone_can_replay_from_the_grid_file(tmp_path):
    """Plain pandapower, the file, bus injections and a tap position give the same loadings."""
    p_mw, q_mvar = offered(40)
    grid, path = network((0,), (93,)), tmp_path / "grid.json"
    path.write_text(grid_json(grid), encoding="utf-8")
    flow = RecycledPowerFlow(grid)
    loadings = []
    for row in range(40):
        assert flow.step(p_mw[row], q_mvar[row], 2)
        loadings.append(flow.result.line_loading_percent)
    replayed = pp.from_json(str(path))
    assert "sgen per bus" in replayed["replay"]
    replayed.trafo["tap_pos"] = 2.0
    for row in (0, 17, 39):
        replayed.sgen.loc[network().buses, "p_mw"] = p_mw[row]
        replayed.sgen.loc[network().buses, "q_mvar"] = q_mvar[row]
        pp.runpp(replayed)
        found = np.nan_to_num(replayed.res_line.loading_percent)
        np.testing.assert_allclose(np.nan_to_num(loadings[row]), found, rtol=0, atol=1e-4)


def test_generators_that_hold_a_voltage_are_supported_step_by_step():
    grid = Network(pp.networks.case9())
    flow = RecycledPowerFlow(grid)
    load = np.zeros((2, grid.buses.size))
    load[:, [4, 6, 8]] = [[-90, -100, -125], [-30, -35, -50]]
    load[0, [1, 2]] = [163, 85]  # what the generators feed in is an injection, too
    assert flow.step(load[0], load[1], 0)
    assert flow.result.slack_p_mw == pytest.approx(71.95, abs=0.01)  # WSCC 9 bus: 71.95 MW


def test_what_numba_compiles_of_pandapower_is_kept_on_disk():
    assert pandapower() is pp
    for name in COMPILED:
        compiled = [f for f in vars(import_module(name)).values() if isinstance(f, Dispatcher)]
        assert compiled
        assert all(not isinstance(function._cache, NullCache) for function in compiled)
