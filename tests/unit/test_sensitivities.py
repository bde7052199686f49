"""Sensitivities against finite differences of plain pandapower."""

from __future__ import annotations

import numpy as np
import pandapower as pp
import pytest

from quartier.grid.network import Network
from quartier.grid.power_flow import BatchPowerFlow
from tests.unit.grids import BINDING, BUS, FEED_IN_ROW, background, network
from tests.unit.test_power_flow import offered

BUSES = [BUS, 14, 2, 49, 60, 0]
PROBE_MW = 1e-3


def differences(grid: Network, p_mw, q_mvar, bus: int, tap_pos: int):
    """Central differences: voltages, lines, transformers per MW at a bus."""
    ends = []
    for sign in (1, -1):
        net = grid.with_tap(tap_pos)
        moved = p_mw.copy()
        moved[grid.position(bus)] += sign * PROBE_MW
        pp.create_sgens(net, grid.buses, p_mw=moved, q_mvar=q_mvar)
        pp.runpp(net, tolerance_mva=1e-10)
        ends.append(
            (net.res_bus.vm_pu, net.res_line.loading_percent, net.res_trafo.loading_percent)
        )
    return [(up - down).to_numpy() / (2 * PROBE_MW) for up, down in zip(*ends, strict=True)]


@pytest.mark.parametrize(
    ("row", "tap_pos", "outage"), [(20, 0, False), (80, 3, False), (50, -4, True)]
)
def test_they_equal_finite_differences_of_pandapower(row, tap_pos, outage):
    grid = network((0,), (93,)) if outage else network()
    p_mw, q_mvar = (a[[row]] for a in offered())
    flow = BatchPowerFlow.of(grid)
    state = flow.solve(p_mw, q_mvar, tap_pos)
    found = flow.sensitivities(state, p_mw, q_mvar, BUSES)
    loaded = state.line_loading_percent[0] > 1.0  # at no current a loading has a kink
    for k, bus in enumerate(BUSES):
        vm_pu, lines, trafos = differences(grid, p_mw[0], q_mvar[0], bus, tap_pos)
        np.testing.assert_allclose(found.vm_pu_per_mw[0, k], vm_pu, rtol=0, atol=1e-6)
        ours = found.line_percent_per_mw[0, k]
        np.testing.assert_allclose(ours[loaded], lines[loaded], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.transformer_percent_per_mw[0, k], trafos, atol=1e-5)


def test_published_sensitivities_of_line_10():
    """M4: two wind parks act on line 10 by about 15 %/MW, one a little more than the other."""
    p_mw, q_mvar = offered()
    flow = BatchPowerFlow.of(network())
    state = flow.solve(p_mw, q_mvar, 3)
    found = flow.sensitivities(state, p_mw, q_mvar, [14, 15, 49]).line_percent_per_mw[:, :, BINDING]
    assert np.all((found[:, :2] > 14.5) & (found[:, :2] < 16.5))
    assert np.all(found[:, 0] > found[:, 1])
    assert np.all(np.abs(found[:, 2]) < 0.2)


def test_out_of_service_is_zero_and_not_supplied_is_nan():
    grid = network((0,))
    p_mw, q_mvar = (a[:2] for a in offered())
    flow = BatchPowerFlow.of(grid)
    state = flow.solve(p_mw, q_mvar, 0)
    found = flow.sensitivities(state, p_mw, q_mvar, [BUS, 49])
    assert (found.line_percent_per_mw[:, :, 0] == 0).all()
    assert (found.line_percent_per_mw[:, 0] == 0).all()  # its bus is cut off: it acts on nothing
    assert np.isnan(found.vm_pu_per_mw[:, :, grid.position(BUS)]).all()


def test_generators_that_hold_a_voltage_let_nothing_act_on_it():
    grid = Network(pp.networks.case9())
    p_mw, q_mvar = np.zeros((2, 1, 9))
    p_mw[:, [1, 2, 4, 6, 8]] = [163, 85, -90, -100, -125]
    flow = BatchPowerFlow(grid)
    state = flow.solve(p_mw, q_mvar, 0)
    found = flow.sensitivities(state, p_mw, q_mvar, [4, 6])
    assert found.vm_pu_per_mw.shape == (1, 2, 9)
    vm_pu, lines, _ = differences(grid, p_mw[0], q_mvar[0], 4, 0)
    np.testing.assert_allclose(found.vm_pu_per_mw[0, 0], vm_pu, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.line_percent_per_mw[0, 0], lines, rtol=0, atol=1e-5)
    assert np.abs(found.vm_pu_per_mw[..., :3]).max() < 1e-15  # rounding


def test_a_step_without_a_solution_does_not_end_the_iterations_of_the_others():
    """It once left them at their first iteration."""
    step = slice(30, 33)
    p_mw, q_mvar = (values[step].copy() for values in background(FEED_IN_ROW))
    flow = BatchPowerFlow.of(network())
    alone = flow.sensitivities(flow.solve(p_mw, q_mvar, 0), p_mw, q_mvar, [BUS])
    p_mw[1] *= 1e4
    found = flow.solve(p_mw, q_mvar, 0)
    assert found.converged.tolist() == [True, False, True]
    beside = flow.sensitivities(found, p_mw, q_mvar, [BUS])
    for name in ("vm_pu_per_mw", "line_percent_per_mw", "transformer_percent_per_mw"):
        one, other = getattr(alone, name), getattr(beside, name)
        assert np.isnan(other[1]).all()
        assert np.allclose(one[[0, 2]], other[[0, 2]], rtol=1e-6, equal_nan=True)
