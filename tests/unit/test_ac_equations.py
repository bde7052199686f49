"""The AC equations for casadi against the power flow of the same network."""

from __future__ import annotations

import numpy as np
import pytest

from quartier.grid.network import Network
from quartier.grid.power_flow import BatchPowerFlow
from quartier.redispatch.elements import Elements
from quartier.scenario.settings import RedispatchSettings
from tests.unit.grid_cases import village

pytest.importorskip("casadi", reason="the extra `ac` brings Ipopt")
ac_equations = pytest.importorskip("quartier.centralised.ac_equations")

MARGIN = 0.1


def test_a_solved_power_flow_fulfils_the_equations_and_the_same_limits():
    """3 MW in at the far end, 1 MW drawn; the second transformer is out of service."""
    net = village()
    net.trafo.loc[1], net.trafo.loc[1, "in_service"] = net.trafo.loc[0], False
    grid = Network(net, max_loading_percent={0: 50.0})
    p_mw, q_mvar = np.array([[0.0, 0.0, -1.0, 3.0]]), np.array([[0.0, 0.0, -0.2, 0.0]])
    flow = BatchPowerFlow.of(grid)
    state, admittance = flow.solve(p_mw, q_mvar, 0), flow.admittance(0)
    elements = Elements(grid, RedispatchSettings(margin=MARGIN))
    equations = ac_equations.Equations(admittance, elements)
    voltage = state.voltage[0, admittance.free]
    found = equations.step()(np.concatenate([voltage.real, voltage.imag]))
    given, squares, lost = (np.asarray(part).ravel() for part in found)

    power = admittance.injections(p_mw, q_mvar)[0, admittance.free]
    assert given == pytest.approx([*power.real, *power.imag], abs=1e-9)
    assert lost * admittance.base_mva == pytest.approx(state.loss_mw, abs=1e-9)
    low, high = equations.limits
    count = admittance.free.size
    assert np.sqrt(squares[:count]) == pytest.approx(state.vm_pu[0, 1:], abs=1e-9)
    assert np.sqrt(low[:count]) == pytest.approx(3 * [0.94 + MARGIN / 2 * 0.12])
    assert np.sqrt(high[:count]) == pytest.approx(3 * [1.06 - MARGIN / 2 * 0.12])
    used = np.sqrt(squares[count:] / high[count:])  # both ends of two lines, of one transformer
    assert used[:4].reshape(2, 2).max(axis=0) == pytest.approx(
        state.line_loading_percent[0] / [(1 - MARGIN) * 50, (1 - MARGIN) * 100]
    )
    assert used[4:].max() == pytest.approx(state.transformer_loading_percent[0, 0] / 90)
