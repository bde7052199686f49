"""The grid simulator where no power flow is found: NaN, never an old value."""

from __future__ import annotations

import numpy as np
import pandapower as pp
import pytest

from quartier.grid.network import Network
from quartier.grid.tables import network_of
from quartier.simulators import Grid
from quartier.simulators.background import Background
from quartier.simulators.execution import Journal

STEP_S = 900


@pytest.fixture
def network() -> Network:
    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 20.0), pp.create_bus(net, 20.0)
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 5.0, 0.1, 0.1, 0.0, 0.2)
    return Network(net)


@pytest.fixture
def grid_of(network):
    def make(*p_mw: float) -> tuple[Grid, Journal]:
        rows = np.array([[0.0, p] for p in p_mw])
        grid, journal = Grid(), Journal()
        grid.init("grid", step_size=STEP_S, journal=journal)
        background = Background(network, rows, np.zeros_like(rows))
        grid.create(1, "Grid", background=background, connection_points={"nord": 1})
        grid.setup_done()
        return grid, journal

    return make


def outputs(grid: Grid, *names: str) -> list:
    data = grid.get_data({"Grid": list(names)})["Grid"]
    return [data[name] for name in names]


def test_a_step_that_does_not_converge_leaves_nan_and_the_next_one_is_solved(grid_of):
    grid, journal = grid_of(1.0, 1e5, 1.0)
    loadings = []
    for step in range(3):
        assert grid.step(step * STEP_S, {}, 0) == (step + 1) * STEP_S
        lines, buses, steps, trafos = outputs(grid, "lines", "buses", "steps", "transformers")
        loadings.append(lines["loading_percent"][0])
        assert steps["converged"] == (step != 1)
        assert np.isnan(buses["vm_pu"]).all() == (step == 1)
        assert len(trafos["index"]) == 0
    assert np.isnan(loadings[1])
    assert loadings[0] == pytest.approx(loadings[2], rel=1e-9) and loadings[0] > 0
    assert journal.steps_not_converged == 1


def test_what_is_not_converged_makes_the_run_degraded():
    journal = Journal(steps=4, steps_not_converged=1)
    assert journal.degraded() == (
        "the power flow did not converge in 1 of 4 steps; their rows are NaN",
    )


def test_power_of_all_fleets_is_added_to_the_background(grid_of):
    grid, _ = grid_of(1.0)
    power = np.array([[500.0, 7.0], [100.0, 7.0]])  # the last column belongs to no point
    grid.step(0, {"Grid": {"power": {"pv.Fleet": power, "wind.Fleet": power}}}, 0)
    buses, points = outputs(grid, "buses", "connection_points")
    np.testing.assert_allclose(buses["p_mw"], [0.0, 2.0])
    np.testing.assert_allclose(buses["q_mvar"], [0.0, 0.2])
    np.testing.assert_allclose(points["p_kw"], [1000.0])


def test_single_connection_points_can_be_fed(grid_of):
    grid, _ = grid_of(1.0)
    grid.step(0, {"nord": {"p_kw": {"a": 100.0, "b": 50.0}}}, 0)
    assert grid.get_data({"nord": ["p_kw"]})["nord"]["p_kw"] == 150.0
    np.testing.assert_allclose(outputs(grid, "buses")[0]["p_mw"], [0.0, 1.15])


def test_values_of_earlier_steps_are_not_overwritten(grid_of):
    grid, _ = grid_of(1.0, 2.0)
    grid.step(0, {}, 0)
    (before,) = outputs(grid, "lines")
    loading = before["loading_percent"].copy()
    grid.step(STEP_S, {}, 0)
    np.testing.assert_array_equal(before["loading_percent"], loading)


def test_a_second_grid_needs_its_own_simulator(grid_of, network):
    grid, _ = grid_of(1.0)
    with pytest.raises(ValueError, match="one Grid a simulator"):
        grid.create(1, "Grid", background=Background(network, np.zeros((1, 2)), np.zeros((1, 2))))


def test_a_grid_without_a_file_is_refused():
    with pytest.raises(ValueError, match="json_file"):
        Grid().create(1, "Grid")


def test_what_a_file_holds_in_vain_is_logged(tmp_path, network, caplog):
    net = network_of(network.net)
    pp.create_storage(net, int(net.bus.index[1]), 0.5, 2.0, name="big")
    pp.to_json(net, str(tmp_path / "grid.json"))
    Grid().create(1, "Grid", json_file=str(tmp_path / "grid.json"))
    (message,) = caplog.messages
    assert message.startswith("grid.json: 1 storage of 0.5 MW do nothing")
